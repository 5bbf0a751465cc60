#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 400
# vm: full
#
# Debian 13's own CRIU (4.1.1): on its own kernel all that a process can have moves with it, but sockets of ping, which are
# named; also to a server with a newer one, and not back. On a newer kernel, or without its library, it is refused by the reason.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
criu=$("$TESTS/lab/criu13")
zoo=$("$TESTS/payload/build" zoo)
lab_start --vz 1G --image mini a b

container() { # ID ANIMAL...
	local id=$1 init
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
	init=$(on a runc state "$id" | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
	must on a nsenter -t "$init" -n sh -c 'echo 0 1000 >/proc/sys/net/ipv4/ping_group_range'
	on a touch "/vz/private/$id/begin"
	wait_for 20 on a test -e "/vz/private/$id/zoo/ready"
}

moves() { # FROM TO [OPTION...]
	local from=$1 to=$2
	shift 2
	expect_exit 0 on "$from" pmigrate c 401 c "root@$to" --online --no-progress -r yes "$@"
	expect_out 'with CRIU 4.1.1 on a, other than with 4.2, sockets of ping cannot be moved'
	expect_no_out 'goes on as'
	grep -i downtime "$OUT" || :
	on "$to" pctl exec 401 /bin/zoo check /zoo >"$TEST_DIR/seen" || { grep -v ^ok "$TEST_DIR/seen" >&2 && fail "after the move to $to $*"; }
}

refused() { # FROM TO ID WHAT
	expect_exit 57 on "$1" pmigrate c "$3" c "root@$2" --online --dry-run
	expect_out "failed: $4"
}

mapfile -t animals < <("$zoo" list | grep -vx ping)
container 401 "${animals[@]}"
on b cp /usr/lib/pmigrate-lab/criu /root/criu.newer
for h in a b; do put "$h" /usr/lib/pmigrate-lab/criu <"$criu/usr/sbin/criu"; done
refused a b 401 'criu: CRIU on a does not start: .*libnet\.so\.1'
expect_out 'failed: criu: CRIU on b does not start: .*libnet\.so\.1'
for h in a b; do put "$h" /usr/lib/x86_64-linux-gnu/libnet.so.1 <"$criu/usr/lib/x86_64-linux-gnu/libnet.so.1"; done

release=$(uname -r)
if printf '%s\n' 6.13 "$release" | sort -CV; then
	refused a b 401 "criu: CRIU 4\.1\.1 on a .kernel $release. is too old: it (cannot save network sockets|loses guard regions)"
	expect_out 'run pmigrate-criu on a'
	exit 0
fi

container 402 ping
refused a b 402 'processes: ping .*CRIU older than 4\.2 cannot move sockets of ping'
must on a pctl stop 402
moves a b
moves b a --lazy
on b cp /root/criu.newer /usr/lib/pmigrate-lab/criu
moves a b --noiter
expect_exit 60 on b pmigrate c 401 c root@a --online --dry-run
expect_out 'failed: cpt_image_version: .*a has CRIU 4\.1\.1, older than'
