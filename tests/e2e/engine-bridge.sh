#!/bin/bash
# SPDX-License-Identifier: MIT
# Bridged adapters, the scripts of a container, a single service by --init with its log, the small programs.
# vm: short
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --image mini a b

echo "# a bridge on a"
must on a sh -c 'ip link add br0 type bridge && ip link set br0 up && ip addr del 10.77.0.1/16 dev eth0 &&
	ip link set eth0 master br0 && ip addr add 10.77.0.1/16 dev br0'
must on a pctl create 301 --ostemplate /templates/mini.tar.zst \
	--netif 'ifname=eth0,bridge=br0,mac=02:00:00:00:03:01,host_ifname=veth301,ip=10.77.3.1/16,gw=10.77.0.254'
must on a pctl start 301
must on b ping -qc1 -w5 10.77.3.1
expect_eq "$(on b sh -c 'ip neigh show 10.77.3.1 | grep -o 02:00:00:00:03:01')" 02:00:00:00:03:01 "its MAC seen from b"
must on a pctl exec 301 ping -qc1 -w5 10.77.0.254
must on a pctl stop 301
expect_exit 1 on b ping -qc1 -w1 10.77.3.1
must on a pctl set 301 --netif 'ifname=eth0,bridge=nowhere,ip=10.77.3.1/16'
expect_exit 7 on a pctl start 301
expect_out nowhere
expect_eq "$(on a pctl status 301)" "CTID 301 stopped" "status after a start that failed"
must on a pctl set 301 --netif '' --ipadd 10.77.3.1

echo "# scripts"
for what in mount umount; do
	# shellcheck disable=SC2016
	printf '#!/bin/sh\necho %s $VEID $VE_CONFFILE $(test -e /vz/root/301/bin && echo there) >>/tmp/scripts\n' $what | put a /etc/vz/conf/301.$what
	must on a chmod 755 /etc/vz/conf/301.$what
done
for what in start stop; do
	printf '#!/bin/sh\necho %s >>/scripts\n' $what | put a /etc/vz/conf/301.$what
done
must on a pctl start 301
must on a pctl stop 301
expect_eq "$(on a cat /tmp/scripts)" $'mount 301 /etc/vz/conf/301.conf there\numount 301 /etc/vz/conf/301.conf there' "scripts on the host"
expect_eq "$(on a cat /vz/private/301/scripts)" $'start\nstop' "scripts inside"
printf '#!/bin/sh\nexit 3\n' | put a /etc/vz/conf/301.mount
expect_exit 7 on a pctl start 301
expect_eq "$(on a sh -c 'grep /vz/root /proc/self/mounts || :')" "" "left mounts"
must on a pctl destroy 301
expect_eq "$(on a sh -c 'ls /etc/vz/conf/301*' 2>/dev/null)" "" "left files"

echo "# a service"
must on a pctl create 302 --ostemplate /templates/mini.tar.zst --init '/bin/sh /serve' --init-log /var/log/serve
printf 'echo hello; while :; do sleep 1; done\n' | put a /vz/private/302/serve
must on a pctl start 302
wait_for 5 on a grep -q hello /vz/private/302/var/log/serve
must on a pctl stop 302 -t 1
must on a pctl set 302 --init /bin/nothing
expect_exit 7 on a pctl start 302
expect_out 'has no /bin/nothing'

echo "# vzpkg, mkvzfs, directories as templates"
must on a sh -c 'mkdir -p /vz/template/cache /vz/template/debian/13/x86_64/config && cp /templates/mini.tar.zst /vz/template/cache/mini-1-x86_64.tar.zst'
expect_exit 0 on a vzpkg list
expect_out '^debian-13-x86_64$'
expect_out '^mini-1-x86_64 +20[0-9-]+ [0-9:]+$'
expect_exit 24 on a vzpkg list nothing
must on a pctl create 303 --ostemplate mini-1-x86_64
expect_exit 0 on a grep OSTEMPLATE= /etc/vz/conf/303.conf
must on a pctl create 304 --ostemplate /vz/private/303
expect_eq "$(on a sh -c 'cd /vz/private/303 && find . | sort | md5sum')" "$(on a sh -c 'cd /vz/private/304 && find . | sort | md5sum')" "the copied tree"
expect_exit 0 on a mkvzfs 305
expect_out '^/vz/private/305$'
must on a test -d /vz/private/305/etc
expect_exit 9 on a mkvzfs 305
expect_exit 1 on a mkvzfs
must on a pctl create 306 --empty --private /vz/elsewhere/306 --root /vz/mnt/306
must on a test -d /vz/elsewhere/306/etc
expect_exit 0 on a grep 'VE_PRIVATE="/vz/elsewhere/\$VEID"' /etc/vz/conf/306.conf
expect_exit 9 on a pctl create 307 --empty --private /vz/elsewhere/306/inside

expect_exit 1 on a vzpkg list --frobnicate
expect_exit 1 on a vzpkg
expect_exit 0 on a vzpkg --help

echo "# the rate, both ways"
must on a sed -i 's/^TRAFFIC_SHAPING=.*/TRAFFIC_SHAPING="yes"/' /etc/vz/vz.conf
must on a pctl set 303 --rate eth0:1:8000
must on a pctl start 303
expect_exit 0 on a tc qdisc show dev venet303
expect_out 'rate 8Mbit'
expect_exit 0 on a ip netns exec vz303 tc qdisc show dev venet0
expect_out 'rate 8Mbit'
must on a pctl stop 303

echo "# help"
expect_exit 0 on a pctl --help
expect_exit 1 on a pctl
expect_exit 1 on a pctl frobnicate
expect_exit 0 on a pctl create --help
expect_out 'ostemplate'
expect_exit 1 on a pctl start 303 --frobnicate
