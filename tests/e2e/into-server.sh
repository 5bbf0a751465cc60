#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A running Debian with systemd, users, services, hard links, attributes and two addresses becomes a Container, by one
# command: services stopped for the last pass and started again, everything inside fitted, backups kept; then the
# Container boots and answers at the server's address.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
# shellcheck source=../into.sh
. "$TESTS/into.sh"

lab_start --image debian13 --vz 4G a b
server_make a 200 10.77.20.1 phys.example
server_ready 10.77.20.1 b

# a user with files, a database with rows, links, holes, attributes, a card's configuration
at_server b 10.77.20.1 sh -ec '
	useradd -m -u 1500 joe
	echo mine >/home/joe/file && ln /home/joe/file /home/joe/link && chown joe: /home/joe/file
	truncate -s 1G /home/joe/holes
	mknod /home/joe/fifo p
	mkdir -p /etc/network && printf "auto eth0\niface eth0 inet dhcp\n" >/etc/network/interfaces
	printf "UUID=abc / ext4 defaults 0 1\nnas:/x /mnt nfs defaults 0 0\n" >/etc/fstab
	mkdir -p /srv/www && echo "from the old server" >/var/www/html/index.html
	cd / && su postgres -c "psql -qc \"create table t as select generate_series(1,1000) i\""'

on a setfattr -n user.mark -v yes "$server_tree/home/joe/file"

# the dry run names everything and changes nothing
expect_exit 0 on b pmigrate h root@10.77.20.1 c 105 -S "nginx postgresql,redis-server" --dry-run
expect_out 'would become Container 105'
expect_out 'It would send'
on b sh -c '! test -e /vz/private/105 && ! test -e /etc/vz/conf/105.conf && ! test -e /var/lib/pmigrate/into/105'
expect_eq "$(at_server b 10.77.20.1 find /tmp /var/tmp /root -name '*vzhwcalc*')" '' 'files left on the server'

began=$(at_server b 10.77.20.1 systemctl show -p ActiveEnterTimestampMonotonic --value nginx)
expect_exit 0 on b pmigrate h root@10.77.20.1 c 105 -S "nginx postgresql,redis-server" --exclude '*.bak' --no-progress
expect_out 'not started'
for s in nginx postgresql redis-server cron; do
	expect_eq "$(at_server b 10.77.20.1 systemctl is-active $s)" active "$s on the server afterwards"
done
[ "$(at_server b 10.77.20.1 systemctl show -p ActiveEnterTimestampMonotonic --value nginx)" -gt "$began" ] ||
	fail "nginx was not stopped for the last pass"

# fitted, and what was before kept
area=/vz/private/105
on b sh -ec 'cd '$area'
	grep -q "^#mig# UUID=abc" etc/fstab && grep -q "^UUID=abc" etc/fstab.migsave
	grep -q "iface lo" etc/network/interfaces && ! grep -q eth0 etc/network/interfaces
	grep -q "eth0" etc/network/interfaces.migsave
	test "$(readlink etc/systemd/system/systemd-modules-load.service)" = /dev/null
	test -c dev/null && test -c dev/urandom
	for d in proc sys run; do test -z "$(ls $d)"; done
	test "$(stat -c %h home/joe/file)" = 2 && test "$(stat -c %u home/joe/file)" = 1500
	test "$(stat -c %b home/joe/holes)" -lt 1000 && test "$(stat -c %s home/joe/holes)" = 1073741824
	test -p home/joe/fifo
	grep -q "^IP_ADDRESS=\"10.77.20.1\"" /etc/vz/conf/105.conf
	grep -q "^DISTRIBUTION=\"debian-13\"" /etc/vz/conf/105.conf
	! test -e /var/lib/pmigrate/into/105'
on b getfattr -n user.mark $area/home/joe/file >/dev/null

# the id is taken now
expect_exit 9 on b pmigrate h root@10.77.20.1 c 105

# the server goes, the Container comes
on a pctl stop 200
on b pctl start 105
wait_for 60 on b sh -c "pctl exec 105 systemctl is-system-running | grep -qx running"
expect_eq "$(on b pctl exec 105 hostname)" phys.example 'the host name'
for s in nginx postgresql redis-server cron ssh; do
	expect_eq "$(on b pctl exec 105 systemctl is-active $s)" active "$s in the Container"
done
wait_for 10 on a curl -sf --max-time 2 http://10.77.20.1/
expect_eq "$(on a curl -sf http://10.77.20.1/)" 'from the old server' 'the page at the old address'
wait_for 10 on b pctl exec 105 su postgres -c 'cd /; psql -Atc "select 1"'
expect_eq "$(on b pctl exec 105 su postgres -c 'cd /; psql -Atc "select count(*) from t"')" 1000 'rows'
# b knows the server's host key: it is the same one
expect_eq "$(on b ssh 10.77.20.1 id -u joe)" 1500 'the user, over its own ssh'
