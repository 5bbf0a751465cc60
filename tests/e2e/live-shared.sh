#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
# Memory of every kind moves online under load: a program that checks all of it, for ever, finds every page right, there
# and back, and so does its client over one connection.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --vz 2G --image mini a b c
IP=10.77.2.3
KINDS=${LIVE_SHARED_KINDS:-private=32 thp=16 stack=8 file=8 shared=32 memfd=16 memfd=4 closed=8 sysv=16 posix=16 named=4 ghost=4 disk=8 shut=4 aio=8}

moved() { # FROM TO [OPTION...]
	local from=$1 to=$2
	shift 2
	expect_exit 0 on "$from" pmigrate c 301 c "root@$to" --online --no-progress -r yes "$@"
	grep -iE "downtime|goes on as" "$OUT" || :
}

must on a pctl create 301 --ostemplate /templates/mini.tar.zst --ipadd $IP
# shellcheck disable=SC2086 # a list of words
memcheck_put a 301 -r 500 -f 20 $KINDS
must on a pctl start 301 --wait
memcheck_start c $IP
moved a b
client_check c memcheck
moved b a --lazy
client_check c memcheck

# A preload library that does not do its work is noticed before, once; CRIU then saves all by itself, and rightly.
must on a test -s /run/pmigrate/criu-shim
lib=$(on a sh -c 'ls /usr/lib/*/libm.so.6')
expect_exit 0 on a env PMIGRATE_SHIM_LIB="$lib" pmigrate c 301 c root@b --online --no-progress -r yes
expect_out 'goes on as simple migration: the preload library does not work with this CRIU'
client_check c memcheck
client_stop c memcheck
moved b a

# One that is not there at the destination is told before the freeze, and the container runs on.
put b /usr/local/sbin/pmigrate-half <<-'END'
	#!/bin/sh
	PMIGRATE_SHIM_LIB=/nowhere/criu-shim.so exec pmigrate "$@"
END
must on b chmod 755 /usr/local/sbin/pmigrate-half
on a env PMIGRATE_REMOTE=pmigrate-half pmigrate c 301 c root@b --online --no-progress -r yes >"$OUT" 2>&1 && fail "it moved"
cat "$OUT"
expect_out '/nowhere/criu-shim.so cannot be used'
must on a pctl exec 301 true
must on a pctl stop 301

# Huge pages are refused before anything is touched, by process and mapping (where this machine can reserve some).
if [ "$(cat /proc/sys/vm/nr_hugepages)" = 0 ] && echo 4 2>/dev/null >/proc/sys/vm/nr_hugepages; then
	cleanup 'echo 0 >/proc/sys/vm/nr_hugepages'
	memcheck_put a 301 huge=2
	must on a pctl start 301 --wait
	wait_for 10 on c nc -z $IP 7777
	expect_exit 57 on a pmigrate c 301 c root@b --online --no-progress -r yes
	expect_out 'huge.*mapping: /anon_hugepage.*2 MiB.*huge pages'
	must on a pctl exec 301 true
fi
