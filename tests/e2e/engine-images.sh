#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 400
# Containers with a service as first process and with systemd, Debian 12 and 13: they reach `running`, serve other
# servers, keep no host file open, and stop by their own way.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --image redis --image debian12 --image debian13 a b

started_in_ms() { # ID: start it, wait until its init says that it is complete
	local begin
	begin=$(date +%s%N)
	must on a pctl start "$1" --wait
	echo "$1 is complete after $((($(date +%s%N) - begin) / 1000000)) ms"
}

stopped_in_ms() { # ID LIMIT
	local begin took
	begin=$(date +%s%N)
	must on a pctl stop "$1"
	took=$((($(date +%s%N) - begin) / 1000000))
	echo "$1 stopped after $took ms"
	[ $took -lt "$2" ] || fail "stopping $1 took $took ms"
}

echo "# redis"
must on a pctl create 201 --ostemplate /templates/redis.tar.zst --ipadd 10.77.2.1
started_in_ms 201
wait_for 10 on b redis-cli -h 10.77.2.1 ping
stopped_in_ms 201 20000

for release in 12 13; do
	echo "# debian$release"
	id=2$release
	must on a pctl create $id --ostemplate /templates/debian$release.tar.zst --hostname d$release.example \
		--nameserver '10.77.0.254 fd77::fe' --searchdomain example --ipadd 10.77.2.$release --ipadd fd77::2:$release
	started_in_ms $id
	expect_eq "$(on a pctl exec $id systemctl is-system-running)" running "systemd's state"
	expect_eq "$(on a pctl exec $id hostname)" d$release.example "host name"
	expect_eq "$(on a pctl exec $id cat /etc/resolv.conf)" $'search example\nnameserver 10.77.0.254\nnameserver fd77::fe' resolver
	expect_exit 0 on b curl -sfI "http://10.77.2.$release"
	expect_exit 0 on b curl -sfI "http://[fd77::2:$release]"
	# the live profile: as systemd sees it, and not by a file in the tree
	must on a pctl exec $id grep -q DefaultMemoryPressureWatch=off /run/systemd/system.conf.d/10-pmigrate-live.conf
	expect_eq "$(on a find /vz/private/$id/etc/systemd /vz/private/$id/usr/lib/systemd -name '*pmigrate*')" "" "files of ours in the tree"
	expect_eq "$(on a pctl exec $id sh -c 'unshare --uts true 2>/dev/null || echo refused')" refused "a nested UTS namespace"
	expect_eq "$(on a pctl exec $id cat /proc/sys/net/mptcp/enabled)" 0 MPTCP
	# the same user namespace for all, also for services that ask for one of their own
	# shellcheck disable=SC2016
	expect_eq "$(on a sh -c 'for p in $(runc ps -f json "$1" | tr "[]," "   "); do readlink /proc/$p/ns/user; done | sort -u | wc -l' sh $id)" 1 "user namespaces"
	# nothing that CRIU could not name: every open file of the first process is in the container
	# shellcheck disable=SC2016
	expect_eq "$(on a sh -c 'p=$(runc state "$1" | sed -n "s/.*\"pid\": \([0-9]*\).*/\1/p"); ls -l /proc/$p/fd/0 /proc/$p/fd/1 /proc/$p/fd/2 | sed "s/.*-> //" | sort -u' sh $id)" /dev/null stdio
	echo "# debian$release by runc's own checkpoint and restore"
	expect_exit 0 on a runc checkpoint --tcp-established --file-locks --ext-unix-sk --image-path /srv/cp --work-path /srv/cpw $id
	expect_eq "$(on a pctl status $id)" "CTID $id stopped" "status after the checkpoint"
	expect_exit 0 on a runc restore -d --tcp-established --file-locks --ext-unix-sk --image-path /srv/cp --work-path /srv/cpw \
		--bundle /run/pmigrate/vz/$id $id
	must on a rm -rf /srv/cp /srv/cpw
	expect_eq "$(on a pctl status $id)" "CTID $id running" "status after the restore"
	must on a pctl exec $id systemctl restart nginx
	expect_eq "$(on a pctl exec $id systemctl is-system-running)" running "systemd's state after the restore"
	expect_exit 0 on b curl -sfI "http://10.77.2.$release"
	stopped_in_ms $id 30000
done

echo "# without the live profile"
must on a pctl set 213 --live-ready no
started_in_ms 213
must on a pctl exec 213 unshare --uts true
must on a pctl stop 213
