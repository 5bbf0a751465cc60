# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# debian.sh, sourced after cache.sh: builds Debian trees for the test servers and containers, from this machine's own
# mirror. It is part of every tree's recipe: a change here builds all of them anew.

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
