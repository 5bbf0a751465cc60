#!/bin/bash
# SPDX-License-Identifier: MIT
#
# --limit holds within 5 % over the sum of all --streams, as the receiving program counts its bytes; and a --streams=N move
# has N connections.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"
lab_start --vz 1G --image mini a b
fault_setup
on a sh -c 'head -c 300M /dev/urandom >/vz/private/101/bulk/large'
put b /tmp/rate.py <<'END'
# Bytes that the agent read in a second, over a window of 3 s.
import glob, os, time
def agent():
    for p in glob.glob("/proc/[0-9]*"):
        try:
            argv = open(p + "/cmdline").read().split("\0")
            if argv[0].endswith("pmigrate") and "agent" in argv and "--join" not in argv:
                return p
        except OSError:
            pass
def read(p):
    return int(open(p + "/io").read().split("rchar: ")[1].split()[0]), time.monotonic()
p = agent()
a, t = read(p)
time.sleep(3)
b, u = read(p)
print(int((b - a) / (u - t)))
END
much_is_there() { [ "$(on b du -s -B1 /vz/private/101 | cut -f1)" -gt 10000000 ]; }

on_bg a "${MOVE[@]}" --streams=3 --limit=12M
wait_for 30 much_is_there
expect_eq "$(on b sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline 2>/dev/null | grep -c "^pmigrate agent"; done | grep -c 1')" 3 "connections of --streams=3"
limit=$((12 * 1024 * 1024)) kept=
for _ in 1 2 3; do
	rate=$(on b python3 /tmp/rate.py)
	echo "limit $limit, rate $rate bytes/s"
	[ "$rate" -le $((limit * 105 / 100)) ] || fail "more than the limit: $rate bytes/s"
	[ "$rate" -lt $((limit * 95 / 100)) ] || { kept=1 && break; }
done
[ -n "$kept" ] || fail "the limit is not used: $rate of $limit bytes/s"
on a sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline 2>/dev/null | grep -q "^pmigrate c 101" && kill -INT ${p#/proc/}; done; :'
wait "$bg" || :
fault_verdict "a limited move that was cancelled"
