#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: stock
# timeout: 150
#
# Two Debian 13 servers as their installer leaves them (systemd, its cgroups and their delegation, AppArmor, sshd's
# defaults): a container is made and started, moves cold, moves live, as its network's client sees it.
LAB=stock
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --image mini a:13 b:13
IP=10.78.0.101

moved() { # FROM TO [OPTION...]
	local from=$1 to=$2
	shift 2
	expect_exit 0 on "$from" pmigrate c 101 c "root@$to" --no-progress -r yes "$@"
	grep -i downtime "$OUT" || :
	expect_no_out "goes on as"
	expect_eq "$(on "$to" pctl status 101)" "CTID 101 running" "pctl's opinion on $to"
	expect_eq "$(on "$from" sh -c 'pctl list -a -H -o ctid; find /sys/fs/cgroup -path "*/vz/101*" -type d')" "" "what is left on $from"
}

on a grep -q 'cgroup2 rw.*nsdelegate' /proc/mounts || fail "this is not how systemd mounts cgroup2"
must on a pctl create 101 --ostemplate /templates/mini.tar.zst --ipadd $IP --ram 64M --numproc 50
memcheck_put a 101 -r 100 private=8 shared=2 file=2
must on a pctl start 101 --wait
moved a b
memcheck_start out $IP
moved b a --online
client_stop out memcheck
