# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# SUSE's family (SLES, openSUSE) after the move.
fix_all
for f in /etc/sysconfig/network/ifcfg-* /etc/sysconfig/network/ifroute-* /etc/sysconfig/network/routes; do
	case $f in */ifcfg-lo | */ifcfg-template | *.migsave) continue ;; esac
	remove "$f" "the addresses are on venet0, set from outside"
done
change /etc/sysconfig/boot "services start one after the other" 's/^RUN_PARALLEL=.*/RUN_PARALLEL="no"/'
for s in boot.loadmodules boot.clock boot.udev boot.rootfsck boot.klog boot.localfs boot.swap boot.crypto earlyxdm; do
	for f in /etc/init.d/boot.d/S[0-9][0-9]"$s"; do
		[ -h "$f" ] || continue
		rm -f "$f" && echo "MASK$tab$s${tab}works on hardware or the kernel"
	done
done
