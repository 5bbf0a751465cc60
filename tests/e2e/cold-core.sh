#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: short
# timeout: 600
#
# The heart of the cold move in one short test, which also runs on Debian's own kernel: there with a quota on the area.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 256M --image mini a b
fault_setup
on a sh -c 'cd /vz/private/101/bulk && ln f1 hard && ln -s f2 soft && mkfifo pipe && chown 70000:5 f3 && setfattr -n user.a -v b f4'

expect_exit 0 on a "${MOVE[@]}" --timeout 30
expect_eq "$(where_is)" b "where it is"
log_check b
must same_tree a /vz/private/101.migrated/bulk b /vz/private/101/bulk
expect_exit 0 on b pmigrate c 101 c root@a -r yes
on a sh -c 'rm -rf /vz/private/101.migrated /etc/vz/conf/101.conf.migrated'
fault_verdict "there and back"

for point in last commit; do
	expect_exit 137 on a env PMIGRATE_FAULT="source.$point:kill" "${MOVE[@]}" --timeout 30
	expect_exit 0 on a sh -c 'for i in $(seq 100); do pmigrate recover && [ -z "$(pmigrate status)" ] && exit 0; sleep 0.3; done; exit 1'
	fault_verdict "kill of the source at $point"
	expect_eq "$(where_is)" a "where it is after a kill at $point"
done
