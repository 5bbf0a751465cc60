# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# Alpine after the move: OpenRC and ifupdown, busybox's init.
fix_all
if [ -f /etc/network/interfaces ]; then
	# Not "loopback": lo has its address already, busybox's ifup would fail, and the service networking with it.
	put /etc/network/interfaces "only lo: the addresses are on venet0, set from outside" <<-END
		auto lo
		iface lo inet manual
	END
fi
# OpenRC leaves the machine's own things out when it knows where it is.
if [ -f /etc/rc.conf ]; then
	{
		grep -v '^rc_sys=' /etc/rc.conf
		echo 'rc_sys="openvz"'
	} | put /etc/rc.conf "OpenRC knows that it is in a Container"
fi
