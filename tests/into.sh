# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# into.sh, sourced after lib.sh: physical servers for the tests of h -> c. A server is a Debian 13 with systemd as its
# init, users, services and an ssh of its own: run by pctl on a lab host, but as far as the migration can see a machine.

# A server at ADDRESS; every lab host can log in as root. Its tree is $server_tree on HOST.
server_make() { # HOST ID ADDRESS NAME
	server_tree=/vz/private/$2
	on "$1" pctl create "$2" --ostemplate /templates/debian13.tar.zst --ipadd "$3" --hostname "$4"
	# What an old server has anyway: rsync, and root's key.
	on "$1" sh -ec 'A=$1
		cp /usr/bin/rsync "$A/usr/bin/"
		for l in $(ldd /usr/bin/rsync | grep -o "/[^ ]*"); do [ -e "$A$l" ] || cp -L "$l" "$A/usr/lib/x86_64-linux-gnu/"; done
		mkdir -m 700 -p "$A/root/.ssh"
		cp /root/.ssh/authorized_keys "$A/root/.ssh/"
		chown -R 0:0 "$A/root"' sh "$server_tree"
	on "$1" pctl start "$2"
}

# Until it is up; the lab's hosts know its key then.
server_ready() { # ADDRESS HOST...: asked from these
	local address=$1 host
	shift
	for host; do
		wait_for 60 on "$host" ssh -oStrictHostKeyChecking=accept-new -oConnectTimeout=5 "$address" true
	done
	wait_for 60 on "$1" sh -c "ssh $address systemctl is-system-running | grep -qx running"
}

at_server() { # HOST ADDRESS COMMAND...: run there, over ssh from HOST
	local host=$1 address=$2
	shift 2
	on "$host" ssh "$address" "$(printf '%q ' "$@")"
}
