// SPDX-License-Identifier: MIT
/*
 * What files have beside content, mode and times, and not every file system keeps: extended
 * attributes are tried here before anything is copied, because one that cannot be set would
 * end the copy; flags of chattr, which rsync does not carry, are set at the end.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "into/into.h"
#include "plan/restrict.h"

enum { VALUE_MAX = 65536 };

/* --- extended attributes ------------------------------------------------------------ */

struct trial {
	struct into *n;
	int fd; /* a file without a name, where the area will be */
	char *value;
};

static bool can_keep(const struct trial *t, const char *name, size_t size)
{
	/* The kernel looks into capabilities: none of all, as version 2 of them says it. */
	static const unsigned char no_caps[20] = { 0, 0, 0, 2 };
	bool caps = !strcmp(name, "security.capability");

	/* ACLs are attributes with a content: is there any? is enough to know. */
	if (!strncmp(name, "system.", 7))
		return fgetxattr(t->fd, name, NULL, 0) >= 0 || errno == ENODATA;
	if (fsetxattr(t->fd, name, caps ? (const void *)no_caps : t->value,
		      caps ? sizeof(no_caps) : size, 0) < 0)
		return false;
	fremovexattr(t->fd, name);
	return true;
}

static void try_one(void *arg, const char *name, const char *text)
{
	struct trial *t = arg;
	size_t size = (size_t)strtoul(text, NULL, 10);

	if (!strcmp(name, "security.selinux") || strcmp(name, "system.posix_acl_default") == 0)
		return;
	if (size > VALUE_MAX || !can_keep(t, name, size)) {
		log_debug("%s of %zu bytes cannot be kept: %s", name, size, strerror(errno));
		strv_add(&t->n->lost, name);
	}
}

void into_traits_try(struct into *n, const char *dir)
{
	struct trial t = { .n = n };
	own_fd int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || !n->xattrs)
		return;
	t.fd = fd;
	t.value = xcalloc(1, VALUE_MAX);
	restrict_each(n->scan, "xattr-size", try_one, &t);
	free(t.value);
	/* An rsync without filters for them would try all of them. */
	if (n->lost.n && !n->xattr_filter)
		n->xattrs = false;
}

/* --- flags ---------------------------------------------------------------------------- */

struct flagging {
	int top; /* the area */
	unsigned set, failed;
	char *example;
};

static void set_one(void *arg, const char *path, const char *letters)
{
	struct flagging *f = arg;
	own_fd int fd = path_open_beneath(f->top, path + strspn(path, "/"),
					  O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
	int flags = 0;

	if (fd < 0)
		return; /* it was excluded, or has gone */
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= (strchr(letters, 'i') ? FS_IMMUTABLE_FL : 0) |
			 (strchr(letters, 'a') ? FS_APPEND_FL : 0) |
			 (strchr(letters, 'd') ? FS_NODUMP_FL : 0);
		if (ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0) {
			f->set++;
			return;
		}
	}
	if (!f->failed++)
		f->example = xstrdup(path);
}

int into_traits_flags(struct into *n, struct err *e)
{
	own_fd int top = open(n->ct.private_area, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct flagging f = { .top = top };

	if (top < 0)
		return err_sys(e, "cannot open %s", n->ct.private_area);
	restrict_each(n->scan, "flags", set_one, &f);
	if (f.set)
		event_decision(n->ev, "flags of %u files were set (chattr)", f.set);
	if (f.failed)
		event_warning(n->ev, "flags of %u files could not be set, such as those of %s", f.failed,
			      f.example);
	free(f.example);
	return 0;
}
