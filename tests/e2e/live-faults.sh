#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 900
#
# The online move, killed and failing at each of its own steps, at either end. Container 101 counts into a file from its
# memory: a lost write, a second copy or memory of yesterday is seen by fault_verdict.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup
MOVE+=(--online)

agent_fault() { # SPEC
	put b /usr/local/sbin/pmigrate-faulty <<-END
		#!/bin/sh
		PMIGRATE_FAULT="$1" exec pmigrate "\$@"
	END
	on b chmod 755 /usr/local/sbin/pmigrate-faulty
}

settled() { # WHAT: everything is decided, one copy runs, and nobody is left over
	expect_exit 0 on a sh -c 'for i in $(seq 100); do pmigrate recover && [ -z "$(pmigrate status)" ] && exit 0; sleep 0.1; done; exit 1'
	fault_verdict "$1"
	for h in a b; do
		expect_eq "$(on $h sh -c 'sleep 0.3; grep -c /run/pmigrate/places /proc/mounts; pgrep -x criu; ip -br link | grep pmhold' || :)" 0 \
			"$1: what is left on $h"
	done
}

for step in live-open live-ready memory live-arm freeze save restore commit follow; do
	for point in "$step" "$step.done"; do
		echo "# kill of the source at $point"
		expect_exit 137 on a env PMIGRATE_FAULT="source.$point:kill" "${MOVE[@]}"
		settled "kill of the source at $point"
		fault_retry_and_return "kill of the source at $point"
	done
done

for request in live-open live-arm live-place live-restore commit; do
	for action in kill fail; do
		for point in "$request" "$request.done"; do
			echo "# $action of the agent at $point"
			agent_fault "agent.$point:$action"
			code=0
			on a env PMIGRATE_REMOTE=pmigrate-faulty "${MOVE[@]}" >"$OUT" 2>&1 </dev/null || code=$?
			[ $code != 0 ] || [[ $point == commit* || $point == live-restore.done ]] ||
				fail "$action at $point: it claimed success"
			settled "$action of the agent at $point"
			fault_retry_and_return "$action of the agent at $point"
		done
	done
done
