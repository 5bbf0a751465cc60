// SPDX-License-Identifier: MIT
#include "engine/lockfile.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"

/* What an open lock file says; texts owned. */
struct note {
	char *pid, *why, *ticket; /* NULL: no such line */
};

static void note_fini(struct note *n)
{
	free(n->pid);
	free(n->why);
	free(n->ticket);
}

#define own_note __attribute__((cleanup(note_fini)))

static char *next_line(char **text)
{
	char *line = strsep(text, "\n");

	return line && *line ? xstrdup(line) : NULL;
}

static void note_read(int fd, struct note *out)
{
	char text[1024], *at = text;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	out->pid = next_line(&at);
	out->why = next_line(&at);
	out->ticket = next_line(&at);
}

/* "process 812: moving" */
static char *note_text(const struct note *n)
{
	return n->pid && n->why ? xasprintf("process %s: %s", n->pid, n->why) :
				  xstrdup("another process");
}

/* lockfile_holder holds a lock for an instant, and a process that was killed dies a moment later:
 * these must not count. */
enum { PATIENCE_MS = 250 };

static int refuse(const char *what, int fd, struct err *e)
{
	own_note struct note n = { NULL };
	own_free char *holder = NULL;

	note_read(fd, &n);
	holder = note_text(&n);
	err_set(e, ERR_LOCKED, "%s is in use by %s", what, holder);
	return err_hint(e, "try again when that has ended");
}

/* The lock is ours; is it reserved for somebody else's ticket? */
static int check_ticket(const char *what, int fd, const char *ticket, struct err *e)
{
	own_note struct note n = { NULL };

	note_read(fd, &n);
	if (!n.ticket || (ticket && strcmp(n.ticket, ticket) == 0))
		return 0;
	err_set(e, ERR_LOCKED, "%s is kept for the unfinished migration %s (%s)", what, n.ticket,
		n.why ? n.why : "");
	return err_hint(e, "finish or undo it: pmigrate recover");
}

int lockfile_take(const char *file, const char *what, const char *why, const char *ticket,
		  int *lock_fd, struct err *e)
{
	own_free char *text = xasprintf("%d\n%s\n%s%s", (int)getpid(), why, ticket ? ticket : "",
					ticket ? "\n" : "");
	own_free char *dir = xstrdup(file);
	own_fd int fd = -1;

	*strrchr(dir, '/') = '\0';
	if (path_mkdirs(dir, 0755, e) < 0)
		return -1;
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return err_sys(e, "cannot open %s", file);
	if (file_lock(fd, PATIENCE_MS) < 0)
		return errno == EWOULDBLOCK ? refuse(what, fd, e) :
						err_sys(e, "cannot lock %s", file);
	if (check_ticket(what, fd, ticket, e) < 0)
		return -1;
	/* overwritten before it is cut: at no moment is a ticket lost */
	if (pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text) ||
	    ftruncate(fd, (off_t)strlen(text)) < 0 || (ticket && fsync(fd) < 0))
		return err_sys(e, "cannot write %s", file);
	*lock_fd = take_fd(&fd);
	return 0;
}

void lockfile_release(const char *what, int *lock_fd)
{
	if (*lock_fd >= 0 && (ftruncate(*lock_fd, 0) < 0 || fdatasync(*lock_fd) < 0))
		log_warn("the lock of %s cannot be emptied", what);
	close_fd(lock_fd);
}

char *lockfile_ticket(const char *file)
{
	own_fd int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	own_note struct note n = { NULL };

	if (fd < 0)
		return NULL;
	note_read(fd, &n);
	return n.ticket ? xstrdup(n.ticket) : NULL;
}

char *lockfile_holder(const char *file)
{
	own_fd int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	own_note struct note n = { NULL };
	bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	if (fd < 0)
		return NULL;
	note_read(fd, &n);
	if (held)
		return note_text(&n);
	return n.ticket ? xasprintf("the unfinished migration %s", n.ticket) : NULL;
}
