#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Disk space and inodes of a container, by project quota (which only the VM's kernel has).
# vm: only
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

quota_try() { # TYPE
	(lab_start --image mini --vz "600M:$1:quota" a) || skip "this kernel mounts no $1 with quotas"
	echo "# $1"
	expect_exit 0 on a pctl create 101 --ostemplate /templates/mini.tar.zst --diskspace 20480:20480 --diskinodes 700:700
	expect_no_out 'not limited'
	must on a pctl start 101
	expect_exit 1 on a pctl exec 101 dd if=/dev/zero of=/big bs=64k count=400
	expect_out 'No space left|[Qq]uota'
	must on a pctl set 101 --diskspace 40960:40960
	must on a pctl exec 101 dd if=/dev/zero of=/big bs=64k count=400
	expect_exit 1 on a pctl exec 101 sh -c 'mkdir /many && cd /many && for i in $(seq 1000); do : >f$i || exit 1; done'
	# another container has its own account
	must on a pctl create 102 --ostemplate /templates/mini.tar.zst --diskspace 20480:20480
	must on a sh -c 'dd if=/dev/zero of=/vz/private/102/some bs=64k count=160 2>/dev/null'
	must on a pctl set 101 --diskspace unlimited --diskinodes ''
	must on a pctl exec 101 dd if=/dev/zero of=/big bs=64k count=800
	must on a pctl stop 101
	must "$LAB" down "$TEST_DIR/lab"
}

quota_try ext4
