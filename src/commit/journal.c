// SPDX-License-Identifier: MIT
#include "commit/journal.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/own.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/strv.h"

enum { PATIENCE_MS = 50 /* who only looks (journal_peek) has it for an instant */, JOURNAL_MAX = 1 << 20, KEEP_DAYS = 30, KEEP_FILES = 200 };

struct journal {
	char id[JOURNAL_ID_MAX];
	enum journal_role role;
	int fd;		    /* -1: only peeked at */
	bool damaged;	    /* a line that failed could not be taken back */
	size_t whole;	    /* bytes of whole lines when it was read */
	struct strv lines;  /* "key value" */
	enum journal_state state;
};

static const char *const words[] = {
	[JOURNAL_NONE] = "none",	   [JOURNAL_ACTIVE] = "active",
	[JOURNAL_READY] = "ready",	   [JOURNAL_COMMITTED] = "committed",
	[JOURNAL_DONE] = "done",	   [JOURNAL_UNDONE] = "undone",
};

const char *journal_state_word(enum journal_state s)
{
	return words[s];
}

const char *journal_dir(void)
{
	const char *dir = getenv("PMIGRATE_STATE_DIR");

	return dir && *dir ? dir : "/var/lib/pmigrate";
}

static const char *suffix_of(enum journal_role role)
{
	return role == ROLE_SOURCE ? ".source" : ".dest";
}

void journal_make_id(char out[static JOURNAL_ID_MAX], const char *ct_id)
{
	uint32_t noise = 0;
	time_t now = time(NULL);
	char when[24], name[40];
	struct tm tm;
	size_t n = 0;

	if (getrandom(&noise, sizeof(noise), 0) != sizeof(noise))
		noise = (uint32_t)now ^ (uint32_t)getpid() << 16;
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
	for (; *ct_id && n < sizeof(name) - 1; ct_id++)
		name[n++] = isalnum((unsigned char)*ct_id) || *ct_id == '-' ? *ct_id : '_';
	name[n] = '\0';
	snprintf(out, JOURNAL_ID_MAX, "%s-%s-%08" PRIx32, name, when, noise);
}

bool journal_id_ok(const char *id)
{
	size_t n = strlen(id);

	if (!n || n >= JOURNAL_ID_MAX || id[0] == '.')
		return false;
	for (; *id; id++) {
		if (!isalnum((unsigned char)*id) && !strchr("-_.", *id))
			return false;
	}
	return true;
}

static char *path_of(const char *id, enum journal_role role)
{
	return xasprintf("%s/%s%s", journal_dir(), id, suffix_of(role));
}

static struct journal *journal_new(const char *id, enum journal_role role)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->role = role;
	snprintf(j->id, sizeof(j->id), "%s", id);
	j->fd = -1;
	return j;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	close_fd(&j->fd);
	strv_fini(&j->lines);
	free(j);
}

static enum journal_state state_of_word(const char *word)
{
	for (size_t i = 0; i < array_len(words); i++) {
		if (!strcmp(words[i], word))
			return (enum journal_state)i;
	}
	return JOURNAL_NONE;
}

/* Takes over the text of a journal file. */
static void load(struct journal *j, const char *text)
{
	const char *begin = text, *end, *state;

	for (; (end = strchr(text, '\n')); text = end + 1) {
		own_free char *line = xstrndup(text, (size_t)(end - text));

		strv_add(&j->lines, line);
	}
	j->whole = (size_t)(text - begin);
	state = journal_get(j, "state");
	j->state = state ? state_of_word(state) : JOURNAL_ACTIVE;
}

int journal_may_write(struct err *e)
{
	own_fd int fd = -1;

	if (path_mkdirs(journal_dir(), 0700, e) < 0)
		return -1;
	fd = open(journal_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || errno == EOPNOTSUPP)
		return 0;
	return err_sys(e, "cannot write a journal into %s", journal_dir());
}

int journal_create(const char *id, enum journal_role role, struct journal **out,
		   struct err *e)
{
	own_free char *path = path_of(id, role);
	struct journal *j;
	char pid[24];

	if (!journal_id_ok(id))
		return err_set(e, ERR_PROTO, "'%s' is no migration's id", id);
	if (path_mkdirs(journal_dir(), 0700, e) < 0)
		return -1;
	j = journal_new(id, role);
	j->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (j->fd < 0) {
		int sys = errno;

		err_sys(e, "cannot create the journal %s", path);
		if (e && sys == EEXIST)
			e->code = ERR_EXISTS;
		goto fail;
	}
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (flock(j->fd, LOCK_EX | LOCK_NB) < 0) {
		err_sys(e, "cannot lock the journal %s", path);
		goto fail;
	}
	if (journal_put(j, "pid", pid, e) < 0 || journal_set_state(j, JOURNAL_ACTIVE, e) < 0 ||
	    file_sync_name(AT_FDCWD, path, e) < 0)
		goto fail;
	*out = j;
	return 0;
fail:
	journal_free(j);
	return -1;
}

static int read_one(const char *id, enum journal_role role, struct journal **out,
		    struct err *e)
{
	own_free char *path = path_of(id, role);
	own_free char *text = NULL;
	struct journal *j;

	if (!journal_id_ok(id))
		return err_set(e, ERR_ABSENT, "'%s' is no migration's id", id);
	if (access(path, F_OK) < 0)
		return err_set(e, ERR_ABSENT, "there is no migration %s here", id);
	if (file_read(AT_FDCWD, path, JOURNAL_MAX, &text, NULL, e) < 0)
		return -1;
	j = journal_new(id, role);
	load(j, text);
	*out = j;
	return 0;
}

static int journal_cut(struct journal *j, off_t at)
{
	struct stat st;

	if (fstat(j->fd, &st) == 0 && st.st_size == at)
		return 0;
	return ftruncate(j->fd, at) < 0 || fdatasync(j->fd) < 0 ? -1 : 0;
}

int journal_resume(const char *id, enum journal_role role, struct journal **out, pid_t *owner,
		 struct err *e)
{
	own_free char *path = path_of(id, role);
	own_fd int fd = -1;
	struct journal *j;
	char pid[24];

	/* The lock first, then the text: nobody appends in between. */
	fd = journal_id_ok(id) ? open(path, O_RDWR | O_APPEND | O_CLOEXEC) : -1;
	if (fd >= 0 && file_lock(fd, PATIENCE_MS) < 0) {
		const char *p;

		if (read_one(id, role, &j, e) < 0)
			return -1;
		p = journal_get(j, "pid");
		if (owner)
			*owner = p ? atoi(p) : 0;
		err_set(e, ERR_LOCKED, "migration %s is running (process %s)", id, p ? p : "?");
		journal_free(j);
		return -1;
	}
	if (read_one(id, role, &j, e) < 0)
		return -1;
	j->fd = take_fd(&fd);
	/* A line that a crash left torn was never written: nothing may be appended to it. */
	if (journal_cut(j, (off_t)j->whole) < 0) {
		err_sys(e, "cannot mend the journal %s", path);
		journal_free(j);
		return -1;
	}
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (journal_put(j, "pid", pid, e) < 0) {
		journal_free(j);
		return -1;
	}
	*out = j;
	return 0;
}

int journal_peek(const char *id, enum journal_role role, struct journal **out, bool *live,
		 struct err *e)
{
	own_free char *path = path_of(id, role);
	own_fd int fd = -1;

	if (read_one(id, role, out, e) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	*live = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
	return 0;
}

const char *journal_id(const struct journal *j)
{
	return j->id;
}

const char *journal_get(const struct journal *j, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = j->lines.n; i-- > 0;) {
		if (!strncmp(j->lines.item[i], key, n) && j->lines.item[i][n] == ' ')
			return j->lines.item[i] + n + 1;
	}
	return NULL;
}

static const char *end_of(const struct journal *j)
{
	return j->role == ROLE_SOURCE ? "source" : "agent";
}

/* A line is whole and on the disk, or it is not there. */
static int journal_append(struct journal *j, const char *line, const char *place, struct err *e)
{
	off_t before = lseek(j->fd, 0, SEEK_END);

	if (j->damaged)
		return err_set(e, ERR_SYS, "the journal of %s is damaged: an earlier line could not be taken back", j->id);
	if (before < 0)
		return err_sys(e, "cannot write the journal of %s", j->id);
	if (fault_point(end_of(j), place, "", e) < 0)
		return -1;
	if (write_all(j->fd, line, strlen(line)) < 0)
		err_sys(e, "cannot write the journal of %s", j->id);
	else if (fault_point(end_of(j), place, ".written", e) == 0) {
		if (fdatasync(j->fd) == 0)
			return 0;
		err_sys(e, "cannot write the journal of %s to the disk", j->id);
	}
	j->damaged = journal_cut(j, before) < 0;
	return -1;
}

int journal_put(struct journal *j, const char *key, const char *value, struct err *e)
{
	own_free char *line = xasprintf("%s %s\n", key, value);
	own_free char *place = xasprintf("journal.%s", strcmp(key, "state") == 0 ? value : key);

	if (strchr(value, '\n'))
		return err_set(e, ERR_SYS, "a newline cannot stand in the journal: %s", key);
	if (journal_append(j, line, place, e) < 0)
		return -1;
	line[strlen(line) - 1] = '\0';
	strv_add(&j->lines, line);
	return 0;
}

int journal_set_state(struct journal *j, enum journal_state s, struct err *e)
{
	if (journal_put(j, "state", words[s], e) < 0)
		return -1;
	j->state = s;
	return 0;
}

enum journal_state journal_get_state(const struct journal *j)
{
	return j->state;
}

struct listed {
	char *id;
	time_t mtime;
};

static int by_time(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	if (x->mtime != y->mtime)
		return x->mtime < y->mtime ? -1 : 1;
	return strcmp(x->id, y->id);
}

int journal_list(enum journal_role role, char ***out, struct err *e)
{
	const char *suffix = suffix_of(role);
	own_free struct listed *all = NULL;
	own_dir DIR *d = opendir(journal_dir());
	struct dirent *de;
	size_t n = 0;
	char **ids;

	if (!d && errno != ENOENT)
		return err_sys(e, "cannot read %s", journal_dir());
	while (d && (de = readdir(d))) {
		size_t len = strlen(de->d_name), slen = strlen(suffix);
		struct stat st;

		if (len <= slen || strcmp(de->d_name + len - slen, suffix) ||
		    fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		all = xrealloc(all, (n + 1) * sizeof(*all));
		all[n].id = xstrndup(de->d_name, len - slen);
		all[n++].mtime = st.st_mtime;
	}
	if (n)
		qsort(all, n, sizeof(*all), by_time);
	ids = xcalloc(n + 1, sizeof(*ids));
	for (size_t i = 0; i < n; i++)
		ids[i] = all[i].id;
	*out = ids;
	return 0;
}

static void prune_role(enum journal_role role)
{
	char **ids = NULL;
	size_t n = 0;

	if (journal_list(role, &ids, NULL) < 0)
		return;
	while (ids[n])
		n++;
	for (size_t i = 0; i < n; i++) {
		own_free char *path = path_of(ids[i], role);
		struct journal *j = NULL;
		struct stat st;
		bool live;

		if (stat(path, &st) == 0 && journal_peek(ids[i], role, &j, &live, NULL) == 0) {
			bool ended = j->state == JOURNAL_DONE || j->state == JOURNAL_UNDONE;
			bool old = time(NULL) - st.st_mtime > KEEP_DAYS * 86400;

			if (ended && !live && (old || n - i > KEEP_FILES))
				unlink(path);
			journal_free(j);
		}
		free(ids[i]);
	}
	free(ids);
}

void journal_prune(void)
{
	prune_role(ROLE_SOURCE);
	prune_role(ROLE_DEST);
}
