#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: full
# timeout: 300
# A redis with a TCP client moves online there and back: one connection, every reply right, every value there, nothing
# left over; what runs there is runc's and pctl's like any other.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --vz 2G --image redis a b c
KEYS=40000 IP=10.77.2.1
[ -z "${TESTS_IN_VM:-}" ] || KEYS=4000

redis() { # COMMAND...: from the client's server
	on c redis-cli -h $IP "$@"
}

# Every value is a function of its key.
fill="for i=1,$KEYS do redis.call('set','k'..i,string.rep(i,200)) end return $KEYS"
wrong="local n=0 for i=1,$KEYS do if redis.call('get','k'..i)~=string.rep(i,200) then n=n+1 end end return n"

moved() { # FROM TO [OPTION...]: check it all
	local from=$1 to=$2
	shift 2
	client_start c $IP
	expect_exit 0 on "$from" pmigrate c 201 c "root@$to" --online --no-progress -r yes "$@"
	grep -iE "downtime|goes on as" "$OUT" || :
	client_check c
	client_stop c
	expect_eq "$(redis eval "$wrong" 0)" 0 "wrong values after the move to $to"
	expect_eq "$(on "$to" pctl exec 201 cat /proc/1/comm)" redis-server "first process on $to"
	expect_eq "$(on "$to" runc state 201 | grep -c '"status": "running"')" 1 "runc's opinion on $to"
	expect_exit 1 on "$from" sh -c 'runc list | grep -q 201'
	expect_eq "$(on "$from" sh -c 'ls /vz/private /run/netns; ls -d /sys/fs/cgroup/*/vz/201 2>/dev/null' || :)" \
		$'/run/netns:\n\n/vz/private:' "what is left on $from"
	for h in a b; do
		expect_eq "$(on $h sh -c 'ls /run/pmigrate/places 2>/dev/null; pgrep -x pmigrate; pgrep -x criu' || :)" "" \
			"what is left on $h"
	done
}

must on a pctl create 201 --ostemplate /templates/redis.tar.zst --ipadd $IP
must on a pctl start 201 --wait
wait_for 10 redis ping
must redis config set save ''
expect_eq "$(redis eval "$fill" 0)" $KEYS "keys"

# The dry run measures how fast its memory changes, and leaves it as it was.
client_start c $IP
expect_exit 0 on a pmigrate c 201 c root@b --online --no-progress --dry-run
grep "Predicted downtime" "$OUT"
must sh -c '! grep -q "memory by 0 B/s" "$1"' sh "$OUT"
expect_exit 0 on a pmigrate c 201 c root@b --online --dry-run --batch
rate=$(sed -n 's/.*"dirty_bps": *\([0-9]*\).*/\1/p' "$OUT")
[ "${rate:-0}" -gt 10000 ] || fail "a dirty rate of ${rate:-none} under load: $(grep prediction "$OUT")"
client_check c
client_stop c

moved a b
moved b a --noiter
moved a b --lazy
moved b a --lazy --noiter
moved a b --require-realtime --max-downtime=2s

# Its own way down still works.
must on b pctl stop 201
expect_eq "$(on b sh -c 'runc list -q')" "" "containers after pctl stop"
must on b pctl start 201 --wait
wait_for 10 redis ping
