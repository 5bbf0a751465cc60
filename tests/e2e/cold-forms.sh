#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Ways to name the two servers: ports, passwords, IPv6, another user, a remote source, both remote, a local move.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b c
fault_setup

home() { # HOST: back to a
	expect_exit 0 on "$1" pmigrate c 101 c root@a -r yes
	on a sh -c 'rm -rf /vz/private/101.migrated* /etc/vz/conf/101.conf.migrated*'
	expect_eq "$(where_is)" a "where it is"
}

# ---- another port, IPv6, --ssh
must on b /usr/sbin/sshd -p 2222
expect_exit 0 on a pmigrate c 101 c root@b:2222
home b
expect_exit 0 on a pmigrate c 101 c 'root@[fd77::2]:2222'
home b
expect_exit 0 on a pmigrate c 101 c fd77::2 --ssh='-o Port=2222 -o "User=root"'
home b

# ---- a password: works, and is nowhere to be seen
must on b sh -c 'echo "root:s3cr:t@ w/rd" | chpasswd'
must on b sh -c '/usr/sbin/sshd -p 2223 -o PubkeyAuthentication=no -o PasswordAuthentication=yes -o PermitRootLogin=yes'
on_bg a pmigrate c 101 c 'root:s3cr:t@ w/rd@b:2223' --limit=2M -v
wait_for 10 on b test -d /vz/private/101
on a sh -c 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr "\0" "\n"' >"$TEST_DIR/seen"
wait "$bg" || fail "the move with a password failed: $(cat "$bg_out")"
! grep -qF 's3cr' "$TEST_DIR/seen" || fail "the password was in a process's arguments or environment"
! grep -qF 's3cr' "$bg_out" || fail "the password was printed"
! on a grep -rqF 's3cr' /var/lib/pmigrate /var/log || fail "the password is in a file"
home b
expect_exit 4 on a pmigrate c 101 c 'root:wrong@b:2223'
expect_no_out 'wrong'

# ---- a remote source; both remote
expect_exit 0 on c pmigrate c root@a/101 c root@b
expect_eq "$(where_is)" b "where it is after a move asked for from c"
home b
expect_exit 0 on b pmigrate c root@a/101 c localhost
home b

# ---- local: another id, another place; and back
expect_exit 0 on a pmigrate c 101 c localhost/301
expect_eq "$(state_on a 301)" running "301 on a"
expect_eq "$(state_on a)" absent "101 on a"
expect_exit 0 on a pmigrate c 301 c 101 --new-private /vz/other/101
expect_eq "$(state_on a)" running "101 on a"
must on a test -d /vz/other/101
expect_exit 0 on a pmigrate c 101 c 101 --new-private /vz/private/101 --new-name third
log_check a
expect_exit 0 on a pctl exec third true
# …to another file system: copied
on a sh -c 'mkdir /tmp/there && mount -t tmpfs there /tmp/there'
expect_exit 0 on a pmigrate c 101 c 101 --new-private /tmp/there/101
must on a test -e /tmp/there/101/bulk/f1
expect_exit 1 on a test -e /vz/private/101
expect_exit 0 on a pmigrate c 101 c 101 --new-private /vz/private/101
log_check a
for point in begin stop place rename hold commit finish; do
	expect_exit 137 on a env PMIGRATE_FAULT="local.$point:kill" pmigrate c 101 c 301
	expect_exit 0 on a sh -c 'for i in $(seq 100); do pmigrate recover && [ -z "$(pmigrate status)" ] && exit 0; sleep 0.1; done; exit 1'
	if [ "$(state_on a)" = absent ]; then
		expect_exit 0 on a pmigrate c 301 c 101
	fi
	expect_eq "$(state_on a)" running "101 after a kill at $point"
	log_check a
done

# ---- streams and a limit
on a sh -c 'head -c 20000000 /dev/urandom >/vz/private/101/bulk/large'
expect_exit 0 on a pmigrate c 101 c root@b --streams=4
must same_tree a /vz/private/101.migrated/bulk b /vz/private/101/bulk
home b
begin=$(date +%s%N)
expect_exit 0 on a pmigrate c 101 c root@b --streams=3 --limit=8M
took=$((($(date +%s%N) - begin) / 1000000))
[ $took -gt 2000 ] || fail "20 MB at 8 MB/s took only $took ms"
