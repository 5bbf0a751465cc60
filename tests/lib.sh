# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# lib.sh: sourced first by every test in tests/e2e. A test is a bash script; it passes when it ends without a failed
# command. Anything it starts is gone afterwards. See tests/README.md.
#
# Given by tests/run (or made here when a test is started by hand):
#   TEST_DIR         a folder of its own, removed afterwards; the lab is in $TEST_DIR/lab
#   PMIGRATE_STAGE   where the program was installed to (DESTDIR): a layer of every server
# From whoever runs the tests: LAB_OPTIONS (further options of `lab up`), KEEP=1 (leave a failed test's lab running).
set -euo pipefail
TESTS=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
LAB=${LAB:-$TESTS/lab/lab} # a test may say before: LAB=stock (tests/vm/stock has the same commands)
[ "$LAB" != stock ] || LAB=$TESTS/vm/stock
TEST_DIR=${TEST_DIR:-$(mktemp -d /tmp/pmtest.XXXXXX)}
OUT=$TEST_DIR/out # what the last expect_exit printed, both streams
test_cleanups=()

# ---- verdicts -------------------------------------------------------------------------------------------------

# End the test: failed. Says where in the test.
fail() { # TEXT
	local i
	echo "FAILED: $*" >&2
	for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
		[ "${BASH_SOURCE[i]}" = "${BASH_SOURCE[0]}" ] || echo "  at ${BASH_SOURCE[i]}:${BASH_LINENO[i - 1]}" >&2
	done
	exit 1
}

# End the test: this cannot be tried here. The reason names what is missing.
skip() { # REASON
	echo "$*" >"$TEST_DIR/skip"
	exit 77
}

must() { # COMMAND...: it must succeed
	"$@" || fail "exit code $? of: $*"
}

# It must end with just this code; its output goes to $OUT.
expect_exit() { # CODE COMMAND...
	local want=$1 got=0
	shift
	"$@" >"$OUT" 2>&1 </dev/null || got=$?
	[ "$got" = "$want" ] || { cat "$OUT" >&2 && fail "exit code $got, not $want, of: $*"; }
}

expect_out() { # EXTENDED-REGEX: some line of $OUT matches
	grep -qE -e "$1" "$OUT" || { cat "$OUT" >&2 && fail "no line of the output matches: $1"; }
}

expect_no_out() { # EXTENDED-REGEX
	! grep -E -e "$1" "$OUT" >&2 || fail "a line of the output matches: $1"
}

expect_eq() { # GOT WANTED WHAT
	[ "$1" = "$2" ] || fail "$3: got '$1', not '$2'"
}

# Run after the test, last first, however it ends.
cleanup() { # COMMAND-LINE
	test_cleanups+=("$1")
}

test_end() {
	local code=$? i
	trap - EXIT
	if [ "${KEEP:-}" = 1 ] && [ $code != 0 ] && [ $code != 77 ]; then
		echo "KEEP=1: look around with: $LAB exec $TEST_DIR/lab HOST bash; end with: $LAB down $TEST_DIR/lab" >&2
		exit $code
	fi
	set +e
	for ((i = ${#test_cleanups[@]} - 1; i >= 0; i--)); do eval "${test_cleanups[i]}"; done
	"$LAB" down "$TEST_DIR/lab"
	[ -n "${TEST_UNDER_RUN:-}" ] || rm -rf --one-file-system "$TEST_DIR"
	exit $code
}
trap test_end EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# Ask again, every tenth of a second, until the command succeeds; fail after SECONDS (longer on slow machines).
wait_for() { # SECONDS COMMAND...
	local deadline=$((SECONDS + $1 * ${TIME_FACTOR:-1} + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || fail "still not so: $*"
		sleep 0.1
	done
}

# ---- servers --------------------------------------------------------------------------------------------------

# Start servers. Options are those of `lab up`; and --image NAME (tests/images/build): /templates/NAME.tar.zst in each.
lab_start() { # [OPTION...] HOST...
	local options=() image
	[ -z "${PMIGRATE_STAGE:-}" ] || options+=(--over "$PMIGRATE_STAGE")
	while [ $# -gt 0 ]; do
		case $1 in
		--image)
			image=$("$TESTS/images/build" "$2") || fail "there is no image $2"
			options+=(--over "${image%/templates/*}")
			;;
		-*) options+=("$1" "$2") ;;
		*) break ;;
		esac
		shift 2
	done
	# shellcheck disable=SC2086 # a list of words
	must "$LAB" up "$TEST_DIR/lab" ${LAB_OPTIONS:-} "${options[@]}" "$@"
}

on() { # HOST COMMAND...: run in a server
	local host=$1
	shift
	"$LAB" exec "$TEST_DIR/lab" "$host" "$@"
}

# The same in the background: sets $bg to the process to `wait` for and $bg_out to the file with its output.
on_bg() { # HOST COMMAND...
	bg_out=$(mktemp "$TEST_DIR/bg.XXXXXX")
	on "$@" >"$bg_out" 2>&1 </dev/null &
	# shellcheck disable=SC2034 # for the test
	bg=$!
}

put() { # HOST FILE: stdin becomes the file's content, its folder is made
	# shellcheck disable=SC2016
	on "$1" sh -c 'mkdir -p "${1%/*}" && cat >"$1"' sh "$2"
}

lab_do() { # cut|mend|link|kill|boot|reboot|sw ARGUMENT...: see tests/lab/lab
	local what=$1
	shift
	must "$LAB" "$what" "$TEST_DIR/lab" "$@"
}

# ---- trees ----------------------------------------------------------------------------------------------------

# The listing of a tree with all that must survive a move (tests/lab/tree.py). Excluded paths are relative to it.
tree_list() { # HOST PATH [EXCLUDED...]
	local host=$1
	shift
	on "$host" python3 -c "$(<"$TESTS/lab/tree.py")" "$@"
}

# A tree must equal an earlier listing of it (a file here).
same_as_listing() { # LISTING HOST PATH [EXCLUDED...]
	local listing=$1
	shift
	tree_list "$@" >"$TEST_DIR/tree.now"
	diff -U0 "$listing" "$TEST_DIR/tree.now" >"$TEST_DIR/tree.diff" ||
		{ head -n 40 "$TEST_DIR/tree.diff" >&2 && fail "$1:$2 is not as it was ($(grep -c '^[-+][^-+]' "$TEST_DIR/tree.diff") lines)"; }
}

same_tree() { # HOST-A PATH-A HOST-B PATH-B [EXCLUDED...]
	local host=$1 path=$2
	shift 2
	tree_list "$host" "$path" "${@:3}" >"$TEST_DIR/tree.then"
	same_as_listing "$TEST_DIR/tree.then" "$@"
}

# ---- a live client --------------------------------------------------------------------------------------------

# Count on a redis server over one TCP connection (tests/lab/client.py), from a server, until client_stop.
# Several at once need different keys.
client_start() { # HOST ADDRESS [PORT [KEY]]
	local host=$1 address=$2 port=${3:-6379} key=${4:-counter}
	on "$host" rm -f "/tmp/client.$key.stop" "/tmp/client.$key.ready" "/tmp/client.$key.result"
	on_bg "$host" python3 -c "$(<"$TESTS/lab/client.py")" "$address" "$port" "$key" "/tmp/client.$key"
	wait_for 15 on "$host" test -e "/tmp/client.$key.ready" -o -e "/tmp/client.$key.result"
	client_check "$host" "$key"
}

client_check() { # HOST [KEY]: it is connected and has seen nothing wrong
	! on "$1" test -e "/tmp/client.${2:-counter}.result" ||
		fail "the client on $1 ended: $(on "$1" cat "/tmp/client.${2:-counter}.result")"
}

# Sets $client_requests and $client_gap_ms; an error the client has seen fails the test.
client_stop() { # HOST [KEY]
	local result
	client_check "$@"
	on "$1" touch "/tmp/client.${2:-counter}.stop"
	wait_for 65 on "$1" test -e "/tmp/client.${2:-counter}.result"
	result=$(on "$1" cat "/tmp/client.${2:-counter}.result")
	[[ $result == requests=* ]] || fail "the client on $1: $result"
	client_requests=${result#requests=} && client_requests=${client_requests%% *}
	client_gap_ms=${result#*gap_ms=} && client_gap_ms=${client_gap_ms%% *}
	echo "client on $1: $client_requests requests, longest gap $client_gap_ms ms"
}

# ---- memory that checks itself (tests/payload) ----------------------------------------------------------------

# A stopped container of the image mini shall run memcheck with these arguments.
memcheck_put() { # HOST ID ARGUMENT...
	local host=$1 root=/vz/private/$2
	shift 2
	put "$host" "$root/bin/memcheck" <"$("$TESTS/payload/build")"
	printf '#!/bin/sh\nexec /bin/memcheck %s >/var/log/memcheck 2>&1 </dev/null\n' "$*" | put "$host" "$root/etc/rc"
	must on "$host" chmod 755 "$root/bin/memcheck" "$root/etc/rc"
}

# Ask it over one TCP connection whether all is right, until `client_stop HOST memcheck`; client_check likewise.
memcheck_start() { # HOST ADDRESS [PORT]
	# shellcheck disable=SC2016 # no nc: it may be missing on this machine, which is a client, too
	wait_for 30 on "$1" bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$2" "${3:-7777}"
	on "$1" rm -f /tmp/client.memcheck.stop /tmp/client.memcheck.ready /tmp/client.memcheck.result
	on_bg "$1" python3 -c "$(<"$TESTS/payload/client.py")" "$2" "${3:-7777}" /tmp/client.memcheck
	wait_for 15 on "$1" test -e /tmp/client.memcheck.ready -o -e /tmp/client.memcheck.result
	client_check "$1" memcheck
}
