#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A virtual machine that is shut off becomes a Container and takes its addresses at once: refused when somebody answers at
# them, or when the machine was started or its disk written to meanwhile; a repeat keeps nothing that the disk has no more; what
# starts with its server is told. libguestfs is played by a script here (into-image asks the real one, slowly).
# timeout: 120
. "$(dirname "$0")/../lib.sh"

lab_start --image mini a b
on b bash -euc '
	mkdir -p /srv/guest/etc/network /srv/guest/home && tar --zstd -xf /templates/mini.tar.zst -C /srv/guest
	echo "ID=debian" >/srv/guest/etc/os-release
	echo "iface eth0 inet static" >/srv/guest/etc/network/interfaces
	echo precious >/srv/guest/home/file
	cd /srv/guest/home && mkdir -p a/cache a/b/deep && touch a/x.o a/b/x.o a/b/deep/y.o old.bak a/old.bak a/cache/c a/b/keep
	truncate -s 4M /srv/disk.raw /srv/stamp'
# Of a disk it says what a Debian with one file system has; a file system of /srv/guest is what is on it.
put b /usr/local/bin/guestfish <<'END'
#!/bin/sh
case "$*" in
*--listen*) echo 'GUESTFISH_PID=1' ;;
*' tar-out '*)
	[ ! -e /srv/meanwhile ] || . /srv/meanwhile
	exec tar -C /srv/guest --numeric-owner -cf - . ;;
*' inspect-os') echo /dev/sda ;;
*' -inspect-get-type '*) echo linux ;;
*' -inspect-get-distro '*) echo debian ;;
*' -inspect-get-major-version '*) echo 12 ;;
*' -inspect-get-hostname '*) echo guest ;;
*' -inspect-get-arch '*) echo x86_64 ;;
*' -inspect-get-mountpoints '*) echo '/: /dev/sda' ;;
*' list-devices') echo /dev/sda ;;
*' -vfs-type '*) echo ext4 ;;
*' -statvfs '*) printf 'bsize: 4096\nfrsize: 4096\nblocks: 1000\nbfree: 500\nfiles: 1000\nffree: 900\n' ;;
*' -cat /etc/network/interfaces') printf 'iface eth0 inet static\naddress 10.77.44.1/16\ndns-nameservers 9.9.9.9\n' ;;
*' -mountpoints') echo '/dev/sda: /' ;;
*' run' | *' list-partitions' | *' -'* | *' exit') ;;
*) exit 1 ;;
esac
END
put b /usr/local/bin/virsh <<'END'
#!/bin/sh
while [ "${1#-}" != "$1" ]; do [ "$1" != -c ] || shift; shift; done
[ "$2" = web ] || [ "$3" = web ] || exit 1
case $1 in
domstate) echo 'shut off' ;;
domblklist) printf ' Type Device Target Source\n---\n file disk vda /srv/disk.raw\n' ;;
dominfo) printf 'CPU(s): 2\nMax memory: 65536 KiB\nAutostart:      enable\n' ;;
esac
END
# Whether a disk is in use: as qemu-img says it, when the file exists.
put b /usr/local/bin/qemu-img <<'END'
#!/bin/sh
[ ! -e /srv/in-use ] || { echo 'Failed to get shared "write" lock' >&2; exit 1; }
END
on b chmod 755 /usr/local/bin/guestfish /usr/local/bin/virsh /usr/local/bin/qemu-img
MOVE=(pmigrate v web c 106 --take-addresses --no-progress)
absent() { on b sh -c '! test -e /vz/private/106 && ! test -e /etc/vz/conf/106.conf'; }

echo '# somebody has its address'
on a ip addr add 10.77.44.1/16 dev eth0
expect_exit 12 on b "${MOVE[@]}"
expect_out 'web is shut off, but somebody answers at its address 10.77.44.1'
expect_out 'without --take-addresses it is copied and not started'
absent || fail 'a refusal changed something'
on a ip addr del 10.77.44.1/16 dev eth0

echo '# it was started, and shut down again, during the copy: its disk is another one now'
put b /srv/meanwhile <<<'echo changed >>/srv/disk.raw'
expect_exit 6 on b "${MOVE[@]}"
expect_out 'the copy of web: the disks were written to meanwhile'
on b sh -c 'test -e /vz/private/106/home/file && test -e /var/lib/pmigrate/into/106 && ! test -e /etc/vz/conf/106.conf'

echo '# it runs at the end of the copy'
put b /srv/meanwhile <<<'touch /srv/in-use'
expect_exit 3 on b "${MOVE[@]}"
expect_out 'disk.raw is in use by a virtual machine that runs'
on b sh -c 'rm /srv/in-use; mv /srv/guest/home/file /srv/guest/home/other'
on b sh -c '! test -e /etc/vz/conf/106.conf'

echo '# it is started when all is copied'
on b rm /srv/meanwhile
on_bg b env PMIGRATE_FAULT=into.register.done:stop "${MOVE[@]}"
wait_for 30 on b test -e /etc/vz/conf/106.conf
on b touch /srv/in-use
pkill -CONT -P $bg # nsenter, stopped as it is, wakes it
code=0
wait $bg || code=$?
expect_eq "$code" 3 'the exit code when it was started at last'
grep -q 'Container 106 is not started: .*in use by a virtual machine that runs' "$bg_out" || { cat "$bg_out" >&2 && fail 'the reason is not told'; }
expect_eq "$(on b pctl status 106)" 'CTID 106 stopped' 'the Container then'
on b sh -ec 'test -e /vz/private/106/home/other && ! test -e /vz/private/106/home/file; rm /srv/in-use; pctl destroy 106'

echo '# nobody has it; what is excluded, by the rules of rsync'
expect_exit 0 on b "${MOVE[@]}" --exclude '*.bak' --exclude cache/ --exclude '/home/*/x.o' --exclude '/home/a/b/**.o' --exclude 'b/deep/***'
expect_eq "$(on b sh -c 'cd /vz/private/106/home && find . | LC_ALL=C sort | tr "\n" " "')" '. ./a ./a/b ./a/b/keep ./other ' 'what is there of /home'
expect_out 'web starts with its server: virsh autostart --disable web'
expect_out 'Container 106 runs: web must stay shut off'
expect_out 'Container 106 runs; its init does not tell'
expect_eq "$(on b pctl status 106)" 'CTID 106 running' 'the Container'
on b sh -c 'grep -q "^NAMESERVER=\"9.9.9.9\"" /etc/vz/conf/106.conf && grep -qx "nameserver 9.9.9.9" /vz/private/106/etc/resolv.conf'
wait_for 10 on a ping -qc 1 -W 1 10.77.44.1
