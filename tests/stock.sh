# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# stock.sh: for tests between stock servers (LAB=stock). Sourced after lib.sh.
#
# The program is built and installed by README's own commands, which are taken out of it: those of a block of code after a
# line `<!-- test: MARK -->` (build: where it is built; both: on each server; first: on the first of two).
# shellcheck source=lab/cache.sh
. "$TESTS/lab/cache.sh"
# shellcheck source=lab/debian.sh
. "$TESTS/lab/debian.sh"

readme_commands() { # MARK
	awk -v mark="<!-- test: $1 -->" '
		$0 == mark { wanted = 1; next }
		/^```/ { inside = inside ? 0 : wanted; if (!inside) wanted = 0; next }
		inside { print; some = 1 }
		END { exit !some }' "$TESTS/../README.md" || fail "README has no commands for $1"
}

# ---- building it, in a tree of the release --------------------------------------------------------------------------

build_tree() { # TREE
	debian_tree "$build_suite" "$1" ca-certificates,python3-minimal
	cp /etc/resolv.conf "$1/etc/resolv.conf"
	mkdir -p "$1/root/scripts"
	cp "$TESTS"/../scripts/{deps,musl-i386} "$1/root/scripts/"
	mount -t proc proc "$1/proc"
	chroot "$1" /root/scripts/deps build || { umount "$1/proc" && return 1; }
	umount "$1/proc"
	rm -rf "$1/root/scripts" "$1"/var/cache/apt/archives/*.deb
}

# README's commands for building, on that release, from this source.
program_build() { # 12|13 FILE.tar.gz
	local tree
	build_suite=$([ "$1" = 12 ] && echo bookworm || echo trixie)
	tree=$(cache_get "build$1" "$(cache_key "$TESTS/../scripts/deps" "$TESTS/../scripts/musl-i386" "$TESTS/lab/debian.sh")" build_tree)
	mkdir "$TEST_DIR/build$1"
	# shellcheck disable=SC2016
	unshare --mount bash -euc '
		cd "$2"
		mount -t tmpfs build .
		mkdir upper work root
		mount -t overlay -o "lowerdir=$1,upperdir=upper,workdir=work" overlay root
		mount -t proc proc root/proc
		mount --rbind /dev root/dev
		mkdir root/root/pmigrate
		tar -C "$3" --exclude="./build*" --exclude=./.git --exclude=./.cache -cf - . | tar -C root/root/pmigrate -xf -
		chroot root bash -euc "cd /root/pmigrate; $4" >&2
		cat root/root/pmigrate.tar.gz' bash "$tree" "$TEST_DIR/build$1" "$TESTS/.." "$(readme_commands build)" >"$2" 2>"$TEST_DIR/build$1.log" </dev/null ||
		{ tail -n 20 "$TEST_DIR/build$1.log" >&2 && fail "README's commands do not build it on Debian $1"; }
}

# ---- running it on servers ------------------------------------------------------------------------------------------

# As an administrator types them, who says yes; the first that fails ends it.
readme_run() { # HOST MARK
	{ yes 2>/dev/null || :; } | on "$1" env DEBIAN_FRONTEND=noninteractive bash -exc "$(readme_commands "$2")" >"$OUT" 2>&1 ||
		{ tail -n 40 "$OUT" >&2 && fail "README's commands for $2 failed on $1"; }
}

# The tarball and what else README has be done on each server but apt-get: its packages are in the stock bed's disks.
program_install() { # FILE.tar.gz HOST...
	local host file=$1
	shift
	for host; do
		put "$host" /root/pmigrate.tar.gz <"$file"
		must on "$host" bash -exc "$(readme_commands both | grep -v '^apt-get')" >"$OUT" 2>&1
	done
}

# A template of tests/images/build, as /templates/NAME.tar.zst; by plain TCP, for ssh's ciphers take a minute without KVM.
template_put() { # HOST NAME
	local template
	template=$("$TESTS/images/build" "$2") || fail "there is no image $2"
	on_bg out python3 -c '
import socket, sys
s = socket.create_server(("", 7000))
s.accept()[0].sendfile(open(sys.argv[1], "rb"))' "$template"
	# shellcheck disable=SC2016
	must on "$1" bash -c 'mkdir -p /templates
		until { exec 3</dev/tcp/10.78.0.254/7000; } 2>/dev/null; do sleep 0.1; done
		cat <&3 >"/templates/$1.tar.zst"' bash "$2"
	wait "${bg:?}"
}

# Container 101 moves; nothing of it is left behind.
stock_moved() { # FROM TO [OPTION...]
	local from=$1 to=$2
	shift 2
	expect_exit 0 on "$from" pmigrate c 101 c "root@$to" --no-progress -r yes "$@"
	grep -i downtime "$OUT" || :
	expect_no_out "goes on as"
	expect_eq "$(on "$to" pctl status 101)" "CTID 101 running" "pctl's opinion on $to"
	expect_eq "$(on "$from" sh -c 'pctl list -a -H -o ctid; find /sys/fs/cgroup -path "*/vz/101*" -type d')" "" "what is left on $from"
}
