# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# Slackware after the move: its start scripts are made executable or not.
fix_all
for f in rc.modules rc.acpid rc.udev rc.ntpd rc.wireless rc.inet1 rc.pcmcia rc.bluetooth rc.networkmanager; do
	[ -x "/etc/rc.d/$f" ] || continue
	chmod a-x "/etc/rc.d/$f" && echo "MASK$tab$f${tab}works on hardware, the kernel or the network"
done
remove /etc/rc.d/rc.inet1.conf "the addresses are on venet0, set from outside"
