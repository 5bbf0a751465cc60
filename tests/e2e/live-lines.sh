#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 200
#
# Debian with systemd moves online there and back while its programs log a thousand lines a second (LONG=1: ten thousand): at every instant
# the journal's sockets hold messages that nobody has read, each with its sender and its time.
. "$(dirname "$0")/../lib.sh"
rate=1000
[ -z "${LONG:-}" ] || rate=10000
lines=$("$TESTS/payload/build" lines)
lab_start --vz 3G --image debian13 a b
inside() { on "$1" pctl exec 209 "${@:2}"; }

must on a pctl create 209 --ostemplate /templates/debian13.tar.zst --ipadd 10.77.2.9
put a /vz/private/209/usr/local/bin/lines <"$lines"
on a chmod 755 /vz/private/209/usr/local/bin/lines
must on a pctl start 209 --wait --timeout $((60 * ${TIME_FACTOR:-1}))
must inside a systemd-run --unit lines --property LogRateLimitIntervalSec=0 /usr/local/bin/lines 4 $rate
wait_for 20 on a pctl exec 209 sh -c 'journalctl -q -n 100 -u lines | grep -q "line [0-9]* of process"'
for way in 'a b' 'b a'; do
	read -r from to <<<"$way"
	expect_exit 0 on "$from" pmigrate c 209 c "root@$to" --online --no-progress -r yes
	grep -iE 'downtime|goes on as' "$OUT" || :
	expect_eq "$(inside "$to" systemctl is-active lines systemd-journald | sort -u)" active "the services on $to"
	# whose lines they are, the journal knows by their sender
	before=$(inside "$to" date +%s)
	wait_for 30 on "$to" pctl exec 209 sh -c "journalctl -q -n 20 -u lines --since @$before | grep -q 'line [0-9]* of process'"
done
must inside a systemctl stop lines
wait_for 60 on a pctl exec 209 sh -c '[ "$(systemctl is-system-running)" = running ]'
