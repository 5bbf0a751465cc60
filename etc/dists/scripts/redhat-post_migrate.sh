# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# Red Hat's family (RHEL, CentOS, Fedora, Rocky, Alma, Oracle) after the move.
fix_all
dir=/etc/sysconfig/network-scripts
for f in "$dir"/ifcfg-*; do
	case $f in */ifcfg-lo | */ifcfg-venet0* | *.migsave) continue ;; esac
	remove "$f" "the addresses are on venet0, set from outside"
done
if [ -d "$dir" ] && [ -x /etc/init.d/network ]; then
	# The old network script finds the device up already and leaves it alone.
	put "$dir/ifcfg-venet0" "venet0 is set from outside" <<-END
		DEVICE=venet0
		ONBOOT=no
		NM_CONTROLLED=no
	END
fi
change /etc/sysconfig/network "no gateway of the old server" '/^\(GATEWAY\|GATEWAYDEV\|IPV6_DEFAULTGW\)=/s/^/#mig# /'
off harddrake "works on hardware or the kernel"
for f in /etc/init/rcS-emergency.conf /etc/init/prefdm.conf /etc/init/splash-manager.conf; do
	remove "$f" "no screen"
done
if [ -f /etc/ssh/sshd_config ] && [ -f /etc/inittab ]; then
	change /etc/ssh/sshd_config "no X11" 's/^[ \t]*X11Forwarding[ \t][ \t]*yes/X11Forwarding no/'
fi
