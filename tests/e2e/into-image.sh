#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A shut-off virtual machine becomes a Container from its disk: a qcow2 with a backing file, an MBR, ext4 on a partition
# and xfs on LVM, joined by the guest's fstab. Slow where libguestfs has no KVM.
# timeout: 900
. "$(dirname "$0")/../lib.sh"

[ -z "${SHORT:-}" ] || skip 'SHORT is set: libguestfs takes minutes without KVM'
guestfs=$("$TESTS/lab/vmhost") || fail 'there is no layer with libguestfs'
# A processor that only seems to have KVM must not be tried.
GUESTFS=(env LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg)

lab_start --over "$guestfs" --image mini b
on b "${GUESTFS[@]}" bash -euc '
	cd /srv
	mkdir -p root home/joe
	tar --zstd -xf /templates/mini.tar.zst -C root
	mkdir -p root/etc/network root/var/lib/dpkg root/boot
	printf "ID=debian\nVERSION_ID=12\nNAME=Debian\n" >root/etc/os-release
	echo 12.5 >root/etc/debian_version
	echo guest >root/etc/hostname
	printf "iface eth0 inet static\naddress 10.77.30.1/16\n" >root/etc/network/interfaces
	echo "nameserver 9.9.9.9" >root/etc/resolv.conf
	printf "/dev/sda1 / ext4 defaults 0 1\n/dev/vg/home /home xfs defaults 0 2\n/swapfile none swap sw 0 0\n" >root/etc/fstab
	truncate -s 2M root/swapfile
	echo kernel >root/boot/vmlinuz
	tar -C root -cf root.tar .
	echo precious >home/joe/file
	chown 1000:1000 home/joe/file
	setfattr -n user.mark -v yes home/joe/file
	tar -C home --xattrs -cf home.tar .
	truncate -s 900M disk.raw
	guestfish --format=raw -a disk.raw <<-END
		run
		part-init /dev/sda mbr
		part-add /dev/sda p 2048 409599
		part-add /dev/sda p 409600 -1
		mkfs ext4 /dev/sda1
		pvcreate /dev/sda2
		vgcreate vg /dev/sda2
		lvcreate home vg 400
		mkfs xfs /dev/vg/home
		mount /dev/sda1 /
		tar-in root.tar / xattrs:true
		mount /dev/vg/home /home
		tar-in home.tar /home xattrs:true
		umount-all
	END
	qemu-img convert -O qcow2 disk.raw base.qcow2
	qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "my disk.qcow2"
	sha256sum base.qcow2 "my disk.qcow2" >sums'

expect_exit 0 on b "${GUESTFS[@]}" pmigrate v '/srv/my disk.qcow2' c 106 -v
expect_out '/dev/vg/home on /home'
on b sh -ec 'cd /srv && sha256sum --quiet -c sums
	cd /vz/private/106
	test ! -e swapfile && test ! -e boot/vmlinuz
	grep -q "^#mig# /dev/vg/home" etc/fstab && grep -q "^/dev/vg/home" etc/fstab.migsave
	test "$(cat home/joe/file)" = precious && test "$(stat -c %u:%g home/joe/file)" = 1000:1000
	getfattr -n user.mark home/joe/file >/dev/null
	grep -q "^IP_ADDRESS=\"10.77.30.1\"" /etc/vz/conf/106.conf
	grep -q "^HOSTNAME=\"guest\"" /etc/vz/conf/106.conf
	grep -q "^DISTRIBUTION=\"debian-12\"" /etc/vz/conf/106.conf'
on b pctl start 106
expect_eq "$(on b pctl exec 106 cat /home/joe/file)" precious 'a file, read inside'
