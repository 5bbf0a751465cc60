# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# Name servers and search domains (NAMESERVER, SEARCHDOMAIN).
resolv_put
