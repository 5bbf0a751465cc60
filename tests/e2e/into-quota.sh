#!/bin/bash
# SPDX-License-Identifier: MIT
#
# -q: the user and group quotas of one partition of the server hold for the whole Container when its private area is a
# file system of its own with quotas; otherwise they are kept beside the config and named. The other partition's are lost.
# vm: only
# timeout: 200
. "$(dirname "$0")/../lib.sh"

lab_start --vz 600M:ext4:quota a b
on a sh -ec '
	mkdir -p /vz/home/joe /data
	chown 1001:1002 /vz/home/joe
	echo files >/vz/home/joe/file
	truncate -s 32M /srv/data.img && mkfs.ext4 -q -O quota -E quotatype=usrquota:grpquota /srv/data.img
	mount -o loop,usrquota,grpquota /srv/data.img /data
	setquota -u 1001 100 200 30 40 /vz
	setquota -g 1002 0 5000 0 0 /vz
	setquota -u 1003 7 8 0 0 /data'
LESS=(--exclude /usr --exclude /var --exclude /templates --no-progress -d unknown)

# a shared file system: nothing is set there, all is kept and told
expect_exit 0 on b pmigrate h root@a c 105 -q /vz "${LESS[@]}"
expect_out '/data: .*lost'
expect_out '2 quotas of /vz could not be set here'
expect_eq "$(on b sort /etc/vz/conf/105.quota)" "$(printf 'g 1002 0 5000 0 0\nu 1001 100 200 30 40')" 'what is kept'
expect_eq "$(on b repquota -un /vz | grep -cE '#1001 .* 100 +200' || :)" 0 'quotas on the shared file system'

# its own file system: they hold, and are enforced
on b sh -ec 'truncate -s 300M /srv/106.img && mkfs.ext4 -q -O quota -E quotatype=usrquota:grpquota /srv/106.img
	mkdir -p /vz/private/106 && mount -o loop,usrquota,grpquota /srv/106.img /vz/private/106'
expect_exit 0 on b pmigrate h root@a c 106 -q /vz "${LESS[@]}"
expect_no_out 'could not be set'
on b sh -c "repquota -un /vz/private/106 | grep -E '#1001 .* 100 +200 .* 30 +40'" >/dev/null || fail 'the user quota is not set'
on b sh -c "repquota -gn /vz/private/106 | grep -E '#1002 .* 0 +5000'" >/dev/null || fail 'the group quota is not set'
expect_exit 1 on b setpriv --reuid=1001 --clear-groups dd if=/dev/zero of=/vz/private/106/vz/home/joe/f bs=1k count=400
expect_out 'Disk quota exceeded'
