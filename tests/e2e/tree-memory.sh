#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The memory of either end does not grow with the tree: files, names of files with several (links), and what the journal
# remembers. TREE_FILES=1000000 for the full size, where each end must stay below 64 MiB; here a tenth of it has a tenth of what
# may grow.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
move=${PMIGRATE_BUILD:-build}/tests/tree/tree-move
[ -x "$move" ] || skip "tree-move is not built"
n=${TREE_FILES:-50000} # names: half of them second names
may=$((16 * 1024 + n * 48 / 1000)) # KiB: a base, and 48 bytes a name
[ $may -le 65536 ] || may=65536
mkdir "$TEST_DIR/ram"
must mount -t tmpfs -o nr_inodes=0 tmpfs "$TEST_DIR/ram"
cleanup "umount -l $TEST_DIR/ram"
src=$TEST_DIR/ram/src dst=$TEST_DIR/ram/dst
mkdir -p "$src" "$dst"
python3 - "$src" $((n / 2)) <<'END'
import os, sys
os.chdir(sys.argv[1])
n = int(sys.argv[2])
for d in range(200):
    os.mkdir("d%03d" % d)
for i in range(n):
    os.close(os.open("d%03d/f%07d" % (i % 200, i), os.O_CREAT | os.O_WRONLY))
    os.link("d%03d/f%07d" % (i % 200, i), "d%03d/l%07d" % (i * 7 % 200, i))
END
coproc M { exec "$move" local "$src" "$dst" 2>"$TEST_DIR/err"; }
mover=$M_PID
exec {say}>&"${M[1]}" {hear}<&"${M[0]}"
read -r _ <&"$hear"
dest=$(cat "/proc/$mover/task/$mover/children")
check() { # PASS
	local end pid kb
	echo "$1" >&"$say"
	read -rt 280 answer <&"$hear" || fail "no answer to $1: $(cat "$TEST_DIR/err")"
	for end in "source $mover" "destination $dest"; do
		pid=${end#* }
		kb=$(awk '/^VmHWM/ { print $2 }' "/proc/${pid// /}/status")
		echo "$1 of $n names: the ${end% *} has used $kb KiB at most ($may allowed)"
		[ "$kb" -le $may ] || fail "too much memory"
	done
}
check first
# So many changes, names of one directory after the other, of files with several names too.
find "$src" -name 'f*[05]' -print0 | xargs -0 chmod 640
check next
echo x | tee "$src/d000/new" >"$src/d001/new"
check last
[[ $answer == *" walked=0 "* ]] || fail "the last pass walked"
expect_eq "$(find "$dst" -links 2 -type f | wc -l)" "$n" "names at the destination"
echo quit >&"$say"
