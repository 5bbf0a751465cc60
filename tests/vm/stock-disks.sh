# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# stock-disks.sh, sourced by tests/vm/stock: Debian servers as their installer leaves them, built once for each release.
# Wants $project, cache.sh, debian.sh and disks.sh.
#
#   root.img   ext4, one file system as the installer offers it
#   vmlinuz, initrd
#   key        root's until it is told who it is
#
# bare: nothing but Debian. ready: and what README has an administrator install (no compiler): runc, CRIU, libraries.

STOCK_BARE=(
	linux-image-cloud-amd64 initramfs-tools systemd-sysv libpam-systemd dbus systemd-timesyncd openssh-server
	apparmor locales ca-certificates bash-completion python3-minimal zstd
)
STOCK_READY=(runc rsync zstd libzstd1 liblz4-1 libxxhash0 libcjson1 libprotobuf-c1)

# Until it is told who it is (identify in tests/vm/stock): reached by its link's address, as the root that has this key.
newborn() { # TREE DIR: the key goes to DIR
	mkdir -p -m 700 "$1/root/.ssh"
	ssh-keygen -q -t ed25519 -N '' -C newborn -f "$2/key"
	cp "$2/key.pub" "$1/root/.ssh/authorized_keys"
	echo debian >"$1/etc/hostname"
	cat >"$1/etc/network/interfaces" <<-'END'
		source /etc/network/interfaces.d/*
		auto lo
		iface lo inet loopback
		auto enp0s3
		iface enp0s3 inet static
			address 10.78.0.10/24
	END
}

# What README tells an administrator to install, but no compiler: the program comes from outside.
tree_get_ready() { # TREE
	cp "$project/scripts/criu" "$1/tmp/criu"
	chroot "$1" sh -c '
		set -e
		export DEBIAN_FRONTEND=noninteractive
		mount -t proc proc /proc
		trap "umount /proc" EXIT
		apt-get -qq update
		apt-get -qq install -y --no-install-recommends "$@"
		/tmp/criu install
		apt-get clean
		rm /tmp/criu' sh "${STOCK_READY[@]}"
}

stock_pack() { # TREE DIR: the tree goes
	mkdir "$2"
	mv "$1"/boot/vmlinuz-* "$2/vmlinuz"
	mv "$1"/boot/initrd.img-* "$2/initrd"
	echo "UUID=$STOCK_UUID / ext4 errors=remount-ro 0 1" >"$1/etc/fstab"
	truncate -s 6G "$2/root.img"
	mkfs.ext4 -q -U "$STOCK_UUID" -E lazy_itable_init=1,lazy_journal_init=1 -d "$1" "$2/root.img"
}

STOCK_UUID=6c1f7b0e-2d53-4f0c-9a55-0d1b6f8a7e13

stock_suite() { # RELEASE
	case $1 in
	12) echo bookworm ;;
	13) echo trixie ;;
	*) echo "stock: Debian 12 or 13, not $1" >&2 && return 1 ;;
	esac
}

stock_build() { # DIR
	local suite mirror IFS=,
	suite=$(stock_suite "$stock_release")
	mirror=$(debian_mirror)
	mkdir "$1"
	# shellcheck disable=SC2016 # "$1" is the tree, for mmdebstrap's own shell
	mmdebstrap --quiet --mode=root --variant=important --include="${STOCK_BARE[*]}" \
		--aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' --dpkgopt=force-unsafe-io \
		--setup-hook='mkdir -p "$1/var/cache/apt/archives"; cp -al '"'$CACHE'"'/debs/. "$1/var/cache/apt/archives/"' \
		--customize-hook='cd "$1/var/cache/apt/archives" && cp -aln ./*.deb '"'$CACHE'"'/debs/ || :' \
		--customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"; : >"$1/etc/machine-id"' \
		--skip=essential/unlink "$suite" "$1/tree" "deb $mirror $suite main"
	printf 'en_US.UTF-8 UTF-8\n' >"$1/tree/etc/locale.gen"
	chroot "$1/tree" locale-gen >/dev/null
	echo LANG=en_US.UTF-8 >"$1/tree/etc/default/locale"
	# The archive at hand may be an old copy, whose dates apt would not have.
	printf 'Acquire::Check-Valid-Until "false";\nAcquire::Check-Date "false";\n' >"$1/tree/etc/apt/apt.conf.d/90dates"
	newborn "$1/tree" "$1"
	rm -f "$1"/tree/var/cache/apt/archives/*.deb
	cp -a "$1/tree" "$1/more"
	stock_pack "$1/tree" "$1/bare"
	rm -rf --one-file-system "$1/tree"
	tree_get_ready "$1/more"
	mkdir "$1/ready"
	stock_pack "$1/more" "$1/ready/new" && mv "$1"/ready/new/* "$1/ready/" && rmdir "$1/ready/new"
	rm -rf --one-file-system "$1/more"
}

stock_get() { # RELEASE: prints the folder with bare/ and ready/
	stock_release=$1
	cache_get "stock$1" "$(cache_key "$here/stock-disks.sh" "$here/../lab/debian.sh" "$project/scripts/criu")" stock_build
}
