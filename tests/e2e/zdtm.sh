#!/bin/bash
# SPDX-License-Identifier: MIT
# run: by name
# timeout: 10800
#
# CRIU's own test programs as workloads: each keeps something that a process can have, moves online in a Container and is asked afterwards.
# What cannot be moved is refused before the freeze by the finding that tests/zdtm/expected tells. ZDTM_ONLY='GLOB...': only those;
# ZDTM_BATCH: how many in one Container (9); ZDTM_OPTIONS: further options of the move (--lazy, --noiter); ZDTM_RESULTS: a file for the verdicts.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$TESTS/zdtm/zdtm.sh"
built=$("$TESTS/zdtm/build") || fail "CRIU's test programs could not be built"
zdtm_read "$built"
mkdir "$TEST_DIR/programs"
tar -C "$TEST_DIR/programs" -xf "$built/programs.tar"
lab_start --vz 4G --over "$built" a b
: >"$RESULTS"
# shellcheck disable=SC2086 # a list of words
zdtm_all ${ZDTM_ONLY:-}
[ -z "${ZDTM_RESULTS:-}" ] || cp "$RESULTS" "$ZDTM_RESULTS"
count() { cut -d' ' -f2 "$RESULTS" | grep -cx "$1" || :; }
echo "of $(wc -l <"$RESULTS"): $(count passed) passed, $(count refused) refused, $(count differs) differ, $(count skipped) skipped, $(count FAILED) failed"
grep ' FAILED ' "$RESULTS" >&2 && fail "$(count FAILED) programs: see above"
[ -s "$RESULTS" ] || fail "no program is called so: $ZDTM_ONLY"
