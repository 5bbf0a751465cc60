#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: long
# timeout: 120
#
# Is a page ever stale on Debian's own kernels? The programs of tests/mem that change memory in every way, copied in
# rounds and compared byte by byte: by the kernel's best means and, where it has them, by soft-dirty bits.
. "$(dirname "$0")/../lib.sh"

[ -x "${MEM_TESTS:-}/precopy" ] || skip "no programs of tests/mem were brought along"
for means in '' soft-dirty; do
	for kind in plain thp remap advise fork exec spawn file shared memfd sysv; do
		echo "# ${means:-by default}: $kind"
		expect_exit 0 env ${means:+PMIGRATE_TRACK=$means} timeout 300 "$MEM_TESTS/precopy" "$MEM_TESTS/churn" $kind -m 8 -f 2 -r 3 -c -l
		cat "$OUT"
	done
	# Where the best means are these already, once is enough.
	criu check --feature pagemap_scan >/dev/null 2>&1 || break
done
