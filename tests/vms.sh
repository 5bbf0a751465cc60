# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# vms.sh: for tests with virtual machines of libvirt. Sourced after lib.sh.
#
# A guest is Debian's cloud kernel with busybox in an initramfs. It counts for ever into the first bytes of its first disk, so that
# two running copies, a lost write or a disk of yesterday is seen; its power button works. 4 s from start to the first number.

vms_start() { # [OPTION…] HOST...: servers with libvirt; options of lab_start
	local vmhost host hosts=()
	vmhost=$("$TESTS/lab/vmhost") || fail 'there is no layer with libvirt'
	lab_start --over "$vmhost" --image mini "$@"
	while [ $# -gt 0 ]; do
		case $1 in -*) shift 2 ;; *) hosts+=("$1") && shift ;; esac
	done
	for host in "${hosts[@]}"; do vms_daemons "$host"; done
	guest_make "${hosts[@]}"
}

vms_daemons() { # HOST: also after its reboot
	on "$1" sh -c 'mkdir -p /var/lib/libvirt/images; virtlogd -d && libvirtd -d'
	wait_for 20 on "$1" virsh -q list
}

# Kernel and initramfs, once on every server: they do not move.
guest_make() { # HOST...
	local host
	on "$1" bash -euc '
		mkdir -p /srv/guest/root/{bin,dev,proc,sys,etc/acpi/PWRF}
		cd /srv/guest
		cp /boot/vmlinuz-* kernel
		tar --zstd -xf /templates/mini.tar.zst -C root ./bin/busybox
		for m in virtio_blk button evdev; do
			find /lib/modules -name "$m.ko*" | while read -r f; do
				case $f in *.xz) xz -dc "$f" ;; *) cat "$f" ;; esac >"root/$m.ko"
			done
		done
		cat >root/init <<-"END"
			#!/bin/busybox sh
			b=/bin/busybox
			$b mount -t proc proc /proc
			$b mount -t sysfs sys /sys
			$b mount -t devtmpfs dev /dev
			for m in /*.ko; do $b insmod $m; done
			printf "#!/bin/busybox sh\n/bin/busybox poweroff -f\n" >/etc/acpi/PWRF/00000080
			$b chmod 755 /etc/acpi/PWRF/00000080
			$b acpid -d -f >/dev/null 2>&1 &
			n=$($b dd if=/dev/vda bs=10 count=1 2>/dev/null | $b sed "s/^0*//")
			while :; do
				n=$((n + 1))
				printf "%010d" $n | $b dd of=/dev/vda conv=notrunc,fsync 2>/dev/null
				$b sleep 0.1
			done
		END
		chmod 755 root/init
		cd root && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 >../initrd'
	for host in "${@:2}"; do
		on "$1" tar -C /srv -cf - guest/kernel guest/initrd | on "$host" tar -C /srv -xf -
	done
}

# A machine of that name: a qcow2 on a raw file below it, and a raw disk.
vm_make() { # HOST NAME
	on "$1" bash -euc '
		mkdir -p "/srv/disks/$1"
		cd "/srv/disks/$1"
		qemu-img create -q -f raw base.raw 40M
		head -c 3M /dev/urandom | dd of=base.raw conv=notrunc bs=1M seek=2 status=none
		printf 0000000000 | dd of=base.raw conv=notrunc status=none
		qemu-img create -q -f qcow2 -b base.raw -F raw disk.qcow2
		qemu-img create -q -f raw "data disk.raw" 20M
		head -c 1M /dev/urandom | dd of="data disk.raw" conv=notrunc bs=1M seek=7 status=none
		virsh -q define /dev/stdin <<-END
			<domain type="qemu"><name>$1</name><memory unit="MiB">128</memory><vcpu>1</vcpu>
			<os><type arch="x86_64" machine="q35">hvm</type><kernel>/srv/guest/kernel</kernel>
			<initrd>/srv/guest/initrd</initrd><cmdline>console=ttyS0 quiet panic=-1 mitigations=off</cmdline></os>
			<features><acpi/></features><cpu mode="custom"><model>qemu64</model></cpu>
			<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
			<disk type="file" device="disk"><driver name="qemu" type="qcow2"/><source file="/srv/disks/$1/disk.qcow2"/>
				<target dev="vda" bus="virtio"/></disk>
			<disk type="file" device="disk"><driver name="qemu" type="raw"/><source file="/srv/disks/$1/data disk.raw"/>
				<target dev="vdb" bus="virtio"/></disk>
			<serial type="file"><source path="/srv/$1.console"/></serial></devices></domain>
		END' bash "$2" >/dev/null
}

vm_state() { # HOST NAME: "running", "shut off", "paused", "absent"
	on "$1" sh -c 'virsh -q list --all --name | grep -qx "$1" && virsh -q domstate "$1" | head -n 1 || echo absent' sh "$2"
}

# What the guest has counted to, read from its disk of whoever has it.
vm_count() { # HOST NAME
	on "$1" sh -c 'f=$(virsh -q domblklist "$1" | awk "\$1 == \"vda\" { sub(/^ *vda */, \"\"); print }")
		qemu-io -U -r -c "read -v 0 16" "$f" 2>/dev/null | sed -n "1s/.* //p" | cut -c1-10 | sed "s/^0*//"' sh "$2" | grep . || echo 0
}

vm_counts() { # HOST NAME: it counts on
	local before
	before=$(vm_count "$@")
	wait_for 90 vm_counts_past "$@" "$before"
}

vm_counts_past() { # HOST NAME NUMBER
	[ "$(vm_count "$1" "$2")" -gt "$3" ]
}

# Sums of the disks of a shut-off machine, as the guest would read them.
vm_sums() { # HOST NAME
	on "$1" sh -c 'for t in vda vdb; do
		f=$(virsh -q domblklist "$1" | awk -v t=$t "\$1 == t { sub(/^ *$t */, \"\"); sub(/^ *vd[ab] */, \"\"); print }")
		qemu-img convert -O raw "$f" /srv/sum.raw && sha256sum </srv/sum.raw; rm -f /srv/sum.raw
	done' sh "$2"
}

# Exactly one server has it under its name, and nothing else of it is unfinished; prints which.
vm_where() { # NAME
	local a b
	a=$(vm_state a "$1") b=$(vm_state b "$1")
	case "$a/$b" in
	running/running | running/paused | paused/running) fail "two copies of $1: on a it is $a, on b $b" ;;
	absent/absent) fail "no copy of $1 is left" ;;
	absent/*) echo b ;;
	*/absent) echo a ;;
	*) fail "$1 is twice: on a it is $a, on b $b" ;;
	esac
}

vm_nothing_left() { # WHAT NAME
	local host
	for host in a b; do
		on "$host" pmigrate status >"$OUT" 2>&1 || :
		[ ! -s "$OUT" ] || { cat "$OUT" >&2 && fail "$1: $host has unfinished migrations"; }
		expect_eq "$(on "$host" sh -c 'cat /var/lib/pmigrate/vm/*.lck /var/lib/pmigrate/vm/*.autostart 2>/dev/null')" '' "$1: locks and notes on $host"
		expect_eq "$(on "$host" sh -c 'virsh -q list --name --state-paused')" '' "$1: paused machines on $host"
	done
	[ "$(vm_where "$2")" = b ] || on b test ! -e "/var/lib/libvirt/images/$2" || fail "$1: disks are left on b"
}
