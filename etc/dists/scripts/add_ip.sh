# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# Addresses are put on venet0 from outside; here only names follow (IP_ADDR, HOSTNM).
hosts_put "${HOSTNM:-$(cat /etc/hostname 2>/dev/null)}" "$(first_address)"
