#!/bin/bash
# SPDX-License-Identifier: MIT
#
# churn.sh TREE_MOVE DIR [SEED [ROUNDS [OPTION...]]]: a writer changes a tree without pause while passes run; then it
# is stopped and the last pass must make both trees equal, by an independent comparison. Several rounds on one copy. In every
# other round the writer ends before the last pass; else it is only stopped, as in a live move, with its mappings and open files.
# WRITE_IN: the writer works here, such as an overlay whose upper layer is DIR/src.
set -euo pipefail
move=$1 dir=$2 seed=${3:-1} rounds=${4:-3}
shift $(($# < 4 ? $# : 4))
here=$(dirname "$(readlink -f "$0")")
src=$dir/src dst=$dir/dst
mkdir -p "$src" "$dst"

coproc MOVE { "$move" "$@" local "$src" "$dst"; }
mover=$MOVE_PID # bash forgets it when the process ends
exec {say}>&"${MOVE[1]}" {hear}<&"${MOVE[0]}"
pass() { # COMMAND: prints its answer
	echo "$1" >&"$say"
	read -rt 120 answer <&"$hear" || { echo "churn: no answer to $1 (seed $seed)" >&2; exit 1; }
	echo "$answer"
}
read -rt 60 answer <&"$hear"
echo "$answer"

first=first
for ((round = 0; round < rounds; round++)); do
	exec {writing}< <(exec python3 "$here/tree.py" churn "${WRITE_IN:-$src}" $((seed * 1000 + round)))
	writer=$!
	read -r _ <&"$writing" # it is ready
	for p in $first next next next; do
		sleep 0.$((RANDOM % 3 + 1)) # something shall have changed
		pass "$p"
	done
	first=next
	if ((round % 2)); then
		kill -TERM $writer
		wait $writer
		pass last
	else
		kill -STOP $writer
		until [[ $(</proc/$writer/stat) == *") T "* ]]; do :; done
		pass "last $writer"
	fi
	python3 "$here/tree.py" same "$src" "$dst" || { echo "churn: trees differ (seed $seed, round $round)" >&2; exit 1; }
	if ! ((round % 2)); then
		kill -TERM $writer
		kill -CONT $writer
		wait $writer
	fi
done
echo quit >&"$say"
wait "$mover" 2>/dev/null || :
