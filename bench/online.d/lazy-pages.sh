# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: MIT
#
# CRIU's lazy pages: runc checkpoint --lazy-pages stays and serves memory; at the destination criu lazy-pages fetches it
# while what runc restore --lazy-pages restored runs already.

lazy_pages_begin() { runc_begin; }
lazy_pages_move() { # FROM TO
	local from
	from=$(on "$2" getent hosts "$1" | awk '{ print $1; exit }')
	on "$2" sh -c 'rm -rf /dev/shm/i/*'
	# Its answer is a NUL on the status descriptor when the state is saved and memory is served.
	on "$1" timeout 120 sh -ec 'rm -rf /dev/shm/i/* /tmp/ready; mkfifo /tmp/ready
		setsid runc checkpoint '"$RUNC_HOW"' --lazy-pages --page-server 0.0.0.0:9877 --status-fd 9 ct 9>/tmp/ready </dev/null >/tmp/checkpoint.out 2>&1 &
		head -c 1 /tmp/ready | wc -c | grep -q 1 || { cat /tmp/checkpoint.out; grep Error /dev/shm/i/dump.log; exit 1; }
		rsync -a /dev/shm/i/ '"$2"':/dev/shm/i/' || return 1
	on "$2" sh -c "setsid criu lazy-pages -D /dev/shm/i -W /dev/shm/i --page-server --address $from --port 9877 -o lazy-pages.log </dev/null >/dev/null 2>&1 &
		for i in \$(seq 100); do [ -e /dev/shm/i/lazy-pages.socket ] && break; sleep 0.02; done"
	runc_restore "$2" --lazy-pages || {
		on "$1" cat /tmp/checkpoint.out /dev/shm/i/dump.log | grep -a Error || :
		on "$2" grep -a Error /dev/shm/i/lazy-pages.log || :
		return 1
	}
	net_switch "$1" "$2"
	# All of it must be there before the next move.
	on "$2" timeout 100 sh -c 'while pgrep -x criu >/dev/null; do sleep 0.05; done'
	on "$1" sh -c 'runc delete -f ct; rm -rf /dev/shm/i/*' >/dev/null 2>&1 || :
}
lazy_pages_end() { runc_end; }
