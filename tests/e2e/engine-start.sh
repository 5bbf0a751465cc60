#!/bin/bash
# SPDX-License-Identifier: MIT
# A small container: created, started, reachable from another server by IPv4 and IPv6, limited, stopped in time,
# and nothing is left of it; its config is not touched by any of that.
# vm: full
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --image mini a b

# What a stopped container leaves on a server: nothing but its files.
nothing_left() { # HOST
	expect_eq "$(on "$1" sh -c 'ls /run/netns /run/runc /run/pmigrate/vz 2>/dev/null | grep -v : || :')" "" "left in /run"
	expect_eq "$(on "$1" find /sys/fs/cgroup -path '*/vz/[0-9]*' -name cgroup.procs)" "" "left control groups"
	expect_eq "$(on "$1" sh -c 'ip -o link | grep -E "venet|veth[0-9]" || :')" "" "left interfaces"
	expect_eq "$(on "$1" sh -c 'ip neigh show proxy; ip -6 neigh show proxy; ip route | grep 10.77.1; ip -6 route | grep fd77::1: || :')" \
		"" "left routes and proxies"
	expect_eq "$(on "$1" sh -c 'grep /vz/root /proc/self/mounts || :')" "" "left mounts"
}

echo "# create"
must on a pctl create 101 --ostemplate /templates/mini.tar.zst --hostname one.example --name first \
	--ipadd 10.77.1.1 --ipadd fd77::1:1 --ram 64M --swap 0 --numproc 50 --cpulimit 150 --cpuunits 500
expect_exit 9 on a pctl create 101 --empty
expect_exit 45 on a pctl create 102 --empty --name first
expect_exit 1 on a pctl create 0 --empty
expect_exit 1 on a pctl create 102
expect_exit 11 on a pctl create 102 --ostemplate nowhere
expect_eq "$(on a sh -c 'ls -d /vz/private/102* /etc/vz/conf/102*' 2>/dev/null)" "" "left of creations that failed"
expect_eq "$(on a pctl status 101)" "CTID 101 first stopped" "status"
on a cat /etc/vz/conf/101.conf >"$TEST_DIR/conf"

echo "# start"
must on a pctl start first
expect_eq "$(on a pctl status 101)" "CTID 101 first running" "status"
expect_eq "$(on a pctl exec first hostname)" one.example "its host name"
expect_exit 7 on a pctl start 101
expect_exit 3 on a pctl exec 101 sh -c 'exit 3'
must on b ping -qc1 -w5 10.77.1.1
must on b ping -qc1 -w5 fd77::1:1
must on a ping -qc1 -w5 10.77.1.1
must on a pctl exec 101 ping -qc1 -w5 10.77.0.2
expect_exit 0 on a runc list
expect_out '^101 .* running'

echo "# limits"
limit() { # V1-CONTROLLER/FILE V2-FILE: the value
	# shellcheck disable=SC2016
	on a sh -c 'cat "/sys/fs/cgroup/${1%%/*}/vz/101/${1#*/}" 2>/dev/null || cat "/sys/fs/cgroup/vz/101/$2"' sh "$1" "$2"
}
expect_eq "$(limit memory/memory.limit_in_bytes memory.max)" 67108864 "memory"
expect_eq "$(limit pids/pids.max pids.max)" 50 "processes"
[[ $(limit cpu/cpu.cfs_quota_us cpu.max) == 150000* ]] || fail "CPU limit: $(limit cpu/cpu.cfs_quota_us cpu.max)"
must on a pctl set 101 --ram 32M --numproc 60
expect_eq "$(limit memory/memory.limit_in_bytes memory.max)" 33554432 "memory after set"
expect_eq "$(limit pids/pids.max pids.max)" 60 "processes after set"
must on a pctl set 101 --ram 64M --numproc 50
expect_exit 1 on a pctl set 101 --cpulimit much
on a cat /etc/vz/conf/101.conf | diff - <(sed 's/^PHYSPAGES=.*/PHYSPAGES="0:16384"/; s/^NUMPROC=.*/NUMPROC="50"/' "$TEST_DIR/conf") ||
	fail "the config changed"
expect_exit 0 on a sh -c 'pctl exec 101 sh -c "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; for i in 1 2 3; do sleep 5 & done" 2>&1 || :'
expect_out "fork|Resource temporarily unavailable"

echo "# addresses of a running one"
must on a pctl set 101 --ipadd 10.77.1.2
must on b ping -qc1 -w5 10.77.1.2
must on a pctl set 101 --ipdel 10.77.1.2
expect_exit 1 on b ping -qc1 -w1 10.77.1.2
must on b ping -qc1 -w5 10.77.1.1

echo "# the same address twice on a server"
must on a pctl create 102 --ostemplate /templates/mini.tar.zst --ipadd 10.77.1.1
expect_exit 12 on a pctl start 102
expect_eq "$(on a pctl status 102)" "CTID 102 stopped" "status of the second"
must on b ping -qc1 -w5 10.77.1.1

echo "# addresses of others"
foreign() { # ADDRESS CODE TEXT: 102 cannot start with it
	on a sed -i "s/^IP_ADDRESS=.*/IP_ADDRESS=\"$1\"/" /etc/vz/conf/102.conf
	expect_exit "$2" on a pctl start 102
	expect_out "$3"
	expect_eq "$(on a pctl status 102)" "CTID 102 stopped" "status of the one with $1"
}
foreign 10.77.1.1 12 'belongs to container 101'
foreign 10.77.0.1 12 'belongs to this server'
foreign 10.77.0.2 12 'in use on the network, by'
foreign fd77::2 12 'in use on the network, by'
foreign 127.0.0.1 1 loopback
foreign 224.0.0.9 1 multicast
must on b pctl create 103 --ostemplate /templates/mini.tar.zst --ipadd 10.77.1.3 --ipadd fd77::1:3
must on b pctl start 103
foreign 10.77.1.3 12 'in use on the network, by'
foreign fd77::1:3 12 'in use on the network, by'
must on b ping -qc1 -w5 10.77.0.1
must on a ping -qc1 -w5 10.77.1.3
must on b pctl stop 103 --fast
must on a pctl start 102
must on b pctl destroy 103
must on a pctl stop 102 --fast
must on a pctl destroy 102

echo "# locks"
must on a touch /tmp/hold
on_bg a sh -c 'exec 9>/vz/lock/101.lck; flock 9; printf "%s\nholding it\n" $$ >&9; while [ -e /tmp/hold ]; do sleep 0.1; done'
wait_for 5 on a grep -q holding /vz/lock/101.lck
expect_exit 3 on a pctl stop 101
expect_out 'holding it'
must on a rm /tmp/hold
wait "$bg"

echo "# stop"
on a cat /etc/vz/conf/101.conf >"$TEST_DIR/conf"
begin=$(date +%s%N)
must on a pctl stop 101
took=$((($(date +%s%N) - begin) / 1000000))
[ $took -lt 10000 ] || fail "stopping took $took ms"
expect_eq "$(on a pctl status first)" "CTID 101 first stopped" "status"
must on a pctl stop 101
nothing_left a
expect_exit 1 on b ping -qc1 -w1 10.77.1.1
on a cat /etc/vz/conf/101.conf | diff "$TEST_DIR/conf" - || fail "start and stop changed the config"

echo "# one that does not want to stop, and one that ended by itself"
# shellcheck disable=SC2016
must on a pctl set 101 --init '/bin/sh /stubborn'
printf 'trap "" TERM INT\nwhile :; do sleep 1; done\n' | put a /vz/private/101/stubborn
must on a pctl start 101
begin=$(date +%s%N)
must on a pctl stop 101 -t 1
took=$((($(date +%s%N) - begin) / 1000000))
[ $took -ge 1000 ] && [ $took -lt 15000 ] || fail "stopping took $took ms"
nothing_left a
must on a pctl set 101 --init '/bin/true'
must on a pctl start 101
wait_for 5 on a sh -c 'pctl status 101 | grep -q stopped'
must on a pctl set 101 --init ''
must on a pctl start 101
must on b ping -qc1 -w5 10.77.1.1
must on a pctl stop 101
nothing_left a

echo "# mount"
must on a pctl mount 101
expect_eq "$(on a pctl status 101)" "CTID 101 first mounted" "status"
must on a test -x /vz/root/101/bin/busybox
expect_exit 8 on a pctl destroy 101
must on a pctl umount 101

echo "# names, destroy"
must on a pctl set 101 --name "second one"
expect_exit 10 on a pctl status first
expect_eq "$(on a pctl status 'second one')" "CTID 101 second one stopped" "status by name"
expect_exit 1 on a pctl set 101 --name 12
must on a pctl destroy 101
expect_exit 10 on a pctl status 101
expect_eq "$(on a sh -c 'ls -d /vz/private/* /etc/vz/names/* /etc/vz/conf/101*' 2>/dev/null)" "" "left of a destroyed one"
