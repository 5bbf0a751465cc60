#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Disks that cannot become a Container are refused, each by its rule, with what to do; nothing is left behind and no disk is
# changed. A disk in use and a Windows are known at once; the rest asks libguestfs, slow without KVM: all of them with LONG=1.
# timeout: 1200
. "$(dirname "$0")/../lib.sh"

[ -z "${SHORT:-}" ] || skip 'SHORT is set: libguestfs takes minutes without KVM'
vmhost=$("$TESTS/lab/vmhost") || fail 'there is no layer with libguestfs'
GUESTFS=(env LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg)

lab_start --over "$vmhost" --image mini b
put b /srv/exe.py <<'END'
import struct, sys
h = bytearray(1024)
h[0:2] = b"MZ"
struct.pack_into("<I", h, 60, 128)
h[128:132] = b"PE\0\0"
struct.pack_into("<HHIIIHH", h, 132, 0x8664, 1, 0, 0, 0, 240, 0x22)
struct.pack_into("<H", h, 152, 0x20b)
struct.pack_into("<H", h, 220, 3)
open(sys.argv[1], "wb").write(h)
END
on b bash -euc '
	cd /srv
	system() { # DIR NAME: a Linux as libguestfs knows one
		mkdir -p "$1"
		tar --zstd -xf /templates/mini.tar.zst -C "$1"
		mkdir -p "$1/var/lib/dpkg"
		printf "ID=debian\nVERSION_ID=12\nNAME=Debian\n" >"$1/etc/os-release"
		echo 12.5 >"$1/etc/debian_version"
		echo "$2" >"$1/etc/hostname"
		echo "/dev/vda / ext4 defaults 0 1" >"$1/etc/fstab"
	}
	system root one
	mkfs.ext4 -q -d root one.raw 40M
	# not unmounted: its journal has to be played back
	cp one.raw mounted.raw
	mkdir mnt
	mount -o loop mounted.raw mnt
	echo more >mnt/more
	sync
	cp mounted.raw dirty.raw
	umount mnt
	# encrypted: /dev/sda2 is all that there is
	truncate -s 30M luks.part
	echo secret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 luks.part -
	truncate -s 60M luks.raw
	printf "2048,20480\n24576,\n" | sfdisk -q luks.raw
	mkfs.ext4 -q boot.part 10M
	dd if=boot.part of=luks.raw bs=1M seek=1 conv=notrunc status=none
	dd if=luks.part of=luks.raw bs=1M seek=12 conv=notrunc status=none
	# Windows: an NTFS on a partition, with its boot code and its directories
	truncate -s 40M ntfs.part
	mkntfs -Q -F -q ntfs.part >ntfs.log 2>&1
	ntfs-3g ntfs.part mnt
	mkdir -p mnt/Windows/System32/config
	# a program of 64-bit Windows, as far as its header goes
	python3 /srv/exe.py mnt/Windows/System32/cmd.exe
	umount mnt
	printf "BOOTMGR is missing" | dd of=ntfs.part bs=1 seek=400 conv=notrunc status=none
	truncate -s 45M windows.raw
	printf "2048,,7,*\n" | sfdisk -q windows.raw
	dd if=ntfs.part of=windows.raw bs=1M seek=1 conv=notrunc status=none
	qemu-img convert -O qcow2 windows.raw windows.qcow2
	# nothing that starts
	mkfs.ext4 -q data.raw 20M
	# two systems
	system root2 two
	truncate -s 90M two.raw
	printf "label: gpt\nsize=40M\nsize=40M\n" | sfdisk -q two.raw
	dd if=one.raw of=two.raw bs=1M seek=1 conv=notrunc status=none
	mkfs.ext4 -q -d root2 second.raw 40M
	dd if=second.raw of=two.raw bs=1M seek=41 conv=notrunc status=none
	# a home that is nowhere
	echo "/dev/mapper/crypt-home /home ext4 defaults 0 2" >>root/etc/fstab
	mkfs.ext4 -q -d root homeless.raw 40M
	# a disk that cannot be mounted: xfs with a log to play back
	truncate -s 320M xfs.raw
	mkfs.xfs -q xfs.raw
	mount -o loop xfs.raw mnt
	cp -a root2/. mnt/
	sed -i s/ext4/xfs/ mnt/etc/fstab
	sync
	cp xfs.raw xfsdirty.raw
	umount mnt
	qemu-img convert -O qcow2 one.raw used.qcow2
	sha256sum *.raw *.qcow2 >sums'

refused() { # CODE DISK PATTERN HINT
	expect_exit "$1" on b "${GUESTFS[@]}" pmigrate v "/srv/$2" c 106
	expect_out "$3"
	expect_out "$4"
	on b sh -ec 'test ! -e /vz/private/106 && test ! -e /etc/vz/conf/106.conf && test ! -e /var/lib/pmigrate/into/106'
}

# A machine runs on it: qemu holds the lock of its image.
on b sh -c 'qemu-system-x86_64 -S -accel tcg -m 32 -nodefaults -display none -drive file=/srv/used.qcow2,if=virtio,format=qcow2 \
	-pidfile /run/used.pid >/dev/null 2>&1 </dev/null &'
wait_for 20 on b test -s /run/used.pid
refused 3 used.qcow2 'used.qcow2 is in use' 'shut it down'
on b sh -c 'kill "$(cat /run/used.pid)"'

refused 57 windows.raw 'windows.raw runs Windows Server 2008 .*cannot become a Container' '2008 host of the same word size'
refused 57 luks.raw 'luks.raw: /dev/sda2 is encrypted' 'as a running server'
refused 57 dirty.raw 'file system on /dev/sda was not unmounted' 'shut it down cleanly'
if [ -n "${LONG:-}" ]; then
	refused 57 windows.qcow2 'windows.qcow2 holds Windows' 'kernel of its host'
	refused 10 data.raw 'holds no system' 'root file system is wanted'
	refused 57 two.raw 'holds 2 systems' 'the one that is meant'
	refused 57 homeless.raw '/dev/mapper/crypt-home, which its fstab mounts on /home' 'on another disk'
	refused 57 xfsdirty.raw 'file system on /dev/sda was not unmounted' 'shut it down cleanly'
	expect_exit 10 on b pmigrate v /srv/nothing.raw c 106
	expect_out 'cannot read /srv/nothing.raw'
fi
on b sh -ec 'cd /srv && rm -f /srv/nothing.raw && sha256sum --quiet -c sums'
