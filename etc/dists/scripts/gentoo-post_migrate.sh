# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# Gentoo after the move.
fix_all
if [ -f /etc/rc.conf ]; then
	{
		grep -v '^rc_sys=' /etc/rc.conf
		echo 'rc_sys="openvz"'
	} | put /etc/rc.conf "OpenRC knows that it is in a Container"
fi
remove /etc/conf.d/net "the addresses are on venet0, set from outside"
for f in /etc/runlevels/*/net.*; do
	case $f in */net.lo) continue ;; esac
	[ -h "$f" ] && rm -f "$f" && echo "MASK$tab${f##*/}${tab}the network is set from outside"
done
if [ -e /etc/init.d/net.lo ] && [ -d /etc/runlevels/default ] && [ ! -e /etc/runlevels/default/net.lo ]; then
	ln -s /etc/init.d/net.lo /etc/runlevels/default/net.lo
fi
