#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# What a container made of its own network goes with it, and so do the connections that packet filters know, inside it
# and on the servers: with filters that let nothing pass but known connections, a client notices nothing.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --vz 1G --image redis a b c
IP=10.77.2.1 MORE=10.77.2.2

inside() { # HOST COMMAND...: in the container's network
	local host=$1 init
	shift
	init=$(on "$host" runc state 201 | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
	on "$host" nsenter -t "$init" -n "$@"
}

# A packet in the middle of a connection that is not known is lost.
strict='flush ruleset
table inet strict {
	chain HOOK {
		type filter hook HOOK priority 0; policy drop;
		ct state established,related counter accept
		ct state new tcp dport 6379 tcp flags & (syn|ack) == syn counter accept
		ct state new meta l4proto icmp accept
		meta l4proto ipv6-icmp accept
		oifname "lo" accept
		iifname "lo" accept
	}
}'
for h in a b; do
	must on $h sh -c 'echo 0 >/proc/sys/net/netfilter/nf_conntrack_tcp_loose'
	put $h /root/strict.nft <<<"${strict//HOOK/forward}"
	must on $h nft -f /root/strict.nft
done

must on a pctl create 201 --ostemplate /templates/redis.tar.zst --ipadd $IP
must on a pctl start 201 --wait
put a /root/inside.nft <<<"${strict//HOOK/input}"
must inside a sh -ec "echo 0 >/proc/sys/net/netfilter/nf_conntrack_tcp_loose
	nft -f /root/inside.nft
	ip addr add $MORE/32 dev venet0
	ip route add 10.99.0.0/16 via 169.254.1.1 dev venet0
	ip rule add from $MORE table 7
	echo 33 >/proc/sys/net/ipv4/ip_default_ttl
	ip link set venet0 mtu 1400 txqueuelen 77 allmulticast on alias text
	ip link property add dev venet0 altname other
	ip -6 addr add fd77::210/128 dev venet0 nodad
	tc qdisc replace dev venet0 root pfifo limit 77
	ip neigh replace 169.254.1.77 lladdr 02:00:00:00:00:77 dev venet0 nud permanent"
links() { inside "$1" sh -c 'ip -d link show dev venet0 | grep -oE "<[^>]*>|mtu [0-9]*|qlen [0-9]*|allmulti [0-9]*|alias .*|altname .*"; ip neigh show nud permanent | sort; tc qdisc show dev venet0; ip -6 addr show dev venet0 | grep fd77::210'; }
links a >"$TEST_DIR/links"
wait_for 10 on c redis-cli -h $IP ping

for way in 'a b' 'b a'; do
	read -r from to <<<"$way"
	client_start c $IP
	wait_for 5 inside "$from" sh -c '[ $(cat /proc/sys/net/netfilter/nf_conntrack_count) -gt 0 ]'
	expect_exit 0 on "$from" pmigrate c 201 c "root@$to" --online --no-progress -r yes
	client_check c
	client_stop c
	expect_eq "$(inside "$to" nft -s list ruleset | grep -c 'ct state established,related')" 1 "its filter on $to"
	expect_eq "$(inside "$to" cat /proc/sys/net/ipv4/ip_default_ttl)" 33 "its setting on $to"
	links "$to" | diff "$TEST_DIR/links" - || fail "its interface on $to"
	expect_eq "$(inside "$to" ip -o addr show venet0 | grep -c "$MORE")" 1 "its second address on $to"
	expect_eq "$(inside "$to" ip route show 10.99.0.0/16 | grep -c venet0)" 1 "its route on $to"
	expect_eq "$(inside "$to" ip rule show | grep -c "from $MORE lookup 7")" 1 "its rule on $to"
done

echo "# an interface of its own is refused before anything happens, a connection by another address is told of"
must inside a ip link add docker0 type bridge
expect_exit 57 on a pmigrate c 201 c root@b --online --no-progress
expect_out 'docker0'
expect_eq "$(on c redis-cli -h $IP ping)" PONG "it runs on"
must inside a ip link del docker0
must on a sh -ec 'nft add table ip nat
	nft add chain ip nat pre "{ type nat hook prerouting priority -100; }"
	nft add rule ip nat pre tcp dport 7000 dnat to '$IP':6379'
port=$(on a sh -c "ip -4 -o addr show eth0" | sed -n 's/.*inet \([0-9.]*\).*/\1/p')
(exec 3<>/dev/null; on c sh -c "sleep 20 | redis-cli -h $port -p 7000 subscribe x" >/dev/null) &
wait_for 5 on a sh -c 'grep -q dport=7000 /proc/net/nf_conntrack'
expect_exit 0 on a pmigrate c 201 c root@b --online --no-progress --dry-run
expect_out '1 connections? (is|are) translated'
