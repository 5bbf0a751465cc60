#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The cold move as a user uses it: stopped, running, and each option that is not about --online.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup
GO=(pmigrate c 101 c root@b --no-progress)

back() { # from b to a, leaving nothing
	expect_exit 0 on b pmigrate c 101 c root@a -r yes
	expect_eq "$(where_is)" a "where it is"
	on a sh -c 'rm -rf /vz/private/101.migrated* /etc/vz/conf/101.conf.migrated*'
}

# ---- the dry run changes nothing and says what would be
on a sh -c 'ls -lR /etc/vz /vz/private/101/etc >/tmp/before'
expect_exit 0 on a "${GO[@]}" --dry-run
expect_out 'downtime'
on a sh -c 'ls -lR /etc/vz /vz/private/101/etc | diff /tmp/before -'
expect_eq "$(on b ls /vz/private 2>/dev/null || :)" "" "what a dry run left on b"
expect_eq "$(where_is)" a "where it is after a dry run"

# ---- running: it stops for the last changes, and runs there
expect_exit 0 on a "${GO[@]}"
expect_out '[Dd]owntime'
expect_eq "$(where_is)" b "where it is"
log_check b
expect_eq "$(on b sh -c 'wc -l </vz/private/101/data/starts')" 2 "how often it was started"
must on a test -d /vz/private/101.migrated -a -e /etc/vz/conf/101.conf.migrated
expect_exit 1 on a test -e /vz/private/101 -o -e /etc/vz/conf/101.conf
expect_eq "$(on b pctl exec 101 hostname)" one "its host name"
wait_for 5 on a ping -c 1 -W 1 10.77.1.101

# ---- moved back over what it left: the older .migrated is replaced on the next move
expect_exit 0 on b "${GO[@]/root@b/root@a}"
expect_exit 0 on a "${GO[@]}"
must on a test -d /vz/private/101.migrated
expect_eq "$(on a sh -c 'ls /vz/private')" 101.migrated "what is left on a"
back

# ---- -s: not started there; -r yes: nothing stays here
expect_exit 0 on a "${GO[@]}" -s -r yes
expect_eq "$(state_on a) $(state_on b)" "absent stopped" "states after -s"
expect_eq "$(on a ls /vz/private)" "" "what -r yes left"
same_tree_listing=$TEST_DIR/listing
tree_list b /vz/private/101 >"$same_tree_listing"

# ---- stopped: copied as it is, stays stopped
expect_exit 0 on b "${GO[@]/root@b/root@a}"
expect_eq "$(state_on a) $(state_on b)" "stopped absent" "states after a stopped move"
same_as_listing "$same_tree_listing" a /vz/private/101
on b sh -c 'rm -rf /vz/private/101.migrated /etc/vz/conf/101.conf.migrated'

# ---- --readonly: a copy, the source untouched
on a sh -c 'ls -lR /etc/vz >/tmp/before'
expect_exit 0 on a "${GO[@]}" --readonly
on a sh -c 'ls -lR /etc/vz | diff /tmp/before -'
expect_eq "$(state_on a) $(state_on b)" "stopped stopped" "states after --readonly"
must same_tree a /vz/private/101 b /vz/private/101
# …and a second one finds the id taken
expect_exit 9 on a "${GO[@]}"
must on b pctl destroy 101

# ---- another id, name and place there; the address form says the id as well
must on a pctl start 101
expect_exit 0 on a "${GO[@]}" --new-id 202 --new-name second --new-private /vz/elsewhere/202
expect_eq "$(state_on b 202)" running "202 on b"
must on b test -d /vz/elsewhere/202
expect_exit 0 on b pctl exec second true
expect_exit 0 on b pmigrate c second c root@a/101 -r yes
expect_eq "$(where_is)" a "where it is"
log_check a

# ---- several in one call
on a sh -c 'rm -rf /vz/private/*.migrated* /etc/vz/conf/*.migrated*'
must on a pctl create 102 --ostemplate /tmp/tree
expect_exit 0 on a pmigrate c 101,102 c root@b -r yes
expect_eq "$(state_on b)" running "101 on b"
expect_eq "$(state_on b 102)" stopped "102 on b"
must on b pctl destroy 102
back

# ---- what cannot be: usage, no such container, no such server, taken
expect_exit 1 on a pmigrate c 101 h root@b
expect_exit 1 on a pmigrate c 101 c root@b --noiter
expect_exit 1 on a pmigrate c 101 c root@b --online --readonly
expect_exit 1 on a pmigrate c 101 c root@b --ssh='-p 22 otherhost'
expect_exit 10 on a pmigrate c 999 c root@b
expect_exit 4 on a pmigrate c 101 c root@nowhere.invalid --no-progress
expect_exit 34 on a pmigrate c 101 c 101
fault_verdict "refused moves"

# ---- --batch: each line is an object; the last says how it ended
expect_exit 0 on a "${GO[@]}" --batch
python3 - "$OUT" <<'END' || fail "--batch is not JSON lines"
import json, sys
events = [json.loads(line) for line in open(sys.argv[1])]
assert events[0]["event"] == "begin", events[0]
assert events[-1]["event"] == "finish" and events[-1]["ok"] is True, events[-1]
assert any(e["event"] == "account" and e["downtime_ms"] > 0 for e in events)
END
back

# ---- --keep-dst: a failed try keeps the area, the next sends only differences
on a sh -c 'head -c 30000000 /dev/urandom >/vz/private/101/bulk/large'
expect_exit 2 on a env PMIGRATE_FAULT=source.recopy:fail "${GO[@]}" --keep-dst
fault_verdict "a failure with --keep-dst"
must on b test -d /vz/private/101.migrated
expect_exit 0 on a "${GO[@]}" --stats=/tmp/stats.json
wire=$(on a python3 -c 'import json; print(json.load(open("/tmp/stats.json"))["migrations"][0]["account"]["wire_bytes"])')
[ "$wire" -lt 5000000 ] || fail "the repeat sent $wire bytes"
must same_tree a /vz/private/101.migrated/bulk b /vz/private/101/bulk
expect_exit 1 on b test -e /vz/private/101.migrated
back

# ---- Ctrl-C rolls back
on a sh -c 'head -c 60000000 /dev/urandom >/vz/private/101/bulk/large'
on_bg a sh -c "exec ${GO[*]} --limit=5M"
wait_for 10 on b test -d /vz/private/101
on a sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline 2>/dev/null | grep -q "^pmigrate c 101" && kill -INT ${p#/proc/}; done; :'
code=0
wait "$bg" || code=$?
expect_eq $code 25 "exit code after Ctrl-C"
fault_verdict "Ctrl-C"
nothing_left "Ctrl-C"
