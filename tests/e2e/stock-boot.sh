#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: stock-full
# timeout: 300
#
# The units under Debian 13's own systemd: a server that reboots stops its containers gracefully, and starts those with ONBOOT and no
# other.
LAB=stock
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"
lab_start --image mini a:13
must on a sh -c 'systemctl daemon-reload && systemctl enable --now pmigrate.service'
fault_setup

states() { # of all on a, in one line
	on a pctl list -a -H -o ctid,status | tr -s ' \n' ' '
}

up_again() { # HOST: its systemd is through
	wait_for 60 on "$1" sh -c 'systemctl is-active -q pmigrate-boot.service'
}

must on a pctl set 101 --onboot yes
for id in 102 103; do
	must on a pctl create $id --ostemplate /templates/mini.tar.zst --ipadd 10.77.1.$id --onboot "$([ $id = 102 ] && echo yes || echo no)"
	must on a pctl set $id --init '/bin/sh /slow'
	printf 'trap "sleep 1; : >/stopped; exit 0" TERM\n: >/ready\nwhile :; do sleep 0.1; done\n' | put a /vz/private/$id/slow
	must on a pctl start $id
	wait_for 10 on a test -e /vz/private/$id/ready # its first process has a handler by now
done
lab_do reboot a
up_again a
expect_eq "$(states)" "101 running 102 running 103 stopped " "after the reboot"
for id in 102 103; do must on a test -e /vz/private/$id/stopped; done
log_check a
expect_eq "$(on a systemctl is-active pmigrate.service)" active "the service after the reboot"
