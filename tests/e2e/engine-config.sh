#!/bin/bash
# SPDX-License-Identifier: MIT
# What a config says holds, as vzctl and Proxmox wrote it: sizes, resolver, capabilities, devices, directories of the server; what
# cannot be is named. (The forms of numbers: unit tests.)
# timeout: 120
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --image mini a b
must on a pctl create 101 --ostemplate /templates/mini.tar.zst --ipadd 10.77.1.1
printf 'search lab.example other.example\nnameserver 127.0.0.53\nnameserver 10.77.0.254\n' | put a /etc/resolv.conf
on a mkdir -p /srv/data
on a cp /etc/vz/conf/101.conf /root/101.conf

config() { # LINE...: besides what it has
	printf '%s\n' "$@" | put a /root/more
	# shellcheck disable=SC2016
	on a sh -c 'cp /root/101.conf /etc/vz/conf/101.conf; while IFS= read -r line; do
		sed -i "/^${line%%=*}=/d" /etc/vz/conf/101.conf; echo "$line" >>/etc/vz/conf/101.conf; done </root/more'
}
inside() { # COMMAND: its output inside
	on a pctl exec 101 sh -c "$1"
}

echo "# what can be"
config 'PHYSPAGES="0:256M"' 'NUMPROC="90:100" # comment' "NAMESERVER=inherit" 'SEARCHDOMAIN="inherit"' 'CAPABILITY="sys_time:on mknod:off "' \
	'DEVNODES="net/tun:rw "' 'DEVICES="c:10:229:rw "' 'BINDMOUNT="/srv/data:/data,ro"' "HOSTNAME='web.example.com'" 'CPUMASK="auto"' \
	'CPULIMIT="50%"' 'ORIGIN_SAMPLE="vswap-256m"' 'OSTEMPLATE="debian-6.0-x86_64"' 'IPTABLES="ipt_REJECT ipt_tos"' 'BOOTORDER="10"'
on a cp /etc/vz/conf/101.conf /root/as-it-was
expect_exit 0 on a pctl start 101
expect_no_out .
expect_eq "$(inside 'grep ^nameserver /etc/resolv.conf; grep ^search /etc/resolv.conf' | tr '\n' ';')" \
	'nameserver 10.77.0.254;search lab.example other.example;' "its resolver"
expect_eq "$(inside hostname)" web.example.com "its host name"
caps=$(inside 'grep CapBnd /proc/self/status')
caps=$((0x${caps##*[[:space:]]}))
((caps >> 25 & 1)) || fail "no CAP_SYS_TIME"
((caps >> 27 & 1)) && fail "CAP_MKNOD"
expect_eq "$(inside '[ -c /dev/net/tun ] && exec 3<>/dev/net/tun && echo yes')" yes "the tun device"
on a sh -c 'echo from outside >/srv/data/file'
expect_eq "$(inside 'cat /data/file; echo x 2>/dev/null >/data/x || echo read-only')" "from outside"$'\n'"read-only" "the directory"
must on a cmp /etc/vz/conf/101.conf /root/as-it-was
must on a pctl stop 101

echo "# what cannot be is named"
config 'KMEMSIZE="14372700:14790164"' 'NUMFILE="unlimited"' 'IOLIMIT="10M"' 'CAPABILITY="foo:on"' 'DEVICES="b:8:1:rw"'
expect_exit 0 on a pctl start 101
expect_out 'not limited here: KMEMSIZE IOLIMIT$'
expect_out 'CAPABILITY foo:on: there is no such'
expect_out 'DEVICES b:8:1:rw'
expect_exit 0 on a pmigrate c 101 c root@b --dry-run
expect_out 'KMEMSIZE IOLIMIT'
expect_out 'DEVICES b:8:1:rw'
must on a pctl stop 101 --fast
config 'BINDMOUNT="/nowhere:/data"'
expect_exit 36 on a pctl start 101
expect_out 'BINDMOUNT .*no /nowhere'
config 'DISABLED="yes"'
expect_exit 7 on a pctl start 101
expect_out 'disabled'
must on a pctl set 101 --disabled no

echo "# create and set take only what can be, say what that is, and write nothing else"
on a cp /root/101.conf /etc/vz/conf/101.conf
while IFS='|' read -r option value why; do
	for command in "create 200 --empty" "set 101"; do
		# shellcheck disable=SC2086 # words
		expect_exit 1 on a pctl $command "--$option" "$value"
		expect_out "^pctl: --$option: .*$why"
	done
done <<-'END'
	ipadd|10.0.0.300|such as 192.0.2.10
	ipadd|127.0.0.1|loopback
	ipadd|224.0.0.5|multicast
	ipadd|::|no address
	ipadd|fe80::1 ff02::1|multicast
	cpumask|zzz|list of this server's CPUs
	cpumask|0-9999|list of this server's CPUs
	cpulimit|much|percentage
	cpuunits|7|from 8
	cpus|two|number of CPUs
	onboot|maybe|yes or no
	disabled|1|yes or no
	bootorder|first|a number
	capability|foo:on|capability
	capability|SYS_TIME|with :on or :off
	environment|foo|NAME=VALUE
	netif|foo|setting of an adapter
	netif|ifname=eth0,bridg=br0|setting of an adapter
	hostname|bad host!|host name
	hostname|-a|host name
	nameserver|notanip|address of a name server
	searchdomain|a..b|domain
	numproc|5:2|more than the limit
	numproc|0|at least 8
	ram|10|at least 8M
	ram|lots|not a size
	physpages|0:12Q|such as 256M
	diskspace|5G:4G|more than the limit
	diskspace|1.5|such as 256M
	diskinodes|many|such as 256M
	rate|eth0:1|INTERFACE:CLASS:KBIT
	init-log|log|begins with /
END
expect_exit 1 on a pctl set 101 --live-ready=maybe
expect_exit 1 on a pctl create 200 --empty --netif 'ifname=eth0,mac=1'
expect_exit 1 on a pctl set 101 --netif 'ifname=a-name-that-is-too-long,bridge=b'
expect_eq "$(on a sh -c 'ls -d /vz/private/200* /etc/vz/conf/200*' 2>/dev/null)" "" "left of creations that failed"
must on a cmp /root/101.conf /etc/vz/conf/101.conf
expect_exit 0 on a pctl set 101 --diskspace 5G --diskinodes 100K:0.2M --ram unlimited --cpumask all --cpulimit 50% --numproc 100:120 \
	--swappages 0:1G --environment 'A=1 B_2=x' --capability 'cap_sys_time:on' --netif 'ifname=eth0,bridge=nobr,ip=10.9.9.9/24'
expect_out 'no bridge nobr'
expect_out 'disk space of container 101 is not limited'

echo "# what was wrong in it before must not be mended first"
config 'IP_ADDRESS="10.0.0.300"'
expect_exit 0 on a pctl set 101 --hostname other
expect_out 'does not start with this in .*10.0.0.300'
expect_exit 0 on a pctl set 101 --ipadd 10.77.1.1
expect_exit 1 on a pctl start 101
expect_out '10.0.0.300'
expect_exit 0 on a pctl set 101 --ipdel 10.0.0.300
expect_no_out 'does not start'
expect_exit 0 on a pctl start 101
must on a pctl stop 101 --fast
on a cp /root/101.conf /etc/vz/conf/101.conf

echo "# commands inside, users, templates"
must on a pctl start 101
expect_exit 3 on a pctl exec 101 -- sh -c 'exit 3'
expect_exit 127 on a pctl exec 101 nosuch
expect_eq "$(cat "$OUT")" "pctl: there is no command 'nosuch' in container 101" "an unknown command"
expect_exit 127 on a pctl exec 101 /no/such
expect_exit 1 on a pctl exec 101 tty
expect_eq "$("$LAB" exec -t "$TEST_DIR/lab" a pctl exec 101 sh -c 'tty >/dev/null && echo a terminal' | grep -o 'a terminal')" "a terminal" "exec at a terminal"
must on a pctl stop 101 --fast
expect_exit 2 on a setpriv --reuid 1000 --regid 1000 --clear-groups pctl list
expect_out 'must be run by root'
expect_exit 2 on a setpriv --reuid 1000 --regid 1000 --clear-groups ls /vz/private
expect_exit 9 on a pctl create 101 --empty
expect_out 'pctl destroy 101'
expect_no_out 'new-id'
expect_exit 1 on a pctl create 200 --ostemplate /
expect_out 'copied into itself'
on a sh -c 'mkdir -p /root/t/etc/ssh && echo 0123456789abcdef0123456789abcdef >/root/t/etc/machine-id && echo key >/root/t/etc/ssh/ssh_host_rsa_key'
expect_exit 0 on a pctl create 200 --ostemplate /root/t
expect_out 'machine-id: container 200 gets one of its own'
expect_out 'all containers made from it the same: .*' # this tree has no ssh-keygen
expect_eq "$(on a cat /vz/private/200/etc/machine-id)" "" "its machine-id"
must on a pctl destroy 200
expect_exit 0 on a pctl create 200 --ostemplate /root/t --keep-identity
expect_no_out .
must on a cmp /root/t/etc/machine-id /vz/private/200/etc/machine-id
must on a pctl destroy 200
# the rest of the test has no zstd
on a sh -c 'for d in /usr/bin /usr/local/bin /bin; do [ ! -e $d/zstd ] || mv $d/zstd $d/zstd.gone; done'
expect_exit 52 on a pctl create 200 --ostemplate /templates/mini.tar.zst
expect_out 'zstd is not here'
expect_eq "$(on a sh -c 'ls -d /vz/private/200* /etc/vz/conf/200*' 2>/dev/null)" "" "left of creations that failed"

echo "# REMOVEMIGRATED, and -r over it"
must on a pctl start 101
config 'CPULIMIT="50%"'
on a sed -i 's/^REMOVEMIGRATED=.*/REMOVEMIGRATED="yes"/' /etc/vz/vz.conf
expect_exit 0 on a pmigrate c 101 c root@b
expect_eq "$(on a sh -c 'ls /vz/private')" "" "left at the source"
expect_exit 0 on b pmigrate c 101 c root@a -r yes
expect_exit 0 on a pmigrate c 101 c root@b -r no
expect_eq "$(on a sh -c 'ls /vz/private')" "101.migrated" "left at the source with -r no"
expect_out 'Kept on a: /vz/private/101.migrated \([0-9.]+ .iB\); remove it there: pctl destroy 101.migrated'

echo "# what stays behind is told, and goes when asked"
expect_eq "$(on a pctl list -a -H -o ctid,status,private | tr -s ' ')" "101.migrated migrated /vz/private/101.migrated" "list -a"
expect_eq "$(on a pctl list -H -o ctid)" "" "list"
expect_exit 0 on a pctl list -a -j
expect_out '"status":.*"migrated"'
expect_exit 0 on a pmigrate status --all
expect_out '^101.migrated  kept as /vz/private/101.migrated \([0-9.]+ .iB\)'
expect_eq "$(on a pmigrate status)" "" "status"
expect_exit 10 on a pctl start 101.migrated
must on a pctl destroy 101.migrated
expect_exit 10 on a pctl destroy 101.migrated
expect_eq "$(on a sh -c 'ls /vz/private; ls /etc/vz/conf | grep 101; :')" "" "left after that"
expect_exit 0 on b pmigrate c 101 c root@a --batch -r no
expect_out '"kept":"/vz/private/101.migrated","kept_id":"101.migrated","kept_bytes":[0-9]'
expect_exit 0 on a pmigrate c 101 c root@b --dry-run
expect_no_out 'Kept'

