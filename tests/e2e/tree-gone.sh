#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Names that go: a written file lives on by another name while its directory was gone before anybody looked;
# the first name of a hard link vanishes between the look at it and its opening.
# And a large file that somebody outside writes to in the last pass.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
move=${PMIGRATE_BUILD:-build}/tests/tree/tree-move
tree=$TESTS/tree/tree.py
[ -x "$move" ] || skip "tree-move is not built"
mkdir "$TEST_DIR/ram"
must mount -t tmpfs tmpfs "$TEST_DIR/ram"
cleanup "umount -l $TEST_DIR/ram"

options=()
begin() { # NAME: a mover of ram/NAME/src to ram/NAME/dst, as $mover
	src=$TEST_DIR/ram/$1/src dst=$TEST_DIR/ram/$1/dst
	mkdir -p "$src" "$dst"
}
start() { # [COMMAND...]: with COMMAND in front
	coproc M { exec "$@" "$move" "${options[@]}" local "$src" "$dst" 2>"$TEST_DIR/err"; }
	mover=$M_PID
	exec {say}>&"${M[1]}" {hear}<&"${M[0]}"
	read -rt 60 answer <&"$hear"
	[ "$answer" = "open journal=yes" ] || fail "no journal: $answer"
}
ask() {
	echo "$1" >&"$say"
	read -rt 60 answer <&"$hear" || fail "no answer to $1: $(cat "$TEST_DIR/err")"
}
vanish() { # SYSCALL NAME: starts a mover that does not find NAME when it makes SYSCALL
	start strace -f -qq -o "$TEST_DIR/strace" -P "$2" -e trace="$1" -e "inject=$1:error=ENOENT:when=1"
}
vanished() { # PATH: now it is so
	grep -q INJECTED "$TEST_DIR/strace" || fail "nothing vanished"
	[[ $answer == *" vanished=1 "* ]] || fail "the mover found it: $answer"
	rm "$1"
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

echo "-- the first name of a file, known at the destination"
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 # it cannot under strace
begin file
for d in "$src" "$dst"; do
	echo old >"$d/1st"
	ln "$d/1st" "$d/2nd"
done
echo new, and longer >"$src/1st"
vanish openat 1st
ask first
vanished "$src/1st"
ask last
must python3 "$tree" same "$src" "$dst"
finish

echo "-- the first name of a symlink"
begin symlink
ln -s target "$src/1st"
ln "$src/1st" "$src/2nd"
vanish readlink 1st
ask first
vanished "$src/1st"
ask last
must python3 "$tree" same "$src" "$dst"
finish

echo "-- a large file that is written to in the last pass"
begin large
head -c 1M /dev/urandom >"$src/large"
options=(-l 2000000)
start
ask first
head -c 4M /dev/urandom >"$src/large" # at this limit it takes two seconds, as coarse as its times may be
(until [ -e "$TEST_DIR/enough" ]; do printf x; done) 1<>"$src/large" &
writer=$!
echo last >&"$say"
if read -rt 60 answer <&"$hear"; then touch "$TEST_DIR/enough"; fail "nobody noticed: $answer"; fi
touch "$TEST_DIR/enough"
wait "$writer"
grep -q 'large changed although nothing should run' "$TEST_DIR/err" || fail "another reason: $(cat "$TEST_DIR/err")"
