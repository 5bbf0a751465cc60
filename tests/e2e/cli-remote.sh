#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A migration that another server carries out: its progress, errors and files are ours; Ctrl-C here, or this server's
# end, undoes it there; passwords of both ends work and are nowhere to be seen.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b c
fault_setup

home() {
	expect_exit 0 on b pmigrate c 101 c root@a -r yes
	on a sh -c 'rm -rf /vz/private/101.migrated* /etc/vz/conf/101.conf.migrated*'
	expect_eq "$(where_is)" a "where it is"
}

# ---- asked for from c: reports and statistics are written on c, findings and exit codes come home
expect_exit 0 on c pmigrate c root@a/101 c root@b --stats /tmp/s.json --report /tmp/r.html -v
must on c test -s /tmp/s.json -a -s /tmp/r.html
expect_out '^  Downtime '
expect_out 'ok: disk_space'
home
expect_exit 10 on c pmigrate c root@a/999 c root@b
expect_out "'999'"
expect_exit 1 on c pmigrate c root@a/101 c root@b --nothing
expect_exit 4 on c pmigrate c root@nosuchserver.invalid/101 c root@b
expect_exit 9 on c sh -c 'ssh b pctl create 101 --empty && pmigrate c root@a/101 c root@b; code=$?; ssh b pctl destroy 101; exit $code'
expect_exit 0 on c pmigrate c root@a/first c root@b --dry-run
expect_out 'It would send'
on c sh -c 'pmigrate c root@a/101 c root@b -b -r yes >/tmp/batch'
must on c sh -c 'tail -n 1 /tmp/batch | grep -q "\"event\":\"finish\",\"ok\":true"'
home

# ---- the destination is the asking server: by the address it came from, and one of its own
expect_exit 0 on b pmigrate c root@a/101 c localhost/205
expect_eq "$(state_on b 205)" running "205 on b"
expect_exit 0 on a pmigrate c root@b/205 c localhost/101
expect_eq "$(where_is)" a "where it is"
on a sh -c 'rm -rf /vz/private/*.migrated* /etc/vz/conf/*.migrated*'
on b sh -c 'rm -rf /vz/private/*.migrated* /etc/vz/conf/*.migrated*'

# ---- passwords for both ends, in no argument, environment, log or file of any of the three
for host in a b; do
	must on $host sh -c "echo 'root:s3cr:t@$host/x' | chpasswd"
	must on $host sh -c '/usr/sbin/sshd -p 2223 -o PubkeyAuthentication=no -o PasswordAuthentication=yes -o PermitRootLogin=yes'
done
on_bg c pmigrate c 'root:s3cr:t@a/x@a:2223/101' c 'root:s3cr:t@b/x@b:2223' --limit=2M
wait_for 10 on b test -d /vz/private/101
for host in a b c; do
	on $host sh -c 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr "\0" "\n"'
	on $host grep -r s3cr /var/log /var/lib/pmigrate /run/pmigrate 2>/dev/null || :
done >"$TEST_DIR/seen"
wait "$bg" || fail "the move with two passwords failed: $(cat "$bg_out")"
! grep -q s3cr "$TEST_DIR/seen" "$bg_out" || fail "a password could be seen"
home

# ---- Ctrl-C on the asking server: undone there, exit code 25
on_bg c sh -c 'pmigrate c root@a/101 c root@b --limit=300K & echo $! >/tmp/pid; wait $!; echo "code $?"'
wait_for 10 on b test -d /vz/private/101
must on c sh -c 'kill -INT "$(cat /tmp/pid)"'
wait "$bg" || :
grep -q 'code 25' "$bg_out" || fail "Ctrl-C: $(cat "$bg_out")"
expect_eq "$(where_is)" a "where it is after Ctrl-C"
expect_eq "$(on b ls /vz/private 2>/dev/null || :)" "" "what Ctrl-C left on b"
log_check a

# ---- the asking server dies: the same
on_bg c sh -c 'pmigrate c root@a/101 c root@b --limit=300K & echo $! >/tmp/pid; wait $!'
wait_for 10 on b test -d /vz/private/101
must on c sh -c 'kill -KILL "$(cat /tmp/pid)"'
wait "$bg" || :
wait_for 20 on a sh -c '[ -z "$(pmigrate status)" ]'
expect_eq "$(where_is)" a "where it is after the asking server's end"
wait_for 10 on b sh -c '[ -z "$(ls /vz/private)" ]'
expect_exit 0 on c pmigrate c root@a/101 c root@b
log_check b
