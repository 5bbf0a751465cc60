#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 200
#
# nginx moves online there and back during long downloads at two speeds, and while small files are asked for over one
# connection: nothing breaks, and what arrives has the file's checksum.
. "$(dirname "$0")/../lib.sh"
lab_start --vz 2G --image debian13 a b c
IP=10.77.2.4
declare -A client client_out

client_begin() { # NAME PATH MIB_PER_S
	on_bg c python3 -c "$(<"$TESTS/lab/download.py")" $IP "$2" "$3" "/tmp/$1"
	client[$1]=$bg client_out[$1]=$bg_out
	wait_for 10 on c test -e "/tmp/$1.ready"
}

client_end() { # NAME SHA256
	local last
	kill -0 "${client[$1]}" 2>/dev/null || fail "the client '$1' ended before it should: $(cat "${client_out[$1]}")"
	on c touch "/tmp/$1.stop"
	wait "${client[$1]}" || fail "the client '$1': $(cat "${client_out[$1]}")"
	last=$(cat "${client_out[$1]}")
	echo "$1: $last"
	[[ $last == sha256=$2\ * ]] || fail "the checksum at '$1' should be $2"
}

must on a pctl create 204 --ostemplate /templates/debian13.tar.zst --ipadd $IP --init /sbin/serve
put a /vz/private/204/sbin/serve <<-'END'
	#!/bin/sh
	exec nginx -g 'daemon off;'
END
on a chmod 755 /vz/private/204/sbin/serve
put a /vz/private/204/etc/nginx/conf.d/many.conf <<<'keepalive_requests 100000000;'
on a sh -c 'cd /vz/private/204/var/www/html && head -c 300M /dev/urandom >big && head -c 20K /dev/urandom >small'
big=$(on a sha256sum /vz/private/204/var/www/html/big | cut -d' ' -f1)
small=$(on a sha256sum /vz/private/204/var/www/html/small | cut -d' ' -f1)
must on a pctl start 204 --wait
wait_for 10 on c curl -sfI http://$IP/small

client_begin slow /big 0.5
client_begin steady /big 2
client_begin many /small 0
for way in 'a b' 'b a --lazy'; do
	read -r from to option <<<"$way"
	# shellcheck disable=SC2086 # no option, or one
	expect_exit 0 on "$from" pmigrate c 204 c "root@$to" --online --no-progress -r yes $option
	grep -iE 'downtime|goes on as' "$OUT" || :
done
client_end slow "$big"
client_end steady "$big"
client_end many "$small"
