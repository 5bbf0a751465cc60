#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 600
#
# Kills at random instants instead of named ones: the source's pmigrate, the agent, both, or the source with its guard.
# The seed is printed; FAULT_SEED repeats a run, FAULT_ROUNDS makes it longer.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup
RANDOM=${FAULT_SEED:-$$}
echo "FAULT_SEED=${FAULT_SEED:-$$}"

for ((round = 1; round <= ${FAULT_ROUNDS:-20}; round++)); do
	delay=$((RANDOM % 450))
	what=$((RANDOM % 4))
	on_bg a sh -c "${MOVE[*]}; exit \$?"
	sleep "0.$(printf %03d $delay)"
	case $what in
	0) kill_9 a '^pmigrate c 101' ;;
	1) kill_9 b '^pmigrate agent' ;;
	2) kill_9 a '^pmigrate c 101' && kill_9 b '^pmigrate agent' ;;
	3) kill_9 a '^(sh -c )?pmigrate ' ;; # the guard, too: it is a fork of the same command
	esac
	wait "$bg" || :
	on a sh -c 'for i in $(seq 100); do pmigrate recover && [ -z "$(pmigrate status)" ] && exit 0; sleep 0.1; done; exit 1' >"$OUT" 2>&1 ||
		{ cat "$OUT" "$bg_out" >&2 && fail "round $round: kill $what after $delay ms: recover failed"; }
	fault_verdict "round $round: kill $what after $delay ms"
	fault_retry_and_return "round $round: kill $what after $delay ms"
done
