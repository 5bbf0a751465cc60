# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# cgroup.sh, sourced: a server of the lab has its own cgroup in every hierarchy of this machine, be it v1, v2 or both.
# Names are relative to the hierarchies' roots.

CGROUP_ROOT=/sys/fs/cgroup

cgroup_is_v2() { # does this machine have v2 only?
	[ -e "$CGROUP_ROOT/cgroup.controllers" ]
}

cgroup_hierarchies() { # sets $hierarchies to the mount point of each
	local at type
	hierarchies=()
	if cgroup_is_v2; then hierarchies=("$CGROUP_ROOT") && return; fi
	while read -r _ at type _; do
		[[ $type != cgroup* || $at != "$CGROUP_ROOT"/* ]] || hierarchies+=("$at")
	done </proc/self/mounts
}

cgroup_delegate() { # DIR: v2: let its children have every controller that it has
	local c
	for c in $(<"$1/cgroup.controllers"); do echo "+$c" >"$1/cgroup.subtree_control" 2>/dev/null || :; done
}

# cpuset of v1 starts empty and takes nobody in before it has CPUs and memory.
cgroup_cpuset_fill() { # DIR
	local f
	for f in cpuset.cpus cpuset.mems; do
		[ -n "$(<"$1/$f")" ] || cat "${1%/*}/$f" >"$1/$f"
	done
}

cgroup_make() { # NAME: make it, with its parents
	local h part dir hierarchies
	cgroup_hierarchies
	for h in "${hierarchies[@]}"; do
		dir=$h
		for part in ${1//\// }; do
			! cgroup_is_v2 || cgroup_delegate "$dir"
			dir+=/$part
			mkdir -p "$dir"
			[ ! -e "$dir/cpuset.mems" ] || cgroup_is_v2 || cgroup_cpuset_fill "$dir"
		done
	done
}

cgroup_join() { # NAME PID
	local h hierarchies
	cgroup_hierarchies
	for h in "${hierarchies[@]}"; do echo "$2" >"$h/$1/cgroup.procs"; done
}

cgroup_remove() { # NAME: with everything below; its processes are dead or dying
	local h try hierarchies
	cgroup_hierarchies
	for h in "${hierarchies[@]}"; do
		for ((try = 0; try < 200; try++)); do
			[ -d "$h/$1" ] || break
			find "$h/$1" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.01
		done
		[ ! -d "$h/$1" ] || echo "cannot remove the cgroup $h/$1" >&2
	done
}
