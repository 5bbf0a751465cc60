#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# What systemd mounts for its services (each setting of systemd.exec(5) that makes mounts or namespaces has a unit here)
# moves online there and back: the services live, see the same, and can be started again. RELEASES='12 13' tries both.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
releases=${RELEASES:-13}
options=()
for release in $releases; do options+=(--image "debian$release"); done
lab_start --vz 2G "${options[@]}" a b

inside() { # HOST COMMAND...
	on "$1" pctl exec "$id" "${@:2}"
}

# NAME SETTING…: of a unit
UNITS=(
	"socket BindReadOnlyPaths=/dev/log:/srv/in/log"
	"bus BindPaths=/run/dbus/system_bus_socket:/srv/in/bus"
	"tree BindPaths=/srv/out:/srv/in/tree"
	"file BindReadOnlyPaths=/etc/hostname:/srv/in/file"
	"memory BindPaths=/run/keep:/srv/in/memory"
	"memoryfile BindReadOnlyPaths=/run/keep/file:/srv/in/file"
	"shm BindPaths=/dev/shm:/srv/in/shm"
	"node BindPaths=/dev/null:/srv/in/null"
	"temporary TemporaryFileSystem=/srv BindPaths=/srv/out"
	"temporaryro TemporaryFileSystem=/srv:ro"
	"tmp PrivateTmp=yes"
	"disconnected PrivateTmp=disconnected"
	"dynamic DynamicUser=yes StateDirectory=x-dynamic RuntimeDirectory=x-dynamic"
	"strict ProtectSystem=strict ReadWritePaths=/srv/out"
	"full ProtectSystem=full ProtectHome=yes"
	"home ProtectHome=tmpfs"
	"homero ProtectHome=read-only"
	"paths ReadOnlyPaths=/srv InaccessiblePaths=/srv/out"
	"no InaccessiblePaths=/etc/shadow InaccessiblePaths=/run/dbus/system_bus_socket InaccessiblePaths=/opt InaccessiblePaths=/run/keep"
	"exec NoExecPaths=/ ExecPaths=/usr"
	"devices PrivateDevices=yes"
	"clock ProtectClock=yes ProtectKernelLogs=yes ProtectKernelModules=yes"
	"tunables ProtectKernelTunables=yes ProtectControlGroups=yes"
	"mounts PrivateMounts=yes"
	"proc ProtectProc=invisible ProcSubset=pid"
	"root RootDirectory=/srv/root MountAPIVFS=yes BindReadOnlyPaths=/usr BindReadOnlyPaths=/lib BindReadOnlyPaths=/lib64 BindReadOnlyPaths=/bin"
	"rootbare RootDirectory=/srv/root BindReadOnlyPaths=/usr BindReadOnlyPaths=/lib BindReadOnlyPaths=/lib64 BindReadOnlyPaths=/bin"
	"credential SetCredential=x:secret"
	"loaded LoadCredential=x:/etc/hostname"
	"users PrivateUsers=yes"
	"network PrivateNetwork=yes PrivateIPC=yes ProtectHostname=yes"
	"pids PrivatePIDs=yes"
	"runtime RuntimeDirectory=x-runtime LogsDirectory=x-runtime CacheDirectory=x-runtime PrivateTmp=yes"
	"delegate Delegate=yes PrivateMounts=yes"
	"noapi MountAPIVFS=yes PrivateMounts=yes"
	"slave MountFlags=slave"
	"joined JoinsNamespaceOf=x-tmp.service PrivateTmp=yes"
	"everything PrivateTmp=yes ProtectSystem=strict ProtectHome=yes PrivateDevices=yes ProtectKernelTunables=yes ProtectControlGroups=yes ProtectProc=invisible ProcSubset=pid NoNewPrivileges=yes RestrictNamespaces=yes BindReadOnlyPaths=/dev/log:/srv/in/log InaccessiblePaths=/etc/shadow TemporaryFileSystem=/opt"
)

write_units() { # ROOT
	local line name settings
	on a sh -c "cd $1/srv && mkdir -p in/tree in/memory in/shm out root/usr root/lib root/lib64 root/bin root/proc root/sys root/dev root/run root/tmp root/var/tmp root/etc &&
		touch in/log in/bus in/file in/null && echo out >out/file"
	put a "$1/etc/tmpfiles.d/x.conf" <<-END
		d /run/keep 0755
		f /run/keep/file 0644 - - - kept
	END
	for line in "${UNITS[@]}"; do
		read -r name settings <<<"$line"
		{ printf '[Unit]\nAfter=basic.target dbus.socket systemd-tmpfiles-setup.service\n[Service]\n' && tr ' ' '\n' <<<"$settings" &&
			printf '%s\n' 'ExecStart=/bin/sleep infinity' '[Install]' 'WantedBy=multi-user.target'; } |
			put a "$1/etc/systemd/system/x-$name.service"
		on a ln -s "../x-$name.service" "$1/etc/systemd/system/multi-user.target.wants/"
	done
}

# What each unit sees mounted, without the numbers and sizes of this moment, and without the options of the file systems.
cat >"$TEST_DIR/seen" <<'END'
for unit in $(systemctl list-units -q --plain --no-legend 'x-*.service' | cut -d' ' -f1); do
	sed -E "s/^[0-9]+ [0-9]+ [0-9:]+ //; s/ (shared|master):[0-9]+/ \1/g; s/ - .*//; s/^/$unit /" \
		"/proc/$(systemctl show -P MainPID "$unit")/mountinfo" | sort
done
END

seen() { # HOST
	inside "$1" sh -c "$(cat "$TEST_DIR/seen")"
}

in_mounts_of() { # HOST UNIT COMMAND...
	local pid
	pid=$(inside "$1" systemctl show -P MainPID "$2")
	inside "$1" nsenter -t "$pid" -m "${@:3}"
}

for release in $releases; do
	id=3$release
	echo "# debian$release"
	must on a pctl create $id --ostemplate /templates/debian$release.tar.zst --ipadd 10.77.3.$release
	for unit in nginx redis-server postgresql rsyslog; do on a ln -s /dev/null "/vz/private/$id/etc/systemd/system/$unit.service"; done
	write_units /vz/private/$id
	must on a pctl start $id --wait --timeout $((60 * ${TIME_FACTOR:-1}))
	wait_for 20 on a pctl exec $id systemctl is-system-running
	seen a >"$TEST_DIR/before"
	for way in 'a b' 'b a'; do
		read -r from to <<<"$way"
		# Names that nobody has used for a while are forgotten; systemd watches some of them.
		must on "$from" sh -c 'echo 2 >/proc/sys/vm/drop_caches'
		expect_exit 0 on "$from" pmigrate c $id c "root@$to" --online --no-progress -r yes
		wait_for 20 on "$to" pctl exec $id systemctl is-system-running
		seen "$to" >"$TEST_DIR/after"
		diff "$TEST_DIR/before" "$TEST_DIR/after" || fail "what units see mounted on $to"
		expect_eq "$(inside "$to" systemctl list-units -q --plain --no-legend --state=active 'x-*.service' | wc -l)" \
			"${#UNITS[@]}" "units that are active on $to"
		# The sockets that are mounted are those of the programs that run.
		must in_mounts_of "$to" x-socket logger -u /srv/in/log "by the socket on $to"
		wait_for 10 inside "$to" sh -c "journalctl -q --sync; journalctl -q -n 50 | grep 'by the socket on $to'"
		must in_mounts_of "$to" x-bus busctl --address=unix:path=/srv/in/bus list >/dev/null
		# What an idmapped mount shows is the service's own.
		expect_eq "$(in_mounts_of "$to" x-dynamic stat -c %u /var/lib/private/x-dynamic)" \
			"$(inside "$to" sh -c 'stat -c %u "/proc/$(systemctl show -P MainPID x-dynamic)"')" "the owner of x-dynamic's state"
	done
	must inside a sh -c "systemctl restart 'x-*.service'"
	expect_eq "$(inside a systemctl is-system-running)" running "systemd's state in the end"
done
