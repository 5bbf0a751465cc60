# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# debian.sh, sourced: builds Debian trees for the test servers and containers, from this machine's own mirror,
# into a cache that all users of this machine share.
#
# A cached thing is named NAME-KEY, KEY = a hash of its recipe (the files that say how it is built), is made in
# NAME-KEY.new and renamed when complete, so whoever finds it finds it whole. One builder at a time per NAME.

CACHE=${PMIGRATE_CACHE:-/var/cache/pmigrate-tests}

cache_key() { # FILE...: a short hash of their contents
	cat "$@" | sha256sum | cut -c1-12
}

# Prints the path of the thing; builds it by `BUILDER PATH.new` first when it is not there.
cache_get() { # NAME KEY BUILDER
	local name=$1 thing=$CACHE/$1-$2
	if [ ! -e "$thing" ]; then
		mkdir -p "$CACHE/debs"
		exec {lock}>"$CACHE/$name.lock"
		flock "$lock"
		if [ ! -e "$thing" ]; then
			cache_prune "$name"
			rm -rf --one-file-system "$thing.new"
			echo "building $thing (once)" >&2
			"$3" "$thing.new" >"$thing.log" 2>&1 || {
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

debian_mirror() { # the archive this machine installs its own Debian packages from
	local codename
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	apt-get indextargets --format "\$(RELEASE) \$(SITE)" 'Created-By: Packages' |
		awk -v want="$codename" '$1 == want { print $2; found = 1; exit } END { exit !found }' ||
		{ echo "cannot find this machine's Debian mirror in its apt sources" >&2 && return 1; }
}

# Build a minimal tree of a release. The .deb files are kept for the next tree.
# Further arguments go to mmdebstrap as they are; a release beside SUITE is added by EXTRA_SUITES="forky …".
debian_tree() { # SUITE TREE PACKAGE,PACKAGE… [MMDEBSTRAP-OPTION...]
	local suite=$1 tree=$2 packages=$3 mirror s sources=()
	shift 3
	mirror=$(debian_mirror)
	for s in $suite ${EXTRA_SUITES:-}; do sources+=("deb $mirror $s main"); done
	mkdir -p "$CACHE/debs"
	# shellcheck disable=SC2016 # "$1" is the tree, for mmdebstrap's own shell
	mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
		--aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
		--aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--skip=essential/unlink \
		--setup-hook='mkdir -p "$1/var/cache/apt/archives"; cp -al '"'$CACHE'"'/debs/. "$1/var/cache/apt/archives/"' \
		--customize-hook='cd "$1/var/cache/apt/archives" && cp -aln ./*.deb '"'$CACHE'"'/debs/ || :' \
		--customize-hook=': >"$1/etc/resolv.conf"; chmod 644 "$1/etc/resolv.conf"; : >"$1/etc/machine-id"; rm -f "$1/etc/hostname"' \
		"$@" "$suite" "$tree" "${sources[@]}"
}
