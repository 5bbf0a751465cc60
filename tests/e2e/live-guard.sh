#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
#
# Guard regions (MADV_GUARD_INSTALL) go along.  A process that makes its first one between the last look and the freeze ends
# the move, for CRIU was told that there is none; and the container runs on.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
dpkg --compare-versions "$(uname -r)" ge 6.15 || skip "Linux $(uname -r) does not tell guard regions, CRIU cannot save them (6.15 does)"
lab_start --vz 512M --image mini a b c
IP=10.77.2.5

memory() { # HOST: the process with the area that is guarded when it is told to be
	on "$1" pgrep -x guard
}

must on a pctl create 301 --ostemplate /templates/mini.tar.zst --ipadd $IP
memcheck_put a 301 -s 100 private=4 guard=1
must on a pctl start 301 --wait
memcheck_start c $IP

on_bg a sh -c 'PMIGRATE_FAULT=source.freeze:stop pmigrate c 301 c root@b --online --no-progress -r yes; exit $?'
job=$bg
wait_for 30 on a sh -c 'grep -q "^State:.*T (stopped)" /proc/$(pgrep -ox pmigrate)/status'
must on a kill -USR1 "$(memory a)"
sleep 0.5 # it is made with the next sweep
must on a sh -c 'kill -CONT $(pgrep -x pmigrate)'
code=0
wait $job || code=$?
cat "$bg_out"
expect_eq "$code" 57 "the exit code of the first move"
grep -q "made its first guard region at the freeze" "$bg_out" || fail "the first move does not say why"
client_check c memcheck
expect_eq "$(on a pctl status 301)" "CTID 301 running" "after the first move"

expect_exit 0 on a pmigrate c 301 c root@b --online --no-progress -r yes
sleep 0.5
client_check c memcheck
expect_exit 0 on b pmigrate c 301 c root@a --online --no-progress -r yes --lazy
sleep 0.5
client_stop c memcheck
