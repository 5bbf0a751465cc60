#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Names that go: a written file lives on by another name while its directory was gone before anybody looked.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
move=${PMIGRATE_BUILD:-build}/tests/tree/tree-move
tree=$TESTS/tree/tree.py
[ -x "$move" ] || skip "tree-move is not built"
mkdir "$TEST_DIR/ram"
must mount -t tmpfs tmpfs "$TEST_DIR/ram"
cleanup "umount -l $TEST_DIR/ram"

begin() { # NAME: a mover of ram/NAME/src to ram/NAME/dst, as $mover
	src=$TEST_DIR/ram/$1/src dst=$TEST_DIR/ram/$1/dst
	mkdir -p "$src" "$dst"
}
start() {
	coproc M { exec "$move" local "$src" "$dst" 2>"$TEST_DIR/err"; }
	mover=$M_PID
	exec {say}>&"${M[1]}" {hear}<&"${M[0]}"
	read -rt 60 answer <&"$hear"
	[ "$answer" = "open journal=yes" ] || fail "no journal: $answer"
}
ask() {
	echo "$1" >&"$say"
	read -rt 60 answer <&"$hear" || fail "no answer to $1: $(cat "$TEST_DIR/err")"
}
finish() {
	echo quit >&"$say"
	exec {say}>&- {hear}<&-
	wait "$mover" || fail "the mover failed: $(cat "$TEST_DIR/err")"
}

echo "-- a directory that is gone before the journal's thread looks"
begin dir
mkdir "$src/early" "$src/late"
echo old | tee "$src/early/a" >"$src/early/b"
ln "$src/early/a" "$src/a"
ln "$src/early/b" "$src/b"
mkdir "$TEST_DIR/ram/dir/elsewhere"
start
ask first
kill -STOP "$mover"
exec {f}>>"$src/early/a" # its opened name is gone when it is written
rm "$src/early/a"
echo written later >&"$f"
exec {f}>&-
echo written before >>"$src/early/b"
mkdir "$TEST_DIR/ram/dir/elsewhere/gone" # and a neighbour does the same
echo neighbour >"$TEST_DIR/ram/dir/elsewhere/gone/file"
mv "$TEST_DIR/ram/dir/elsewhere/gone/file" "$TEST_DIR/ram/dir/elsewhere"
rm -r "$src/early" "$TEST_DIR/ram/dir/elsewhere/gone"
kill -CONT "$mover"
ask last
[[ $answer == *" walked=0 "* ]] || fail "the last pass walked"
must python3 "$tree" same "$src" "$dst"
finish
