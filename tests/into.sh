# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# into.sh, sourced after lib.sh: physical servers for the tests of h -> c. A server is a Debian 13 with systemd as its
# init, users, services and an ssh of its own: run by pctl on a lab host, but as far as the migration can see a machine.

# A server at ADDRESS; every lab host can log in as root. Its tree is $server_tree on HOST. IMAGE: of tests/images, debian13 when
# there is none named. Further words are options of pctl create that give it its address.
server_make() { # HOST ID ADDRESS NAME [IMAGE [OPTION...]]
	local host=$1 id=$2 address=$3 name=$4 image=${5:-debian13}
	shift $(($# < 5 ? 4 : 5))
	[ $# -gt 0 ] || set -- --ipadd "$address"
	server_tree=/vz/private/$id
	on "$host" pctl create "$id" --ostemplate "/templates/$image.tar.zst" --hostname "$name" "$@"
	# What an old server has anyway: rsync, and root's key.
	on "$host" sh -ec 'A=$1
		if [ ! -e "$A/usr/bin/rsync" ]; then
			cp /usr/bin/rsync "$A/usr/bin/"
			for l in $(ldd /usr/bin/rsync | grep -o "/[^ ]*"); do [ -e "$A$l" ] || cp -L "$l" "$A/usr/lib/x86_64-linux-gnu/"; done
		fi
		mkdir -m 700 -p "$A/root/.ssh"
		cp /root/.ssh/authorized_keys "$A/root/.ssh/"
		chown -R 0:0 "$A/root"' sh "$server_tree"
	on "$host" pctl start "$id"
}

# The option of lab_start that puts an image of tests/images/servers into each lab host.
server_image() { # NAME: sets $over
	over=$("$TESTS/images/servers" "$1") || fail "there is no image $1"
	over=${over%/templates/*}
}

# Until it is up; the lab's hosts know its key then.
server_ready() { # ADDRESS HOST...: asked from these
	local address=$1 host
	shift
	for host; do
		wait_for 120 on "$host" ssh -oStrictHostKeyChecking=accept-new -oConnectTimeout=5 "$address" true
	done
	# shellcheck disable=SC2016
	wait_for 120 on "$1" ssh "$address" '[ ! -d /run/systemd/system ] || systemctl is-system-running | grep -qx running'
}

at_server() { # HOST ADDRESS COMMAND...: run there, over ssh from HOST
	local host=$1 address=$2
	shift 2
	on "$host" ssh "$address" "$(printf '%q ' "$@")"
}
