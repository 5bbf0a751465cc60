#!/bin/bash
# SPDX-License-Identifier: MIT
#
# h -> c fails half way: the area stays, the services come back, nothing is registered; the same command sends the rest.
# The link dies, the source's rsync dies, pmigrate is killed, a step fails: the services run again each time.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
# shellcheck source=../into.sh
. "$TESTS/into.sh"

# A small server will do: the lab host a itself. Its service is an init script.
lab_start --vz 3G a b
put a /etc/init.d/tick <<'END'
#!/bin/sh
case $1 in
start) [ -e /run/tick ] || { setsid sleep 100000 >/dev/null 2>&1 </dev/null & echo $! >/run/tick; } ;;
stop) kill "$(cat /run/tick)" && rm /run/tick && date +%s%N >>/run/tick.stops ;;
status) [ -e /run/tick ] || exit 3 ;;
esac
END
on a sh -ec 'chmod 755 /etc/init.d/tick; /etc/init.d/tick start
	mkdir /data; for i in $(seq 40); do dd if=/dev/urandom of=/data/$i bs=1M count=5 2>/dev/null; done'

MOVE=(pmigrate h root@a c 105 -S tick --exclude /vz --exclude /usr/share --batch)
ticking() { on a sh -c 'test -e /run/tick && kill -0 "$(cat /run/tick)"'; }
stops() { on a sh -c 'cat /run/tick.stops 2>/dev/null | wc -l'; }
kept() { on b sh -c 'test -d /vz/private/105 && test -e /var/lib/pmigrate/into/105 && ! test -e /etc/vz/conf/105.conf'; }

# a file system of its own that is not empty is somebody's, also when all in it is hidden
on b sh -ec 'truncate -s 900M /srv/106.img && mkfs.ext4 -q /srv/106.img && mkdir -p /vz/private/106 && mount -o loop /srv/106.img /vz/private/106
	mkdir /vz/private/106/.backup && echo keep >/vz/private/106/.backup/file'
expect_exit 9 on b pmigrate h root@a c 106 --exclude /vz --exclude /usr
expect_eq "$(on b cat /vz/private/106/.backup/file)" keep 'a hidden file in the area'
on b umount /vz/private/106

# the link is slow, and cut in the middle of the first pass
lab_do link a 200mbit 1ms
on_bg b "${MOVE[@]}" -t 6
wait_for 60 on b sh -c 'test "$(du -sm /vz/private/105/data 2>/dev/null | cut -f1)" -gt 50'
lab_do cut a
code=0
wait $bg || code=$?
[ $code != 0 ] || fail "it succeeded over a cut link"
lab_do mend a
kept || fail "the area of the failed try is not kept"
ticking || fail "the service does not run after a failure in the first pass"
expect_eq "$(stops)" 0 'stops so far'
had=$(on b du -sm /vz/private/105 | cut -f1)

# a step fails after the services were stopped
expect_exit 2 on b env PMIGRATE_FAULT=into.last.done:fail "${MOVE[@]}"
kept || fail "the area is not kept after a failed step"
# it sent what the first try had not
resent=$(($(grep '"round"' "$OUT" | grep '"copy"' | grep -o '"bytes":[0-9]*' | cut -d: -f2) / 1048576))
all=$(on b du -sm /vz/private/105 | cut -f1)
[ "$resent" -lt $((all - had * 3 / 4)) ] || fail "$resent MiB of $all were sent though $had were there"
wait_for 10 ticking
expect_eq "$(stops)" 1 'stops after a failed step'

# it is killed while the services are stopped
expect_exit 137 on b env PMIGRATE_FAULT=into.last.done:kill "${MOVE[@]}"
wait_for 20 ticking
expect_eq "$(stops)" 2 'stops after a kill'

# the link is cut while they are stopped: the source starts them by itself, the cut goes on
stopped() { ! ticking; }
on_bg b env PMIGRATE_FAULT=into.last:stop "${MOVE[@]}" -t 5
wait_for 60 stopped
lab_do cut a
wait_for 20 ticking
pkill -CONT -P $bg # nsenter, stopped as it is, wakes it
code=0
wait $bg || code=$?
[ $code != 0 ] || fail "it succeeded over a link that was cut while the services were stopped"
lab_do mend a
expect_eq "$(stops)" 3 'stops after a cut link'

# pmigrate is silent for too long: they go on, and the copy is not taken for one of a single moment
on_bg b env PMIGRATE_FAULT=into.last:stop "${MOVE[@]}" -t 5
wait_for 60 stopped
wait_for 20 ticking
pkill -CONT -P $bg # nsenter, stopped as it is, wakes it
code=0
wait $bg || code=$?
[ $code != 0 ] || fail "it succeeded though the services went on meanwhile"
grep -q 'was silent for so long' "$bg_out" || { cat "$bg_out" >&2 && fail "the reason is not told"; }
kept || fail "the area is not kept after a silence"
expect_eq "$(stops)" 4 'stops after a silence'

# another server's half-made area is not touched
expect_exit 9 on b pmigrate h root@10.77.0.2 c 105 --exclude /vz --exclude /usr --dist debian-13
kept || fail "another server's try changed the area"

# the same again: nearly nothing is left to send
lab_do link a
expect_exit 0 on b "${MOVE[@]}"
sent=$(grep -o '"wire_bytes":[0-9]*' "$OUT" | tail -n 1 | cut -d: -f2)
[ "$sent" -lt 10000000 ] || fail "$sent bytes were sent again"
ticking || fail "the service does not run afterwards"
expect_eq "$(stops)" 5 'stops at last'
on b test -e /etc/vz/conf/105.conf
# registered: then all of it is on the disk (blocks that are not have no place yet)
[ -z "$(on b sh -c 'filefrag -v /vz/private/105/data/* | grep delalloc')" ] || fail 'it is registered, but not on the disk'
for i in 1 20 40; do
	expect_eq "$(on b sh -c "sha256sum </vz/private/105/data/$i")" \
		"$(on a sh -c "sha256sum </data/$i")" "the file $i"
done
