#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The test servers themselves, and the tests' own tools: before trusting what other tests say.
# vm: full
. "$(dirname "$0")/../lib.sh"

lab_start --vz 1G --image redis a b

# ---- servers see each other, and their cgroups are their own
expect_exit 0 on a ssh b hostname
expect_out '^b$'
must on b ssh -n a true
must on b ssh -n a6 true
must on b ssh -n fd77::1 true
expect_eq "$(on a sh -c 'cut -d: -f3 /proc/self/cgroup | sed s,^/init$,/, | sort -u')" / "the cgroups of a"
must on a criu check
expect_exit 7 on a sh -c 'exit 7'
expect_exit 0 "$LAB" exec -t "$TEST_DIR/lab" a tty
expect_out '^/dev/pts/'

# ---- a cut link drops everything, keeps the carrier, and can be mended under an open connection
on_bg a sh -c 'for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.3; done | ssh b "cat >/tmp/counted; echo done"'
wait_for 5 on b test -s /tmp/counted
lab_do cut b
expect_exit 1 on a ping -c 1 -W 1 b
expect_eq "$(on b cat /sys/class/net/eth0/carrier)" 1 "the carrier of a cut link"
lab_do mend b
must wait "$bg"
expect_eq "$(on b sh -c 'tr -d "\n" </tmp/counted')" 12345678 "what came over a link that was cut"

# ---- a shaped link
lab_do link a 80mbit 20ms
begin=$(date +%s%N)
on a sh -c 'head -c 10000000 /dev/zero | ssh b "cat >/dev/null"'
took=$((($(date +%s%N) - begin) / 1000000))
[ $took -gt 900 ] || fail "10 MB over 80 Mbit/s took only $took ms"
lab_do link a

# ---- a server that loses power comes back with its disks and without its processes
on a sh -c 'echo kept >/vz/file; mkdir -p /var/lib/pmigrate; echo kept >/var/lib/pmigrate/file; echo lost >/run/file'
on_bg a sleep 1000
lab_do reboot a
expect_eq "$(on a cat /vz/file /var/lib/pmigrate/file | tr '\n' ' ')" "kept kept " "files after a reboot"
expect_exit 1 on a test -e /run/file
expect_exit 1 on a pgrep -x sleep
must on b ssh -n a true

# ---- the comparison of trees notices what it is there for
on a sh -c '
	mkdir -p /vz/t/dir && cd /vz/t && echo data >file && ln file hard && ln -s file soft && mkfifo pipe && mknod dev c 1 3
	truncate -s 10M sparse && printf x | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none
	setfattr -n user.color -v blue file && setfacl -m u:77:r file && touch -d @1.000000007 file
	tar --format=posix --xattrs --acls --sparse -cf - . | ssh b "mkdir /vz/t && tar -C /vz/t --xattrs --acls -xpf -"'
must same_tree a /vz/t b /vz/t
differs() { # COMMAND: done to b's tree, it must be noticed
	on b rm -rf /vz/u
	on b cp -a /vz/t /vz/u
	must same_tree a /vz/t b /vz/u
	on b sh -c "cd /vz/u && $1"
	expect_exit 1 bash -c "set -- ; . '$TESTS/lib.sh'; trap - EXIT; same_tree a /vz/t b /vz/u"
	on b sh -c 'cd /vz/u && chattr -i -R . 2>/dev/null || :'
}
differs 'printf D | dd of=file conv=notrunc status=none; touch -d @1.000000007 file'
differs 'touch -d @1.000000008 file'
differs 'rm hard; cp -p file hard'
differs 'cp --sparse=never sparse s; touch -r sparse s; mv s sparse'
differs 'setfattr -n user.color -v red file; touch -d @1.000000007 file'
differs 'setfacl -m u:77:rw file'
differs 'chattr +i file'
differs 'rm soft; ln -s hard soft'
differs 'chown 70000:5 pipe'
differs 'rm dev; mknod dev c 1 5'
differs 'mv file "dir/fi le"'

# ---- the live client counts, and notices a server that forgot
on b sh -c 'mkdir -p /vz/r && tar -C /vz/r -xf /templates/redis.tar.zst && mkdir -p /vz/r/data'
on_bg b chroot /vz/r redis-server --bind 10.77.0.2 --protected-mode no --dir /data --save ''
server=$bg
client_start a 10.77.0.2
sleep 0.5
client_stop a
[ "$client_requests" -gt 10 ] || fail "the client made only $client_requests requests in half a second"
client_start a 10.77.0.2
on b redis-cli -h 10.77.0.2 set counter 5
wait_for 5 on a test -e /tmp/client.counter.result
expect_eq "$(on a sed 's/after.*//' /tmp/client.counter.result)" "error: " "what the client says of a wrong number"
client_start a 10.77.0.2 6379 second
on b pkill -x redis-server
wait "$server" || :
wait_for 5 on a grep -q '^error:' /tmp/client.second.result

# ---- nothing is left of a lab, whatever its servers did
lab_pid=$(<"$TEST_DIR/lab/lab.pid")
read -r loop _ <"$TEST_DIR/lab/a/loop"
on a sh -c "truncate -s 1M /vz/image-$lab_pid && losetup -f /vz/image-$lab_pid"
must "$LAB" down "$TEST_DIR/lab"
expect_exit 1 test -e "$TEST_DIR/lab"
expect_eq "$(find /sys/fs/cgroup -maxdepth 2 -name "pmlab-$lab_pid")" "" "cgroups left over"
expect_exit 1 test -e "/sys/block/${loop#/dev/}/loop/backing_file"
expect_eq "$(losetup -nlO BACK-FILE | grep "image-$lab_pid" || :)" "" "loop devices left over"
