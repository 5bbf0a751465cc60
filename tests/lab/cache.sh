# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# cache.sh, sourced: what tests build once, in a folder that all users of this machine share.
#
# A cached thing is named NAME-KEY, KEY = a hash of its recipe (the files that say how it is built), is made in
# NAME-KEY.new and renamed when complete, so whoever finds it finds it whole. One builder at a time per NAME.

CACHE=${PMIGRATE_CACHE:-/var/cache/pmigrate-tests}

cache_key() { # FILE...: a short hash of their contents
	cat "$@" | sha256sum | cut -c1-12
}

# Prints the path of the thing; builds it by `BUILDER PATH.new` first when it is not there.
cache_get() { # NAME KEY BUILDER
	local name=$1 thing=$CACHE/$1-$2 code lock
	if [ ! -e "$thing" ]; then
		mkdir -p "$CACHE/debs"
		exec {lock}>"$CACHE/$name.lock"
		flock "$lock"
		if [ ! -e "$thing" ]; then
			cache_prune "$name"
			rm -rf --one-file-system "$thing.new"
			echo "building $thing (once)" >&2
			# not in a condition: there a failing command would not end the builder
			set +e
			(set -e; "$3" "$thing.new") >"$thing.log" 2>&1
			code=$?
			set -e
			[ $code = 0 ] || {
				echo "cannot build $thing: the log is $thing.log, its end:" >&2
				tail -n 15 "$thing.log" >&2
				return 1
			}
			mv "$thing.new" "$thing"
			rm -f "$thing.log"
		fi
		exec {lock}>&-
	fi
	: >"$thing.used"
	echo "$thing"
}

# Other versions may belong to other work trees: only what nobody has asked for in three days goes.
cache_prune() { # NAME
	local used old
	for used in $(find "$CACHE" -maxdepth 1 -name "$1-*.used" -mtime +2); do
		old=${used%.used}
		cache_in_use "$old" || rm -rf --one-file-system "$old" "$used"
	done
}

# Is a tree some running lab's lower layer? (Labs have their own mount namespaces: look into all.)
cache_in_use() { # PATH
	grep -qsF -e "$1" /proc/[0-9]*/mountinfo
}
