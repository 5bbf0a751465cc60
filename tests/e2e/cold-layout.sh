#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A private area that is a symlink, a bind mount or a file system of its own moves, cold and online, and the source's copy is
# put away as far as it can be: nothing of it starts, and with -r yes nothing of it is left.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
lab_start --vz 2G:ext4 --image mini a b

make() { # ID
	must on a pctl create "$1" --ostemplate /templates/mini.tar.zst --ipadd "10.77.7.$(($1 - 700))"
	on a sh -ec "echo hello$1 >/vz/private/$1/srv/x; chattr +i /vz/private/$1/srv/x; mkdir -p /vz/big"
}
symlink() { on a sh -ec "mv /vz/private/$1 /vz/big/$1; ln -s /vz/big/$1 /vz/private/$1"; }
bind() { on a sh -ec "mv /vz/private/$1 /vz/big/$1; mkdir /vz/private/$1; mount --bind /vz/big/$1 /vz/private/$1"; }
own() {
	on a sh -ec "mv /vz/private/$1 /vz/big/$1; mkdir /vz/private/$1
		truncate -s 200M /srv/$1.img; mkfs.ext4 -q /srv/$1.img; mount -o loop /srv/$1.img /vz/private/$1
		cp -a /vz/big/$1/. /vz/private/$1/; chattr +i /vz/private/$1/srv/x; chattr -i /vz/big/$1/srv/x; rm -r /vz/big/$1"
}
moves() { # ID OPTION...
	must on a pctl start "$1" --wait
	expect_exit 0 on a pmigrate c "$1" c root@b --no-progress "${@:2}"
	expect_eq "$(on b cat "/vz/private/$1/srv/x")" "hello$1" "what $1 held"
	on b pctl status "$1" | grep -q running || fail "$1 does not run there"
	on a test ! -e "/etc/vz/conf/$1.conf" || fail "$1 is still configured here"
}
left() { on a sh -c "find /vz/private/$1/ /vz/big/$1/ -mindepth 1 ! -name lost+found 2>/dev/null | wc -l"; }

n=710
for how in 'symlink --batch' 'bind --batch' 'own --online'; do
	read -r layout mode <<<"$how"
	n=$((n + 1))
	make $n
	$layout $n
	moves $n "$mode" -r yes
	expect_eq "$(left $n)" 0 "what is left of $n ($how)"
done
make 721 && symlink 721 && moves 721 -r no
expect_eq "$(on a cat /vz/private/721.migrated/srv/x)" hello721 'the copy that is kept'
make 722 && bind 722 && moves 722 -r no
expect_out 'is a mount point and cannot be renamed'
expect_eq "$(on a cat /vz/private/722/srv/x)" hello722 'the copy that is kept'
