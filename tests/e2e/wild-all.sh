#!/bin/bash
# SPDX-License-Identifier: MIT
# run: by name
# timeout: 14400
#
# All other services of tests/wild/services.sh, as wild.sh does it for its eight; GROUP=NAME: those of one group, WILD_ONLY='NAME...' of
# that group only those. The table at the end is the one of tests/README.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$TESTS/wild/wild.sh"
mapfile -t groups < <(printf '%s\n' "${WILD_GROUP[@]}" | grep -vx sample | sort -u)
[ -z "${GROUP:-}" ] || groups=("$GROUP")
failed=
for group in "${groups[@]}"; do
	# shellcheck disable=SC2086 # a list of words
	(trap - EXIT && wild_group "$group" ${WILD_ONLY:-}) | tee -a "$TEST_DIR/table" || failed=1
	"$LAB" down "$TEST_DIR/lab"
done
grep -E '^[a-z0-9]+ (moved|refused|FAILED)' "$TEST_DIR/table"
[ -z "$failed" ] || fail "not all moved"
