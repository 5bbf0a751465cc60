#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
#
# Workers that share their parent's memory move online: here it does not grow by being read; there it stays shared where its
# limit needs that, and nobody is killed.
. "$(dirname "$0")/../lib.sh"
forked=$("$TESTS/payload/build" forked)
lab_start --image mini a b
WORKERS=4

must on a pctl create 407 --ostemplate /templates/mini.tar.zst --ram 96M
put a /vz/private/407/bin/forked <"$forked"
printf '#!/bin/sh\nexec /bin/forked 32 %s\n' $WORKERS | put a /vz/private/407/etc/rc
on a chmod 755 /vz/private/407/bin/forked /vz/private/407/etc/rc
must on a pctl start 407 --wait

# All workers have read all of it since now.
all_right() { # HOST
	on "$1" sh -c 'rm -f /vz/private/407/srv/worker.*'
	wait_for 30 on "$1" sh -c "[ \$(ls /vz/private/407/srv | grep -c worker) = $WORKERS ]"
	on "$1" test ! -e /vz/private/407/srv/wrong || fail "a worker has read something else"
}

# Of all its processes, KiB; what they share once.
memory() { # HOST
	on "$1" pctl exec 407 sh -c 'cat /proc/[0-9]*/smaps_rollup' | awk '/^Pss:/ { n += $2 } END { print n }'
}

all_right a
before=$(memory a)
echo "before: $before KiB"
for way in 'a b' 'b a --lazy'; do
	read -r from to option <<<"$way"
	# shellcheck disable=SC2086 # no option, or one
	expect_exit 0 on "$from" pmigrate c 407 c "root@$to" --online --no-progress -r yes $option
	expect_out 'share memory since a fork'
	expect_out 'it stays shared, and is frozen longer'
	all_right "$to"
	echo "$way: $(memory "$to") KiB"
	[ "$(memory "$to")" -lt $((before * 5 / 4)) ] || fail "it has $(memory "$to") KiB, before $before"
done

# With room enough there it is quick instead, and said; and what is undone leaves the source as it was.
must on a pctl set 407 --ram 1G --save
on a env PMIGRATE_FAULT=source.restore:fail pmigrate c 407 c root@b --online --no-progress -r yes && fail "it moved"
all_right a
[ "$(memory a)" -lt $((before * 5 / 4)) ] || fail "its memory has grown to $(memory a) KiB"
