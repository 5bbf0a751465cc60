#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A virtual machine moves while it runs: its guest counts on, on disks that are whole there; autostart goes along. Whoever is killed in the
# middle, or when the link is cut there, it runs on exactly one server, with what it had counted. LONG=1: broken at every step.
# timeout: 1500
. "$(dirname "$0")/../lib.sh"
. "$TESTS/vms.sh"

vms_start a b
vm_make a web
on a virsh -q autostart web >/dev/null
on a virsh -q start web >/dev/null
wait_for 120 vm_counts_past a web 3

MOVE=(pmigrate v web v root@b --no-progress --timeout 5 -r yes)
counted=0
still_counts() { # HOST WHAT: it runs there, goes on from where it was, and only there
	expect_eq "$(vm_where web)" "$1" "$2: where it is"
	expect_eq "$(vm_state "$1" web)" running "$2: its state"
	vm_counts "$1" web
	local now
	now=$(vm_count "$1" web)
	[ "$now" -ge "$counted" ] || fail "$2: it had counted to $counted and is at $now"
	counted=$now
}
back() { # WHAT
	on b pmigrate v web v a -r yes --no-progress --dst /srv/back >"$OUT" 2>&1 </dev/null || { cat "$OUT" >&2 && fail "$1: it does not come back"; }
	still_counts a "$1, back"
	vm_nothing_left "$1" web
}
recovered() { # WHAT HOST
	on a sh -c 'for i in $(seq 100); do pmigrate recover && [ -z "$(pmigrate status)" ] && exit 0; sleep 0.2; done; exit 1' >"$OUT" 2>&1 ||
		{ cat "$OUT" >&2 && fail "$1: recover failed"; }
	vm_nothing_left "$1" web
	still_counts "$2" "$1"
	[ "$2" = a ] || back "$1"
}
in_the_middle() { # starts a slow move; returns when its disks are on their way
	on_bg a "${MOVE[@]}" --limit 1M
	wait_for 120 on b sh -c '[ "$(virsh -q domstate web 2>/dev/null | head -n 1)" = paused ]'
	wait_for 120 on a sh -c 'virsh -q domjobinfo --rawstats web | grep -q "disk_processed: [1-9]"'
}

expect_exit 0 on a "${MOVE[@]}" --batch
expect_out '"event": ?"account".*"downtime_ms": ?[1-9]'
still_counts b 'moved'
on b sh -ec 'virsh -q list --all --autostart --name | grep -qx web
	virsh -q list --all --persistent --name | grep -qx web
	! qemu-img info -U /var/lib/libvirt/images/web/disk.qcow2 | grep -q "backing file"
	test ! -e /run/pmigrate/vm-*'
back 'moved'

in_the_middle
on a sh -c 'kill -9 $(pgrep -ox pmigrate)'
wait "$bg" || :
recovered 'the source killed in the middle' a

in_the_middle
lab_do cut b
! wait "$bg" || fail 'it claimed success over a link that was cut'
expect_eq "$(vm_state a web)" running 'with the link cut'
lab_do mend b
recovered 'the link cut in the middle' a

for point in ${LONG:+expect expect.done commit} commit.done ${LONG:+retire}; do
	expect_exit 137 on a env PMIGRATE_FAULT="source.$point:kill" "${MOVE[@]}"
	case $point in commit.done | retire) recovered "the source killed at $point" b ;; *) recovered "the source killed at $point" a ;; esac
done
for spec in ${LONG:+vm-expect:kill vm-expect.done:kill} commit:kill; do
	put b /usr/local/sbin/pmigrate-faulty <<-END
		#!/bin/sh
		PMIGRATE_FAULT="agent.$spec" exec pmigrate "\$@"
	END
	on b chmod 755 /usr/local/sbin/pmigrate-faulty
	code=0
	on a env PMIGRATE_REMOTE=pmigrate-faulty "${MOVE[@]}" >"$OUT" 2>&1 </dev/null || code=$?
	# Once it has said where its libvirt is, libvirt needs it no more.
	case $spec in vm-expect:kill) recovered "agent at $spec" a ;; *) recovered "agent at $spec" b ;; esac
done
