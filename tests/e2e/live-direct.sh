#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
#
# A disk that takes its time: reads past the page cache into memory, and requests of native AIO, are under way at every moment of an
# online move. No page is of before, no request is never answered.
. "$(dirname "$0")/../lib.sh"
[ -e /sys/fs/cgroup/blkio/blkio.throttle.read_bps_device ] || skip "the disk cannot be slowed down (blkio of cgroup v1)"
lab_start --vz 2G:ext4 --image mini a b c
IP=10.77.2.8
RATE=${RATE:-1500000} # bytes a second, each way

must on a pctl create 501 --ostemplate /templates/mini.tar.zst --ipadd $IP
memcheck_put a 501 -r 400 private=8 disk=8 disk=4 aio=8
must on a pctl start 501 --wait
memcheck_start c $IP

slow() { # HOST
	on "$1" sh -c '
		dev=$(stat -c %d /vz); dev=$((dev >> 8 & 0xfff)):$((dev & 0xff))
		group=$(sed -n "s/.*:blkio:\(.*\)/\1/p" "/proc/$(pgrep -ox memcheck)/cgroup")
		for way in read write; do
			echo "$dev $1" >"/sys/fs/cgroup/blkio$group/blkio.throttle.${way}_bps_device" || exit 1
		done' sh "$RATE"
}

sweeps() { # of the worker that has done fewest
	on c sh -c "printf 'ok?\\n' | timeout 2 nc $IP 7777; :" | sed -n 's/.*sweeps=\([0-9]*\).*/\1/p'
}

swept() { # COUNT
	local now
	now=$(sweeps)
	[ "${now:-0}" -ge "$1" ]
}

for way in 'a b' 'b a --lazy' 'a b --noiter'; do
	read -r from to option <<<"$way"
	must slow "$from"
	client_check c memcheck
	# shellcheck disable=SC2086 # no option, or one
	expect_exit 0 on "$from" pmigrate c 501 c "root@$to" --online --no-progress -v -r yes $option
	grep -E 'Downtime|native AIO' "$OUT" || :
	# Who waits for an answer that got lost stands still.
	before=$(sweeps)
	wait_for 60 swept $((before + 2))
	client_check c memcheck
done
client_stop c memcheck
