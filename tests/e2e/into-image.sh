#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A shut-off virtual machine becomes a Container from its disk: a qcow2 with a backing file, an MBR, ext4 on a partition
# and xfs on LVM, joined by the guest's fstab. LONG=1: also a GPT with btrfs, named by UUID, label, mapper and the guest's own device
# name, as raw, vmdk, vdi and a qcow2 with a snapshot. Slow where libguestfs has no KVM.
# timeout: 1800
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
	printf "iface eth0 inet static\naddress 10.77.30.1/16\ndns-nameservers 9.9.9.9\n" >root/etc/network/interfaces
	ln -sf ../run/systemd/resolve/stub-resolv.conf root/etc/resolv.conf # as with systemd-resolved: leads nowhere
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
	grep -q "^NAMESERVER=\"9.9.9.9\"" /etc/vz/conf/106.conf
	grep -q "^HOSTNAME=\"guest\"" /etc/vz/conf/106.conf
	grep -q "^DISTRIBUTION=\"debian-12\"" /etc/vz/conf/106.conf'
on b pctl start 106
expect_eq "$(on b pctl exec 106 cat /home/joe/file)" precious 'a file, read inside'
[ -n "${LONG:-}" ] || exit 0

# The same system on other disks: what is found must be the same files.
on b "${GUESTFS[@]}" bash -euc '
	cd /srv
	mkdir -p root/opt opt srv && echo opt >opt/file && echo srv >srv/file
	printf "%s\n" "UUID=6f1a0001-0000-4000-8000-000000000001 / ext4 defaults 0 1" "LABEL=data /srv btrfs defaults 0 2" \
		"/dev/mapper/vg-home /home xfs defaults 0 2" "/dev/vda3 /opt ext4 defaults 0 2" >root/etc/fstab
	for d in root opt srv; do tar -C $d -cf $d.tar .; done
	truncate -s 1100M gpt.raw
	guestfish --format=raw -a gpt.raw <<-END
		run
		part-init /dev/sda gpt
		part-add /dev/sda p 2048 206847
		part-add /dev/sda p 206848 1107967
		part-add /dev/sda p 1107968 1189887
		part-add /dev/sda p 1189888 2088960
		mkfs ext4 /dev/sda1
		set-uuid /dev/sda1 6f1a0001-0000-4000-8000-000000000001
		mkfs ext4 /dev/sda3
		mkfs btrfs /dev/sda4
		set-label /dev/sda4 data
		pvcreate /dev/sda2
		vgcreate vg /dev/sda2
		lvcreate home vg 400
		mkfs xfs /dev/vg/home
		mount /dev/sda1 /
		tar-in root.tar / xattrs:true
		mount /dev/sda3 /opt
		tar-in opt.tar /opt
		mount /dev/sda4 /srv
		tar-in srv.tar /srv
		mount /dev/vg/home /home
		tar-in home.tar /home xattrs:true
		umount-all
	END
	qemu-img convert -O vmdk gpt.raw gpt.vmdk
	qemu-img convert -O vdi gpt.raw gpt.vdi
	qemu-img convert -O qcow2 gpt.raw gpt.qcow2
	qemu-img snapshot -c before gpt.qcow2'
for disk in gpt.raw gpt.vmdk gpt.vdi gpt.qcow2; do
	expect_exit 0 on b "${GUESTFS[@]}" pmigrate v "/srv/$disk" c 109 -v
	expect_out '/dev/sda1 on /, /dev/vg/home on /home, /dev/sda3 on /opt, /dev/sda4 on /srv'
	expect_eq "$(on b sh -c 'cd /vz/private/109 && cat home/joe/file opt/file srv/file')" "$(printf 'precious\nopt\nsrv')" "$disk: its files"
	on b pctl destroy 109
done
