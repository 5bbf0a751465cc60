# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# wild.sh, sourced by tests/e2e/wild*.sh after lib.sh: moves services as Debian installs them, one Container each, online there and
# back under load of clients that check every answer, and restarts them afterwards. services.sh says which there are.
# shellcheck source=services.sh
. "$TESTS/wild/services.sh"
CLIENT=/srv/client # on server c: a tree of the same template, whose programs the clients are

inside() { # HOST COMMAND...: in the Container
	local host=$1
	shift
	on "$host" pctl exec "$id" "$@"
}

has_function() { declare -F "$1" >/dev/null; }

group_names() { # GROUP: its services
	local name
	for name in "${WILD[@]}"; do [ "${WILD_GROUP[$name]}" != "$1" ] || echo "$name"; done
}

# A Container of the group's template in which only this service's units start.
wild_create() { # NAME IP
	local name=$1 ip=$2 other unit
	must on a pctl create "$id" --ostemplate "/templates/wild-${WILD_GROUP[$name]}.tar.zst" --ipadd "$ip" --hostname "$name" --ram 1G >/dev/null
	for other in $(group_names "${WILD_GROUP[$name]}"); do
		for unit in ${WILD_UNITS[$other]}; do
			case " ${WILD_UNITS[$name]} " in
			*" $unit "*) ;;
			*) on a chroot "/vz/private/$id" systemctl mask -q "$unit" 2>/dev/null || : ;;
			esac
		done
	done
	must on a pctl start "$id" --wait --timeout $((120 * ${TIME_FACTOR:-1}))
}

units_active() { # NAME HOST
	local unit
	for unit in ${WILD_UNITS[$1]}; do
		[ "$(inside "$2" systemctl is-active "$unit" 2>/dev/null)" = active ] && continue
		echo "unit $unit is not active on $2"
		inside "$2" systemctl status --no-pager -l -n 12 "$unit"
		return 1
	done
}

clients_start() { # NAME IP
	local file
	on c rm -f "$CLIENT"/tmp/wild.{stop,ready,error,result}
	[ -n "${WILD_CLIENTS[$1]}" ] || return 0
	on c mkdir -p "$CLIENT/tmp/wild"
	for file in client talk kinds; do put c "$CLIENT/tmp/wild/$file.py" <"$TESTS/wild/$file.py"; done
	# shellcheck disable=SC2086 # a list of words
	on_bg c chroot "$CLIENT" python3 /tmp/wild/client.py "$2" /tmp/wild ${WILD_CLIENTS[$1]}
	(wait_for 60 on c sh -c "test -e $CLIENT/tmp/wild.ready || test -e $CLIENT/tmp/wild.error") || return 1
	clients_well "$1"
}

clients_well() { # NAME: none has seen an error
	! on c test -e "$CLIENT/tmp/wild.error" || { on c cat "$CLIENT/tmp/wild.error" && return 1; }
}

clients_stop() { # NAME
	[ -n "${WILD_CLIENTS[$1]}" ] || return 0
	on c touch "$CLIENT/tmp/wild.stop"
	wait_for 70 on c test -e "$CLIENT/tmp/wild.result"
	! on c grep ' error: ' "$CLIENT/tmp/wild.result"
}

restart_all() { # NAME HOST: each unit can be restarted
	local unit
	for unit in ${WILD_UNITS[$1]}; do
		inside "$2" systemctl restart "$unit" || { inside "$2" systemctl status --no-pager -n 8 "$unit" && return 1; }
	done
}

# The last move was refused before the freeze, as WILD_REFUSED says, and the service runs on.
refused_rightly() { # NAME
	grep -qE "${WILD_REFUSED[$1]}" "$OUT" && ! grep -q Freezing "$OUT" && clients_well "$1" && units_active "$1" a || return 1
	echo "$1 refused: $(grep -m 1 -E "${WILD_REFUSED[$1]}" "$OUT")"
}

# One service, there and back. Prints `NAME moved DOWNTIMES`, `NAME refused: WHY` where that is right, or `NAME FAILED AT …` and
# returns 1; what else is printed explains it.
wild_service() { # NAME IP
	local name=$1 ip=$2 way from to code downtimes=
	wild_create "$name" "$ip" || return 1
	# shellcheck disable=SC2086 # a list of words; some are not enabled, or start when they are asked for
	inside a systemctl start ${WILD_UNITS[$name]} || :
	(wait_for 60 units_active "$name" a) || {
		units_active "$name" a
		echo "$name FAILED before any move"
		return 1
	}
	! has_function "${name}_begin" || must "${name}_begin" a
	clients_start "$name" "$ip" || { echo "$name FAILED before any move" && return 1; }
	for way in 'a b' 'b a'; do
		read -r from to <<<"$way"
		on "$from" pmigrate c "$id" c "root@$to" --online --no-progress -r yes >"$OUT" 2>&1 </dev/null || {
			code=$?
			cat "$OUT"
			[ -z "${WILD_REFUSED[$name]:-}" ] || refused_rightly "$name" && return
			echo "$name FAILED $from to $to: exit code $code: $(grep -m 1 '^pmigrate: ' "$OUT")"
			return 1
		}
		grep -iE '^ *downtime' "$OUT" || :
		downtimes+=" $(grep -oiE 'downtime[^0-9]*[0-9.]+ m?s' "$OUT" | head -n 1 | grep -oE '[0-9.]+ m?s')"
		clients_well "$name" && units_active "$name" "$to" || { cat "$OUT" && echo "$name FAILED after $from to $to" && return 1; }
	done
	clients_stop "$name" || { echo "$name FAILED: a client" && return 1; }
	! has_function "${name}_sound" || ("${name}_sound" a) || { echo "$name FAILED: its own check of its data" && return 1; }
	restart_all "$name" a || { echo "$name FAILED: a restart" && return 1; }
	echo "$name moved$downtimes"
}

# However it went: its clients end, and it is nowhere.
wild_clear() {
	local host
	on c touch "$CLIENT/tmp/wild.stop"
	for host in a b; do
		on "$host" test -e "/etc/vz/conf/$id.conf" || continue
		on "$host" pctl stop "$id"
		on "$host" pctl destroy "$id"
	done >/dev/null 2>&1 || :
	wait
}

# All services of a group in one lab, one after the other; fails at the end when one failed.
wild_group() { # GROUP [NAME...]
	local group=$1 name failed='' n=0 names=("${@:2}")
	[ ${#names[@]} -gt 0 ] || mapfile -t names < <(group_names "$group")
	lab_start --vz 6G --image "wild-$group" a b c
	on c sh -c "mkdir $CLIENT && tar -C $CLIENT -xf /templates/wild-$group.tar.zst && mkdir -p $CLIENT/dev && mount --rbind /dev $CLIENT/dev"
	for name in "${names[@]}"; do
		n=$((n + 1)) id=$((700 + n))
		(
			trap wild_clear EXIT
			wild_service "$name" "10.77.7.$n"
		) || failed+=" $name"
	done
	[ -z "$failed" ] || fail "these did not:$failed"
}
