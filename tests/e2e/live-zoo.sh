#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# One of everything that a process can have (tests/payload/zoo.c: timers, event descriptors, pipes, sockets of all kinds,
# terminals, locks, deleted files, memory, threads, signals, System V …) moves online there and back, and is verified by
# its own process before and after each move.
. "$(dirname "$0")/../lib.sh"
gcc -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -static -o "$TEST_DIR/zoo" "$TESTS"/payload/zoo*.c -lpthread -lrt -lutil
lab_start --vz 1G --image mini a b

animals_are_well() { # HOST WHEN
	on "$1" pctl exec 401 /bin/zoo check /zoo >"$TEST_DIR/seen" || { grep -v ^ok "$TEST_DIR/seen" >&2 && fail "$2"; }
	expect_eq "$(grep -c ^ok "$TEST_DIR/seen")" "$("$TEST_DIR/zoo" list | wc -l)" "animals $2"
}

must on a pctl create 401 --ostemplate /templates/mini.tar.zst --ipadd 10.77.4.1
put a /vz/private/401/bin/zoo <"$TEST_DIR/zoo"
put a /vz/private/401/etc/rc <<END
#!/bin/sh
ifconfig lo up
exec /bin/zoo run /zoo ${ANIMALS:-}
END
on a chmod 755 /vz/private/401/bin/zoo /vz/private/401/etc/rc
must on a pctl start 401
wait_for 20 on a test -e /vz/private/401/zoo/ready
animals_are_well a "before the move"
for way in 'a b' 'b a --lazy' 'a b --noiter'; do
	read -r from to option <<<"$way"
	# shellcheck disable=SC2086 # no option, or one
	expect_exit 0 on "$from" pmigrate c 401 c "root@$to" --online --no-progress -r yes $option
	grep -iE 'downtime|goes on as' "$OUT" || :
	animals_are_well "$to" "after the move with ${option:-iterations}"
done
