# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: MIT
#
# Podman: container checkpoint --export, rsync, container restore --import; the image is on both servers before.

podman_begin() {
	local archive=/dev/shm/image.tar
	net_begin a
	net_begin b
	on a sh -ec "podman image exists bench-$template || zstd -qdc /templates/$template.tar.zst | podman import - bench-$template
		podman save -q -o $archive bench-$template && scp -q $archive b:$archive && ssh b 'podman load -q -i $archive; rm $archive'; rm $archive" >/dev/null 2>&1
	# shellcheck disable=SC2086 # a list of words
	on a podman run -d --name ct --network ns:/run/netns/ct bench-$template $command >/dev/null </dev/null
	on a ip route add $IP/32 dev vct
}
podman_move() { # FROM TO
	on "$1" timeout 120 sh -ec "podman container checkpoint --export /dev/shm/ct.tar --compress none --tcp-established --file-locks ct
		podman rm -f ct >/dev/null 2>&1 || :; rsync -a /dev/shm/ct.tar $2:/dev/shm/ct.tar; rm /dev/shm/ct.tar
		ssh $2 'podman container restore --import /dev/shm/ct.tar --tcp-established --file-locks </dev/null; code=\$?; rm -f /dev/shm/ct.tar; exit \$code'" &&
		net_switch "$1" "$2"
}
podman_end() {
	for h in a b; do on $h sh -c 'podman rm -f -t 0 ct; rm -f /dev/shm/ct.tar' >/dev/null 2>&1 || :; done
	net_end
}
