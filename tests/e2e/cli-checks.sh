#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every check that two servers can be made to fail: its exit code, its word of -f, and what the bypass makes of it.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup
on a cp /etc/vz/conf/101.conf /tmp/101.conf

config() { # LINE: the container's configuration with one more line
	on a sh -c 'cat /tmp/101.conf; printf "%s\n" "$0"' "$1" >"$TEST_DIR/conf"
	put a /etc/vz/conf/101.conf <"$TEST_DIR/conf"
}

# The check fails with CODE; its own word lets it pass; another word does not.
check() { # CODE WORD TEXT
	expect_exit "$1" on a pmigrate c 101 c root@b --dry-run
	expect_out "failed: .*$3"
	[ "$2" = all ] || expect_exit "$1" on a pmigrate c 101 c root@b --dry-run --nodeps=cpu_check
	expect_exit 0 on a pmigrate c 101 c root@b --dry-run --nodeps="$2"
	expect_out "bypassed: .*$3"
}

# ---- 32: technologies
config 'TECHNOLOGIES="x86_64 wormhole nptl"'
check 32 technologies wormhole

# ---- 36: a directory of the server
config 'BINDMOUNT="/srv/data:/data"'
check 36 bindmount /srv/data

# ---- 11: templates
config 'OSTEMPLATE=".centos-6-x86"'
check 11 template_area_sync centos-6-x86
on b mkdir -p /vz/template/centos/6/x86
expect_exit 0 on a pmigrate c 101 c root@b --dry-run

# ---- 33: rate, only where traffic is shaped
config 'RATE="eth7:1:8"'
expect_exit 0 on a pmigrate c 101 c root@b --dry-run
on b sh -c 'mkdir -p /etc/vz/conf; echo "TRAFFIC_SHAPING=yes" >>/etc/vz/vz.conf; echo "1 0.0.0.0/0" >/etc/vz/conf/networks_classes'
check 33 rate eth7
config 'RATE="eth0:3:8"'
check 33 rate eth0:3:8
config 'RATE="eth0:1:8"'
expect_exit 0 on a pmigrate c 101 c root@b --dry-run

# ---- 30: licence: full, expired, garbled; several add up
config ''
on b sh -c 'mkdir -p /etc/vz/licenses && printf "ct_total=\"0\"\nexpiration=\"never\"\n" >/etc/vz/licenses/one'
check 30 license 'may run 0'
on b sh -c 'printf "ct_total=5\nexpiration=2001-01-01\n" >/etc/vz/licenses/one'
check 30 license expired
on b sh -c 'echo nonsense >/etc/vz/licenses/one'
check 30 license 'line 1'
on b sh -c 'printf "ct_total=0\n" >/etc/vz/licenses/one; printf "ct_total=1\nexpiration=2999-12-31\n" >/etc/vz/licenses/two'
expect_exit 0 on a pmigrate c 101 c root@b --dry-run
on b rm -r /etc/vz/licenses

# ---- 31: no room; no word but its own, and then only a warning
on a sh -c 'head -c 400000000 /dev/zero | tr "\0" x >/vz/private/101/large'
on b sh -c 'head -c 300000000 /dev/zero | tr "\0" x >/vz/full'
check 31 disk_space 'are needed'
on b rm /vz/full
# What only root may use (5 % of an ext4) is no room for a service.
on a truncate -s 0 /vz/private/101/large
on a sh -c 'head -c 12000000 /dev/zero | tr "\0" x >/vz/private/101/large'
on b sh -c 'head -c $(($(df --output=avail -B1 /vz | tail -n 1) - 6000000)) /dev/zero | tr "\0" x >/vz/full'
check 31 disk_space 'are needed'
on b rm /vz/full
on a rm /vz/private/101/large

# ---- 12: an address in use: of a running container, of the server itself
on b ip address add 10.77.1.101/32 dev lo
check 12 all 10.77.1.101
on b ip address del 10.77.1.101/32 dev lo

# ---- 13: a mount script
on a sh -c 'printf "#!/bin/sh\n" >/etc/vz/conf/101.mount; chmod 755 /etc/vz/conf/101.mount'
check 13 all 'mount script'
on a rm /etc/vz/conf/101.mount

# ---- 45, 9: name and ID; nothing helps
on b sh -c 'mkdir /tmp/empty'
must on b pctl create 301 --empty --name first
expect_exit 45 on a pmigrate c 101 c root@b --dry-run -f
must on b pctl destroy 301
must on b pctl create 101 --empty
expect_exit 9 on a pmigrate c 101 c root@b --dry-run -f
must on b pctl destroy 101

# ---- what it will need there is tried before the first byte: it runs on, and nothing is left
config ''
refused() { # CODE TEXT [OPTION...]
	local before code=$1 text=$2
	shift 2
	before=$(on a cat /run/runc/101/state.json)
	expect_exit "$code" on a pmigrate c 101 c root@b "$@"
	expect_out "failed: tried: b: $text"
	expect_eq "$(on a cat /run/runc/101/state.json)" "$before" "the container that runs on"
	expect_eq "$(on b sh -c 'ls -A /vz/private /run/pmigrate/vz /run/runc /run/netns; find /sys/fs/cgroup -path "*/vz/*" -type d' 2>/dev/null |
		grep -v ':$' || :)" "" "what a rehearsal left"
}
runc=$(on b sh -c 'command -v runc')
on b mv "$runc" /runc.off
refused 37 'the program runc is not here' --dry-run
refused 37 'the program runc is not here'
expect_out 'apt-get install runc'
put b "$runc" <<'END'
#!/bin/sh
case "$*" in *create*) echo 'time="x" level=error msg="no wheels"' >"$4"; exit 1 ;; esac
exec /runc.off "$@"
END
on b chmod 755 "$runc"
refused 52 'a container does not start here \(tried\): runc: no wheels'
on b mv /runc.off "$runc"
config 'NETIF="ifname=eth0,bridge=nobr"'
refused 2 'a container does not start here .*nobr'
config 'CPUMASK="4000"'
refused 2 'a container does not start here .*4000'
config ''
for dir in /etc/vz/conf /var/lib/pmigrate /vz /proc/sys; do
	on b sh -c 'mkdir -p "$0"; mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"' $dir
	[ $dir != /proc/sys ] || on b sh -c 'umount /proc/sys; echo 0 >/proc/sys/net/ipv4/ip_forward; mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys'
	refused 2 ".*($dir|ip_forward).*Read-only file system"
	on b umount $dir
done
# …and one that works changes no setting of the server
expect_exit 0 on a pmigrate c 101 c root@b --dry-run -v
expect_out 'ok: tried: a container of nothing starts on b'
expect_eq "$(on b cat /proc/sys/net/ipv4/ip_forward)" 0 "ip_forward after a dry run"

# ---- 37: another engine
expect_exit 37 on a pmigrate c 101 c root@b/podman:101 --dry-run

# ---- 57: CRIU is missing there, or is not well; 56: an instruction set is missing there. Only for --online
online() { # CODE [OPTION...]
	local code=$1
	shift
	expect_exit "$code" on a pmigrate c 101 c root@b --online --dry-run "$@"
}
config ''
on b mv /usr/sbin/criu /usr/sbin/criu.off
online 57
expect_out 'failed: criu: b has no CRIU'
expect_out 'run pmigrate-criu on b'
online 57 -f
while read -r version why <&3; do
	put b /usr/sbin/criu <<-END
		#!/bin/sh
		[ "\$1" != --version ] || { echo "Version: $version"; exit 0; }
		echo "Error (criu/vdso.c:1): Unexpected rt vDSO area bounds" >&2; exit 1
	END
	on b chmod 755 /usr/sbin/criu
	online 57
	expect_out "failed: criu: CRIU $version on b .kernel $(uname -r). is too old: it $why"
	expect_out 'run pmigrate-criu on b: it installs CRIU 4.2 or newer'
	expect_no_out 'vDSO'
done 3<<-END
	3.17.1 cannot hold restored processes until the switch
	4.0 loses ambient capabilities
	4.1 restores mounts with another propagation
END
put b /usr/sbin/criu <<'END'
#!/bin/sh
echo "criu: error while loading shared libraries: libnet.so.1: cannot open shared object file: No such file or directory" >&2; exit 127
END
online 57
expect_out 'failed: criu: CRIU on b does not start: .*libnet.so.1: cannot open'
put b /usr/sbin/criu <<<'garbage'
online 57
expect_out 'failed: criu: CRIU on b does not start: '
put b /usr/sbin/criu <<'END'
#!/bin/sh
[ "$1" != check ] || { echo "Error (cr-check.c:1): no wheels" >&2; exit 1; }
exec /usr/sbin/criu.off "$@"
END
on b chmod 755 /usr/sbin/criu
online 57
expect_out 'failed: criu: .*no wheels'
online 0 --nodeps=capabilities
on b mv /usr/sbin/criu.off /usr/sbin/criu
on b sh -c 'sed "s/ sse2 / /g; s/ erms / /g" /proc/cpuinfo >/tmp/cpuinfo && mount --bind /tmp/cpuinfo /proc/cpuinfo'
if on b grep -q ' sse ' /proc/cpuinfo; then
	online 56
	expect_out 'failed: cpu_check: .*lacks features.*: sse2$'
	online 0 --nodeps=cpu_check
	expect_exit 0 on a pmigrate c 101 c root@b --dry-run
	expect_out 'note: cpu_check'
fi
on b umount /proc/cpuinfo

# ---- bypassed and failed, running: it is moved, and left stopped
config 'TECHNOLOGIES="wormhole"'
expect_exit 0 on a pmigrate c 101 c root@b -f
expect_out 'will not be started'
expect_eq "$(state_on a) $(state_on b)" "absent stopped" "states after a bypass"
# …but a bypass that nothing needed changes nothing
on b sh -c 'sed -i /TECHNOLOGIES/d /etc/vz/conf/101.conf'
must on b pctl start 101
expect_exit 0 on b pmigrate c 101 c root@a -f -r yes
expect_eq "$(where_is)" a "where it is after a bypass that nothing needed"
log_check a
