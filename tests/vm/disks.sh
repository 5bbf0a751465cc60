# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# disks.sh, sourced by tests/vm/vm: what a test VM is made of, built once: qemu, kernels and disks.
# Wants $here (tests/vm), cache.sh and debian.sh.

image_make() { # TREE FILE SIZE: an ext4 image with the tree's content
	truncate -s "$3" "$2"
	mkfs.ext4 -q -d "$1" -O ^has_journal "$2"
}

kernel_fetch() { # SUITE VERSION TREE: its modules go into TREE, the kernel beside it as kernel-VERSION
	local suite=$1 version=$2 tree=$3 unpacked=$3.kernel modules
	mmdebstrap --quiet --mode=root --variant=extract --include=linux-image-cloud-amd64 \
		--aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
		--aptopt='APT::Install-Recommends "false"' "$suite" "$unpacked" "deb $(debian_mirror) $suite main"
	mkdir -p "$tree/usr/lib/modules"
	cp "$unpacked"/boot/vmlinuz-* "${tree%/*}/kernel-$version"
	for modules in "$unpacked"/lib/modules/* "$unpacked"/usr/lib/modules/*; do
		[ ! -d "$modules" ] || cp -a "$modules" "$tree/usr/lib/modules/"
	done
	rm -rf --one-file-system "$unpacked"
}

disks_build() { # DIR
	local root modules
	root=$("$here/../lab/root")
	mkdir "$1"
	cp -a "$root" "$1/tree"
	kernel_fetch trixie 6.12 "$1/tree"
	kernel_fetch bookworm 6.1 "$1/tree"
	for modules in "$1/tree/usr/lib/modules"/*; do chroot "$1/tree" depmod "${modules##*/}"; done
	mkdir -p "$1/tree/lab" "$1/tree/share" "$1/tree/root/.ssh"
	cp "$here/init" "$1/tree/init.vm"
	image_make "$1/tree" "$1/root.img" 3G
	rm -rf --one-file-system "$1/tree"
	truncate -s 16G "$1/lab.img"
	mkfs.ext4 -q -O quota,project \
		-E quotatype=usrquota:grpquota:prjquota,lazy_itable_init=1,lazy_journal_init=1 "$1/lab.img"
}

disks_get() {
	cache_get vm "$(cache_key "$here/disks.sh" "$here/init" "$here/../lab"/{root,debian.sh,prlimit.c})" disks_build
}

qemu_build() { # TREE
	debian_tree trixie "$1" qemu-system-x86
	mkdir "$1/disks" "$1/machine"
}

qemu_get() {
	cache_get qemu "$(cache_key "$here/../lab/debian.sh")" qemu_build
}
