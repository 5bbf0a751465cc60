#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The link dies in the middle of the first copy, with --keep-dst: the next try sends what is missing, counted in bytes on the
# wire, and nothing twice: of the small files, and of a large file that was under way. And before, --dry-run watches the journal
# for how fast files change.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"
lab_start --vz 1G --image mini a b
fault_setup
on a sh -c 'cd /vz/private/101/bulk && head -c 80M /dev/urandom >large && for i in $(seq 2000); do head -c 10000 /dev/urandom >more$i; done; sync'
total=$(on a sh -c 'du -s -B1 /vz/private/101 | cut -f1')

# A file of 1 MB, written again and again: that much in each window of the journal, whatever its length.
on_bg a sh -c 'while [ ! -e /tmp/enough ]; do head -c 1000000 /dev/urandom >/vz/private/101/bulk/busy; sleep 0.1; done'
expect_exit 0 on a pmigrate c 101 c root@b --dry-run --batch
on a touch /tmp/enough
wait "$bg"
python3 - "$OUT" <<'END' || fail "the dry run's change rate"
import json, sys
p = [e for e in map(json.loads, open(sys.argv[1])) if e["event"] == "prediction"][0]
print("change_bps", p["change_bps"])
assert 200000 < p["change_bps"] < 1500000, p
END

there() { on b sh -c 'du -s -B1 /vz/private/101* 2>/dev/null | sort -n | tail -n 1 | cut -f1'; }
much_is_there() { [ "$(there)" -gt 50000000 ]; }

on_bg a "${MOVE[@]}" --keep-dst --limit=15M
wait_for 30 much_is_there
lab_do cut b
code=0
wait "$bg" || code=$?
[ $code != 0 ] || fail "a migration over a dead link succeeded"
expect_eq "$(state_on a)" running "the source after the link died"
wait_for 30 on b test -d /vz/private/101.migrated
lab_do mend b
kept=$(there)
[ "$kept" -lt $((total - 15000000)) ] || fail "it was cut too late to say anything: $kept of $total bytes"

on a "${MOVE[@]}" --keep-dst --stats=/tmp/stats.json >"$OUT" 2>&1 </dev/null || { cat "$OUT" >&2 && fail "the next try failed"; }
wire=$(on a python3 -c 'import json; print(json.load(open("/tmp/stats.json"))["migrations"][0]["account"]["wire_bytes"])')
missing=$((total - kept))
echo "tree $total bytes, there before $kept, missing $missing, on the wire $wire"
[ "$wire" -lt $((missing + missing / 10 + 4000000)) ] || fail "$missing bytes were missing, $wire were sent"
must same_tree a /vz/private/101.migrated/bulk b /vz/private/101/bulk
log_check b
expect_eq "$(where_is)" b "where it runs"
