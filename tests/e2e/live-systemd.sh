#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: full
# timeout: 400
# Debian 12 and 13 with systemd move online there and back: running before and after, every service can be restarted,
# systemd can execute itself anew, timers fire, the journal goes on.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
releases='12 13'
[ -z "${TESTS_IN_VM:-}" ] || releases=13
options=()
for release in $releases; do options+=(--image "debian$release"); done
lab_start "${options[@]}" a b

inside() { # HOST COMMAND...
	local host=$1
	shift
	on "$host" pctl exec "$id" "$@"
}

all_is_well() { # HOST
	local unit
	wait_for 20 on "$1" pctl exec "$id" systemctl is-system-running
	expect_eq "$(inside "$1" systemctl is-system-running)" running "systemd's state on $1"
	must inside "$1" systemctl daemon-reexec
	wait_for 10 on "$1" pctl exec "$id" systemctl is-system-running
	for unit in $(inside "$1" systemctl list-units --type=service --state=running --plain --no-legend | awk '{ print $1 }'); do
		case $unit in user@* | dbus.service) continue ;; esac
		must inside "$1" systemctl restart "$unit"
		expect_eq "$(inside "$1" systemctl is-active "$unit")" active "$unit on $1"
	done
	# A transient timer of the past still fires, and so does a new one.
	must inside "$1" systemd-run --timer-property=AccuracySec=100ms --on-active=1 touch "/run/fired-on-$1"
	wait_for 15 on "$1" pctl exec "$id" test -e "/run/fired-on-$1"
	must inside "$1" sh -c 'logger here && journalctl -q --sync && journalctl -q -n 50 | grep -q here'
}

for release in $releases; do
	id=2$release
	echo "# debian$release"
	must on a pctl create $id --ostemplate /templates/debian$release.tar.zst --ipadd 10.77.2.$release
	must on a pctl start $id --wait --timeout $((60 * ${TIME_FACTOR:-1}))
	must inside a sh -c 'echo precious >/run/kept'
	must inside a systemd-run --timer-property=AccuracySec=100ms --on-active=20 touch /run/old-timer
	expect_exit 0 on a pmigrate c $id c root@b --online --no-progress -r yes
	grep -i downtime "$OUT" || :
	expect_eq "$(inside b cat /run/kept)" precious "a file in /run"
	all_is_well b
	wait_for 30 on b pctl exec $id test -e /run/old-timer
	expect_exit 0 on b pmigrate c $id c root@a --online --no-progress -r yes
	all_is_well a
	must on a pctl stop $id
done
