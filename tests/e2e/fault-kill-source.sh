#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 600
#
# The source's pmigrate is killed before and after every step. Its guard, or `pmigrate recover`, decides.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup

for step in begin area copy recopy stop last config hold commit retire; do
	for point in "$step" "$step.done"; do
		expect_exit 137 on a env PMIGRATE_FAULT="source.$point:kill" "${MOVE[@]}"
		# The guard is at work now; recover waits for it, or does it.
		expect_exit 0 on a sh -c 'for i in $(seq 100); do pmigrate recover && [ -z "$(pmigrate status)" ] && exit 0; sleep 0.1; done; exit 1'
		fault_verdict "kill of the source at $point"
		case $point in
		commit.done | retire | retire.done) expect_eq "$(where_is)" b "killed at $point: where it is" ;;
		commit) expect_eq "$(where_is)" a "killed at $point: where it is" ;;
		esac
		fault_retry_and_return "kill of the source at $point"
	done
done
