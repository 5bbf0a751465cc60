# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# The host name (HOSTNM), for distributions that keep it in /etc/hostname.
[ -n "${HOSTNM:-}" ] || exit 0
echo "$HOSTNM" | put /etc/hostname "the host name"
[ ! -f /etc/HOSTNAME ] || echo "$HOSTNM" | put /etc/HOSTNAME "the host name"
hosts_put "$HOSTNM" "$(first_address)"
