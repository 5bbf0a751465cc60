#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 400
#
# Online moves of all four kinds, there and back, and at a random instant something is killed by SIGKILL (the command, the command
# and its guard, the agent, an ssh, CRIU, the witness, the freeze's guard) or the link is cut. Afterwards, by
# recover: exactly one copy runs, its memory has never held a wrong byte (tests/payload/memcheck checks all of it for ever),
# its client's one connection lives, and nothing is left over. RANDOM_SEED repeats a run, RANDOM_ROUNDS makes it longer,
# RANDOM_KILLS and RANDOM_TYPES (lists with commas) narrow it.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"
IP=10.77.2.5
ROUNDS=${RANDOM_ROUNDS:-10} SEED=${RANDOM_SEED:-$$}
TYPES=('' --noiter --lazy '--lazy --noiter')
KILLS=('command' 'command and guard' agent ssh criu witness "freeze's guard" link 'command and link' 'agent and link')
[ -z "${RANDOM_KILLS:-}" ] || IFS=, read -ra KILLS <<<"$RANDOM_KILLS"
[ -z "${RANDOM_TYPES+x}" ] || IFS=, read -ra TYPES <<<"$RANDOM_TYPES,"
declare -A passed done_in
undecided=0 moved=0 stayed=0

lab_start --vz 1G --image mini a b c
RANDOM=$SEED
echo "RANDOM_SEED=$SEED RANDOM_ROUNDS=$ROUNDS"
must on a pctl create 301 --ostemplate /templates/mini.tar.zst --ipadd $IP
memcheck_put a 301 -r 300 -f 10 private=24 locked=4 sparse=4 thp=4 stack=4 file=4 shared=8 memfd=4 sysv=4 disk=4
must on a pctl start 301 --wait
memcheck_start c $IP

break_it() { # KIND FROM TO
	case $1 in
	nothing) ;;
	command) kill_9 "$2" '^pmigrate c 301' ;;
	'command and guard') kill_9 "$2" '^pmigrate ' ;;
	agent) kill_9 "$3" '^pmigrate agent$' ;;
	ssh) kill_9 "$2" '^ssh ' 1 ;;
	criu) kill_9 "$3" '^criu ' ;; # the one that dumps takes processes along: see ARCHITECTURE, and live-torn
	witness) kill_9 "$3" '^[^ ]*pmigrate agent --witness' ;;
	"freeze's guard") kill_9 "$2" '^sh -c trap ' ;;
	link) lab_do cut b ;;
	'command and link') kill_9 "$2" '^pmigrate c 301' && lab_do cut b ;;
	'agent and link') kill_9 "$3" '^pmigrate agent$' && lab_do cut b ;;
	esac
}

# recover until nothing is undecided; what recover asks for when the memory is lost is answered: the source.
settle() { # FROM TO
	local from=$1 to=$2 id deadline=$((SECONDS + 60 * ${TIME_FACTOR:-1}))
	while [ $SECONDS -lt $deadline ]; do
		on "$from" timeout 60 pmigrate recover >"$OUT" 2>&1 || :
		on "$to" timeout 60 pmigrate recover >>"$OUT" 2>&1 || :
		if grep -q -e 'recover --undo' "$OUT"; then
			id=$(sed -n 's/.*recover --undo \([^ ;]*\).*/\1/p' "$OUT" | head -n 1)
			undecided=$((undecided + 1))
			client_lost=1
			on "$from" pmigrate recover --undo "$id" >>"$OUT" 2>&1 || :
		fi
		[ -n "$(on "$from" pmigrate status)$(on "$to" pmigrate status)" ] || return 0
		sleep 0.2
	done
	cat "$OUT" "$bg_out" >&2
	fail "$what: not settled: $(on "$from" pmigrate status) / $(on "$to" pmigrate status)"
}

# Instants are drawn from as long as a move took that nobody disturbed.
begun=$(date +%s%3N)
expect_exit 0 on a pmigrate c 301 c root@b --online --lazy --limit=40M --no-progress --timeout 3 -r yes
span=$(($(date +%s%3N) - begun))
client_check c memcheck
at=b
for ((round = 1; round <= ROUNDS; round++)); do
	from=$at to=b
	[ $at = a ] || to=a
	type=${TYPES[RANDOM % ${#TYPES[@]}]} kind=${KILLS[RANDOM % ${#KILLS[@]}]} delay=$((RANDOM % span)) client_lost=0
	what="round $round: $type $kind after $delay ms ($from to $to)"
	echo "# $what"
	# shellcheck disable=SC2086 # words
	on_bg "$from" pmigrate c 301 c "root@$to" --online $type --limit=40M --no-progress --timeout 3 -r yes
	command=$bg
	sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
	break_it "$kind" "$from" "$to"
	case $kind in
	*link)
		sleep $((RANDOM % 5))
		lab_do mend b
		;;
	esac
	code=0
	timeout 120 tail -s 0.1 -f --pid="$command" /dev/null || { cat "$bg_out" >&2 && fail "$what: the command does not end"; }
	wait "$command" || code=$?
	settle "$from" "$to"
	states="$(state_on a 301) $(state_on b 301)"
	case $states in
	"running absent") at=a ;;
	"absent running") at=b ;;
	*) cat "$bg_out" >&2 && fail "$what: on a and b it is $states" ;;
	esac
	[ $code != 0 ] || [ $at = "$to" ] || fail "$what: it claimed success"
	if [ $client_lost = 1 ]; then # its client knew of a future that is gone
		kill_9 c '/tmp/client[.]memcheck$'
		memcheck_start c $IP
	else
		client_check c memcheck
	fi
	for h in a b; do
		wait_for 10 on $h sh -c '! pgrep -x "pmigrate|criu" && ! grep -q /run/pmigrate/places /proc/mounts'
	done
	on "$at" sh -c 'rm -rf /vz/private/301.migrated* /etc/vz/conf/301.conf.migrated*'
	[ $at = "$to" ] && moved=$((moved + 1)) || stayed=$((stayed + 1))
	passed[$kind]=$((${passed[$kind]:-0} + 1))
	done_in[${type:-iterative}]=$((${done_in[${type:-iterative}]:-0} + 1))
	echo "#   exit $code, now on $at$([ $client_lost = 0 ] || echo ', undone by hand')"
done
client_stop c memcheck
echo "$ROUNDS rounds: $moved moved, $stayed stayed, $undecided of them undone by hand"
for k in "${!passed[@]}"; do echo "  $k: ${passed[$k]}"; done
for k in "${!done_in[@]}"; do echo "  $k: ${done_in[$k]}"; done
