#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
#
# Where ssh has to ask for a password it asks once, at the beginning: cold, online, lazy and with several streams; for several
# containers; for the host key, too. A key needs no shared connection. Nothing is left in /tmp.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup
for host in a b; do
	on $host sh -c '/usr/sbin/sshd -p 2223 -o PubkeyAuthentication=no -o PasswordAuthentication=yes -o PermitRootLogin=yes -o MaxSessions=10'
done

typed() { # CODE HOST [REGEX KEYS]... -- COMMAND...
	local code=$1 host=$2
	shift 2
	expect_exit "$code" on "$host" python3 -c "$(<"$TESTS/lab/typing.py")" "$@"
}

once() { # FROM TO [OPTION...]
	local from=$1 to=$2
	shift 2
	echo "# $from -> $to $*"
	typed 0 "$from" 'password: $' 'lab\r' -- pmigrate c 101 c "root@$to:2223" -r yes "$@"
	expect_eq "$(grep -o 'password:' "$OUT" | wc -l)" 1 "questions"
	expect_eq "$(where_is)" "$to" "where it is"
	expect_eq "$(on "$from" sh -c 'ls -d /tmp/pmigrate-ssh* 2>/dev/null; pgrep -f "ssh .*[C]ontrolMaster" || :')" "" "what is left"
}

once a b
once b a --online
once a b --online --lazy --streams=3
once b a --streams=16
expect_out 'warning: 8 streams, not 16'

# ---- ^C in the middle: what undoes it there is not asked for the password again
typed 25 a 'password: $' 'lab\r' -- env PMIGRATE_FAULT=source.last:typed pmigrate c 101 c root@b:2223
expect_eq "$(grep -o 'password:' "$OUT" | wc -l)" 1 "questions of a move that was interrupted"
expect_eq "$(where_is)" a "where it is after ^C"
expect_eq "$(on b sh -c 'ls -A /vz/private; pmigrate status')" "" "what ^C left there"

# ---- a host key nobody has seen: asked, too, and once
on a sh -c 'mv /root/.ssh/known_hosts /root/kh; mv /etc/ssh/ssh_known_hosts /root/kh2 2>/dev/null || :'
typed 0 a 'yes/no.*\? $' 'yes\r' 'password: $' 'lab\r' -- pmigrate c 101 c root@b:2223 -r yes --online --ssh=-oStrictHostKeyChecking=ask
expect_eq "$(where_is)" b "where it is"
on a sh -c 'mv /root/kh /root/.ssh/known_hosts; mv /root/kh2 /etc/ssh/ssh_known_hosts 2>/dev/null || :'

# ---- wrong three times; ^C at the question
typed 4 b 'password: $' 'no\r' 'password: $' 'no\r' 'password: $' 'no\r' -- pmigrate c 101 c root@a:2223
expect_out 'a did not let us in'
typed 25 b 'password: $' '\x03' -- pmigrate c 101 c root@a:2223
expect_out 'interrupted \(Interrupt\)'
typed 25 b 'Checking' '\x03' -- pmigrate c 101 c root@a
expect_out 'interrupted \(Interrupt\)'
expect_no_out 'try: ssh'

# ---- a key: nobody is asked, nothing is shared
typed 0 b -- pmigrate c 101 c root@a --streams=16 -r yes
expect_no_out 'streams, not'
expect_eq "$(where_is)" a "where it is"
log_check a
