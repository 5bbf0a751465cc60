#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# A bridged redis with a TCP client moves online there and back, and the connection is not held up by what happens on
# bridges: no second for an ARP request that nobody heard, no port that opens by itself.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --vz 1G --image redis a b c
IP=10.77.3.1 ARP_RETRY_MS=1000

for h in a b; do
	# shellcheck disable=SC2016
	must on $h sh -ec 'ip link add br0 type bridge; ip link set br0 up; own=$(ip -4 -br addr show eth0 | awk "{ print \$3 }")
		ip addr del $own dev eth0; ip link set eth0 master br0; ip addr add $own dev br0'
done
must on a pctl create 201 --ostemplate /templates/redis.tar.zst \
	--netif "ifname=eth0,bridge=br0,mac=02:00:00:00:03:01,host_ifname=veth201,ip=$IP/16,gw=10.77.0.254"
must on a pctl start 201 --wait
wait_for 10 on c redis-cli -h $IP ping

for way in 'a b' 'b a'; do
	read -r from to <<<"$way"
	client_start c $IP
	expect_exit 0 on "$from" pmigrate c 201 c "root@$to" --online --batch -r yes
	downtime=$(grep -o '"downtime_ms":[ ]*[0-9]*' "$OUT" | tail -n 1 | grep -o '[0-9]*$')
	client_stop c
	[ "$((client_gap_ms - downtime))" -lt $((ARP_RETRY_MS - 50)) ] ||
		fail "the client waited $client_gap_ms ms, the container was down for $downtime ms"
done
