#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# vm: full
#
# A service that answers datagrams moves online there and back under load: each is answered, those too that it
# had received, and not read, when it was frozen.
. "$(dirname "$0")/../lib.sh"
datagrams=$("$TESTS/payload/build" datagrams)
lab_start --image mini a b c
IP=10.77.4.2

must on a pctl create 402 --ostemplate /templates/mini.tar.zst --ipadd $IP
put a /vz/private/402/bin/datagrams <"$datagrams"
put c /root/datagrams <"$datagrams"
put a /vz/private/402/etc/rc <<-'END'
	#!/bin/sh
	exec /bin/datagrams serve 5353 </dev/null >/dev/null 2>&1
END
on a chmod 755 /vz/private/402/bin/datagrams /vz/private/402/etc/rc
on c chmod 755 /root/datagrams
must on a pctl start 402
wait_for 10 on a pctl exec 402 grep -q ':14E9 ' /proc/net/udp

for way in 'a b' 'b a --lazy' 'a b' 'b a --noiter'; do
	read -r from to option <<<"$way"
	on c rm -f /tmp/enough
	on_bg c /root/datagrams ask $IP 5353 200 /tmp/enough
	asking=$bg out=$bg_out
	# shellcheck disable=SC2086 # no option, or one
	expect_exit 0 on "$from" pmigrate c 402 c "root@$to" --online --no-progress -v -r yes $option
	grep -oE 'it runs on for a moment.*' "$OUT" || :
	on c touch /tmp/enough
	wait "$asking" || fail "moved $way: $(cat "$out")"
	cat "$out"
done
