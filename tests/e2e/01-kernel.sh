#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What servers in the test VM are for: cgroup v2 with all controllers, soft-dirty pages, quotas, and CRIU without help.
# vm: only
# timeout: 60
. "$(dirname "$0")/../lib.sh"

lab_start --vz 1G:ext4:quota --image mini a

# ---- cgroup v2 alone, controllers handed down to what a server makes
expect_eq "$(on a stat -fc %T /sys/fs/cgroup)" cgroup2fs "the file system of cgroups"
controllers=" $(on a sh -c 'mkdir /sys/fs/cgroup/x && cat /sys/fs/cgroup/x/cgroup.controllers') "
for c in cpu memory pids io cpuset; do
	[[ $controllers == *" $c "* ]] || fail "no controller $c in a server's cgroup, only:$controllers"
done

# ---- no shim, and memory tracking
expect_exit 1 on a test -e /run/lab-no-sys-resource
must on a criu check
must on a criu check --feature mem_dirty_track

# ---- a quota is enforced
on a setquota -u 1001 100 200 0 0 /vz
on a install -d -o 1001 /vz/q
expect_exit 1 on a setpriv --reuid=1001 --clear-groups dd if=/dev/zero of=/vz/q/f bs=1k count=400
expect_out 'Disk quota exceeded'

# ---- a process of another uid is dumped in two rounds, the second with what it wrote since, and restored
on a sh -c '
	mkdir -p /vz/c/rootfs && tar -C /vz/c/rootfs -xf /templates/mini.tar.zst && cd /vz/c && runc spec
	python3 - <<-END
		import json
		c = json.load(open("config.json"))
		c["process"].update(terminal=False, user={"uid": 101, "gid": 101}, args=["sh", "-c",
			"x=\$(seq 200000); while :; do sleep 1; done"])
		c["process"].pop("rlimits")
		json.dump(c, open("config.json", "w"))
	END
	runc run -d c </dev/null >/dev/null 2>&1'
wait_for 60 on a sh -c 'runc ps c | grep -q " sleep 1\$"' # it has made its megabyte; later rounds only get smaller
must on a sh -c 'cd /vz/c && runc checkpoint --pre-dump --image-path /vz/c/pre c'
must on a sh -c 'cd /vz/c && runc checkpoint --image-path /vz/c/img --parent-path ../pre c'
first=$(on a sh -c 'du -ck /vz/c/pre/pages-* | tail -n 1 | cut -f1')
second=$(on a sh -c 'du -ck /vz/c/img/pages-* | tail -n 1 | cut -f1')
[ "$second" -lt $((first / 2)) ] || fail "the second round wrote $second KiB, the first $first KiB"
must on a sh -c 'cd /vz/c && runc restore -d --image-path /vz/c/img c </dev/null >/dev/null 2>&1'
expect_exit 0 on a runc list
expect_out '^c .* running '
