#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The command is killed by SIGKILL while CRIU holds the container's processes and its sockets; or it, its guard and the freeze's
# guard. CRIU has to end what it began: a process that runs CRIU's code when CRIU dies, dies, and a TCP socket in repair
# mode stays so. The container goes on at the source, and its client's one connection lives.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"
IP=10.77.2.5
DELAYS=${DELAYS:-1 3 5 7 9 12}

lab_start --vz 1G --image mini a b c
must on a pctl create 301 --ostemplate /templates/mini.tar.zst --ipadd $IP
memcheck_put a 301 -r 300 -f 10 private=24 shared=8
must on a pctl start 301 --wait
memcheck_start c $IP

# Kills the command, or all, when CRIU has held the container for so long.
killer='
import os, re, sys, time
who, delay = sys.argv[1], float(sys.argv[2]) / 1000

def pids(what):
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            if open("/proc/%s/cmdline" % p).read().replace("\0", " ").startswith(what):
                yield int(p)
        except OSError:
            pass

def tracer(p):
    try:
        t = int(re.search(r"TracerPid:\t(\d+)", open("/proc/%d/status" % p).read())[1])
        return t if t and open("/proc/%d/comm" % t).read() == "criu\n" else 0
    except (OSError, TypeError):
        return 0

first = next(pids("/bin/memcheck"))
end = time.monotonic() + 20
while not (criu := tracer(first)):
    if time.monotonic() > end:
        sys.exit("no CRIU came")
at = time.monotonic() + delay
while time.monotonic() < at:
    pass
held = tracer(first)
victims = [*pids("pmigrate c 301")]
if who == "all":
    victims += [*pids("pmigrate agent --guard"), *pids("sh -c trap ")]
for p in victims:
    os.kill(p, 9)
print("held" if held else "too late")
'

held=0
for who in command all; do
	for delay in $DELAYS; do
		what="$who is killed $delay ms after CRIU came"
		on_bg a python3 -c "$killer" $who "$delay"
		killer_bg=$bg killer_out=$bg_out
		sleep 0.2
		code=0
		on a pmigrate c 301 c root@b --online --no-progress --timeout 3 >"$OUT" 2>&1 </dev/null || code=$?
		wait "$killer_bg" || { cat "$killer_out" "$OUT" >&2 && fail "$what: $(cat "$killer_out")"; }
		grep -q held "$killer_out" && held=$((held + 1))
		for _ in $(seq 50); do
			on a pmigrate recover >>"$OUT" 2>&1 || :
			[ -n "$(on a pmigrate status)$(on b pmigrate status)" ] || break
			sleep 0.1
		done
		echo "# $what: $(cat "$killer_out"), exit $code, on a $(state_on a 301), on b $(state_on b 301)"
		if [ "$(state_on b 301)" = running ]; then
			expect_exit 0 on b pmigrate c 301 c root@a --online --no-progress -r yes
			on a sh -c 'rm -rf /vz/private/301.migrated* /etc/vz/conf/301.conf.migrated*'
		fi
		expect_eq "$(state_on a 301)" running "$what: its state on a"
		seen=$(on c sh -c 'cat /tmp/client.memcheck.result 2>/dev/null; :')
		[ -z "$seen" ] || { cat "$OUT" >&2 && fail "$what: $seen"; }
		sleep 0.5
		client_check c memcheck
	done
done
client_stop c memcheck
[ $held -gt 2 ] || fail "CRIU was hit only $held times while it held the container"
