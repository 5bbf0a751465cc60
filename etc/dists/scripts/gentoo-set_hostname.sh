# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# The host name (HOSTNM).
[ -n "${HOSTNM:-}" ] || exit 0
echo "hostname=\"$HOSTNM\"" | put /etc/conf.d/hostname "the host name"
[ ! -f /etc/hostname ] || echo "$HOSTNM" | put /etc/hostname "the host name"
hosts_put "$HOSTNM" "$(first_address)"
