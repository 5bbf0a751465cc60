#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
#
# What is typed on the terminal. ^C in any step, which the whole process group gets: "interrupted", exit code 25, everything is
# as before, at once; after the switch it goes on to its end and says so. While the container stands still, ^Z does nothing.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup

# In a session of its own: the group is the command's and its children's.
typed_at() { # CODE STEP [OPTION...]
	local code=$1 step=$2
	shift 2
	echo "# ^C at $step $*"
	expect_exit "$code" on a setsid -w env PMIGRATE_FAULT="source.$step:typed" "${MOVE[@]}" "$@"
}

interrupted() { # STEP [OPTION...]
	typed_at 25 "$@"
	expect_out '^(pmigrate: )?.*interrupted \(Interrupt\)'
	expect_no_out 'signal 2|try: ssh|broke'
	expect_eq "$(where_is)" a "where it is after ^C at $1"
}

for step in copy.done stop last hold.done; do interrupted $step; done
for step in live-ready.done freeze.done save restore.done; do interrupted $step --online; done
log_check a
nothing_left "after all that"
typed_at 0 commit --online -r yes
expect_out 'too late to interrupt'
expect_eq "$(where_is)" b "where it is after ^C at the switch"
expect_exit 0 on b pmigrate c 101 c root@a -r yes --no-progress
typed_at 0 retire -r yes
expect_out 'too late to interrupt'
expect_eq "$(where_is)" b "where it is after ^C behind the switch"
log_check b

# ---- a terminal that ^S has stopped, and a program that does not read what --batch writes, hold nothing up
has_moved() {
	[ "$(state_on a) $(state_on b)" = 'absent running' ]
}

# shellcheck disable=SC2016
UNREAD='import fcntl, os, subprocess, sys
r, w = os.pipe()
fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
os.write(w, b" " * 4095)
sys.exit(subprocess.run(sys.argv[1:], stdout=w, stderr=w).returncode)'
expect_exit 0 on b pmigrate c 101 c root@a -r yes --no-progress
for way in --online ''; do
	# shellcheck disable=SC2086 # an option or none
	for reader in "$(<"$TESTS/lab/typing.py")" "$UNREAD"; do
		keys=()
		[ "$reader" = "$UNREAD" ] || keys=('Copying files' '\x13' --)
		on_bg a python3 -c "$reader" "${keys[@]}" pmigrate c 101 c root@b -v -r yes $way
		wait_for 60 has_moved
		kill -0 "$bg" || fail "it has shown everything: $(cat "$bg_out")"
		kill_9 a '^python3 .*'
		wait "$bg" || :
		wait_for 20 on a pmigrate status
		expect_eq "$(where_is)" b "where it is after a silent reader"
		log_check b
		expect_exit 0 on b pmigrate c 101 c root@a -r yes --no-progress
	done
done
