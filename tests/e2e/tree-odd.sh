#!/bin/bash
# SPDX-License-Identifier: MIT
#
# One of every odd thing a tree can hold arrives as it was, on every file system: names, links, holes, devices, times,
# owners, attributes, flags, depth. A second first pass onto the copy sends nothing but what differs.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
move=${PMIGRATE_BUILD:-build}/tests/tree/tree-move
tree=$TESTS/tree/tree.py
[ -x "$move" ] || skip "tree-move is not built"

run_on() { # DIR
	mkdir -p "$1/src" "$1/dst"
	python3 "$tree" odd "$1/src" || fail "cannot make the odd tree on $1"
	printf 'first\nlast\n' | "$move" local "$1/src" "$1/dst" >"$TEST_DIR/out" || fail "moving on $1"
	must python3 "$tree" same "$1/src" "$1/dst" --blocks
	touch "$1/dst/stranger" "$1/dst/plain"
	printf 'first\nlast\n' | "$move" local "$1/src" "$1/dst" >"$TEST_DIR/out" || fail "moving again on $1"
	must python3 "$tree" same "$1/src" "$1/dst" --blocks
	grep -q '^first .*removed=1 ' "$TEST_DIR/out" || fail "the stranger was not removed on $1"
	grep -q '^first files=1 ' "$TEST_DIR/out" || fail "not just what differs was sent on $1"
}

mkdir "$TEST_DIR/ram"
must mount -t tmpfs tmpfs "$TEST_DIR/ram"
cleanup "umount -l $TEST_DIR/ram"
for type in ext4 xfs btrfs tmpfs; do
	mnt=$TEST_DIR/$type img=$TEST_DIR/ram/$type
	mkdir -p "$mnt"
	if [ $type = tmpfs ]; then
		mount -t tmpfs tmpfs "$mnt"
	else
		truncate -s 1G "$img"
		must mkfs.$type -q "$img"
		must mount -o loop "$img" "$mnt"
	fi
	cleanup "! mountpoint -q $mnt || umount $mnt"
	echo "-- $type"
	run_on "$mnt"
	umount "$mnt"
	rm -f "$img"
done
