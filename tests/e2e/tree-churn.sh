#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Passes follow a writer that never stops; after the last one both trees are equal, by an independent comparison: with the
# journal, with one that overflows (two streams, compressed), and without one.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
move=${PMIGRATE_BUILD:-build}/tests/tree/tree-move
[ -x "$move" ] || skip "tree-move is not built"
mkdir "$TEST_DIR/ram"
must mount -t tmpfs tmpfs "$TEST_DIR/ram"
cleanup "umount -l $TEST_DIR/ram"

churn() { # NAME SEED OPTION...
	local name=$1 seed=$2
	shift 2
	"$TESTS/tree/churn.sh" "$move" "$TEST_DIR/ram/$name" "$seed" 2 "$@" >"$TEST_DIR/$name" 2>&1 ||
		{ cat "$TEST_DIR/$name" >&2 && fail "$name, seed $seed"; }
}
churn journal 1
churn journal2 2
churn overflow 3 -m 20 -n 2 -z on
grep -q 'more changes than the journal holds' "$TEST_DIR/overflow" || fail "the journal did not overflow"
churn walk 4 -j
! grep -q 'walked=0' "$TEST_DIR/walk" || fail "a pass without a journal did not walk"
