#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# A container that was not made for live moves: preflight names every obstacle with its unit and what to do, the
# container runs on untouched; `pctl set ID --live-ready` and a restart, and all of it moves live.
. "$(dirname "$0")/../lib.sh"
lab_start --vz 3G --image debian13 a b
ID=206

inside() { # HOST COMMAND...
	on "$1" pctl exec $ID "${@:2}"
}

# Units that ask for what cannot be moved: NAME SETTING…
UNITS=(
	"uts ProtectHostname=yes"
	"net PrivateNetwork=yes"
	"ipc PrivateIPC=yes"
	"user PrivateUsers=yes"
	"pid PrivatePIDs=yes"
	"address IPAddressDeny=192.0.2.0/24"
	"device DevicePolicy=closed"
	"dynamic DynamicUser=yes PrivateUsers=yes"
	"hardened PrivateTmp=yes ProtectSystem=strict ProtectHome=yes PrivateDevices=yes ProtectKernelTunables=yes ProtectControlGroups=yes ProtectProc=invisible NoNewPrivileges=yes MemoryDenyWriteExecute=yes RestrictNamespaces=yes SystemCallFilter=@system-service"
)

must on a pctl create $ID --ostemplate /templates/debian13.tar.zst --ipadd 10.77.2.6 --live-ready no
for line in "${UNITS[@]}"; do
	read -r name settings <<<"$line"
	{ echo "[Service]" && tr ' ' '\n' <<<"$settings" && printf '%s\n' KillSignal=SIGKILL 'ExecStart=/bin/sleep infinity' '[Install]' 'WantedBy=multi-user.target'; } |
		put a "/vz/private/$ID/etc/systemd/system/x-$name.service"
	on a ln -s "../x-$name.service" "/vz/private/$ID/etc/systemd/system/multi-user.target.wants/"
done
must on a pctl start $ID --wait
wait_for 20 on a pctl exec $ID systemctl is-system-running
before=$(inside a sh -c 'systemctl show -p MainPID "x-*"')

expect_exit 57 on a pmigrate c $ID c root@b --online --no-progress --dry-run
for name in uts net ipc user pid dynamic; do expect_out "unit x-$name.service"; done
expect_out 'unit systemd-logind.service.*pressure'
# filters of units (IPAddressDeny=, DevicePolicy=) are held by systemd itself, where there are any
expect_no_out 'failed.*x-hardened'
expect_exit 57 on a pmigrate c $ID c root@b --online --no-progress
expect_eq "$(inside a sh -c 'systemctl show -p MainPID "x-*"')" "$before" "the services' processes"
expect_eq "$(on b ls /vz/private)" "" "what is left on b"

must on a pctl set $ID --live-ready
must on a pctl restart $ID --wait
wait_for 20 on a pctl exec $ID systemctl is-system-running
expect_exit 0 on a pmigrate c $ID c root@b --online --no-progress --dry-run
expect_exit 0 on a pmigrate c $ID c root@b --online --no-progress -r yes
wait_for 20 on b pctl exec $ID systemctl is-system-running
for line in "${UNITS[@]}"; do
	expect_eq "$(inside b systemctl is-active "x-${line%% *}.service")" active "x-${line%% *} after the move"
done
