# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# faults.sh: for tests that break a migration on purpose. Sourced after lib.sh.
#
# Container 101 runs on a; its /data/log grows for ever, one numbered line at a time, so that a lost write, two running
# copies or a copy of yesterday is seen by fault_verdict.

# shellcheck disable=SC2034 # for the tests
MOVE=(pmigrate c 101 c root@b --no-progress --timeout 3)

# Make the container on a and start it.
fault_setup() {
	on a mkdir -p /tmp/tree
	on a sh -c 'tar -C /tmp/tree -xf /templates/mini.tar.zst'
	put a /tmp/tree/etc/rc <<-'END'
		#!/bin/sh
		mkdir -p /data
		n=$(wc -l </data/log 2>/dev/null || echo 0)
		echo "start $n" >>/data/starts
		while :; do n=$((n + 1)); echo "$n" >>/data/log; sleep 0.05; done
	END
	on a chmod 755 /tmp/tree/etc/rc
	must on a pctl create 101 --ostemplate /tmp/tree --ipadd 10.77.1.101 --hostname one --name first
	# Something to copy, so that passes take more than no time.
	on a sh -c 'mkdir /vz/private/101/bulk; cd /vz/private/101/bulk; for i in $(seq 300); do head -c 3000 /dev/urandom >f$i; done'
	must on a pctl start 101
	wait_for 10 on a test -s /vz/private/101/data/log
}

# What pctl says of 101 on a server: absent, stopped, running, …
state_on() { # HOST [ID]
	on "$1" pctl status "${2:-101}" --json 2>/dev/null | sed -n 's/.*"status":[ \t]*"\([a-z]*\)".*/\1/p' | grep . || echo absent
}

where_is() { # prints the one server that has it running; fails for none or both
	local a b
	a=$(state_on a) b=$(state_on b)
	case "$a $b" in
	"running running") fail "both copies run" ;;
	"running "*) echo a ;;
	*" running") echo b ;;
	*) fail "no copy runs: on a it is $a, on b $b" ;;
	esac
}

# The log has the numbers 1..n without gap or repetition (only a line torn by the stop may be missing its end).
log_check() { # HOST
	on "$1" awk '$1 != NR { print "line " NR " is " $1; bad = 1; exit } END { exit bad }' /vz/private/101/data/log ||
		fail "the container's data on $1 is damaged"
}

# After a fault: exactly one copy runs and its data is whole.
fault_verdict() { # WHAT
	local host before
	host=$(where_is) || fail "$1"
	log_check "$host"
	before=$(on "$host" sh -c 'wc -l </vz/private/101/data/log')
	wait_for 5 on "$host" sh -c "[ \$(wc -l </vz/private/101/data/log) -gt $before ]"
}

# Bring it back to a for the next case; the same command that was broken must succeed first.
fault_retry_and_return() { # WHAT
	if [ "$(where_is)" = a ]; then
		on a "${MOVE[@]}" >"$OUT" 2>&1 </dev/null || { cat "$OUT" >&2 && fail "$1: the same command failed afterwards"; }
	fi
	expect_eq "$(where_is)" b "$1: where it is after the retry"
	log_check b
	expect_eq "$(state_on a)" absent "$1: the state on a afterwards"
	expect_exit 0 on b pmigrate c 101 c root@a --no-progress -r yes
	expect_eq "$(where_is)" a "$1: where it is after the way back"
	log_check a
	on a sh -c 'rm -rf /vz/private/101.migrated* /etc/vz/conf/101.conf.migrated*'
	nothing_left "$1"
}

# No journal is unfinished, no lock is sticky, no area is forgotten.
nothing_left() { # WHAT
	local host
	for host in a b; do
		on "$host" pmigrate status >"$OUT" 2>&1 || :
		[ ! -s "$OUT" ] || { cat "$OUT" >&2 && fail "$1: $host has unfinished migrations"; }
	done
	expect_eq "$(on b sh -c 'ls /vz/private /vz/root 2>/dev/null | grep -v : ; ls /etc/vz/conf | grep ^101 || :')" "" "$1: what is left on b"
}

# Kill -9 what matches on a server (its command line, words parted by blanks), or just N of them; nothing to kill is fine.
kill_9() { # HOST REGEX [N]
	# shellcheck disable=SC2016
	on "$1" sh -c 'left=${2:-1000}; for p in /proc/[0-9]*; do
		[ $left -gt 0 ] || break
		tr "\0" " " 2>/dev/null <$p/cmdline | sed "s/ *$//" | grep -qE "$1" && kill -9 ${p#/proc/} 2>/dev/null && left=$((left - 1)); done; :' \
		sh "$2" "${3:-}"
}
