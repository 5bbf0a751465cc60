# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# stock-machine.sh, sourced by tests/vm/stock: one machine, booted (once, then saved as it runs) or woken from what was saved.
# Wants cache.sh, disks.sh and stock-disks.sh.
#
# The first boot compiles AppArmor's profiles, updates caches: minutes without KVM.  The saved machine is what an
# administrator has after that; it is woken in seconds, and told who it is then.
#
#	root.img   the disk at that moment, its file system mounted
#	state      memory and devices

STOCK_MIB=1280

# qemu sees its own tree, the cache as /disks and DIR as /machine; these mounts are gone when it ends.
qemu_start() { # DIR NAME NETWORK-NAMESPACE-OF ARGUMENT...
	local dir=$1 name=$2 netns=$3 enter=()
	shift 3
	[ -z "$netns" ] || enter=(nsenter --target "$netns" --net)
	# shellcheck disable=SC2016
	setsid "${enter[@]}" unshare -m sh -c 'cd "$1" && mount --rbind /dev dev && mount -t proc proc proc &&
		mount --bind "$2" disks && mount --bind "$3" machine && shift 3 && exec chroot . env TMPDIR=/dev/shm "$@"' sh \
		"$qemu" "$CACHE" "$dir" qemu-system-x86_64 -nodefaults -no-user-config -display none "$@" \
		</dev/null >"$dir/$name.log" 2>&1 &
	echo $! >"$dir/$name.pid"
	echo $! >>"$dir/pids"
	disown
}

# One interface, whose other end is the tap NAME; that is on no bridge yet.
machine_start() { # DIR NAME NETNS IMAGE DISK DISK-OPTIONS [ARGUMENT...]
	local dir=$1 name=$2 netns=$3 image=/disks/${4#"$CACHE/"} disk=$5 options=$6
	shift 6
	qemu_start "$dir" "$name" "$netns" -machine q35,usb=off -accel tcg,thread=multi -cpu max -smp 1 -m $STOCK_MIB \
		-vga none -serial "file:/machine/$name.console" -kernel "$image/vmlinuz" -initrd "$image/initrd" \
		-append "root=UUID=$STOCK_UUID ro console=ttyS0 quiet mitigations=off tsc=reliable no_timer_check panic=-1" \
		-drive "file=$disk,id=root,if=none,format=raw,cache=unsafe,$options" -device virtio-blk-pci,drive=root \
		-netdev "tap,id=lan,ifname=$name,script=no,downscript=no" \
		-device "virtio-net-pci,netdev=lan,romfile=,addr=0x3,mac=52:54:00:78:00:01" \
		-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng \
		-device vmgenid,guid=auto -monitor "unix:/machine/$name.monitor,server=on,wait=off" "$@"
}

newborn_ssh() { # DIR NAME IMAGE COMMAND...
	local dir=$1 name=$2 image=$3
	shift 3
	nsenter --target "$(<"$dir/outside")" --net -- ssh -q -i "${image%/*}/key" -o UserKnownHostsFile=/dev/null \
		-o StrictHostKeyChecking=no -o BatchMode=yes -o ConnectTimeout=90 "root@fe80::5054:ff:fe78:1%$name" "$(printf '%q ' "$@")"
}

newborn_wait() { # DIR NAME IMAGE
	local deadline=$((SECONDS + 1200))
	until newborn_ssh "$@" true 2>/dev/null </dev/null; do
		if [ $SECONDS -ge $deadline ] || ! kill -0 "$(<"$1/$2.pid")" 2>/dev/null; then
			tail -n 30 "$1/$2.log" "$1/$2.console" >&2 || :
			die "$2 does not start"
		fi
		sleep 0.5
	done
}

monitor() { # DIR NAME COMMAND...: each a line; waits until qemu has answered them all
	python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
seen = b""
for line in ["", *sys.argv[2:]]:
    if line:
        s.sendall(line.encode() + b"\n")
    while not seen.endswith(b"(qemu) "):
        part = s.recv(4096)
        if not part:
            sys.exit(0)
        seen += part
    sys.stdout.buffer.write(seen.replace(b"\r", b""))
    seen = b""
' "$1/$2.monitor" "${@:3}"
}

# It was saved standing still.
machine_wake() { # DIR NAME
	local deadline=$((SECONDS + 120))
	until monitor "$1" "$2" 'info status' 2>/dev/null | grep -q 'VM status: paused$'; do
		if [ $SECONDS -ge $deadline ] || ! kill -0 "$(<"$1/$2.pid")" 2>/dev/null; then
			cat "$1/$2.log" >&2 || :
			die "$2 does not wake up"
		fi
		sleep 0.1
	done
	monitor "$1" "$2" cont >/dev/null
}

saved_build() { # DIR
	mkdir "$1"
	cp --sparse=always "$saved_image/root.img" "$1/root.img"
	network_start "$1" new
	machine_start "$1" new "$(<"$1/outside")" "$saved_image" /machine/root.img discard=unmap -no-reboot
	# shellcheck disable=SC2064 # now
	trap "machines_end '$1'" EXIT
	newborn_wait "$1" new "$saved_image"
	# Degraded or not is the release's affair; it must have come to its end.
	newborn_ssh "$1" new "$saved_image" sh -c 'systemctl is-system-running --wait; systemctl --failed --no-legend; sync' >"$1/booted" </dev/null || :
	monitor "$1" new stop "migrate file:/machine/state" "info migrate" quit >"$1/saved.log"
	grep -q 'Status:.*completed\|Migration status: completed' "$1/saved.log" || { cat "$1/saved.log" && return 1; }
	machines_end "$1"
	trap - EXIT
	rm -f "$1"/{pids,outside,network.up,new.*}
}

saved_get() { # IMAGE: prints the folder with the machine that was booted from it
	saved_image=$1
	cache_get "saved-$(basename "${1%/*}" | cut -d- -f1)-${1##*/}" \
		"$({ declare -f machine_start saved_build && echo $STOCK_MIB; } | cache_key - "${1%/*}/key" "$here/disks.sh")" saved_build
}

machines_end() { # DIR
	local pid
	for pid in $(cat "$1/pids" "$1/outside" 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null || :
		while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
	done
}
