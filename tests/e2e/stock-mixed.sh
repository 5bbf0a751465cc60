#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: stock-full
# timeout: 400
#
# A stock Debian 13 server and a stock Debian 12 one, the program of both built on 12: a container moves there and back, cold and
# live, as its network's client sees it. On 12 there is no AppArmor profile for runc, and rounds are by soft-dirty bits.
LAB=stock
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$TESTS/stock.sh"
IP=10.78.0.101
program_build 12 "$TEST_DIR/pmigrate.tar.gz"
PMIGRATE_STAGE='' lab_start --image mini a:13 b:12
program_install "$TEST_DIR/pmigrate.tar.gz" a b

must on a pctl create 101 --ostemplate /templates/mini.tar.zst --ipadd $IP --ram 64M --numproc 50
memcheck_put a 101 -r 100 private=8 shared=2 file=2
must on a pctl start 101 --wait
stock_moved a b
stock_moved b a
memcheck_start out $IP
stock_moved a b --online
client_check out memcheck
stock_moved b a --online
client_stop out memcheck
