#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A large file that is changed in place: the last pass sends what changed, and the destination does not read what it has
# written itself, as the kernel counts its bytes; unless somebody else changed the file there. Truncated, grown, full of holes.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
move=${PMIGRATE_BUILD:-build}/tests/tree/tree-move
[ -x "$move" ] || skip "tree-move is not built"
mkdir "$TEST_DIR/ram"
must mount -t tmpfs tmpfs "$TEST_DIR/ram"
cleanup "umount -l $TEST_DIR/ram"
src=$TEST_DIR/ram/src dst=$TEST_DIR/ram/dst
mkdir -p "$src/dir" "$dst"
size=120
head -c ${size}M /dev/urandom >"$src/dir/large"
truncate -s 100M "$src/dir/sparse"

coproc M { exec "$move" local "$src" "$dst" 2>"$TEST_DIR/err"; }
mover=$M_PID
exec {say}>&"${M[1]}" {hear}<&"${M[0]}"
answer_of() { # COMMAND: sets $answer, and $read: MiB that the destination read
	local before after
	before=$(awk '/^rchar/ { print $2 }' "/proc/$dest/io")
	echo "$1" >&"$say"
	read -rt 60 answer <&"$hear" || fail "no answer to $1: $(cat "$TEST_DIR/err")"
	after=$(awk '/^rchar/ { print $2 }' "/proc/$dest/io")
	read=$(((after - before) >> 20))
	bytes=${answer##* bytes=} && bytes=$((${bytes%% *} >> 20))
	echo "$1: the destination read $read MiB, $bytes MiB were sent"
	cmp "$src/dir/large" "$dst/dir/large" && cmp "$src/dir/sparse" "$dst/dir/sparse" || fail "different after $1"
}
scatter() { # FILE MIB...: writes a MiB at each
	local file=$1 at
	for at in "${@:2}"; do dd if=/dev/urandom of="$file" bs=1M count=1 seek="$at" conv=notrunc status=none; done
}
read -r _ <&"$hear"
dest=$(cat "/proc/$mover/task/$mover/children")
dest=${dest// /}
answer_of first

scatter "$src/dir/large" 3 40 41 77 100 119
answer_of next
[ "$bytes" -le 8 ] || fail "$bytes MiB were sent of a change of 6"
[ "$read" -le 48 ] || fail "the destination read $read MiB of a file that it knew"

# Not only once; and part of a block.
printf x | dd of="$src/dir/large" bs=1 seek=113456789 conv=notrunc status=none
scatter "$src/dir/sparse" 50 90
answer_of last
[ "$bytes" -le 3 ] && [ "$read" -le 80 ] || fail "$bytes MiB sent, $read read"

# Somebody else writes at the destination: it must not be trusted.
scatter "$dst/dir/large" 60 100
scatter "$src/dir/large" 5
answer_of last
[ "$read" -ge $((size - 50)) ] || fail "the destination believed in a file that somebody had changed"

# Shorter, then longer again with a hole; then dense.
truncate -s 70000001 "$src/dir/large"
answer_of next
truncate -s 110M "$src/dir/large"
answer_of next
scatter "$src/dir/large" 90 109
fallocate -p -o 40M -l 10M "$src/dir/large"
answer_of last
scatter "$src/dir/large" 45
truncate -s 116000000 "$src/dir/large"
answer_of last
[ "$read" -le 90 ] || fail "the destination read $read MiB of a file that it knew again"
echo quit >&"$say"

# Huge and nearly empty (a lastlog, an image): holes cost neither reads nor hashes nor bytes on the link, also where the file
# is new, grew, or lost what it had.
truncate -s 3G "$TEST_DIR/ram/disk"
mkfs.ext4 -q -E nodiscard,lazy_itable_init=1,lazy_journal_init=1 "$TEST_DIR/ram/disk"
mkdir "$TEST_DIR/ram/ext4"
must mount -o loop "$TEST_DIR/ram/disk" "$TEST_DIR/ram/ext4"
cleanup "umount -l $TEST_DIR/ram/ext4"
src=$TEST_DIR/ram/ext4/src dst=$TEST_DIR/ram/ext4/dst
mkdir -p "$src" "$dst"
data_is_same() { # NAME: whatever is data at either end
	python3 - "$src/$1" "$dst/$1" <<'PY' || fail "$1 differs after $2"
import os, sys
a, b = (os.open(p, os.O_RDONLY) for p in sys.argv[1:])
assert os.fstat(a).st_size == os.fstat(b).st_size, "size"
for f in (a, b):
    at = 0
    while True:
        try:
            at = os.lseek(f, at, os.SEEK_DATA)
        except OSError:
            break
        end = os.lseek(f, at, os.SEEK_HOLE)
        while at < end:
            n = min(end - at, 1 << 20)
            assert os.pread(a, n, at) == os.pread(b, n, at), f"contents at {at}"
            at += n
PY
}
coproc S { exec "$move" local "$src" "$dst" 2>"$TEST_DIR/err"; }
mover=$S_PID
exec {say}>&"${S[1]}" {hear}<&"${S[0]}"
cheap() { # COMMAND: neither end reads or sends more than some MiB
	local a b
	a=$(awk '/^rchar/ { print $2 }' "/proc/$mover/io") b=$(awk '/^rchar/ { print $2 }' "/proc/$dest/io")
	echo "$1" >&"$say"
	read -rt 100 answer <&"$hear" || fail "no answer to $1: $(cat "$TEST_DIR/err")"
	a=$(($(awk '/^rchar/ { print $2 }' "/proc/$mover/io") - a >> 20)) b=$(($(awk '/^rchar/ { print $2 }' "/proc/$dest/io") - b >> 20))
	wire=${answer##* wire=} && wire=$((${wire%% *} >> 20))
	echo "sparse $1: read $a and $b MiB, $wire MiB on the link, ${answer##*ms=}"
	[ "$a" -le 80 ] && [ "$b" -le 80 ] && [ "$wire" -le 16 ] || fail "holes cost $a, $b and $wire MiB"
	for f in "$src"/*; do data_is_same "${f##*/}" "$1"; done
}
read -r _ <&"$hear"
dest=$(cat "/proc/$mover/task/$mover/children")
dest=${dest// /}
truncate -s 300G "$src/old"
scatter "$src/old" 0 100 5000 299000
cheap first
scatter "$src/old" 5001 150000
truncate -s 1T "$src/new"
scatter "$src/new" 7 1000000
cheap next
fallocate -p -o 5000M -l 1M "$src/old"
truncate -s 2T "$src/old"
scatter "$src/old" 1000000 2000000
truncate -s 500G "$src/new"
cheap last
echo quit >&"$say"
