#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 600
#
# The link goes dead (nothing is closed, packets vanish) at every step; and it comes back only after both ends gave up.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup

stopped() { # the migrator has stopped itself
	on a sh -c 'for p in /proc/[0-9]*; do
		[ "$(readlink $p/exe)" = /usr/local/sbin/pmigrate ] && grep -q "^State:.*T (stopped)" $p/status && exit 0; done; exit 1'
}

for step in begin area copy recopy stop last config hold commit commit.done; do
	# A shell in between: what enters the server would stop together with its own child.
	on_bg a sh -c "PMIGRATE_FAULT=source.$step:stop ${MOVE[*]}; exit \$?"
	job=$bg
	wait_for 20 stopped
	lab_do cut b
	on a sh -c 'for p in /proc/[0-9]*; do [ "$(readlink $p/exe)" = /usr/local/sbin/pmigrate ] && kill -CONT ${p#/proc/}; done; :'
	code=0
	wait $job || code=$?
	case $step in
	commit.done) ;; # it may have succeeded but for the goodbye
	*) [ $code != 0 ] || fail "cut at $step: it claimed success" ;;
	esac
	# Before the commit the source runs it again without being asked, link or not.
	[[ $step == commit* ]] || expect_eq "$(state_on a)" running "cut at $step: the source with the link down"
	[ "$(state_on a) $(state_on b)" != "running running" ] || fail "cut at $step: both run"
	lab_do mend b
	expect_exit 0 on a sh -c 'for i in $(seq 50); do pmigrate recover && exit 0; sleep 0.2; done; exit 1'
	fault_verdict "link cut at $step"
	fault_retry_and_return "link cut at $step"
done
