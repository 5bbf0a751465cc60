// SPDX-License-Identifier: MIT
#include "vzhwcalc/mounts.h"

#include <string.h>

#include "base/mountinfo.h"
#include "base/own.h"
#include "vzhwcalc/text.h"

enum { MOUNTS_MAX = 4096 };

void mounts_fini(struct mounts *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->item[i].source);
		free(m->item[i].dir);
		free(m->item[i].type);
		free(m->item[i].options);
	}
	free(m->item);
	*m = (struct mounts)MOUNTS_INIT;
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++) {
		if (!strcmp(word, *list))
			return true;
	}
	return false;
}

static enum mount_class classify(const struct mount *m)
{
	static const char *const pseudo[] = {
		"proc",	       "sysfs",	     "devtmpfs",  "devpts",	"devfs",
		"securityfs",  "cgroup",     "cgroup2",	  "cpuset",	"pstore",
		"efivarfs",    "bpf",	     "autofs",	  "mqueue",	"hugetlbfs",
		"debugfs",     "tracefs",    "fusectl",	  "configfs",	"binfmt_misc",
		"rpc_pipefs",  "usbfs",	     "usbdevfs",  "selinuxfs",	"nfsd",
		"nsfs",	       "openpromfs", "xenfs",	  "oprofilefs", "ibmasmfs",
		"fuse.lxcfs",  "resctrl",    "smackfs",	  "binder",
		"fuse.portal", "functionfs", NULL
	};
	static const char *const network[] = {
		"nfs",	   "nfs4",	"cifs",	   "smb3",  "smbfs",	       "ncpfs",
		"coda",	   "afs",	"ceph",	   "gfs",   "gfs2",	       "ocfs2",
		"lustre",  "glusterfs", "beegfs",  "gpfs",  "9p",	       "virtiofs",
		"davfs",   "orangefs",	"fuse.sshfs", "fuse.glusterfs", "fuse.s3fs",
		"fuse.ceph", "fuse.davfs", "fuse.curlftpfs", "fuse.rclone", "acfs",
		"fuse.mfs", "fuse.juicefs", "vboxsf", NULL
	};
	static const char *const images[] = { "squashfs", "cramfs", "erofs", "romfs", NULL };
	static const char *const unions[] = { "overlay", "overlayfs", "aufs", "unionfs", NULL };

	if (is_one_of(m->type, pseudo))
		return MOUNT_PSEUDO;
	if (is_one_of(m->type, network))
		return MOUNT_NETWORK;
	if (!strcmp(m->dir, "/"))
		return MOUNT_LOCAL; /* whatever it is, it is the system */
	if (!strcmp(m->type, "tmpfs") || !strcmp(m->type, "ramfs"))
		return MOUNT_MEMORY;
	if (!strcmp(m->type, "iso9660") || !strcmp(m->type, "udf"))
		return MOUNT_REMOVABLE;
	if (is_one_of(m->type, images))
		return MOUNT_IMAGE;
	if (is_one_of(m->type, unions))
		return MOUNT_VIEW;
	/* A program's file system is worth copying only if it stands on a disk. */
	if (!strncmp(m->type, "fuse", 4) && strncmp(m->source, "/dev/", 5) != 0)
		return MOUNT_VIEW;
	return MOUNT_LOCAL;
}

/*
 * What is mounted later on the same directory hides what was there.  Only there:
 * the order says nothing about what lies above, because an initramfs mounts /sys
 * before the root and moves it then.
 */
static void drop_covered(struct mounts *m, const char *dir)
{
	size_t w = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct mount *x = &m->item[i];

		if (!strcmp(x->dir, dir)) {
			free(x->source);
			free(x->dir);
			free(x->type);
			free(x->options);
		} else {
			m->item[w++] = *x;
		}
	}
	m->n = w;
}

/* Takes the texts. */
static void append(struct mounts *m, char *source, char *dir, char *type, char *options)
{
	m->item = xrealloc(m->item, (m->n + 1) * sizeof(*m->item));
	m->item[m->n] = (struct mount){
		.source = source, .dir = dir, .type = type, .options = options
	};
	m->item[m->n].class = classify(&m->item[m->n]);
	m->n++;
}

void mounts_parse(struct mounts *m, const char *text)
{
	char line[8192], source[4096], dir[4096], type[64], options[4096];

	while (text_line(&text, line, sizeof(line))) {
		const char *p = line;

		if (!text_field(&p, source, sizeof(source)) ||
		    !text_field(&p, dir, sizeof(dir)) || dir[0] != '/' ||
		    !text_field(&p, type, sizeof(type)))
			continue;
		if (!text_field(&p, options, sizeof(options)))
			options[0] = '\0';
		mountinfo_unescape(source);
		mountinfo_unescape(dir);
		drop_covered(m, dir);
		if (m->n == MOUNTS_MAX)
			continue;
		append(m, xstrdup(source), xstrdup(dir), xstrdup(type), xstrdup(options));
	}
}

const char *mount_class_text(enum mount_class c)
{
	switch (c) {
	case MOUNT_LOCAL:
		return "local file system";
	case MOUNT_PSEUDO:
		return "pseudo file system of the kernel";
	case MOUNT_MEMORY:
		return "file system in memory";
	case MOUNT_NETWORK:
		return "network file system";
	case MOUNT_REMOVABLE:
		return "removable medium";
	case MOUNT_IMAGE:
		return "read-only image of a file that is copied itself";
	case MOUNT_VIEW:
		return "view of files that are stored elsewhere";
	}
	return "file system";
}

bool path_within(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1)
		return true; /* "/" */
	return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

const struct mount *mounts_holding(const struct mounts *m, const char *path)
{
	const struct mount *best = NULL;

	for (size_t i = 0; i < m->n; i++) {
		const struct mount *x = &m->item[i];

		if (path_within(path, x->dir) &&
		    (!best || strlen(x->dir) >= strlen(best->dir)))
			best = x;
	}
	return best;
}

bool mount_has_quota(const struct mount *m)
{
	static const char *const words[] = { "quota",	 "usrquota",  "grpquota", "uquota",
					     "gquota",	 "uqnoenforce", "gqnoenforce",
					     "usrjquota", "grpjquota", NULL };
	own_free char *copy = xstrdup(m->options);
	char *rest = copy, *word;

	if (m->class != MOUNT_LOCAL)
		return false;
	while ((word = strsep(&rest, ","))) {
		char *value = strchr(word, '=');

		if (value && !value[1])
			continue; /* "usrjquota=" switches it off */
		if (value)
			*value = '\0';
		if (is_one_of(word, words))
			return true;
	}
	return false;
}
