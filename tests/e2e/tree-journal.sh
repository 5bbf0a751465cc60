#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The journal on every file system, under a writer that never stops (tests/tree/churn.sh): ext4, xfs, btrfs; an overlay that can
# report changes; one that cannot (then passes walk); and the file system below an overlay through which the writer works.
# TREE_SEEDS=N: so many seeds each, one after the other, for hours of it.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
move=${PMIGRATE_BUILD:-build}/tests/tree/tree-move
[ -x "$move" ] || skip "tree-move is not built"
mkdir "$TEST_DIR/ram"
must mount -t tmpfs tmpfs "$TEST_DIR/ram"
cleanup "umount -l $TEST_DIR/ram"
mount_image() { # TYPE: a new file system at $TEST_DIR/TYPE
	truncate -s 1G "$TEST_DIR/ram/$1.img"
	must "mkfs.$1" -q "$TEST_DIR/ram/$1.img" >/dev/null
	mkdir -p "$TEST_DIR/$1"
	must mount -o loop "$TEST_DIR/ram/$1.img" "$TEST_DIR/$1"
	cleanup "umount -l $TEST_DIR/$1"
}
churn() { # NAME DIR JOURNAL(yes or no): DIR/src is the tree
	local seed
	for ((seed = 1; seed <= ${TREE_SEEDS:-1}; seed++)); do
		"$TESTS/tree/churn.sh" "$move" "$2" $((RANDOM * 10 + seed)) 2 >"$TEST_DIR/log.$1" 2>&1 || { cat "$TEST_DIR/log.$1" >&2 && fail "$1"; }
		if [ "$3" = yes ]; then
			grep -q '^open journal=yes' "$TEST_DIR/log.$1" || fail "$1: no journal: $(head -n 1 "$TEST_DIR/log.$1")"
			! grep -q '^last.*walked=1' "$TEST_DIR/log.$1" || fail "$1: the last pass walked"
		else
			! grep -q '^open journal=yes' "$TEST_DIR/log.$1" || fail "$1: a journal where none was thought possible"
			grep -q '^last.*walked=1' "$TEST_DIR/log.$1" || fail "$1: the last pass did not walk"
		fi
	done
}
overlay() { # NAME OPTIONS: mounts $TEST_DIR/ext4/NAME/src
	local d=$TEST_DIR/ext4/$1
	mkdir -p "$d/lower/churn" "$d/upper" "$d/work" "$d/src" "$d/dst"
	echo from below >"$d/lower/churn/below"
	must mount -t overlay overlay -o "lowerdir=$d/lower,upperdir=$d/upper,workdir=$d/work$2" "$d/src"
	cleanup "umount -l $d/src"
}

for type in ext4 xfs btrfs; do
	mount_image $type
	churn $type "$TEST_DIR/$type/churn" yes
done
overlay over ,index=on,nfs_export=on
churn over "$TEST_DIR/ext4/over" yes
overlay blind ,index=off,nfs_export=off
churn blind "$TEST_DIR/ext4/blind" no

# The area is the upper layer; who writes comes through the overlay.
d=$TEST_DIR/ext4/below
mkdir -p "$d/src" "$d/dst" "$d/lower" "$d/work" "$d/merged"
must mount -t overlay overlay -o "lowerdir=$d/lower,upperdir=$d/src,workdir=$d/work" "$d/merged"
cleanup "umount -l $d/merged"
export WRITE_IN=$d/merged
churn below "$d" yes
