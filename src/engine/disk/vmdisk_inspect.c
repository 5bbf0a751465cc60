// SPDX-License-Identifier: MIT
/* The questions to libguestfs, as a program for any POSIX shell. */
#include "engine/disk/vmdisk.h"

/*
 * Who writes to a disk holds qemu's lock on it; guestfish --ro would not care.  The stamp is
 * another one when it was written to.
 */
#define IN_USE \
	"t='	'\n" \
	"for w; do\n" \
	"	case $w in /*) ;; *) continue ;; esac\n" \
	"	echo \"stamp$t$(stat -L -c '%y %s' \"$w\" 2>/dev/null)\"\n" \
	"	command -v qemu-img >/dev/null || continue\n" \
	"	if LC_ALL=C qemu-img info --backing-chain \"$w\" 2>&1 >/dev/null | grep -q 'lock'; then\n" \
	"		echo \"busy$t$w\"; exit 0\n" \
	"	fi\n" \
	"done\n"

const char vmdisk_idle[] = IN_USE "exit 0\n";

const char vmdisk_inspect[] =
	"command -v guestfish >/dev/null || exit 127\n"
	IN_USE
	"eval \"$(guestfish --listen --ro \"$@\")\"\n"
	"[ -n \"$GUESTFISH_PID\" ] || exit 1\n"
	/* A command that fails ends the one that listens, unless a dash is before it; then nobody
	 * tells that it failed. */
	"gf() { guestfish --remote=\"$GUESTFISH_PID\" -- \"$@\"; }\n"
	"trap 'gf exit 2>/dev/null' EXIT\n"
	/* Before the inspection: its mounts play back what was left in the journals. */
	"state() {\n"
	"	case $2 in\n"
	"	ext[234]) gf -tune2fs-l \"$1\" | grep -qE 'needs_recovery|state: *(not clean|clean with errors)' ;;\n"
	"	xfs) gf -debug sh \"xfs_logprint -t $1\" 2>/dev/null | grep -q '<DIRTY>' ;;\n"
	"	*) false ;;\n"
	"	esac && dirty=\"$dirty $1 \"\n"
	"}\n"
	"gf run || exit 1\n"
	/* list-filesystems leaves encrypted ones out, and is slow */
	"for d in $(gf list-devices; gf list-partitions; gf -lvs; gf -list-md-devices); do\n"
	"	type=$(gf -vfs-type \"$d\" 2>/dev/null)\n"
	"	echo \"fs$t$d$t$type\"\n"
	"	state \"$d\" \"$type\"\n"
	"done\n"
	"roots=$(gf inspect-os) || { echo \"failed$t\"; exit 0; }\n"
	"for r in $roots; do\n"
	"	echo \"root$t$r\"\n"
	"	for k in type distro major-version minor-version hostname arch product-name; do\n"
	"		v=$(gf -inspect-get-$k \"$r\" 2>/dev/null) && [ -n \"$v\" ] && echo \"$k$t$v\"\n"
	"	done\n"
	"done\n"
	"set -- $roots\n"
	"[ $# = 1 ] || exit 0\n"
	"[ \"$(gf -inspect-get-type \"$1\")\" = linux ] || exit 0\n"
	/* Subvolumes of one btrfs share its space. */
	"gf -inspect-get-mountpoints \"$1\" | LC_ALL=C sort | while read -r dir dev; do\n"
	"	dir=${dir%:}\n"
	/* fstab may say /dev/vda, or a mapper's name */
	"	case $dev in /*) c=$(gf -canonical-device-name \"$dev\" 2>/dev/null); dev=${c:-$dev} ;; esac\n"
	"	fs=${dev#btrfsvol:}\n"
	"	[ \"$fs\" = \"$dev\" ] || fs=$(echo \"$fs\" | cut -d/ -f1-3)\n"
	"	case $dirty in *\" $dev \"*) echo \"dirty$t$dev\"; continue ;; esac\n"
	"	gf -mount-ro \"$dev\" \"$dir\"\n"
	"	if gf -mountpoints | sed 's/^.*: //' | grep -qxF \"$dir\"; then echo \"mount$t$dir$t$dev\"\n"
	"	else echo \"unmountable$t$dev$t$dir\"; continue; fi\n"
	"	case $seen in *\" $fs \"*) continue ;; esac\n"
	"	seen=\"$seen $fs \"\n"
	"	gf -statvfs \"$dir\" | awk -v t=\"$t\" '{ v[$1] = $2 } END { printf \"used%s%.0f%s%.0f\\n\", t,\n"
	"		(v[\"blocks:\"] - v[\"bfree:\"]) * v[\"frsize:\"] / 1024, t, v[\"files:\"] - v[\"ffree:\"] }'\n"
	"done\n"
	"show() { gf -cat \"$2\" 2>/dev/null | sed \"s/^/$1$t/\"; }\n"
	"show fstab /etc/fstab\n"
	"show resolv /etc/resolv.conf\n"
	"show net /etc/network/interfaces\n"
	"set -f\n"
	"for g in /etc/network/interfaces.d/* /etc/netplan/*.yaml /etc/systemd/network/*.network \\\n"
	"	/etc/sysconfig/network-scripts/ifcfg-* /etc/sysconfig/network/ifcfg-* \\\n"
	"	/etc/NetworkManager/system-connections/*; do\n"
	"	gf -glob-expand \"$g\" 2>/dev/null | while read -r f; do show net \"$f\"; done\n"
	"done\n"
	"exit 0\n";
