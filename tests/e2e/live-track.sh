#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: full
# timeout: 120
#
# A kernel that does not tell which pages are written, by the switch PMIGRATE_TRACK: iterative is then said to be impossible in
# one line, simple or lazy follow, and with --require-realtime nothing happens at all. (Soft-dirty bits: live-soft.) So it is
# with a downtime that cannot be had.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --vz 512M --image mini a b c
IP=10.77.2.6

pmigrate_by() { # MEANS FROM TO CODE [OPTION...]: it ends with that exit code, the client has seen nothing
	local means=$1 from=$2 to=$3 code=$4
	shift 4
	expect_exit "$code" on "$from" env PMIGRATE_TRACK="$means" pmigrate c 601 c "root@$to" --online --batch -r yes "$@"
	client_check c memcheck
}

went_as() { # TYPE
	expect_eq "$(grep -oE '"mode":"[^"]*"' "$OUT" | tail -n 1)" "\"mode\":\"$1\"" "type of the migration"
}

must on a pctl create 601 --ostemplate /templates/mini.tar.zst --ipadd $IP
memcheck_put a 601 -r 200 -f 5 private=12 thp=4 shared=4 memfd=4 file=4
must on a pctl start 601 --wait
memcheck_start c $IP

# ---- neither
pid=$(on a runc list -f json | grep -oE '"pid":[0-9]+')
pmigrate_by none a b 57 --require-realtime
expect_out 'iterative migration is not possible.*does not tell which'
expect_eq "$(on a runc list -f json | grep -oE '"pid":[0-9]+')" "$pid" "the container after a refusal"
expect_eq "$(on b ls /vz/private)" "" "what is left at the destination"
pmigrate_by none a b 0
went_as simple
expect_out 'goes on as simple migration: .*does not tell which'
pmigrate_by none b a 0 --lazy
went_as lazy
expect_out 'goes on as lazy migration: .*does not tell'

# ---- a wish that no freeze can keep
short() { # CODE [OPTION...]
	expect_exit "$1" on a pmigrate c 601 c root@b --online --no-progress -r yes --max-downtime=1ms "${@:2}"
	client_check c memcheck
}
short 57 --require-realtime
expect_out 'the freeze alone takes about .*, not 1 ms'
short 0
expect_out 'goes on with the rest in the freeze, up to .*not 1 ms'
expect_out 'the downtime was .*, longer than the 1 ms asked for'

client_stop c memcheck
