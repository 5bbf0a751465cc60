#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A virtual machine of another server becomes a Container, called by the name libvirt has for it: while it runs, over its own ssh,
# found by the address that libvirt knows; then shut off, from its two disks (GPT and none, joined by fstab), read where they are.
# Slow where libguestfs has no KVM.
# timeout: 1500
. "$(dirname "$0")/../lib.sh"
. "$TESTS/vms.sh"

vms_start a b
# A small Debian: busybox and a real ssh and rsync; on /dev/vda1, with /home on /dev/vdb.
on a bash -euc '
	mkdir -p /srv/os/{run,home,var/lib/dpkg,var/empty,usr/lib/openssh,etc/ssh,etc/acpi/PWRF,etc/network,root/.ssh,usr/lib/x86_64-linux-gnu,lib64}
	cd /srv/os
	tar --zstd -xf /templates/mini.tar.zst
	for p in /usr/sbin/sshd /usr/lib/openssh/sshd-session /usr/lib/openssh/sshd-auth /usr/bin/rsync; do
		[ -e $p ] || continue
		cp $p .$p
		for l in $(ldd $p | grep -o "/[^ ]*"); do [ -e .$l ] || { mkdir -p .${l%/*}; cp -L $l .$l; }; done
	done
	printf "ID=debian\nVERSION_ID=13\nNAME=Debian\n" >etc/os-release
	echo 13.0 >etc/debian_version
	echo guest >etc/hostname
	echo "sshd:x:100:65534::/run/sshd:/bin/false" >>etc/passwd
	printf "iface eth0 inet static\naddress 10.77.40.2/24\n" >etc/network/interfaces
	printf "UUID=6f1a0002-0000-4000-8000-000000000002 / ext4 defaults 0 1\nLABEL=home /home ext4 defaults 0 2\n" >etc/fstab
	printf "HostKey /etc/ssh/host_key\nPermitRootLogin yes\nUsePAM no\nUseDNS no\n" >etc/ssh/sshd_config
	ssh-keygen -q -t ed25519 -N "" -f etc/ssh/host_key
	cp /root/.ssh/authorized_keys root/.ssh/
	chmod 700 root/.ssh
	chmod 755 var/empty
	printf "#!/bin/sh\ntouch /home/shut-down\numount /home\nmount -o remount,ro /\npoweroff -f\n" >etc/acpi/PWRF/00000080
	chmod 755 etc/acpi/PWRF/00000080
	cp /srv/guest/root/*.ko .
	for m in failover net_failover virtio_net; do
		find /lib/modules -name "$m.ko*" | while read -r f; do case $f in *.xz) xz -dc $f ;; *) cat $f ;; esac >$m.ko; done
	done
	cat >sbin/init <<-"END"
		#!/bin/sh
		mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
		mkdir -p /dev/pts; mount -t devpts pts /dev/pts; mount -t tmpfs run /run; mount -t tmpfs tmp /tmp; mkdir -p /run/sshd
		insmod /button.ko; insmod /evdev.ko; insmod /failover.ko; insmod /net_failover.ko; insmod /virtio_net.ko
		hostname guest
		mount -t ext4 /dev/vdb /home
		ip link set lo up; ip link set eth0 up; ip addr add 10.77.40.2/24 dev eth0; ip route add default via 10.77.40.1
		acpid -d -f >/dev/null 2>&1 &
		/usr/sbin/sshd
		echo UP >/dev/ttyS0
		while :; do sleep 1000; done
	END
	chown -R 0:0 .
	mkdir -p /srv/boot/{bin,dev,proc,new}
	cp bin/busybox /srv/boot/bin/
	cp virtio_blk.ko /srv/boot/
	printf "%s\n" "#!/bin/busybox sh" "b=/bin/busybox" "\$b mount -t devtmpfs dev /dev" "\$b insmod /virtio_blk.ko" \
		"while [ ! -e /dev/vda1 ]; do \$b sleep 0.1; done" "\$b mount -t ext4 /dev/vda1 /new" "exec \$b switch_root /new /sbin/init" >/srv/boot/init
	chmod 755 /srv/boot/init
	(cd /srv/boot && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 >/srv/guest/boot)
	mkfs.ext4 -q -d . -U 6f1a0002-0000-4000-8000-000000000002 /srv/root.part 80M
	truncate -s 84M /srv/root.raw
	printf "label: gpt\nstart=2048, size=80M\n" | sfdisk -q /srv/root.raw
	dd if=/srv/root.part of=/srv/root.raw bs=1M seek=1 conv=notrunc status=none
	qemu-img convert -O vmdk /srv/root.raw /srv/root.vmdk
	mkdir /srv/home && echo precious >/srv/home/file
	mkfs.ext4 -q -L home -d /srv/home /srv/home.raw 16M
	ip tuntap add tapvm mode tap
	ip addr add 10.77.40.1/24 dev tapvm
	ip link set tapvm up
	sysctl -qw net.ipv4.ip_forward=1
	virsh -q define /dev/stdin <<-END
		<domain type="qemu"><name>shop</name><memory unit="MiB">192</memory><vcpu>2</vcpu>
		<os><type arch="x86_64" machine="q35">hvm</type><kernel>/srv/guest/kernel</kernel><initrd>/srv/guest/boot</initrd>
		<cmdline>console=ttyS0 quiet panic=-1 mitigations=off net.ifnames=0</cmdline></os><features><acpi/></features>
		<cpu mode="custom"><model>qemu64</model></cpu>
		<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
		<disk type="file" device="disk"><driver name="qemu" type="vmdk"/><source file="/srv/root.vmdk"/><target dev="vda" bus="virtio"/></disk>
		<disk type="file" device="disk"><driver name="qemu" type="raw"/><source file="/srv/home.raw"/><target dev="vdb" bus="virtio"/></disk>
		<interface type="ethernet"><mac address="52:54:00:77:40:02"/><target dev="tapvm" managed="no"/><model type="virtio"/></interface>
		<serial type="file"><source path="/srv/console"/></serial></devices></domain>
	END
	virsh -q start shop' >/dev/null
on b ip route add 10.77.40.0/24 via 10.77.0.1

# Nobody knows its address yet: said, with the way out.
wait_for 240 on a grep -qs UP /srv/console
on a ip neigh flush dev tapvm
expect_exit 57 on b pmigrate v root@a/shop c 107
expect_out 'shop runs, and its address is not known'
expect_out 'pmigrate h root@ADDRESS c'
expect_exit 10 on b pmigrate v root@a/nobody c 107
expect_out 'there is no virtual machine nobody'

# It runs: libvirt knows its address (by the server's neighbours).
on a ping -qc 1 -W 20 10.77.40.2 >/dev/null
wait_for 120 on b ssh -oStrictHostKeyChecking=accept-new -oConnectTimeout=5 10.77.40.2 true
expect_exit 0 on b pmigrate v root@a/shop c 107 -v
expect_out 'shop runs: it is moved as the server 10.77.40.2'
expect_eq "$(on b cat /vz/private/107/home/file)" precious 'its second disk'
on b sh -ec 'grep -q "^IP_ADDRESS=\"10.77.40.2\"" /etc/vz/conf/107.conf && grep -q "^HOSTNAME=\"guest\"" /etc/vz/conf/107.conf
	! test -e /vz/private/107/home/shut-down'
expect_eq "$(vm_state a shop)" running 'the machine afterwards'
[ -z "${SHORT:-}" ] || exit 0

# Shut off: from its disks, on the server where they are.
is_off() { [ "$(vm_state a shop)" = 'shut off' ]; }
on a virsh -q shutdown shop >/dev/null
wait_for 180 is_off
put a /usr/local/bin/guestfish <<-'END'
	#!/bin/sh
	LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg exec /usr/bin/guestfish "$@"
END
on a chmod 755 /usr/local/bin/guestfish
on a sh -c 'cd /srv && sha256sum root.vmdk home.raw >sums'
expect_exit 0 on b pmigrate v root@a/shop c 108 -v
expect_out '/dev/sda1 on /, /dev/sdb on /home'
on a sh -c 'cd /srv && sha256sum --quiet -c sums'
on b sh -ec 'cd /vz/private/108; test "$(cat home/file)" = precious; test -e home/shut-down; test -x usr/sbin/sshd
	grep -q "^IP_ADDRESS=\"10.77.40.2\"" /etc/vz/conf/108.conf; grep -q "^PHYSPAGES=\"0:49152\"" /etc/vz/conf/108.conf'
