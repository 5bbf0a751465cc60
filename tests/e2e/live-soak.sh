#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 400
#
# Debian 13 with systemd, moved online as an administrator has it: cron, rsyslog, timers, a watchdog, a pipeline of shell
# scripts, an open ssh session. Afterwards nothing has failed or was started again; the journal goes on; every service
# can be restarted and systemd itself be installed anew from its packages; and it moves back.
# SOAK=SECONDS: how long it is left running after the move (20; 600 is the long form).
. "$(dirname "$0")/../lib.sh"
lab_start --vz 3G --image debian13 a b c
ID=205 IP=10.77.2.5

inside() { # HOST COMMAND...
	on "$1" pctl exec $ID "${@:2}"
}

grows() { # HOST FILE: a file inside with a number
	local before
	before=$(inside "$1" cat "$2")
	wait_for 10 on "$1" pctl exec $ID sh -c "[ \$(cat $2) -gt $before ]"
}

unit() { # NAME: stdin becomes the unit's file
	put a "/vz/private/$ID/etc/systemd/system/$1"
}

services() { # HOST: the running ones
	inside "$1" systemctl list-units --type=service --state=running --plain --no-legend | awk '{ print $1 }'
}

all_is_well() { # HOST
	local restarts mark=mark-$RANDOM
	inside "$1" journalctl -q -b -o short-monotonic -p warning -n 12
	expect_eq "$(inside "$1" systemctl list-units --failed --plain --no-legend)" "" "failed units on $1"
	expect_eq "$(inside "$1" systemctl is-system-running)" running "systemd's state on $1"
	restarts=$(inside "$1" systemctl show -p Id -p NRestarts '*.service' | grep -v =0$ | grep NRestarts || :)
	expect_eq "$restarts" "" "services that were started again on $1"
	grows "$1" /root/pipeline
	grows "$1" /root/ticks
	expect_eq "$(inside "$1" cat /root/broken)" "" "what the pipeline lost"
	must inside "$1" logger $mark
	wait_for 10 on "$1" pctl exec $ID grep -q $mark /var/log/syslog
	must inside "$1" journalctl -q --sync
	inside "$1" journalctl -q -b -o cat >"$TEST_DIR/journal"
	grep -q $mark "$TEST_DIR/journal" || fail "the journal on $1 does not go on"
	grep -q begun-before "$TEST_DIR/journal" || fail "the journal on $1 has lost its beginning"
}

typed() { # TEXT: into the open ssh session, which must answer
	echo "$1" >&7
	wait_for 10 grep -q "got $1" "$ssh_out"
}

must on a pctl create $ID --ostemplate /templates/debian13.tar.zst --ipadd $IP --hostname system
unit pipeline.service <<'END'
[Service]
ExecStart=/bin/sh -c 'n=0; while :; do n=$$((n+1)); echo $$n; sleep 0.05; done | cat | while read x; do last=$$((last+1)); [ $$x = $$last ] || echo $$x >>/root/broken; echo $$x >/root/p.new; mv /root/p.new /root/pipeline; done'
[Install]
WantedBy=multi-user.target
END
unit tick.service <<'END'
[Unit]
StartLimitIntervalSec=0
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo $$(($$(cat /root/ticks) + 1)) >/root/t.new; mv /root/t.new /root/ticks'
END
unit tick.timer <<'END'
[Timer]
OnActiveSec=1
OnUnitActiveSec=1
AccuracySec=100ms
[Install]
WantedBy=timers.target
END
unit watched.service <<'END'
[Service]
Type=notify
NotifyAccess=all
WatchdogSec=5
ExecStart=/bin/sh -c 'systemd-notify --ready; while :; do systemd-notify WATCHDOG=1; sleep 1; done'
[Install]
WantedBy=multi-user.target
END
put a /vz/private/$ID/etc/cron.d/often <<<'* * * * * root date +\%s >>/root/cron'
on c cat /root/.ssh/authorized_keys | put a /vz/private/$ID/root/.ssh/authorized_keys
on a sh -c "cd /vz/private/$ID/root && touch cron broken && echo 0 >ticks && chmod 700 .ssh"
must on a pctl start $ID --wait
must inside a systemctl enable --now pipeline.service tick.timer watched.service
must inside a logger begun-before
wait_for 20 on a pctl exec $ID systemctl is-system-running

mkfifo "$TEST_DIR/keys"
on c ssh -tt -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@$IP \
	'stty -echo; while read line && [ "$line" != end ]; do echo "got $line"; done' <"$TEST_DIR/keys" >"$TEST_DIR/ssh" 2>&1 &
ssh=$! ssh_out=$TEST_DIR/ssh
exec 7>"$TEST_DIR/keys"
typed before

expect_exit 0 on a pmigrate c $ID c root@b --online --no-progress -r yes
grep -i downtime "$OUT" || :
moved=$(date +%s)
typed after
all_is_well b
sleep "${SOAK:-20}"
all_is_well b
typed still
echo end >&7
wait $ssh
exec 7>&-

for service in $(services b); do
	case $service in user@* | dbus.service | pipeline.service) continue ;; esac
	must inside b systemctl restart "$service"
	expect_eq "$(inside b systemctl is-active "$service")" active "$service after its restart"
done
echo "# systemd installed anew"
must inside b sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -y --reinstall /usr/local/debs/*.deb' >"$TEST_DIR/apt" 2>&1 ||
	{ tail -n 30 "$TEST_DIR/apt" >&2 && fail "systemd cannot be installed"; }
wait_for 20 on b pctl exec $ID systemctl is-system-running
all_is_well b

# The manager of the user who had logged in holds a descriptor on a mount of the systemd-logind that was restarted: that
# cannot be moved, and the check says so. (It ends ten seconds after the session, unless logind was restarted before.)
if inside b systemctl -q is-active user@0.service; then
	expect_exit 57 on b pmigrate c $ID c root@a --online --no-progress -r yes
	expect_out 'sd-pam'
else
	echo "# the user's manager has ended before systemd-logind was restarted"
fi
must inside b systemctl stop user@0.service
expect_exit 0 on b pmigrate c $ID c root@a --online --no-progress -r yes
grep -i downtime "$OUT" || :
all_is_well a
wait_for 65 on a pctl exec $ID sh -c "[ \$(tail -n 1 /root/cron) -gt $moved ]"
must on a pctl stop $ID
