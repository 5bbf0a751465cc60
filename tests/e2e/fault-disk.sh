#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The destination's disk is full: before (preflight says so), forced past the preflight, and by a failing step.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 64M --image mini a b
fault_setup
on a sh -c 'head -c 20000000 /dev/urandom >/vz/private/101/bulk/large'
on b sh -c 'head -c 45000000 /dev/zero >/vz/filler'

expect_exit 31 on a "${MOVE[@]}"
expect_out 'disk'
fault_verdict "a full disk seen by the preflight"

expect_exit 31 on a "${MOVE[@]}" --nodeps=disk_space
expect_out 'No space left'
fault_verdict "a full disk met while copying"
expect_eq "$(on b ls /vz/private)" "" "what is left on b"

on b rm /vz/filler
for step in area copy last config hold; do
	expect_exit 31 on a env PMIGRATE_FAULT="source.$step:nospc" "${MOVE[@]}"
	fault_verdict "no space at $step"
done
fault_retry_and_return "disk full"
