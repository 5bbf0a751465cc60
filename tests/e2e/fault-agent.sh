#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 600
#
# The agent is killed, or its request fails, before and after every request, and inside the writes of its journal.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup

# The agent is started by ssh: its environment comes from here.
agent_fault() { # SPEC
	put b /usr/local/sbin/pmigrate-faulty <<-END
		#!/bin/sh
		PMIGRATE_FAULT="$1" exec pmigrate "\$@"
	END
	on b chmod 755 /usr/local/sbin/pmigrate-faulty
}

for request in open area pass config hold commit journal.ready journal.committed journal.done; do
	after='done'
	[[ $request != journal.* ]] || after=written
	for action in kill fail; do
		for point in "$request" "$request.$after"; do
			agent_fault "agent.$point:$action"
			code=0
			on a env PMIGRATE_REMOTE=pmigrate-faulty "${MOVE[@]}" >"$OUT" 2>&1 </dev/null || code=$?
			# Once it was ready, the source may commit by asking again over a new connection.
			[ $code != 0 ] || [[ $point == commit* || $point == journal.* || $point == hold.done ]] || fail "$action at $point: it claimed success"
			on a pmigrate recover >"$OUT" 2>&1 || { cat "$OUT" >&2 && fail "$action at $point: recover failed"; }
			fault_verdict "$action of the agent at $point"
			[ $code = 0 ] || [[ $point == commit* || $point == journal.committed* || $point == journal.done* ]] || expect_eq "$(where_is)" a "$action at $point: where it is"
			fault_retry_and_return "$action of the agent at $point"
		done
	done
done
