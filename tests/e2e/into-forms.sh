#!/bin/bash
# SPDX-License-Identifier: MIT
#
# h -> c: everything that is lost is named before anything is copied; what cannot be is refused with the reason, and
# nothing is changed; the spellings of source and destination.
# timeout: 300
. "$(dirname "$0")/../lib.sh"

lab_start --vz 3G a b
LESS=(--exclude /vz --exclude /usr/share --exclude /usr/lib/pmigrate-lab --no-progress)
dry() { pmigrate_dry=(pmigrate "$@" "${LESS[@]}" --dry-run); on b "${pmigrate_dry[@]}"; }
nothing_there() { on b sh -c '! test -e /vz/private/105 && ! test -e /etc/vz/conf/105.conf'; }

# ---- restrictions, each provoked ----
mac=$(on a cat /sys/class/net/eth0/address)
on a sh -ec '
	mkdir -p /opt/cad && echo "SERVER a '"${mac//:/}"' 27000" >/opt/cad/license.dat
	echo "SERVER a 0011deadbeef 27000" >/opt/cad/other.lic
	setfattr -n user.colour -v blue /opt/cad
	ip addr add 10.77.9.9/16 dev eth0
	truncate -s 10M /srv/raw.img; losetup -f --show /srv/raw.img >/srv/raw.dev
	mkdir /mnt/more && mount -t tmpfs more /mnt/more'
cleanup 'on a sh -c "losetup -d \$(cat /srv/raw.dev)"'
dev=$(on a cat /srv/raw.dev)
on_bg a sh -c "exec sleep 1000 <$dev"
expect_exit 0 dry h root@a c 105
expect_out "mac_licence.*/opt/cad/license.dat"
expect_no_out 'other.lic'
expect_out "raw device $dev .*sleep"
expect_out '3 addresses .*10.77.9.9'
nothing_there || fail 'a dry run changed something'

# ---- what vzhwcalc writes: a file of its own, with the reasons ----
expect_exit 0 on a vzhwcalc -o /root/serv.conf
expect_out '/mnt/more/\*.*memory'
on a sh -c 'grep -q "^EXCLUDE=.*/mnt/more/" /root/serv.conf && grep -q "^IP_ADDRESS=.*10.77.9.9" /root/serv.conf'
expect_exit 0 on a vzhwcalc -t 2s -p 500ms --mem-scale 2 --disk-scale 3 -o /root/long.conf
on a grep -q 'measured [45] times' /root/long.conf
expect_exit 1 on a vzhwcalc --mem-scale none
expect_exit 0 on a vzhwcalc -v
expect_exit 0 on a vzhwcalc -h
expect_out 'dist-detect'

# ---- refusals ----
expect_exit 1 on b pmigrate h root@a c
expect_exit 1 on b pmigrate h root@a c 105 -S sshd
expect_exit 10 on b pmigrate h root@a c 105 -S no-such-service
expect_out 'no-such-service'
expect_exit 11 on b pmigrate h root@a c 105 -z no-such-template
expect_exit 1 on b pmigrate h root@a c 105 -q /home
expect_out 'no user or group quotas'
put b /root/empty.conf <<<'VERSION="2"'
expect_exit 1 on b pmigrate h root@a c 105 -c /root/empty.conf
expect_out '-d NAME'
expect_exit 4 on b pmigrate h root@10.77.0.77 c 105 --ssh=-oConnectTimeout=2
put b /root/windows.py <<'END'
import socket
s = socket.create_server(("127.0.0.1", 2222))
while True:
    c, _ = s.accept()
    c.sendall(b"SSH-2.0-OpenSSH_for_Windows_8.1\r\n")
    c.close()
END
on_bg b python3 /root/windows.py
wait_for 10 on b sh -c 'ss -tln | grep -q :2222'
expect_exit 57 on b pmigrate h root@127.0.0.1:2222 c 105
expect_out 'Windows'
nothing_there || fail 'a refusal changed something'

# ---- virtual machines: what needs no look into a disk ----
put b /usr/local/bin/virsh <<'END'
#!/bin/sh
while [ "${1#-}" != "$1" ]; do [ "$1" != -c ] || shift; shift; done
case "$1 $*" in
*alive*) state=running ;;
*asleep*) state=paused ;;
*off*) state='shut off' ;;
*) exit 1 ;;
esac
case $1 in
domstate) echo "$state" ;;
domblklist) printf ' Type Device Target Source\n---\n file disk vda /root/win.raw\n' ;;
dominfo) printf 'CPU(s): 2\nMax memory: 1048576 KiB\n' ;;
domifaddr) [ "$3" = lease ] || exit 1; printf ' vnet0 52:54:00:00:00:01 ipv4 10.77.0.1/16\n' ;;
esac
END
on b chmod 755 /usr/local/bin/virsh
expect_exit 0 on b pmigrate v alive c 105 "${LESS[@]}" --dry-run
expect_out 'would become Container 105'
expect_exit 57 on b pmigrate v asleep c 105
expect_exit 10 on b pmigrate v nobody c 105
expect_exit 10 on b pmigrate v /root/nothing.raw c 105
on b python3 -c '
disk = bytearray(4096)
disk[446 + 8] = 2 # a partition that begins at sector 2
disk[1024 + 3:1024 + 11] = b"NTFS    "
disk[1024 + 300:1024 + 316] = b"NTLDR is missing"
open("/root/win.raw", "wb").write(disk)'
expect_exit 57 on b pmigrate v off c 105
expect_out '2003'
on b truncate -s 1M /root/empty.raw
expect_exit 10 on b pmigrate v /root/empty.raw c 105
expect_out 'guestfish'
nothing_there || fail 'a refusal changed something'

# ---- spellings: password, IPv6, a name instead of an id, an own file, a distribution of one's own, vzp2v ----
expect_exit 0 dry h 'root:lab@[fd77::1]:22' c web '--ssh=-oPubkeyAuthentication=no'
expect_out 'would become Container 101'
expect_exit 1 dry h root@a c 105 -d plan9-4
expect_out 'failed: dist: there is no distribution file for plan9-4'
expect_exit 34 on b pmigrate h root@10.77.0.2 c 105 "${LESS[@]}" --dry-run
expect_out 'failed: place: root@10.77.0.2 is this server'
expect_exit 0 on b vzp2v root@a --ctid 105 "${LESS[@]}" --dry-run
nothing_there || fail 'a dry run changed something'

# ---- from the file of -c by its bare name, on a template ----
on a sh -c 'cat /root/serv.conf' | put b /root/serv.conf
on b sh -ec 'mkdir -p /vz/template/cache /srv/t/boot && echo old >/srv/t/boot/of-template && echo old >/srv/t/no-more
	tar -C /srv/t --zstd -cf /vz/template/cache/tiny-1-x86_64.tar.zst .'
expect_exit 0 on b sh -c 'cd /root && exec "$@"' sh pmigrate h 'root:lab@a' c shop -c serv.conf -z tiny-1-x86_64 --ssh=-oPubkeyAuthentication=no \
	--exclude /usr "${LESS[@]}" -d unknown
on b sh -ec 'grep -q "^NAME=\"shop\"" /etc/vz/conf/101.conf
	grep -q "^DISTRIBUTION=\"unknown\"" /etc/vz/conf/101.conf
	grep -q "^OSTEMPLATE=\"tiny-1-x86_64\"" /etc/vz/conf/101.conf
	test -e /vz/private/101/boot/of-template && ! test -e /vz/private/101/no-more
	! test -e /vz/private/101/usr && ! test -e /vz/private/101/etc/kernel-img.conf
	test -z "$(ls /vz/private/101/mnt/more)"'
expect_exit 0 on b pctl status shop
