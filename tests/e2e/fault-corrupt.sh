#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 600
#
# A link that changes one bit, somewhere, in either direction: it is always noticed, nothing is lost, and the same command
# succeeds over a sound link. Also a link that loses or repeats a piece.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup

put a /usr/local/sbin/bad-pipe <<'END'
#!/usr/bin/python3
# bad-pipe HOW AT: copies stdin to stdout; at byte AT it flips a bit, drops 100 bytes, or repeats 100.
import os, sys
how, at, seen = sys.argv[1], int(sys.argv[2]), 0
while piece := os.read(0, 65536):
    if seen <= at < seen + len(piece):
        i = at - seen
        if how == "flip": piece = piece[:i] + bytes([piece[i] ^ 1 << at % 8]) + piece[i + 1:]
        if how == "drop": piece = piece[:i] + piece[i + 100:]
        if how == "repeat": piece = piece[:i] + piece[i:i + 100] + piece[i:]
    seen += len(piece)
    while piece: piece = piece[os.write(1, piece):]
END
# The stand-in for ssh: FAULT_UP and FAULT_DOWN are HOW:AT.
put a /usr/local/sbin/bad-ssh <<'END'
#!/bin/bash
up=${FAULT_UP:-none:0} down=${FAULT_DOWN:-none:0}
# Only the first connection is bad: asking again must work.
if [ -e /tmp/bad-ssh.used ]; then exec ssh "$@"; fi
touch /tmp/bad-ssh.used
bad-pipe "${up%:*}" "${up#*:}" | ssh "$@" | bad-pipe "${down%:*}" "${down#*:}"
END
on a chmod 755 /usr/local/sbin/bad-pipe /usr/local/sbin/bad-ssh

try() { # VARIABLE HOW:AT
	local code=0
	on a rm -f /tmp/bad-ssh.used
	on a env PMIGRATE_SSH=bad-ssh "$1=$2" "${MOVE[@]}" >"$OUT" 2>&1 </dev/null || code=$?
	on a pmigrate recover >>"$OUT" 2>&1 || { cat "$OUT" >&2 && fail "$1=$2: recover failed"; }
	fault_verdict "$1=$2"
	# After READY a dead link is asked about again, and the move may succeed; before, it must have failed.
	[ $code = 0 ] || expect_out 'damaged|frame|pmigrate as|talks|type|broke|malformed|sign of life|bytes arrived|reserved|gave up|out of turn'
	if [ "$(where_is)" = b ]; then
		expect_exit 0 on b pmigrate c 101 c root@a --no-progress -r yes
		on a sh -c 'rm -rf /vz/private/101.migrated* /etc/vz/conf/101.conf.migrated*'
	fi
	nothing_left "$1=$2"
	[ $code != 0 ] && noticed=$((noticed + 1))
	return 0
}

noticed=0
# The upward stream is some 2.5 MB; downwards some KB, after the greeting line.
for at in 3 30 200 1000 5000 40000 300000 1000000 2000000; do try FAULT_UP "flip:$at"; done
for at in 20 45 100 600 1500; do try FAULT_DOWN "flip:$at"; done
for how in drop repeat; do
	try FAULT_UP "$how:100000"
	try FAULT_DOWN "$how:60"
done
[ $noticed -ge 14 ] || fail "only $noticed of 18 bad links were noticed before the switch"
fault_retry_and_return "bad links"
