/* SPDX-License-Identifier: MIT */
/*
 * criu/carry/mountnotes.h - what each mount namespace of a frozen container looks like, beside its images.
 *
 *	pmigrate-mounts-VPID.img   the mountinfo of process VPID (as the container counts), one for each namespace
 *	pmigrate-idmaps.img        a line for each idmapped mount: its number, the owner that is on the disk and the one
 *	                           that is shown, user and group: "1621 65534 63552 65534 63552"
 *
 * CRIU knows nothing of idmapped mounts (systemd's DynamicUser= with StateDirectory=) nor of some flags, and
 * breaks mounts of sockets.  The restore is told by the one (shim_restore.c), and mended by the other
 * (revive_mounts.c).
 */
#ifndef CRIU_CARRY_MOUNTNOTES_H
#define CRIU_CARRY_MOUNTNOTES_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mountinfo.h"
#include "mem/procs.h"

#define MOUNTNOTES_PREFIX "pmigrate-mounts-"
#define MOUNTNOTES_IDMAPS "pmigrate-idmaps.img"

/* The mounts of one namespace. */
struct mountnote {
	pid_t vpid;
	char *text;		/* owned; the fields of m are parts of it */
	struct mountinfo *m;	/* owned */
	size_t n;
};

#define own_mountnote __attribute__((cleanup(mountnote_fini)))

void mountnote_fini(struct mountnote *note);

/* Takes the text of a mountinfo in any case. */
int mountnote_read(struct mountnote *note, char *text, struct err *e);

/* By which path a namespace shows what `m`, of another one, shows; the caller's, or NULL. */
char *mountnote_path(const struct mountnote *in, const struct mountinfo *m);

/*
 * The file system that process `pid` has mounted at `at`, alone: what is mounted on it does not hide what it has below.  Returns a
 * directory in a mount of our own, nowhere attached; -1: it cannot be had, as when another mount is over it.
 */
int mount_alone(pid_t pid, const char *at, struct err *e);

/* Source, frozen: all of it into the directory of images.  `init` is among the processes. */
int mountnotes_save(int images, pid_t init, const struct proc *procs, size_t n, struct err *e);

/* How the owners of a mount are shown. */
struct idmap {
	unsigned mnt_id;
	uid_t disk_uid, shown_uid;
	gid_t disk_gid, shown_gid;
};

/* Of the idmapped mount `m` of process `pid`; `first` are the mounts of process `init`, which shows the same file system
 * as it is.  Fails where that cannot be told. */
int idmap_find(struct idmap *map, pid_t pid, const struct mountinfo *m, pid_t init, const struct mountnote *first,
	       struct err *e);

/* Destination: those of the images, *out is the caller's; none is fine. */
int idmaps_load(int images, struct idmap **out, size_t *n, struct err *e);

/* A user namespace that maps so; -1. */
int idmap_open(const struct idmap *map, struct err *e);

#endif
