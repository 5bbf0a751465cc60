# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# A user and a password (USERPW=user:password).
user_password
