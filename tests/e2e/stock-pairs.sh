#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: stock-full
# timeout: 600
#
# Redis goes around between Debian servers as their installer leaves them, of both releases: each pair, each way of moving
# live, and cold; a client outside never loses its connection in the live ones. STOCK_HOSTS narrows it: 'a:13 b:12'.
LAB=stock
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
read -r -a hosts <<<"${STOCK_HOSTS:-a:13 b:13 c:12 d:12}"
lab_start --image redis "${hosts[@]}"
IP=10.78.0.101
names=("${hosts[@]%:*}")

moved() { # FROM TO [OPTION...]
	local from=$1 to=$2
	shift 2
	echo "# $from -> $to $*"
	expect_exit 0 on "$from" pmigrate c 101 c "root@$to" --no-progress -r yes "$@"
	grep -i downtime "$OUT" || :
	expect_no_out "goes on as"
	expect_eq "$(on "$to" pctl status 101)" "CTID 101 running" "pctl's opinion on $to"
	expect_eq "$(on "$from" sh -c 'pctl list -a -H -o ctid; find /sys/fs/cgroup -path "*/vz/101*" -type d')" "" "what is left on $from"
}

around() { # [OPTION...]: from the first to the last and back to the first
	local i n=${#names[@]}
	for ((i = 0; i < n; i++)); do moved "${names[i]}" "${names[(i + 1) % n]}" "$@"; done
}

must on a pctl create 101 --ostemplate /templates/redis.tar.zst --ipadd $IP --ram 128M
must on a pctl start 101 --wait
around
client_start out $IP
for type in '' --lazy --noiter; do
	# shellcheck disable=SC2086 # an option or none
	around --online $type
	client_check out
done
client_stop out
