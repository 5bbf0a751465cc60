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
. "$TESTS/stock.sh"
lab_start --image mini a:13 b:13
IP=10.78.0.101

on a grep -q 'cgroup2 rw.*nsdelegate' /proc/mounts || fail "this is not how systemd mounts cgroup2"
must on a pctl create 101 --ostemplate /templates/mini.tar.zst --ipadd $IP --ram 64M --numproc 50
memcheck_put a 101 -r 100 private=8 shared=2 file=2
must on a pctl start 101 --wait
stock_moved a b
memcheck_start out $IP
stock_moved b a --online
client_stop out memcheck
