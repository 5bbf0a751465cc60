#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# vm: full
#
# A server has said everything and closed; its clients, over the network and inside, IPv4 and IPv6, have read only a little
# of it when the server moves online, there and back.  Each gets all of it.  A move that fails harms none.
. "$(dirname "$0")/../lib.sh"
farewell=$("$TESTS/payload/build" farewell)
lab_start --vz 1G --image mini a b c
IP=10.77.4.6 IP6=fd77::4:6
BYTES=300000

must on a pctl create 406 --ostemplate /templates/mini.tar.zst --ipadd $IP --ipadd $IP6
for h in a:/vz/private/406/bin c:/root; do put "${h%%:*}" "${h#*:}/farewell" <"$farewell" && on "${h%%:*}" chmod 755 "${h#*:}/farewell"; done
put a /vz/private/406/etc/rc <<END
#!/bin/sh
ifconfig lo up
for i in \$(seq 1 3); do
	while read -r address how; do
		(while [ ! -e /begin.\$i ]; do sleep 0.1; done; exec /bin/farewell read \$address 99 $BYTES \$how /quick.\$i /out.\$i.\$how.\$address) &
	done <<-LIST
		127.0.0.1 close
		127.0.0.1 half
		::1 close
		$IP close
		$IP6 half
	LIST
done
exec /bin/farewell serve 99 $BYTES </dev/null >/dev/null 2>&1
END
on a chmod 755 /vz/private/406/etc/rc
must on a pctl start 406
wait_for 10 on a pctl exec 406 grep -q ':0063 ' /proc/net/tcp6

farewells() { # HOST: how many it has said, that have not been heard
	on "$1" pctl exec 406 cat /proc/net/tcp /proc/net/tcp6 | awk '($4 == "04" || $4 == "09" || $4 == "0B") && $2 ~ /:0063$/ && $10 == 0' | wc -l
}
all_waiting() { [ "$(farewells "$1")" = 9 ]; }

begin() { # HOST ROUND
	on "$1" touch "/vz/private/406/begin.$2" && on c rm -f /quick
	for client in "$IP close" "$IP half" "$IP6 close" "$IP6 half"; do
		on_bg c /root/farewell read "${client% *}" 99 $BYTES "${client#* }" /quick "/out.${client/ /.}"
		clients+=("$bg")
	done
	wait_for 10 all_waiting "$1"
}

end() { # HOST ROUND
	on c touch /quick && on "$1" touch "/vz/private/406/quick.$2"
	wait "${clients[@]}" || fail "clients on c: $(on c sh -c 'tail -n +1 /out.*')"
	clients=()
	wait_for 20 on "$1" sh -c "[ \$(ls /vz/private/406/out.$2.* | wc -l) = 5 ]"
	on "$1" sh -c "! grep -v complete /vz/private/406/out.$2.*" || fail "clients inside"
}

put b /usr/local/sbin/pmigrate-faulty <<-'END'
	#!/bin/sh
	PMIGRATE_FAULT=agent.live-closed.done:fail exec pmigrate "$@"
END
on b chmod 755 /usr/local/sbin/pmigrate-faulty
begin a 1
on a env PMIGRATE_REMOTE=pmigrate-faulty pmigrate c 406 c root@b --online --no-progress -r yes >"$OUT" 2>&1 && fail "the move did not fail"
grep -q 'fault injected at agent.live-closed' "$OUT" || { cat "$OUT" >&2 && fail "it failed for another reason"; }
expect_eq "$(farewells a)" 9 "connections after a failure"
end a 1

round=1
for way in 'a b' 'b a --lazy'; do
	read -r from to option <<<"$way"
	round=$((round + 1))
	begin "$from" $round
	# shellcheck disable=SC2086 # no option, or one
	expect_exit 0 on "$from" pmigrate c 406 c "root@$to" --online --no-progress -v -r yes $option
	grep -iE 'downtime|closed|held back' "$OUT" || :
	expect_eq "$(farewells "$to")" 9 "connections on $to"
	end "$to" $round
done
