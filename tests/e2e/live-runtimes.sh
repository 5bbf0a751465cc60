#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# Java and Node (compiled code, garbage collectors, many threads, timers, thread pools) compute and verify for ever and move
# online there and back: nothing is ever wrong, everything goes on, and clients that ask all the time over one connection
# each always hear "fine".
. "$(dirname "$0")/../lib.sh"
lab_start --vz 3G --image runtimes a b c
IP=10.77.2.7
declare -A port=([java]=8001 [node]=8002) client client_out

go_on() { # every number of /rounds is larger a moment later
	local name before
	for name in java node; do
		before=$(on c curl -sf "http://$IP:${port[$name]}/rounds")
		echo "$name: $before"
		wait_for 20 larger "$name" "$before"
	done
}

larger() { # NAME NUMBERS
	local now old i
	read -ra old <<<"$2"
	read -ra now <<<"$(on c curl -sf "http://$IP:${port[$1]}/rounds")"
	for i in "${!old[@]}"; do [ "${now[i]}" -gt "${old[i]}" ] || return 1; done
}

must on a pctl create 207 --ostemplate /templates/runtimes.tar.zst --ipadd $IP --init /sbin/serve
put a /vz/private/207/srv/Load.java <"$TESTS/payload/Load.java"
put a /vz/private/207/srv/load.js <"$TESTS/payload/load.js"
put a /vz/private/207/sbin/serve <<'END'
#!/bin/sh
java -Xmx192m /srv/Load.java 8001 >/srv/java.log 2>&1 &
node /srv/load.js 8002 >/srv/node.log 2>&1 &
wait
END
on a chmod 755 /vz/private/207/sbin/serve
must on a pctl start 207 --wait
for name in java node; do
	wait_for 60 on c curl -sf "http://$IP:${port[$name]}/"
	on_bg c python3 -c "$(<"$TESTS/lab/download.py")" "$IP:${port[$name]}" / 0 "/tmp/$name"
	client[$name]=$bg client_out[$name]=$bg_out
done
go_on
for way in 'a b' 'b a --lazy'; do
	read -r from to option <<<"$way"
	# shellcheck disable=SC2086 # no option, or one
	expect_exit 0 on "$from" pmigrate c 207 c "root@$to" --online --no-progress -r yes $option
	grep -iE 'downtime|goes on as' "$OUT" || :
	go_on
done
fine=$(printf fine | sha256sum | cut -d' ' -f1)
for name in java node; do
	on c touch "/tmp/$name.stop"
	wait "${client[$name]}" || fail "the client of $name: $(cat "${client_out[$name]}"), $(on a cat "/vz/private/207/srv/$name.log")"
	cat "${client_out[$name]}"
	grep -q "sha256=$fine " "${client_out[$name]}" || fail "$name did not always say that all is fine"
done
