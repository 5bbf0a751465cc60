#!/bin/bash
# SPDX-License-Identifier: MIT
#
# h -> c: what of a server cannot be in a Container, provoked for real, is named with its object before anything is copied;
# what can be is there afterwards: extended attributes, ACLs, flags of chattr, holes, hard links, nodes, sockets. A 32-bit
# server and one with the kernel of CentOS 5 are measured, too. (into-forms and into-quota have the other restrictions; the
# table of all is in tests/README.md.)
# timeout: 300
. "$(dirname "$0")/../lib.sh"

lab_start --vz 600M:ext4 a b
LESS=(--exclude /usr --exclude /var --exclude /templates --exclude /vz/private --no-progress -d unknown)

echo '# SELinux, network file systems'
on a sh -ec 'mkdir -p /selinux /mnt/nas /vz/data && echo 1 >/selinux/enforce
	[ -e /dev/fuse ] || mknod /dev/fuse c 10 229
	echo secret >/vz/data/labelled && setfattr -n security.selinux -v system_u:object_r:etc_t:s0 /vz/data/labelled'
on_bg a python3 -c "$(<"$TESTS/lab/netfs.py")" nas:/export /mnt/nas
netfs=$bg
wait_for 10 on a mountpoint -q /mnt/nas

echo '# attributes that the destination can keep, and one that it cannot: ext4 has one block for all of a file'
on a sh -ec 'cd /opt
	echo small >small && setfattr -n user.colour -v blue small && setfattr -n trusted.mine -v x small && setfacl -m u:1234:rw small
	echo big >big && setfattr -n user.big -v "$(head -c 9000 /dev/zero | tr "\0" x)" big && setfattr -n user.other -v kept big'

echo '# flags, and what else a tree may have'
on a sh -ec 'cd /vz/data
	echo fixed >fixed && echo log >log && mkdir -p dir && echo in >dir/in && chattr +i fixed dir && chattr +a log && echo dump >dump && chattr +d dump
	truncate -s 50M holes && echo end >>holes
	echo one >one && ln one two && mknod node b 7 99 && mkfifo fifo
	python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\"/vz/data/sock\")"'
cleanup 'on a chattr -R -ia /vz/data'

expect_exit 0 on b pmigrate h root@a c 105 "${LESS[@]}" --dry-run
expect_out 'SELinux enforcing .*: it will be off in the Container'
expect_out 'attribute security.selinux, on 1 file, such as /vz/data/labelled: a Container has no SELinux'
expect_out 'network file system /mnt/nas \(fuse.sshfs of nas:/export\): its files are not copied'
expect_out 'attribute user.big, on 1 file, such as /opt/big: it is lost: the file system of /vz cannot keep it'
expect_no_out 'user.(colour|other).*lost'
on b sh -c '! test -e /vz/private/105' || fail 'a dry run changed something'
expect_exit 0 on b pmigrate h root@a c 105 "${LESS[@]}" --dry-run -v
expect_out 'attribute user.colour.*: it is kept'
expect_out 'file system /vz .*: its files become a part of the one tree'
expect_out "4 files have chattr's flags, such as /vz/data/[a-z]+ \([iad]\): they are set again"

expect_exit 0 on b pmigrate h root@a c 105 "${LESS[@]}"
kill $netfs
on b sh -ec 'cd /vz/private/105
	test "$(getfattr --only-values -n user.colour opt/small)" = blue && test "$(getfattr --only-values -n trusted.mine opt/small)" = x
	getfacl -cn opt/small | grep -q "^user:1234:rw-"
	test "$(cat opt/big)" = big && test "$(getfattr --only-values -n user.other opt/big)" = kept
	getfattr -n user.big opt/big && exit 1
	getfattr -n security.selinux vz/data/labelled && exit 1
	test "$(cat vz/data/labelled)" = secret
	test -d mnt/nas && test -z "$(ls -A mnt/nas)"
	cd vz/data
	lsattr -d fixed dir | grep -c -- "-i-" | grep -qx 2 && lsattr log | grep -q -- "-a-" && lsattr dump | grep -q "d"
	lsattr -d one | cut -d" " -f1 | grep "[iad]" && exit 1
	test "$(stat -c %b holes)" -lt 100 && test "$(stat -c %s holes)" = 52428804
	test one -ef two && test -b node && test "$(stat -c %t:%T node)" = 7:63 && test -p fifo && test -S sock' 2>"$TEST_DIR/err" ||
	{ cat "$TEST_DIR/err" >&2 && on b sh -c 'cd /vz/private/105/vz/data && ls -la . && lsattr -d ./*' && fail 'something of the tree is not there'; }
must on b pctl destroy 105

echo '# a 32-bit server: its kernel says i686'
on a sh -c 'setarch i686 /usr/sbin/sshd -p 2222'
expect_exit 0 on b ssh -p 2222 -oStrictHostKeyChecking=accept-new a uname -m
if [ -e "${PMIGRATE_STAGE:-}/usr/local/bin/vzhwcalc-i386" ]; then
	expect_out '^i686$'
	expect_exit 0 on b pmigrate h root@a:2222 c 105 "${LESS[@]}" --dry-run -v
	expect_out 'measured by .*/vzhwcalc-i386'
	expect_out 'its programs \(i686\) run here'
	expect_out 'user.big.*it is lost'
	on b mv /usr/local/bin/vzhwcalc-i386 /root/
fi
expect_exit 10 on b pmigrate h root@a:2222 c 105 "${LESS[@]}" --dry-run
expect_out 'vzhwcalc-i386 is not here'
expect_out 'give its file with -c'

echo '# a kernel without any system call younger than 2.6.18'
old() { on a python3 -c "$(<"$TESTS/lab/oldkernel.py")" 318 280 "$@"; }
expect_exit 1 old /usr/bin/python3 -c 'import os; os.pipe2(0)' # the filter filters
expect_out 'not implemented'
on b sh -c 'cat /root/vzhwcalc-i386' 2>/dev/null | put a /root/vzhwcalc-i386
for program in /usr/local/bin/vzhwcalc /root/vzhwcalc-i386; do
	on a test -s "$program" || continue
	on a chmod 755 "$program"
	expect_exit 0 old "$program" --scan -o /root/old.conf
	for kind in xattr flags network-fs address size; do expect_out "^$kind"; done
	on a grep -q '^IP_ADDRESS=.*10.77.0.1' /root/old.conf
	put a /root/detect.sh <<<'DISTRIBUTION=centos-5'
	expect_exit 0 old "$program" -d /root/detect.sh -o /root/old.conf
	on a grep -q '^DISTRIBUTION="centos-5"' /root/old.conf
done
