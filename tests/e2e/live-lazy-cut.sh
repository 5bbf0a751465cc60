#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 400
#
# A lazy migration after its switch: the container runs on b, most of its memory is on a. The link is cut and comes
# back; a connection is killed; the command is killed and `pmigrate recover` goes on: its memory is right and its client's
# connection lives. The process that brings the memory is killed: nobody ever sees a wrong byte, both copies are
# kept, and the administrator chooses.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"
lab_start --vz 1G --image mini a b c
IP=10.77.2.4
MOVE=(pmigrate c 301 c root@b --online --lazy --noiter --no-progress --timeout 3 -r yes)

# Move in the background until it runs on b and its memory follows: sets $bg and $id. Where it shall never be complete, the
# limit is so low that no slow machine misses the moment.
begin() { # [LIMIT]
	on_bg a "${MOVE[@]}" --limit="${1:-4M}"
	wait_for 20 follows
	id=$(follows)
	wait_for 5 on b grep -qs '^state committed' "/var/lib/pmigrate/$id.dest"
	sleep 0.5 # of the push
}

# The migration that is committed on a, and not done.
follows() {
	# shellcheck disable=SC2016
	on a sh -c 'for f in /var/lib/pmigrate/301-*.source; do
		grep -qs "^state committed" $f && ! grep -q "^state done" $f && basename $f .source; done | grep .'
}

came() { # WHAT: it is whole on b
	expect_eq "$(state_on a 301) $(state_on b 301)" "absent running" "$1: on a and b"
	client_check c memcheck
	nothing_over "$1"
}

is_idle() { # HOST
	[ -z "$(on "$1" pmigrate status)" ]
}

# The agent ends a moment after the command.
nothing_over() { # WHAT
	for h in a b; do
		wait_for 5 is_idle "$h"
		wait_for 5 on $h sh -c '! pgrep -x pmigrate && ! pgrep -x criu'
	done
}

back() { # for the next case
	expect_exit 0 on b pmigrate c 301 c root@a --online --no-progress -r yes
	client_check c memcheck
	expect_eq "$(state_on a 301) $(state_on b 301)" "running absent" "after the way back"
	on a sh -c 'rm -f /var/lib/pmigrate/301-*'
}

must on a pctl create 301 --ostemplate /templates/mini.tar.zst --ipadd $IP
memcheck_put a 301 -r 300 private=64 stack=4 file=4
must on a pctl start 301 --wait
memcheck_start c $IP

echo "# the link is cut and comes back"
begin
lab_do cut b
sleep 4
expect_eq "$(on a cat /sys/fs/cgroup/freezer/vz/301/freezer.state 2>/dev/null || echo FROZEN)" FROZEN "the copy on a meanwhile"
lab_do mend b
wait "$bg" || { cat "$bg_out" >&2 && fail "the command failed"; }
grep -q 'connecting again' "$bg_out" || { cat "$bg_out" >&2 && fail "it never broke: the test is too slow"; }
came "cut"
back

echo "# the connection that pages come on is killed"
begin
kill_9 a '^ssh .*--join'
wait "$bg" || { cat "$bg_out" >&2 && fail "the command failed"; }
came "ssh killed"
back

echo "# the command is killed, its guard goes on"
begin
kill_9 a '^pmigrate c 301'
wait "$bg" || :
wait_for 30 on a sh -c "grep -q '^state done' /var/lib/pmigrate/$id.source"
came "command killed"
back

echo "# the command and its guard are killed, the link too; pmigrate recover"
begin
kill_9 a '^(sh -c )?pmigrate '
lab_do cut b
wait "$bg" || :
expect_exit 80 on a timeout 60 pmigrate recover "$id"
lab_do mend b
client_check c memcheck
expect_exit 0 on a pmigrate recover "$id"
came "recover"
back

echo "# the agent is killed: undecided; back to the source"
begin 1M
kill_9 b '^pmigrate agent$'
wait "$bg" && fail "it claimed success"
grep -q -e '--undo' "$bg_out" || { cat "$bg_out" >&2 && fail "it does not say what can be done"; }
expect_eq "$(state_on b 301)" stopped "the half copy on b"
! on a pmigrate recover >"$OUT" 2>&1 || fail "it was decided without anybody"
kill_9 c '/tmp/client[.]memcheck$' # its answers were of the future
expect_exit 0 on a pmigrate recover --undo "$id"
expect_eq "$(state_on a 301) $(state_on b 301)" "running absent" "after recover --undo"
memcheck_start c $IP
nothing_over "--undo"
on a sh -c 'rm -f /var/lib/pmigrate/301-*'

echo "# the agent is killed: undecided; anew at the destination"
begin 1M
kill_9 b '^pmigrate agent$'
wait "$bg" && fail "it claimed success"
kill_9 c '/tmp/client[.]memcheck$'
expect_exit 0 on b pmigrate recover --commit "$id"
expect_exit 0 on a pmigrate recover "$id"
memcheck_start c $IP
came "--commit"
client_stop c memcheck
