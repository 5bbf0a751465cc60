#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: stock-full
# timeout: 1200
#
# README's first steps, literally, on two Debian servers that have nothing but Debian: each fenced block behind a line
# `<!-- test: WHERE -->` is executed, in that order: `build` on this machine, in a copy of the source; `first`, `second` or
# `both` on the servers, which got the tarball. README_RELEASES='13 12' are those that are tried, one after the other.
LAB=stock
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# Each block becomes a file NUMBER.WHERE.
blocks() { # FILE DIR
	awk -v dir="$2" '
		/^<!-- test: (build|first|second|both) -->$/ { where = $3; next }
		/^```/ && inside { inside = 0; where = ""; next }
		/^```/ && where { inside = 1; file = sprintf("%s/%02d.%s", dir, ++n, where); next }
		inside { print >file }' "$1"
}

source_make() { # DIR: the project as somebody gets it
	mkdir -p "$1"
	git -C "$TESTS/.." ls-files -z | tar -C "$TESTS/.." --null -T - -cf - | tar -C "$1" -xf -
}

# Whoever reads it answers apt's questions with yes.
run_block() { # FILE COMMAND...: it runs the block
	echo "# ${*:2}:" && sed 's/^/  /' "$1"
	(set +o pipefail && yes 2>/dev/null | "${@:2}" bash -ec "$(<"$1")") >"$OUT" 2>&1 || { tail -n 40 "$OUT" && fail "a command of README fails"; }
}

mkdir "$TEST_DIR/blocks"
blocks "$TESTS/../README.md" "$TEST_DIR/blocks"
[ -n "$(ls "$TEST_DIR/blocks")" ] || fail "README has no block that is marked for this test"
source_make "$TEST_DIR/source"
tarball=/root/pmigrate.tar.gz
[ ! -e $tarball ] || skip "$tarball is here, and README would overwrite it"
cleanup "rm -f $tarball"
for block in "$TEST_DIR"/blocks/*.build; do run_block "$block" env -C "$TEST_DIR/source"; done
for release in ${README_RELEASES:-13 12}; do
	echo "# Debian $release"
	PMIGRATE_STAGE='' lab_start --variant bare "first:$release" "second:$release"
	for host in first second; do put "$host" $tarball <$tarball; done
	for block in "$TEST_DIR"/blocks/*; do
		case $block in
		*.first | *.second) run_block "$block" on "${block##*.}" ;;
		*.both) for host in first second; do run_block "$block" on "$host"; done ;;
		esac
	done
	"$LAB" down "$TEST_DIR/lab"
done
