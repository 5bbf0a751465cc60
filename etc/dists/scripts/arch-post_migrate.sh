# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# Arch Linux after the move.
fix_all
for f in /etc/netctl/* /etc/iwd/*; do
	[ -f "$f" ] || continue
	case $f in *.migsave) continue ;; esac
	remove "$f" "the addresses are on venet0, set from outside"
done
for f in /etc/systemd/system/multi-user.target.wants/netctl@*.service \
	/etc/systemd/system/multi-user.target.wants/dhcpcd@*.service; do
	remove "$f" "the network is set from outside"
done
