#!/bin/bash
# SPDX-License-Identifier: MIT
#
# h -> c of servers that are not like Debian 13 with systemd: one built like Alpine (busybox, OpenRC), Debian with System V
# init, Debian 12 with systemd. Each boots as a Container: its own init, its services, no log-in prompts on screens, its
# addresses. The first is taken over at once: it gives its addresses up, and nobody but the Container answers at them.
# timeout: 400
. "$(dirname "$0")/../lib.sh"
# shellcheck source=../into.sh
. "$TESTS/into.sh"

overs=()
for name in alpine sysv server12; do
	server_image $name
	overs+=(--over "$over")
done
lab_start "${overs[@]}" --vz 3G a b c
inside() { on b pctl exec "$@"; }

# The first is a machine on the wire, with a network card; the others are routed.
on a sh -ec 'ip link add br0 type bridge && ip link set br0 up && ip addr del 10.77.0.1/16 dev eth0
	ip link set eth0 master br0 && ip addr add 10.77.0.1/16 dev br0'
server_make a 301 10.77.30.1 alpine.example alpine --netif 'ifname=eth0,bridge=br0,mac=02:00:00:00:03:01,host_ifname=veth301,ip=10.77.30.1/16,gw=10.77.0.254'
server_tree_alpine=$server_tree
put a "$server_tree/var/www/index.html" <<<'made by busybox'
put a "$server_tree/etc/local.d/mine" <<<'mine'
server_make a 302 10.77.30.2 sysv sysv
server_make a 303 10.77.30.3 server12 server12 --ipadd 10.77.30.3 --ipadd fd77::303
for n in 1 2 3; do server_ready 10.77.30.$n b; done

echo '# Alpine, at once; a service that needs a device of the server'
at_server b 10.77.30.1 rc-service www status
put a "$server_tree_alpine/etc/init.d/cardd" <<<'#!/sbin/openrc-run
start() { ebegin "Starting cardd"; [ -c /dev/card0 ]; eend $?; }'
at_server b 10.77.30.1 sh -ec 'mknod /dev/card0 c 1 3; chmod 755 /etc/init.d/cardd; ln -s /etc/init.d/cardd /etc/runlevels/default/; rc-service cardd start'
on_bg c sh -c 'while :; do echo "$(curl -s --max-time 1 http://10.77.30.1/)" "$(ip neigh show 10.77.30.1 | grep -o "02:[^ ]*")"; sleep 0.2; done >/tmp/seen'
expect_exit 0 on b pmigrate h root@10.77.30.1 c 401 -S 'www crond' --take-addresses --no-progress
on b grep -q '^DISTRIBUTION="alpine-3.20"' /etc/vz/conf/401.conf
expect_out 'Container 401 runs with the addresses of root@10.77.30.1'
expect_out 'in Container 401 1 services or mounts do not start: it is degraded'
expect_out 'cardd failed'
expect_eq "$(on b pctl status 401)" 'CTID 401 running' 'the Container'
wait_for 20 on c sh -c 'tail -n 1 /tmp/seen | grep -q "busybox$\|busybox 02" && ! tail -n 1 /tmp/seen | grep -q 02:00:00:00:03:01'
kill $bg
# the server: its services stay stopped, its card is silent, it has lost nothing else
expect_exit 3 on a pctl exec 301 rc-service www status
expect_eq "$(on a pctl exec 301 ip -o addr show dev eth0 scope global)" '' 'addresses of the server'
on a pctl exec 301 sh -ec 'test $(($(cat /sys/class/net/eth0/flags) & 1)) = 0; test -e /etc/fstab; test ! -e /etc/fstab.migsave'
# the Container: busybox's init, OpenRC's services but those of a machine
expect_eq "$(inside 401 cat /proc/1/comm)" init 'the first process'
wait_for 20 on b pctl exec 401 rc-service dropbear status
for s in www crond dropbear syslog hostname; do must inside 401 rc-service $s status; done
inside 401 rc-status -a >"$TEST_DIR/status"
! grep -E 'crashed|hwclock|modules|mdev|hwdrivers|swap' "$TEST_DIR/status" || fail 'services of a machine'
inside 401 sh -ec 'test "$(grep -c "^#mig# tty.*getty" /etc/inittab)" = 3; grep "^tty" /etc/inittab && exit 1; pidof getty && exit 1
	grep -q "^#mig# /dev/sda2" /etc/fstab; grep -q "^tmpfs" /etc/fstab; grep -q "^::wait:/sbin/openrc default" /etc/inittab
	grep eth0 /etc/network/interfaces && exit 1; grep -q eth0 /etc/network/interfaces.migsave
	test "$(hostname)" = alpine.example; test "$(cat /etc/local.d/mine)" = mine'
expect_eq "$(on a ssh -oStrictHostKeyChecking=accept-new 10.77.30.1 'cat /etc/alpine-release')" 3.20.3 'over its ssh, from elsewhere'
on a pctl stop 301

echo '# System V init; the server is left as it was'
changing=(tmp var/log run dev etc/mtab var/lib/urandom var/spool/cron)
tree_list a /vz/private/302 "${changing[@]}" >"$TEST_DIR/before"
expect_exit 0 on b pmigrate h root@10.77.30.2 c 402 -S cron --no-progress
expect_out 'not started'
must at_server b 10.77.30.2 /etc/init.d/cron status
same_as_listing "$TEST_DIR/before" a /vz/private/302 "${changing[@]}"
on a pctl stop 302
on b pctl start 402
wait_for 20 on b pctl exec 402 sh -c 'runlevel | grep -qx "N 2"'
wait_for 20 on b pctl exec 402 /etc/init.d/ssh status
expect_eq "$(inside 402 cat /proc/1/comm)" init 'the first process'
must inside 402 /etc/init.d/cron status
inside 402 sh -ec 'pidof getty agetty && exit 1; grep "^[^#]*getty" /etc/inittab && exit 1; grep -q getty /etc/inittab.migsave'
expect_eq "$(on a ssh -oStrictHostKeyChecking=accept-new 10.77.30.2 hostname)" sysv 'over its ssh'

echo '# Debian 12 with systemd, two addresses, at once; a unit that runs there and cannot here, and a disk that is a unit'
at_server b 10.77.30.3 sh -ec 'mknod /dev/card0 c 1 3
	printf "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c \"test -c /dev/card0 || { echo no card0 in this machine >&2; exit 3; }\"\n[Install]\nWantedBy=multi-user.target\n" >/etc/systemd/system/cardd.service
	printf "[Mount]\nWhat=/dev/disk/by-label/data\nWhere=/srv/data\nType=ext4\n[Install]\nWantedBy=multi-user.target\n" >/etc/systemd/system/srv-data.mount
	systemctl daemon-reload
	systemctl -q enable --now cardd
	systemctl -q enable srv-data.mount'
expect_exit 0 on b pmigrate h root@10.77.30.3 c 403 -S nginx --take-addresses --no-progress -v --report /tmp/r.html
expect_out '2 addresses .*: all of them will be on venet0'
expect_out 'not started in the Container: srv-data.mount \(a file system of the old server\)'
expect_out 'Container 403 runs with the addresses'
expect_out 'in Container 403 1 services or mounts do not start: it is degraded'
expect_out 'cardd.service failed: exit-code 3: no card0 in this machine'
on b sh -ec 'grep -q "cardd.service failed: exit-code 3" /tmp/r.html && grep -q srv-data.mount /tmp/r.html'
expect_eq "$(on a pctl exec 303 systemctl is-active cardd)" active 'the unit on the server'
on a pctl stop 303
expect_eq "$(inside 403 systemctl --failed --no-legend --plain | cut -d' ' -f1)" cardd.service 'all that failed'
for s in nginx cron ssh; do expect_eq "$(inside 403 systemctl is-active $s)" active "$s in the Container"; done
for address in 10.77.30.3 '[fd77::303]'; do wait_for 10 on c curl -sf --max-time 2 -o /dev/null "http://$address/"; done
# pctl tells the same, and that all is well when it is
expect_exit 0 on b pctl restart 403 --wait
expect_out 'failed in it: cardd.service: exit-code 3: no card0 in this machine'
inside 403 systemctl -q disable cardd
expect_exit 0 on b pctl restart 403 --wait
expect_eq "$(cat "$OUT")" '' 'what pctl says of a start without failures'
expect_eq "$(inside 403 systemctl is-system-running)" running 'systemd in the Container'
