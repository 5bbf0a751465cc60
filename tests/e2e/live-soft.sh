#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: long
# timeout: 150
#
# Rounds by soft-dirty bits, for kernels that have nothing better (Debian 12's): memory of every kind that checks itself moves
# there and back (SOFT_MOVES=20 is a long form), its client keeps its one connection. And the container is stopped for a
# moment in each round: the command killed right then, or failing, or killed with the guard of the freeze, leaves it running.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"
IP=10.77.2.7
TYPES=('' --lazy '--lazy --noiter' --require-realtime)
MODES=(iterative 'lazy[+]iterative' lazy iterative)
SOFT=(env PMIGRATE_TRACK=soft-dirty)

lab_start --vz 512M --image mini a b c
on a criu check --feature mem_dirty_track || skip "this kernel has no soft-dirty pages"
must on a pctl create 701 --ostemplate /templates/mini.tar.zst --ipadd $IP
memcheck_put a 701 -r ${SOFT_RATE:-20} -s 5000 -f 3 private=6 thp=4 stack=0.5 file=3 shared=3 memfd=3 closed=0.5 sysv=0.5 posix=0.5 ghost=0.2 disk=0.5
must on a pctl start 701 --wait
memcheck_start c $IP

# ---- an estimate, for which nobody is stopped
expect_exit 0 on a "${SOFT[@]}" pmigrate c 701 c root@b --online --dry-run --batch
rate=$(sed -n 's/.*"dirty_bps": *\([0-9]*\).*/\1/p' "$OUT")
[ "${rate:-0}" -gt 10000 ] || fail "a dirty rate of ${rate:-none} under load: $(grep prediction "$OUT")"
client_check c memcheck

# ---- whole moves
at=a to=b
for ((n = 0; n < ${SOFT_MOVES:-3}; n++)); do
	type=${TYPES[n % 4]}
	echo "# move $n, from $at: ${type:-iterative}"
	# shellcheck disable=SC2086 # words
	expect_exit 0 on $at "${SOFT[@]}" pmigrate c 701 c root@$to --online --batch -r yes $type
	expect_no_out 'goes on as'
	expect_out "\"mode\":\"${MODES[n % 4]}\""
	[[ $type == *noiter* ]] || expect_out '"stop_ms":' # the stops of its rounds are in the account
	grep -o '"downtime_ms":[0-9.]*' "$OUT" | tail -n 1 || :
	client_check c memcheck
	at=$to && to=$([ $at = a ] && echo b || echo a)
done

# ---- in the middle of a stop
broken() { # WHAT FAULT EXIT-CODE
	expect_exit "$3" on $at "${SOFT[@]}" PMIGRATE_FAULT="source.memory.stopped:$2" \
		pmigrate c 701 c root@$to --online --no-progress --timeout $((3 * ${TIME_FACTOR:-1})) -r yes
	goes_on "$1"
}

goes_on() { # WHAT: on its own, then after recover as if nothing had been
	wait_for 5 thawed
	client_check c memcheck
	wait_for 15 on $at sh -c 'pmigrate recover && [ -z "$(pmigrate status)" ]'
	wait_for 15 on $to sh -c 'pmigrate recover && [ -z "$(pmigrate status)" ]'
	expect_eq "$(state_on $at 701) $(state_on $to 701)" "running absent" "$1: what is on $at and $to"
	client_check c memcheck
}

frozen() { # prints 1 when it is
	on $at sh -c 'cat /sys/fs/cgroup/vz/701/cgroup.freeze /sys/fs/cgroup/vz/701/ct/cgroup.freeze' | grep -m 1 1
}

thawed() {
	! frozen
}

broken "the command fails" fail 2
broken "the command is killed" kill 137

# Both: nobody is left who knows; recover thaws.
on_bg $at "${SOFT[@]}" PMIGRATE_FAULT=source.memory.stopped:stop pmigrate c 701 c root@$to --online --no-progress --timeout $((3 * ${TIME_FACTOR:-1})) -r yes
wait_for 30 on $at sh -c 'for p in $(pgrep -x pmigrate); do grep -q "^State:.T" /proc/$p/status && exit 0; done; exit 1'
kill_9 $at '^sh -c trap ' # first: it would thaw
kill_9 $at '^pmigrate '
pkill -CONT -P "$bg" # nsenter had stopped with its child
wait "$bg" || :
expect_eq "$(frozen)" 1 "the freezer, when all are dead"
must on $at pmigrate recover
goes_on "command and guard are killed"

expect_exit 0 on $at "${SOFT[@]}" pmigrate c 701 c root@$to --online --no-progress -r yes
client_stop c memcheck
