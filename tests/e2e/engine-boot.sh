#!/bin/bash
# SPDX-License-Identifier: MIT
# A server that starts decides what a crash left in between, then starts its containers with ONBOOT, the higher BOOTORDER first;
# one that an unfinished migration has stays down, and that is said. A server that stops stops all of them, at once.
# timeout: 120
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
lab_start --image mini a b

# What systemd runs (there is none in these servers), word for word.
unit() { # KEY UNIT: the commands of its ExecStart or ExecStop
	on a sed -n "s/^$1=-\{0,1\}//p" "$(on a sh -c "ls /usr/lib/systemd/system/$2 /usr/local/lib/systemd/system/$2 2>/dev/null" | tail -n 1)"
}
starts=$(unit ExecStart pmigrate-boot.service) stops=$(unit ExecStop pmigrate.service)
[[ $starts == *'/pmigrate recover'*'/pctl boot' ]] || fail "the unit starts: $starts"
[[ $stops == *'/pctl shutdown' ]] || fail "the unit stops: $stops"
must on a test -L /etc/systemd/system/multi-user.target.wants/pmigrate.service
must on a sh -n /usr/local/share/pmigrate/pmigrate.init
recover=${starts%%$'\n'*} boot=${starts##*$'\n'}

new() { # ID OPTION...
	local id=$1
	shift
	must on a pctl create "$id" --ostemplate /templates/mini.tar.zst --ipadd "10.77.9.$id" "$@"
}
states() { # of all, in one line
	on a pctl list -a -H -o ctid,status | tr -s ' \n' ' '
}

echo "# what starts, in which order"
new 101 --onboot yes
new 102 --onboot no
new 103 --onboot yes --bootorder 5
new 104 --onboot yes --bootorder 20
new 105 --onboot yes
on a sh -c 'sed -i "s/^ONBOOT=.*/ONBOOT=yes/" /etc/vz/conf/104.conf' # as others write it
expect_eq "$(states)" "101 stopped 102 stopped 103 stopped 104 stopped 105 stopped " "before the start"

echo "# a crash in a migration, another one that cannot be decided, a config that cannot start"
must on a pctl start 103
on_bg a sh -c "PMIGRATE_FAULT=source.last:stop pmigrate c 103 c root@b; exit \$?"
wait_for 20 on a grep -q migration /vz/lock/103.lck
wait_for 20 on a sh -c 'pctl status 103 | grep -q stopped'
printf '1\nmigration m1 takes it away\nm1\n' | put a /vz/lock/105.lck
lab_do reboot a
wait "$bg" || :
on a sh -c "$recover" || :
expect_exit 3 on a sh -c "$boot"
expect_out '105 is NOT started: .*unfinished migration m1.*pmigrate recover'
expect_eq "$(grep -oE 'container 10[0-9] is started' "$OUT" | tr -dc '0-9\n' | tr '\n' ' ')" "104 101 " "order"
expect_eq "$(states)" "101 running 102 stopped 103 running 104 running 105 stopped " "after the start"
expect_eq "$(on b pctl list -a -H -o ctid)" "" "on the other server"

echo "# again: what was stopped by hand stays so, what was held starts"
must on a pctl stop 101
on a sh -c ': >/vz/lock/105.lck'
expect_exit 0 on a sh -c "$boot"
expect_eq "$(states)" "101 stopped 102 stopped 103 running 104 running 105 running " "after the second start"

echo "# the way down"
# shellcheck disable=SC2016
for id in 101 104 105; do
	must on a pctl set $id --init '/bin/sh /slow'
	printf 'trap "sleep 1; : >/stopped; exit 0" TERM\n: >/ready\nwhile :; do sleep 0.1; done\n' | put a /vz/private/$id/slow
	must on a pctl restart $id --fast
	wait_for 5 on a test -e /vz/private/$id/ready # else its first process has no handler yet, and gets no signal
done
must on a pctl mount 102
begin=$(date +%s%N)
expect_exit 0 on a sh -c "$stops"
took=$((($(date +%s%N) - begin) / 1000000))
echo "stopped in $took ms"
expect_eq "$(states)" "101 stopped 102 stopped 103 stopped 104 stopped 105 stopped " "after the stop"
for id in 101 104 105; do must on a test -e /vz/private/$id/stopped; done
must on a pctl set 104 --init ''
expect_exit 0 on a sh -c "$boot"
expect_eq "$(states)" "101 running 102 stopped 103 running 104 running 105 running " "after the service was restarted"
printf '1\nmigration m1 takes it away\nm1\n' | put a /vz/lock/105.lck
expect_exit 8 on a pctl shutdown -t 1
expect_out 'kept for the unfinished migration m1'
expect_eq "$(states)" "101 stopped 102 stopped 103 stopped 104 stopped 105 running " "one that a migration has is left"
