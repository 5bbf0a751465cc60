#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What no event tells: writes through a shared mapping of a frozen process, to a file whose opened name is gone
# while another name lives, and (before Linux 6.5) through an overlay on the area. And what must not happen: a symlink in the destination's area led outside.
# timeout: 120
# vm: full
. "$(dirname "$0")/../lib.sh"
move=${PMIGRATE_BUILD:-build}/tests/tree/tree-move
[ -x "$move" ] || move=${MEM_TESTS:-}/tree-move # in a VM
tree=$TESTS/tree/tree.py
[ -x "$move" ] || skip "tree-move is not built"
mkdir "$TEST_DIR/ram"
must mount -t tmpfs tmpfs "$TEST_DIR/ram"
cleanup "umount -l $TEST_DIR/ram"
src=$TEST_DIR/ram/src dst=$TEST_DIR/ram/dst
mkdir -p "$src/dir" "$dst"
head -c 4M /dev/urandom >"$src/dir/mapped"
head -c 1M /dev/urandom >"$src/first"
ln "$src/first" "$src/second"

cat >"$TEST_DIR/writer.py" <<'END'
import mmap, os, sys
f = open(sys.argv[1] + "/dir/mapped", "r+b")
m = mmap.mmap(f.fileno(), 0)
m[0:5] = b"early" # the page is dirty and writable from here on: no fault, no new mtime
g = open(sys.argv[1] + "/first", "r+b")
os.unlink(sys.argv[1] + "/first")
print("ready", flush=True)
sys.stdin.readline()
m[10:16] = b"unseen"
g.seek(100)
g.write(b"under no name")
g.flush()
print("written", flush=True)
sys.stdin.readline()
END
coproc W { exec python3 "$TEST_DIR/writer.py" "$src"; }
writer=$W_PID
read -r _ <&"${W[0]}"
exec {w_in}>&"${W[1]}" {w_out}<&"${W[0]}"
coproc M { exec "$move" local "$src" "$dst" 2>"$TEST_DIR/err"; }
exec {say}>&"${M[1]}" {hear}<&"${M[0]}"
ask() {
	echo "$1" >&"$say"
	read -rt 60 answer <&"$hear" || fail "no answer to $1: $(cat "$TEST_DIR/err")"
}
read -r _ <&"$hear"
ask first
ask next
echo >&"$w_in"
read -r _ <&"$w_out"
kill -STOP "$writer"
ask "last $writer"
[[ $answer == *" walked=0 "* ]] || fail "the last pass walked"
must python3 "$tree" same "$src" "$dst"
cmp "$src/dir/mapped" "$dst/dir/mapped" || fail "the mapped file differs"
cmp "$src/second" "$dst/second" || fail "the linked file differs"
kill -KILL "$writer"
echo quit >&"$say"

# Symlinks at the destination in place of a directory and of files.
mkdir -p "$TEST_DIR/ram/src2/dir/sub" "$TEST_DIR/ram/dst2" "$TEST_DIR/ram/outside"
echo inside | tee "$TEST_DIR/ram/src2/dir/file" "$TEST_DIR/ram/src2/dir/sub/file" >"$TEST_DIR/ram/src2/top"
head -c 1M /dev/urandom >"$TEST_DIR/ram/src2/large"
echo untouched | tee "$TEST_DIR/ram/outside/file" "$TEST_DIR/ram/outside/large" >"$TEST_DIR/ram/outside/top"
python3 "$tree" dump "$TEST_DIR/ram/outside" >"$TEST_DIR/before"
ln -s "$TEST_DIR/ram/outside" "$TEST_DIR/ram/dst2/dir"
ln -s "$TEST_DIR/ram/outside/top" "$TEST_DIR/ram/dst2/top"
ln -s "$TEST_DIR/ram/outside/large" "$TEST_DIR/ram/dst2/large"
printf 'first\nlast\n' | must "$move" local "$TEST_DIR/ram/src2" "$TEST_DIR/ram/dst2" >/dev/null
must python3 "$tree" same "$TEST_DIR/ram/src2" "$TEST_DIR/ram/dst2"
python3 "$tree" dump "$TEST_DIR/ram/outside" | diff "$TEST_DIR/before" - || fail "something outside the area was changed"

# Through an overlay, whose upper layer lies in the area, closed again.
src3=$TEST_DIR/ram/src3
mkdir -p "$src3"/{lower,upper,work,merged} "$TEST_DIR/ram/dst3"
sh -c "mount -t overlay -o lowerdir=$src3/lower,upperdir=$src3/upper,workdir=$src3/work none $src3/merged && exec sleep 1000" &
holder=$!
cleanup "umount -l $src3/merged"
wait_for 10 mountpoint -q "$src3/merged"
echo one >"$src3/merged/file"
coproc O { exec "$move" -e /merged local "$src3" "$TEST_DIR/ram/dst3"; }
exec {say}>&"${O[1]}" {hear}<&"${O[0]}"
read -r _ <&"$hear"
ask first
echo two, longer >"$src3/merged/file"
ask "next $holder"
echo three, and longer still >"$src3/merged/file"
kill -KILL "$holder"
ask last
echo quit >&"$say"
grep -q 'three' "$TEST_DIR/ram/dst3/upper/file" || fail "written through an overlay: lost ($(uname -r))"
