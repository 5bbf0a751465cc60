#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The scripts of the distribution files, run by busybox's shell in trees as such distributions have them: what must be
# changed is, what it was is kept, a second run changes nothing, and other files stay as they are.
# timeout: 120
. "$(dirname "$0")/../lib.sh"

lab_start --image mini b

tree() { # NAME: a new one of busybox in /srv/NAME
	on b sh -ec 'mkdir -p "/srv/$1" && tar -C "/srv/$1" --zstd -xf /templates/mini.tar.zst && cd "/srv/$1"
		[ -e dev/null ] || mknod -m 666 dev/null c 1 3
		mkdir -p etc/pam.d etc/udev/rules.d etc/selinux etc/network
		printf "/dev/sda1 / ext3 defaults 1 1\nproc /proc proc defaults 0 0\nnas:/x /mnt nfs defaults 0 0\n# mine\n" >etc/fstab
		echo "SUBSYSTEM==net" >etc/udev/rules.d/70-persistent-net.rules
		printf "kernel.sysrq = 0\nnet.ipv4.ip_forward = 1\n" >etc/sysctl.conf
		echo "127.0.0.1 localhost old" >etc/hosts
		printf "id:3:initdefault:\n1:2345:respawn:/sbin/mingetty tty1\nx:5:respawn:/opt/keeper\n" >etc/inittab
		echo untouched >etc/profile' sh "$1"
}

# As the program runs them: the prelude and the script in one, on a shell's stdin.
script() { # TREE SCRIPT
	on b sh -c '{ echo "{"; cat /etc/vz/conf/dists/scripts/functions "/etc/vz/conf/dists/scripts/$2"; echo "exit 0"; echo "} </dev/null"; } |
		HOSTNM=new.example IP_ADDR="192.0.2.7 2001:db8::7" NAMESERVER=9.9.9.9 SEARCHDOMAIN=a.b \
			unshare -m chroot "/srv/$1" /bin/sh -s' sh "$1" "$2"
}

common() { # TREE: what all have
	on b sh -ec 'cd "/srv/$1/etc"
		grep -q "^#mig# /dev/sda1" fstab && grep -q "^proc /proc" fstab && grep -q "^#mig# nas:" fstab && grep -q "^# mine" fstab
		grep -q "^/dev/sda1" fstab.migsave
		test ! -e udev/rules.d/70-persistent-net.rules && test -e udev/rules.d/70-persistent-net.rules.migsave
		grep -q "^#mig# kernel.sysrq" sysctl.conf && grep -q "^net.ipv4.ip_forward" sysctl.conf
		grep -q "^#mig# 1:2345" inittab && grep -q "^x:5:respawn:/opt/keeper" inittab && grep -q "^id:3" inittab
		test "$(cat profile)" = untouched && test ! -e profile.migsave
		test "$(readlink mtab)" = /proc/mounts' sh "$1"
}

moved() { # TREE FAMILY
	expect_exit 0 script "$1" "$2-post_migrate.sh"
	expect_out '^EDIT.*/etc/fstab'
	common "$1"
	expect_exit 0 script "$1" "$2-post_migrate.sh"
	expect_no_out '^(EDIT|MASK)'
	for s in set_dns.sh add_ip.sh; do expect_exit 0 script "$1" $s; done
	on b grep -q '^nameserver 9.9.9.9' "/srv/$1/etc/resolv.conf"
}

tree alpine
on b sh -ec 'cd /srv/alpine/etc && mkdir -p runlevels/boot runlevels/default init.d && touch init.d/hwclock init.d/sshd
	ln -s /etc/init.d/hwclock runlevels/boot/hwclock && ln -s /etc/init.d/sshd runlevels/default/sshd
	printf "auto eth0\niface eth0 inet dhcp\n" >network/interfaces && echo "rc_sys=\"\"" >rc.conf'
moved alpine alpine
on b sh -ec 'cd /srv/alpine/etc && ! test -h runlevels/boot/hwclock && test -h runlevels/default/sshd
	! grep -q eth0 network/interfaces && grep -q "rc_sys=\"openvz\"" rc.conf'
expect_exit 0 script alpine set_hostname.sh
on b sh -ec 'cd /srv/alpine/etc && test "$(cat hostname)" = new.example && grep -q "^192.0.2.7 new.example new" hosts && grep -q "^127.0.0.1 localhost" hosts'

tree rhel
on b sh -ec 'cd /srv/rhel/etc && mkdir -p sysconfig/network-scripts rc.d/rc3.d init.d && touch init.d/network init.d/kudzu init.d/httpd
	chmod 755 init.d/*; ln -s ../../init.d/kudzu rc.d/rc3.d/S05kudzu && ln -s ../../init.d/httpd rc.d/rc3.d/S85httpd
	for i in lo eth0 eth0:1 bond0; do echo "DEVICE=$i" >"sysconfig/network-scripts/ifcfg-$i"; done
	printf "NETWORKING=yes\nHOSTNAME=old\nGATEWAY=192.0.2.1\n" >sysconfig/network
	echo "SELINUX=enforcing" >selinux/config
	echo "session required pam_selinux.so close" >pam.d/login'
moved rhel redhat
on b sh -ec 'cd /srv/rhel/etc && test "$(ls sysconfig/network-scripts | grep -v migsave | tr "\n" " ")" = "ifcfg-lo ifcfg-venet0 "
	test -e sysconfig/network-scripts/ifcfg-eth0.migsave
	test ! -h rc.d/rc3.d/S05kudzu && test -h rc.d/rc3.d/S85httpd
	grep -q "^SELINUX=disabled" selinux/config && grep -q "session optional pam_selinux" pam.d/login && grep -q "^#mig# GATEWAY" sysconfig/network'
expect_exit 0 script rhel redhat-set_hostname.sh
on b grep -q '^HOSTNAME="new.example"' /srv/rhel/etc/sysconfig/network

tree sles
on b sh -ec 'cd /srv/sles/etc && mkdir -p sysconfig/network init.d/boot.d init.d/rc3.d && touch init.d/boot.udev init.d/sshd
	ln -s ../boot.udev init.d/boot.d/S02boot.udev && ln -s ../sshd init.d/rc3.d/S09sshd
	echo x >sysconfig/network/ifcfg-eth0 && echo x >sysconfig/network/ifcfg-lo && echo RUN_PARALLEL="yes" >sysconfig/boot'
moved sles suse
on b sh -ec 'cd /srv/sles/etc && test ! -h init.d/boot.d/S02boot.udev && test -h init.d/rc3.d/S09sshd
	test -e sysconfig/network/ifcfg-lo && test ! -e sysconfig/network/ifcfg-eth0 && grep -q "RUN_PARALLEL=\"no\"" sysconfig/boot'

for family in arch gentoo slackware; do
	tree $family
	moved $family $family
done
tree unknown
expect_exit 0 script unknown unknown-post_migrate.sh
expect_out '^NOTE'
on b test ! -e /srv/unknown/etc/fstab.migsave

# what fails is told: the file system is full
on b sh -ec 'mkdir /srv/full && mount -t tmpfs -o size=8m full /srv/full'
tree full
on b sh -c 'head -c 16M /dev/zero >/srv/full/filler' 2>/dev/null || :
expect_exit 1 script full debian-post_migrate.sh
expect_out 'cannot (save|write)'
