# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# zdtm.sh, sourced by tests/e2e/zdtm.sh after lib.sh: CRIU's test programs (build, list.py) in Containers that move online from a to b;
# then each is told to end (SIGTERM) and says whether all that it holds is as it was. What is not a plain pass stands in `expected`.
#
# Verdicts, `NAME WORD TEXT` a line in $RESULTS: passed; refused (before the freeze, as expected, and right at the source);
# differs (moved, and not right for a reason that expected names); skipped (expected or list.py says why); FAILED.
ZDTM_TREE=/zdtm
RESULTS=$TEST_DIR/results
declare -A ZDTM_ALONE ZDTM_WHO ZDTM_ARGS ZDTM_WORD ZDTM_TEXT
ZDTM=() # all programs
zdtm_id=800

# What list.py and the table of expected results say.
zdtm_read() { # DIR: of build
	local name company who why args
	while read -r name company who why args; do
		ZDTM+=("$name")
		ZDTM_WHO[$name]=$who ZDTM_ARGS[$name]=$args ZDTM_WORD[$name]=passes ZDTM_TEXT[$name]=
		[ "$company" = together ] || ZDTM_ALONE[$name]=1
		[ "$why" = - ] || { ZDTM_WORD[$name]=skip ZDTM_TEXT[$name]=${why//./ }; }
	done <"$1/list"
	while read -r name who args; do
		[ -n "${ZDTM_WHO[$name]:-}" ] || fail "expected names $name, which is no program of CRIU's"
		case $who in
		passes | refused | differs | skip) ZDTM_WORD[$name]=$who ZDTM_TEXT[$name]=$args ;;
		*) fail "expected: $name: no such word: $who" ;;
		esac
		[[ ! $args =~ ^(alone|not-live-ready|sys-writable|root-writable) ]] || ZDTM_ALONE[$name]=1
	done < <(sed 's/#.*//; /^ *$/d' "$TESTS/zdtm/expected")
}

verdict() { # NAME WORD TEXT
	printf '%s\n' "$1 $2 ${3:-}" | tee -a "$RESULTS"
}

# ---- in the Container -------------------------------------------------------------------------------------------------

has_setting() { # NAME SETTING
	case " ${ZDTM_TEXT[$1]} " in
	*" $2 "* | *" $2|"*) ;;
	*) return 1 ;;
	esac
}

inside() { # HOST SCRIPT SECONDS: run by its shell
	on "$1" timeout "$((${3:-60} * ${TIME_FACTOR:-1}))" pctl exec "$zdtm_id" sh -c "$2" </dev/null
}

start_script() { # NAME...
	local name as
	echo 'umask 022'
	for name; do
		as=
		! has_setting "$name" sys-writable || echo 'mount -o remount,bind,rw /proc/sys'
		! has_setting "$name" root-writable || echo 'chmod 777 /'
		[ "${ZDTM_WHO[$name]}" = root ] || as="ZDTM_UID=18943 ZDTM_GID=58467 ZDTM_GROUPS='27495 48244'"
		echo "cd $ZDTM_TREE/${name%/*} && ZDTM_THREAD_BOMB=5 $as setsid ./${name#*/} --pidfile=${name#*/}.pid --outfile=${name#*/}.out" \
			"${ZDTM_ARGS[$name]} >${name#*/}.start 2>&1 </dev/null || rm -f ${name#*/}.pid"
	done
}

# Told to end, and waited for: until each has left its .out.
end_script() { # NAME...
	echo "cd $ZDTM_TREE; for n in $*; do kill -TERM \$(cat \$n.pid); done; i=0
		while [ \$((i += 1)) -lt 150 ]; do
			all=1; for n in $*; do [ -e \$n.out ] || ! kill -0 \$(cat \$n.pid) 2>/dev/null || all=; done; [ -z \"\$all\" ] || break; sleep 0.2
		done"
}

# Sets $started: those that run; the others get their verdict.
zdtm_start() { # NAME...
	local name
	inside a "$(start_script "$@")" $((30 + 10 * $#)) || :
	started=()
	for name; do
		if on a test -s "/vz/private/$zdtm_id$ZDTM_TREE/$name.pid"; then
			started+=("$name")
		elif [ $# -gt 1 ]; then
			alone_again+=("$name")
		else
			verdict "$name" FAILED "does not start: $(program_said a "$name")"
		fi
	done
}

program_said() { # HOST NAME: why it is not content
	local f=/vz/private/$zdtm_id$ZDTM_TREE/$2
	on "$1" sh -c "cat $f.start $f.out $f.out.inprogress 2>/dev/null" | grep -aiE 'fail|err|can.t|unable' | sed 's/^[0-9:.]* *[0-9]*: //' | tail -n 3 | tr '\n' ' ' | cut -c-300
}

program_right() { # HOST NAME
	on "$1" sh -c "tail -n 1 /vz/private/$zdtm_id$ZDTM_TREE/$2.out 2>/dev/null" | grep -qw PASS
}

zdtm_end() { # HOST NAME...: told to end; `program_right` then says how it went
	inside "$1" "$(end_script "${@:2}")" 60 || :
}

# ---- moves ------------------------------------------------------------------------------------------------------------

zdtm_create() { # NAME...
	local options=() name
	zdtm_id=$((zdtm_id + 1))
	for name; do
		! has_setting "$name" not-live-ready || options=(--live-ready no)
	done
	must on a pctl create "$zdtm_id" --ostemplate /templates/zdtm.tar.zst --ram 1G "${options[@]}" \
		--ipadd "10.77.$((10 + zdtm_id / 200)).$((zdtm_id % 200 + 1))" >/dev/null
	tar -C "$TEST_DIR/programs" -cf - "$@" | on a tar -C "/vz/private/$zdtm_id$ZDTM_TREE" --no-same-owner -xf -
	must on a pctl start "$zdtm_id" >/dev/null
	inside a 'ifconfig lo up'
}

zdtm_clear() {
	local host
	for host in a b; do
		on "$host" test -e "/etc/vz/conf/$zdtm_id.conf" || continue
		on "$host" pctl stop "$zdtm_id" --fast
		on "$host" pctl destroy "$zdtm_id"
	done >/dev/null 2>&1 || :
}

# A batch that must pass. One that does not move is taken apart: each whose name the message tells by itself, the others again.
batch_pass() { # NAME...
	local name host=b code=0 started alone_again=() named=() others=() why
	zdtm_create "$@"
	zdtm_start "$@"
	if [ ${#started[@]} -gt 0 ]; then
		on a pmigrate c "$zdtm_id" c root@b --online --no-progress -r yes ${ZDTM_OPTIONS:-} >"$OUT" 2>&1 </dev/null || { code=$? && host=a; }
		why=$(grep -v '^  ' "$OUT" | tail -n +2 | tr '\n' ' ' | cut -c-400)
		if [ $code = 0 ] || [ ${#started[@]} = 1 ]; then
			zdtm_end $host "${started[@]}"
			for name in "${started[@]}"; do
				if [ $code != 0 ]; then
					verdict "$name" FAILED "exit code $code$(grep -q '^  Freezing' "$OUT" && echo ' after the freeze'): $why; at the source: $(program_right a "$name" && echo right || program_said a "$name")"
				elif program_right b "$name"; then
					verdict "$name" passed
				elif [ "${ZDTM_WORD[$name]}" = differs ]; then
					verdict "$name" differs "${ZDTM_TEXT[$name]}"
				elif [ ${#started[@]} -gt 1 ]; then
					alone_again+=("$name")
					echo "$name not right in company: $(program_said b "$name")"
				else
					verdict "$name" FAILED "not right after the move: $(program_said b "$name")"
				fi
			done
		else
			echo "not moved, exit code $code: $why"
			for name in "${started[@]}"; do
				if grep -qwF -- "$(cut -c-15 <<<"${name#*/}")" "$OUT"; then named+=("$name"); else others+=("$name"); fi
			done
			[ ${#named[@]} -gt 0 ] || { named=("${others[@]}") && others=(); }
		fi
	fi
	zdtm_clear
	[ ${#others[@]} = 0 ] || batch_pass "${others[@]}"
	for name in "${named[@]}" "${alone_again[@]}"; do batch_pass "$name"; done
}

# A batch of which each must be refused by the finding that is expected of it, with all of them right where they are.
batch_refused() { # NAME...
	local name code=0 started alone_again=()
	zdtm_create "$@"
	zdtm_start "$@"
	if [ ${#started[@]} -gt 0 ]; then
		on a pmigrate c "$zdtm_id" c root@b --online --no-progress -r yes >"$OUT" 2>&1 </dev/null || code=$?
		[ $code != 0 ] || fail "moved with ${started[*]}"
		zdtm_end a "${started[@]}"
		for name in "${started[@]}"; do
			if grep -q '^  Freezing' "$OUT"; then
				verdict "$name" FAILED "not before the freeze"
			elif ! grep -qE -e "${ZDTM_TEXT[$name]#not-live-ready|}" "$OUT"; then
				verdict "$name" FAILED "exit code $code, but not: ${ZDTM_TEXT[$name]}" && cat "$OUT"
			elif program_right a "$name"; then
				verdict "$name" refused "${ZDTM_TEXT[$name]#not-live-ready|}"
			else
				verdict "$name" FAILED "refused, and not right afterwards: $(program_said a "$name")"
			fi
		done
	fi
	zdtm_clear
	for name in "${alone_again[@]}"; do batch_refused "$name"; done
}

# All that a pattern chooses.
zdtm_all() { # [GLOB...]
	local name pattern pass=() n=${ZDTM_BATCH:-9} i
	local single=() refused=()
	[ $# -gt 0 ] || set -- '*'
	for name in "${ZDTM[@]}"; do
		for pattern; do
			# shellcheck disable=SC2053 # a glob
			[[ $name == $pattern || ${name#*/} == $pattern ]] || continue
			if has_setting "$name" sys-resource && on a test -e /run/lab-no-sys-resource; then
				verdict "$name" skipped "these servers lack CAP_SYS_RESOURCE"
				break
			fi
			case ${ZDTM_WORD[$name]} in
			skip) verdict "$name" skipped "${ZDTM_TEXT[$name]}" ;;
			refused) if [ -n "${ZDTM_ALONE[$name]:-}" ]; then batch_refused "$name"; else refused+=("$name"); fi ;;
			*) if [ -n "${ZDTM_ALONE[$name]:-}" ]; then single+=("$name"); else pass+=("$name"); fi ;;
			esac
			break
		done
	done
	for ((i = 0; i < ${#pass[@]}; i += n)); do batch_pass "${pass[@]:i:n}"; done
	for ((i = 0; i < ${#refused[@]}; i += n)); do batch_refused "${refused[@]:i:n}"; done
	for name in "${single[@]}"; do batch_pass "$name"; done
}
