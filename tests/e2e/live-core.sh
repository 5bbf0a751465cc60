#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: short
# timeout: 120
#
# The heart of the online move in one short test, which also runs on Debian's own kernels: processes that are not root's,
# memory that checks itself, one TCP connection; iterative, lazy, simple; the limits there are those from here.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --vz 512M --image mini a b c
IP=10.77.2.5

# What the kernel enforces, on cgroup v1 and v2, with the state of the freezer.
limits() { # HOST
	on "$1" sh -c '
		for f in memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.shares freezer/freezer.state; do
			[ ! -e /sys/fs/cgroup/${f%/*}/vz/501 ] || echo "$f $(cat /sys/fs/cgroup/${f%/*}/vz/501/${f#*/})"
		done
		cd /sys/fs/cgroup/vz/501 2>/dev/null || exit 0
		for f in memory.max memory.swap.max pids.max cpu.max cpu.weight cgroup.freeze cgroup.subtree_control; do
			echo "$f $(cat $f)"
		done
		cat cgroup.events; cat ct/cgroup.events; cat ct/cgroup.controllers'
}

moved() { # FROM TO [OPTION...]
	local from=$1 to=$2 before
	before=$(limits "$from")
	shift 2
	expect_exit 0 on "$from" pmigrate c 501 c "root@$to" --online --no-progress -r yes "$@"
	grep -i downtime "$OUT" || :
	expect_no_out "goes on as"
	client_check c memcheck
	expect_eq "$(limits "$to")" "$before" "limits on $to"
	expect_eq "$(on "$to" sh -c 'cat /proc/$(pgrep -ox memcheck)/status | grep -E "^(Uid|Gid)"')" \
		$'Uid:\t65534\t65534\t65534\t65534\nGid:\t65534\t65534\t65534\t65534' "whose processes they are on $to"
	expect_eq "$(on "$to" pctl status 501)" "CTID 501 running" "pctl's opinion on $to"
	expect_exit 0 on "$to" runc list
	expect_out '^501 .* running '
	expect_eq "$(on "$from" sh -c 'runc list -q; pctl list -a -H -o ctid; find /sys/fs/cgroup -path "*/vz/501*" -type d')" "" \
		"what is left on $from"
}

must on a pctl create 501 --ostemplate /templates/mini.tar.zst --ipadd $IP --ram 128M --swap 32M --numproc 50 --cpulimit 150
memcheck_put a 501 -r 200 -f 5 private=12 thp=4 shared=4 file=4
must on a sed -i 's|^exec \(.*\) >|chmod 1777 /var/tmp; exec su -s /bin/sh nobody -c "exec \1" >|' /vz/private/501/etc/rc
must on a pctl start 501 --wait
memcheck_start c $IP
moved a b ${LIVE_CORE_OPTIONS:-}
# As many connections as there can be; each takes seconds in the VM.
[ -n "${TESTS_IN_VM:-}" ] || many=--streams=16
moved b a --lazy ${many:-}
moved a b --noiter
client_stop c memcheck
must on b pctl stop 501
