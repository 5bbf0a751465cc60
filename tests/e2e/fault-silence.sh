#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The other end falls silent while the container is stopped or frozen: no reset, no end of the connection, and the usual limit is an
# hour. It runs again at its source within seconds all the same.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup
HOUR=(pmigrate c 101 c root@b --no-progress)

silent_at() { # REQUEST OPTION...: the agent stops itself there, with its heartbeat
	local at=$1
	shift
	put b /usr/local/sbin/pmigrate-silent <<-END
		#!/bin/sh
		PMIGRATE_FAULT="agent.$at:stop" exec pmigrate "\$@"
	END
	on b chmod 755 /usr/local/sbin/pmigrate-silent
	on a timeout 120 env PMIGRATE_REMOTE=pmigrate-silent "${HOUR[@]}" "$@" >"$OUT" 2>&1 </dev/null &&
		fail "a silent agent at $at was not noticed"
	expect_out 'no sign of life from .* for 5 s'
	fault_verdict "silence at $at"
	expect_eq "$(where_is)" a "where it is after silence at $at"
	on a pmigrate recover >"$OUT" 2>&1 || { cat "$OUT" >&2 && fail "silence at $at: recover failed"; }
	fault_retry_and_return "silence at $at"
}

silent_at config
silent_at hold
silent_at live-image --online
silent_at live-restore --online
