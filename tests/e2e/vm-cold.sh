#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A virtual machine that is shut off moves between two servers with libvirt: its disks byte for byte, also those that build on
# others; name, place, autostart and what becomes of the source as asked; what cannot move is refused with nothing changed; and
# whatever is killed at whichever step, one server has it and its disks are whole.
# timeout: 1200
. "$(dirname "$0")/../lib.sh"
. "$TESTS/vms.sh"

vms_start a b
vm_make a web
on a virsh -q autostart web >/dev/null
vm_sums a web >"$TEST_DIR/sums"
same_disks() { # HOST NAME
	vm_sums "$@" | diff -q - "$TEST_DIR/sums" >/dev/null || fail "the disks of $2 on $1 are not as they were"
}

# Refused, and nothing is changed.
refused() { # CODE PATTERN COMMAND...
	local code=$1 pattern=$2
	shift 2
	expect_exit "$code" on a pmigrate "$@"
	expect_out "$pattern"
	expect_eq "$(vm_where web)" a "after a refusal ($pattern)"
	on b test ! -e /var/lib/libvirt/images/web
}
refused 10 "there is no virtual machine 'nobody'" v nobody v b
refused 34 'same server' v web v localhost
refused 1 'give its name' v /srv/disks/web/disk.qcow2 v b
refused 1 'one leaves everything here' v web v b --keep-src -r yes
vm_make b taken
refused 9 'virtual machine taken exists already' v web v b/taken
on b virsh -q undefine taken >/dev/null
on a sh -ec 'virsh dumpxml --inactive web >/srv/web.xml; virsh -q snapshot-create-as web before --disk-only >/dev/null'
refused 57 'web has snapshots' v web v b
on a sh -ec 'virsh -q snapshot-delete web before --metadata >/dev/null; virsh -q define /srv/web.xml >/dev/null; rm /srv/disks/web/*.before'

vm_make a odd
edit_odd() { # SED
	on a sh -c 'virsh dumpxml --inactive odd >/srv/odd.xml && sed -i "$1" /srv/odd.xml && virsh -q define /srv/odd.xml >/dev/null' sh "$1"
}
edit_odd 's,</devices>,<interface type="network"><source network="office"/></interface></devices>,'
refused 57 'its network office is not there' v odd v b
edit_odd '/<interface/,/<\/interface>/d; s,/srv/guest/initrd,/srv/guest/only-here,'
on a cp /srv/guest/initrd /srv/guest/only-here
refused 57 '/srv/guest/only-here is not there' v odd v b
edit_odd 's,/srv/guest/only-here,/srv/guest/initrd,; s,</devices>,<filesystem type="mount"><source dir="/srv"/><target dir="x"/></filesystem></devices>,'
refused 57 'uses what belongs to this server: filesystem' v odd v b
edit_odd '/<filesystem/,/<\/filesystem>/d; s,<disk type=.file.,<disk type="block",; s,source file=,source dev=,'
refused 57 'the disk vda of virtual machine odd is no file' v odd v b
on a virsh -q undefine odd >/dev/null

expect_exit 0 on a pmigrate v web v b --dry-run
expect_out 'Virtual machine web can be migrated'
expect_eq "$(vm_where web)" a 'after a dry run'

# There with another name and place; autostart goes along, the old one stays as web.migrated and does not start by itself.
expect_exit 0 on a pmigrate v web v root@b/shop --dst /srv/vm --batch
expect_out '"event": ?"account"'
on b sh -ec 'test -e /srv/vm/shop/base.raw && test -e /srv/vm/shop/data_disk.raw
	virsh -q list --all --autostart --name | grep -qx shop
	! virsh dumpxml --inactive shop | grep -q /srv/disks'
same_disks b shop
expect_eq "$(vm_state a web.migrated)" 'shut off' 'the old definition'
expect_eq "$(on a virsh -q list --all --autostart --name)" '' 'what starts by itself on a'
# It really starts from the disks there.
on b virsh -q start shop >/dev/null
vm_counts b shop
on b virsh -q destroy shop >/dev/null
vm_sums b shop >"$TEST_DIR/sums"

# Back, from the other side: a remote source; everything of it goes there.
on a virsh -q undefine web.migrated >/dev/null
on a rm -r /srv/disks/web
expect_exit 0 on a pmigrate v b/shop v localhost/web -r yes
same_disks a web
expect_eq "$(on b sh -c 'virsh -q list --all --name; find /srv/vm /var/lib/pmigrate/vm -mindepth 1 ! -name "*.lck"')" '' 'what is left on b'

# A copy, and its source left as it is.
expect_exit 0 on a pmigrate v web v b/copy --keep-src
same_disks b copy
expect_eq "$(vm_state a web)" 'shut off' 'the source of a copy'
expect_eq "$(on a virsh -q list --all --autostart --name)" '' 'the source of a copy does not start by itself'
on b sh -c 'virsh -q undefine copy >/dev/null && rm -r /var/lib/libvirt/images/copy'

# Running, with -s: copied while it runs, shut down for the last changes, not started there.
on a virsh -q start web >/dev/null
wait_for 120 vm_counts_past a web 2
expect_exit 0 on a pmigrate v web v b -s -v
expect_out 'step last'
expect_eq "$(vm_state b web), $(vm_state a web.migrated)" 'shut off, shut off' 'both of a machine that was shut down'
vm_sums a web.migrated >"$TEST_DIR/sums"
same_disks b web
vm_counts_past b web 2 || fail 'the last it had counted is not there'
expect_exit 0 on b pmigrate v web v a -r yes --dst /srv/back
on a virsh -q undefine web.migrated >/dev/null

# Faults.
MOVE=(pmigrate v web v root@b --no-progress --timeout 3 -r yes)
recover_and_return() { # WHAT
	on a sh -c 'for i in $(seq 100); do pmigrate recover && [ -z "$(pmigrate status)" ] && exit 0; sleep 0.1; done; exit 1' >"$OUT" 2>&1 ||
		{ cat "$OUT" >&2 && fail "$1: recover failed"; }
	vm_nothing_left "$1" web
	if [ "$(vm_where web)" = a ]; then
		same_disks a web
		expect_exit 0 on a "${MOVE[@]}"
	fi
	expect_eq "$(vm_where web)" b "$1: where it is after the retry"
	same_disks b web
	expect_exit 0 on b pmigrate v web v a -r yes --no-progress --dst /srv/back
	same_disks a web
	vm_nothing_left "$1" web
}
points='copy.done hold.done commit.done'
[ -z "${LONG:-}" ] || points="begin begin.done area area.done copy config config.done hold commit $points retire retire.done"
for point in $points; do
	expect_exit 137 on a env PMIGRATE_FAULT="source.$point:kill" "${MOVE[@]}"
	recover_and_return "kill of the source at $point"
done
requests='config.done:kill commit:fail'
[ -z "${LONG:-}" ] || requests="$requests open:kill area:kill area.done:fail pass:kill pass.done:fail config:kill config:fail hold:kill hold.done:kill commit:kill commit.done:kill"
for spec in $requests; do
	put b /usr/local/sbin/pmigrate-faulty <<-END
		#!/bin/sh
		PMIGRATE_FAULT="agent.$spec" exec pmigrate "\$@"
	END
	on b chmod 755 /usr/local/sbin/pmigrate-faulty
	on a env PMIGRATE_REMOTE=pmigrate-faulty "${MOVE[@]}" >"$OUT" 2>&1 </dev/null || :
	recover_and_return "agent at $spec"
done
# The link is cut in the middle of a disk; it is mended, and what was copied is used.
on a sh -c 'head -c 30M /dev/urandom | dd of="$(ls /srv/*/web/data_disk.raw)" conv=notrunc status=none'
vm_sums a web >"$TEST_DIR/sums"
on_bg a "${MOVE[@]}" --limit 4M --keep-dst
wait_for 20 on b test -e /var/lib/libvirt/images/web
sleep 1 # into the disk: nothing tells how far it is
lab_do cut b
! wait "$bg" || fail 'it claimed success over a link that was cut'
lab_do mend b
expect_eq "$(vm_where web)" a 'after the cut'
recover_and_return 'link cut'
