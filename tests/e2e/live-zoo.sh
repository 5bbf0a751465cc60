#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
# vm: full
#
# One of everything that a process can have (tests/payload/zoo.c: timers, event descriptors, pipes, sockets of all kinds,
# terminals, locks, deleted files, memory, threads, signals, System V …) moves online there and back, and is verified by
# its own process before and after each move.
. "$(dirname "$0")/../lib.sh"
zoo=$("$TESTS/payload/build" zoo)
lab_start --vz 1G --image mini a b

animals_are_well() { # HOST WHEN [CONTAINER]
	on "$1" pctl exec "${3:-401}" /bin/zoo check /zoo >"$TEST_DIR/seen" || { grep -v ^ok "$TEST_DIR/seen" >&2 && fail "$2"; }
}

begin() { # CONTAINER [ANIMAL...]
	local id=$1
	shift
	must on a pctl create "$id" --ostemplate /templates/mini.tar.zst --ipadd "10.77.4.$((id - 400))"
	put a "/vz/private/$id/bin/zoo" <"$zoo"
	put a "/vz/private/$id/etc/rc" <<-END
		#!/bin/sh
		ifconfig lo up
		while [ ! -e /begin ]; do sleep 0.1; done
		exec /bin/zoo run /zoo $*
	END
	on a chmod 755 "/vz/private/$id/bin/zoo" "/vz/private/$id/etc/rc"
	must on a pctl start "$id"
	# ping sockets, which a container cannot allow itself
	must on a nsenter -t "$(on a runc state "$id" | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')" -n sh -c 'echo 0 1000 >/proc/sys/net/ipv4/ping_group_range'
	on a touch "/vz/private/$id/begin"
	wait_for 20 on a test -e "/vz/private/$id/zoo/ready"
}

all_are_well() { # HOST WHEN
	animals_are_well "$@"
	expect_eq "$(grep -c ^ok "$TEST_DIR/seen")" "$("$zoo" list | wc -l)" "animals $2"
}

begin 401
all_are_well a "before the move"
for way in 'a b' 'b a --lazy' 'a b --noiter'; do
	read -r from to option <<<"$way"
	# names that nobody has used for a while are forgotten; an animal watches a file
	must on "$from" sh -c 'echo 2 >/proc/sys/vm/drop_caches'
	# shellcheck disable=SC2086 # no option, or one
	expect_exit 0 on "$from" pmigrate c 401 c "root@$to" --online --no-progress -r yes $option
	grep -iE 'downtime|goes on as' "$OUT" || :
	all_are_well "$to" "after the move with ${option:-iterations}"
	# everything of it has ended here, however deep its control group
	expect_eq "$(on "$from" pgrep -fc '^/bin/zoo run' || :)" 0 "processes left on $from"
done

on b test -e /vz/private/401/zoo/peeped || fail "the peeper has met nobody of ours"

# A move that comes to nothing when everything has been saved: they go on where they are.
begin 402 signals-end-calls tcp tcp-visits pipe timerfd itimer
put b /usr/local/sbin/pmigrate-faulty <<-'END'
	#!/bin/sh
	PMIGRATE_FAULT=agent.live-restore:fail exec pmigrate "$@"
END
on b chmod 755 /usr/local/sbin/pmigrate-faulty
for i in 1 2 3; do
	on a env PMIGRATE_REMOTE=pmigrate-faulty pmigrate c 402 c root@b --online --no-progress -r yes >"$OUT" 2>&1 &&
		fail "the move did not fail"
	grep -q 'fault injected at agent.live-restore' "$OUT" || { cat "$OUT" >&2 && fail "it failed for another reason"; }
	animals_are_well a "after failure $i" 402
done
