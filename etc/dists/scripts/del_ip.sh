# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# As add_ip.sh: the address that is left, or none, is the Container's name's (IP_ADDR: those that stay).
hosts_put "${HOSTNM:-$(cat /etc/hostname 2>/dev/null)}" "$(first_address)"
