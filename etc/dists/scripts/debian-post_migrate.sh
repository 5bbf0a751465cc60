# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# Debian and Ubuntu after the move.
fix_all
if [ -f /etc/network/interfaces ]; then
	put /etc/network/interfaces "only lo: the addresses are on venet0, set from outside" <<-END
		auto lo
		iface lo inet loopback
	END
fi
for f in /etc/network/interfaces.d/*; do
	case $f in *.migsave) continue ;; esac
	remove "$f" "the addresses are on venet0, set from outside"
done
# The package that would bring a kernel and a boot loader back.
if [ -d /etc/kernel ] && [ ! -e /etc/kernel-img.conf ]; then
	printf 'do_symlinks = no\ndo_bootloader = no\n' | put /etc/kernel-img.conf "no boot loader"
fi
for s in raspi-config cloud-init cloud-init-local cloud-config cloud-final; do
	off "$s" "made for the old server's first boot"
done
