#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: stock-full
# timeout: 900
#
# A container with systemd goes around between Debian servers as their installer leaves them, live: it is running
# afterwards, and its services can be restarted. STOCK_HOSTS narrows it: 'a:13 b:12'.
LAB=stock
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
read -r -a hosts <<<"${STOCK_HOSTS:-a:13 b:13 c:12 d:12}"
lab_start --image debian13 "${hosts[@]}"
IP=10.78.0.102
names=("${hosts[@]%:*}")
n=${#names[@]}

inside() { # HOST COMMAND...
	local host=$1
	shift
	on "$host" pctl exec 102 "$@"
}

must on a pctl create 102 --ostemplate /templates/debian13.tar.zst --ipadd $IP --ram 512M
must on a pctl start 102 --wait --timeout $((60 * ${TIME_FACTOR:-1}))
must inside a sh -c 'echo precious >/run/kept'
wait_for 20 inside a systemctl is-system-running
client_start out $IP
for ((i = 0; i < n; i++)); do
	from=${names[i]} to=${names[(i + 1) % n]}
	echo "# $from -> $to"
	expect_exit 0 on "$from" pmigrate c 102 c "root@$to" --online --no-progress -r yes
	grep -i downtime "$OUT" || :
	expect_no_out "goes on as"
	client_check out
	expect_eq "$(inside "$to" cat /run/kept)" precious "a file in /run"
	wait_for 20 inside "$to" systemctl is-system-running
	expect_eq "$(inside "$to" systemctl is-system-running)" running "systemd's state on $to"
	for unit in cron nginx; do
		must inside "$to" systemctl restart $unit
		expect_eq "$(inside "$to" systemctl is-active $unit)" active "$unit on $to"
	done
	must inside "$to" sh -c 'logger here && journalctl -q --sync && journalctl -q -n 50 | grep -q here'
done
client_stop out
