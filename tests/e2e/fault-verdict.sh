#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The source dies when the destination is ready, and nobody recovers by itself: neither copy may be started by hand, the
# source's journal decides; and an administrator may decide when the source is lost for good.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup

# The migrator stops itself at STEP, then it and its guard are killed: as if the server had stumbled.
die_at() { # STEP
	# shellcheck disable=SC2016
	on_bg a sh -c "PMIGRATE_FAULT=source.$1:stop ${MOVE[*]}; exit \$?"
	wait_for 20 on a sh -c 'for p in /proc/[0-9]*; do
		[ "$(readlink $p/exe)" = /usr/local/sbin/pmigrate ] && grep -q "^State:.*T (stopped)" $p/status && exit 0; done; exit 1'
	on a sh -c 'for p in /proc/[0-9]*; do [ "$(readlink $p/exe)" = /usr/local/sbin/pmigrate ] && kill -9 ${p#/proc/}; done; :'
	wait "$bg" || :
}

migration() { # the id of the unfinished one on b
	on b sh -c 'cd /var/lib/pmigrate && for f in *.dest; do
		case $(grep ^state $f | tail -n 1) in *done | *undone) ;; *) echo ${f%.dest};; esac; done'
}

# ---- both wait, and both refuse to be started by hand
die_at hold.done
expect_eq "$(state_on a)" stopped "the source after the crash"
expect_exit 3 on a pctl start 101
expect_out 'migration'
expect_exit 3 on b pctl start 101
expect_exit 80 on b pmigrate recover
expect_out 'only its source knows'
expect_exit 80 on b pmigrate status
expect_out 'ready'
# …and the source's recover puts it right
expect_exit 0 on a pmigrate recover
fault_verdict "a source that died when the destination was ready"
expect_eq "$(where_is)" a "where it is"
nothing_left "recover at the source"

# ---- the same command recovers by itself, and moves it
die_at hold.done
expect_exit 0 on a "${MOVE[@]}"
expect_out 'undone'
expect_eq "$(where_is)" b "where it is after the same command"
expect_exit 0 on b pmigrate c 101 c root@a -r yes
on a sh -c 'rm -rf /vz/private/101.migrated* /etc/vz/conf/101.conf.migrated*'

# ---- the source reboots in between
die_at hold.done
lab_do reboot a
expect_exit 3 on a pctl start 101
expect_exit 0 on a pmigrate recover
expect_eq "$(where_is)" a "where it is after the reboot"
nothing_left "a reboot of the source"

# ---- committed, and the destination reboots before it heard: it is asked again
die_at commit.done
lab_do reboot b
on a pmigrate recover >"$OUT" 2>&1 || { cat "$OUT" >&2 && fail "recover after the destination's reboot"; }
case "$(state_on a) $(state_on b)" in
"absent running" | "absent stopped") ;; # a reboot of b stops what ran there
*) fail "after the destination's reboot: $(state_on a) on a, $(state_on b) on b" ;;
esac
[ "$(state_on b)" = running ] || must on b pctl start 101
log_check b
expect_exit 0 on b pmigrate c 101 c root@a -r yes
on a sh -c 'rm -rf /vz/private/101.migrated* /etc/vz/conf/101.conf.migrated*'

# ---- the source is lost for good: the administrator says so on the destination
die_at hold.done
lab_do kill a
id=$(migration)
expect_exit 0 on b pmigrate recover --commit "$id"
expect_eq "$(state_on b)" running "101 on b after --commit"
log_check b
# …and when it comes back after all, it does not run its copy
lab_do boot a
expect_exit 3 on a pctl start 101
expect_exit 0 on a pmigrate recover
expect_eq "$(where_is)" b "where it is when the lost source is back"

# ---- committed, and the destination has lost its journal (reinstalled, rolled back): nobody guesses, a person says what is so
on b sh -c 'rm -rf /vz/private/101.migrated* /etc/vz/conf/101.conf.migrated*'
[ "$(where_is)" = a ] || expect_exit 0 on b pmigrate c 101 c root@a -r yes
die_at commit.done
id=$(migration)
[ -n "$id" ] || id=$(on b sh -c 'ls -t /var/lib/pmigrate/*.dest | head -n 1 | sed "s|.*/||; s|\.dest||"')
on b sh -c "mkdir /root/lost && mv /var/lib/pmigrate/$id.dest /root/lost/"
expect_exit 80 on a pmigrate recover
expect_out 'knows nothing of it'
expect_eq "$(state_on a)" stopped "the source, whose destination knows nothing"
expect_exit 3 on a pctl start 101
# …once it is back, its word counts
on b sh -c "mv /root/lost/$id.dest /var/lib/pmigrate/ && rmdir /root/lost"
expect_exit 0 on a pmigrate recover
expect_eq "$(where_is)" b "where it is when the journal is back"
expect_exit 0 on b pmigrate c 101 c root@a -r yes
on a sh -c 'rm -rf /vz/private/101.migrated* /etc/vz/conf/101.conf.migrated*'

# ---- the source cannot write that it was committed: it was never given away (the other end: fault-agent)
for fault in journal.committed:fail journal.committed.written:nospc; do
	on a env PMIGRATE_FAULT="source.$fault" "${MOVE[@]}" >"$OUT" 2>&1 && fail "$fault was not noticed"
	fault_verdict "source.$fault"
	expect_eq "$(where_is)" a "where it is after source.$fault"
done
nothing_left "journals that could not be written"

# ---- the number of the destination's process belongs to somebody else by now, and its journal is busy: nobody else's is ended
die_at hold.done
id=$(migration)
# shellcheck disable=SC2016
on b sh -c '(sleep 300 & echo $! >/tmp/innocent; exec flock "$1" sh -c "echo >/tmp/busy; exec sleep 300") >/dev/null 2>&1 </dev/null &' sh "/var/lib/pmigrate/$id.dest"
wait_for 10 on b test -e /tmp/busy
on b sh -c "echo pid \$(cat /tmp/innocent) >>/var/lib/pmigrate/$id.dest"
expect_exit 0 on a pmigrate recover
expect_out 'could not clean up'
expect_eq "$(where_is)" a "where it is beside a busy journal"
must on b sh -c 'kill -0 "$(cat /tmp/innocent)"'
kill_9 b '^(flock .*|sleep 300)'
fault_retry_and_return "a number that is somebody else's"
