# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# The host name (HOSTNM): old releases read it from /etc/sysconfig/network.
[ -n "${HOSTNM:-}" ] || exit 0
if [ -f /etc/sysconfig/network ] && grep -q '^HOSTNAME=' /etc/sysconfig/network; then
	change /etc/sysconfig/network "the host name" "s/^HOSTNAME=.*/HOSTNAME=\"$HOSTNM\"/"
fi
echo "$HOSTNM" | put /etc/hostname "the host name"
hosts_put "$HOSTNM" "$(first_address)"
