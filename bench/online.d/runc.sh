# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: MIT
#
# By hand with runc: checkpoint, rsync, restore. The container is prepared on both servers; only the switch is timed. Images
# lie in memory. page-server: the same, but memory goes to the other server as it is dumped (criu page-server).

RUNC_EDIT='import json, sys
c = json.load(open("config.json"))
c["process"].update(terminal=False, args=sys.argv[1].split(), rlimits=[{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}])
c["root"] = {"path": "rootfs", "readonly": False}
[n.update(path="/run/netns/ct") for n in c["linux"]["namespaces"] if n["type"] == "network"]
json.dump(c, open("config.json", "w"))'

# The network that all peers get: routed, as pmigrate makes it.
net_begin() { # HOST
	on "$1" sh -ec '
		ip netns add ct && ip link add vct type veth peer name eth0 netns ct
		ip -n ct link set lo up && ip -n ct link set eth0 up && ip link set vct up
		ip -n ct addr add "$1/32" dev eth0 && ip -n ct route add 169.254.1.1 dev eth0 && ip -n ct route add default via 169.254.1.1 dev eth0
		ip addr add 169.254.1.1/32 dev vct
		echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv4/conf/eth0/proxy_arp
		echo 0 >/proc/sys/net/ipv4/neigh/eth0/proxy_delay' sh $IP
}
net_switch() { # FROM TO: the address is there now
	on "$1" ip route del $IP/32 dev vct 2>/dev/null || :
	on "$2" ip route replace $IP/32 dev vct
	on c ip neigh del $IP dev eth0 2>/dev/null || :
}
net_end() { for h in a b; do on $h sh -c "ip route del $IP/32; ip netns del ct; ip link del vct" >/dev/null 2>&1 || :; done; }

runc_prepare() { # HOST
	net_begin "$1"
	on "$1" sh -ec 'rm -rf /srv/ct; mkdir -p /srv/ct/rootfs /dev/shm/i && tar -C /srv/ct/rootfs -xf "/templates/$1.tar.zst" && cd /srv/ct
		runc spec && python3 -c "$3" "$2"' sh "$template" "$command" "$RUNC_EDIT"
}
runc_begin() {
	runc_prepare a
	runc_prepare b
	on a sh -c 'cd /srv/ct && runc run -d ct </dev/null >/dev/null 2>&1'
	on a ip route add $IP/32 dev vct
}
RUNC_HOW='--tcp-established --file-locks --image-path /dev/shm/i --work-path /dev/shm/i'
runc_restore() { # HOST [OPTION...]
	local host=$1
	shift
	on "$host" timeout 120 sh -c "cd /srv/ct && runc restore -d $RUNC_HOW $* ct </dev/null >/tmp/restore.out 2>&1" || {
		on "$host" sh -c 'cat /tmp/restore.out; grep -a Error /dev/shm/i/restore.log' || :
		return 1
	}
}
runc_move() { # FROM TO
	on "$2" sh -c 'rm -rf /dev/shm/i/*'
	on "$1" timeout 120 sh -ec "rm -rf /dev/shm/i/*; runc checkpoint $RUNC_HOW ct; rsync -a /dev/shm/i/ $2:/dev/shm/i/; rm -rf /dev/shm/i/*" &&
		runc_restore "$2" && net_switch "$1" "$2"
}
runc_end() {
	for h in a b; do on $h sh -c 'runc delete -f ct; pkill -x criu; rm -rf /dev/shm/i /srv/ct' >/dev/null 2>&1 || :; done
	net_end
}

page_server_begin() { runc_begin; }
page_server_move() { # FROM TO
	on "$2" sh -c 'rm -rf /dev/shm/i/*; setsid criu page-server -D /dev/shm/i --address 0.0.0.0 --port 9876 -o page-server.log </dev/null >/dev/null 2>&1 & sleep 0.1'
	on "$1" timeout 120 sh -ec "rm -rf /dev/shm/i/*; runc checkpoint $RUNC_HOW --page-server \$(getent hosts $2 | awk '{ print \$1; exit }'):9876 ct
		rsync -a /dev/shm/i/ $2:/dev/shm/i/; rm -rf /dev/shm/i/*" && runc_restore "$2" && net_switch "$1" "$2"
}
page_server_end() { runc_end; }
