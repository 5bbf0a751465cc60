// SPDX-License-Identifier: MIT
#include "commit/dest.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "commit/ticket.h"
#include "commit/witness.h"
#include "criu/revive/revive.h"

enum { TAKE_OVER_MS = 10000 };

void dest_fini(struct dest *d)
{
	journal_free(d->journal);
	close_fd(&d->lock_fd);
	ct_fini(&d->home);
	*d = (struct dest)DEST_INIT;
}

static void ct_copy(struct ct *to, const struct ct *from)
{
	*to = (struct ct){
		.engine = from->engine ? xstrdup(from->engine) : NULL,
		.id = xstrdup(from->id),
		.name = from->name ? xstrdup(from->name) : NULL,
		.private_area = xstrdup(from->private_area),
		.root = xstrdup(from->root),
	};
}

static int lock_it(struct dest *d, struct err *e)
{
	own_free char *why = xasprintf("migration %s brings it here", journal_id(d->journal));

	return ticket_take(d->ops, d->home.id, why, journal_id(d->journal), &d->lock_fd, e);
}

static int write_beginning(struct dest *d, const char *source, bool keep, struct err *e)
{
	struct journal *j = d->journal;

	if (journal_put(j, "engine", d->ops->name, e) < 0 ||
	    journal_put(j, "source", source, e) < 0 ||
	    journal_put(j, "ct", d->home.id, e) < 0 ||
	    journal_put(j, "private", d->home.private_area, e) < 0 ||
	    journal_put(j, "root", d->home.root, e) < 0)
		return -1;
	if (d->home.name && journal_put(j, "name", d->home.name, e) < 0)
		return -1;
	return journal_put(j, "keep", keep ? "yes" : "no", e);
}

int dest_begin(struct dest *d, const char *id, const struct engine_ops *ops,
	       const struct ct *home, const char *source, bool keep, struct err *e)
{
	*d = (struct dest)DEST_INIT;
	d->ops = ops;
	ct_copy(&d->home, home);
	if (journal_create(id, ROLE_DEST, &d->journal, e) < 0)
		goto fail;
	if (write_beginning(d, source, keep, e) < 0 || lock_it(d, e) < 0) {
		journal_set_state(d->journal, JOURNAL_UNDONE, NULL);
		goto fail;
	}
	return 0;
fail:
	dest_fini(d);
	return -1;
}

static bool said_yes(const struct dest *d, const char *key)
{
	const char *v = journal_get(d->journal, key);

	return v && !strcmp(v, "yes");
}

/* A signal for process `pid`, if that is one of ours: after a reboot the number may be anybody's. */
static void signal_ours(pid_t pid, int sig)
{
	own_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	own_free char *exe = xasprintf("/proc/%d/exe", (int)pid);
	char path[PATH_MAX];
	ssize_t n = pidfd < 0 ? -1 : readlink(exe, path, sizeof(path) - 1);
	const char *name;

	if (n < 0)
		return;
	path[n] = '\0';
	name = strrchr(path, '/');
	if (!name || strncmp(name, "/pmigrate", 9) != 0) {
		log_info("process %d is not ours: it is left alone", (int)pid);
		return;
	}
	log_debug("ending process %d", (int)pid);
	syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

/* Ends the process that still works on a migration which its source has given up. */
static int open_by_force(const char *id, struct journal **out, struct err *e)
{
	uint64_t deadline = clock_deadline(TAKE_OVER_MS);
	uint64_t soft = clock_deadline(TAKE_OVER_MS / 2);
	pid_t owner = 0;

	for (;;) {
		if (journal_resume(id, ROLE_DEST, out, &owner, e) == 0)
			return 0;
		if (e->code != ERR_LOCKED || owner <= 1 || !clock_left_ms(deadline))
			return -1;
		signal_ours(owner, clock_left_ms(soft) ? SIGTERM : SIGKILL);
		clock_sleep_ms(50);
	}
}

int dest_resume(struct dest *d, const char *id, struct err *e)
{
	const char *engine, *private_area, *root, *ct, *name;

	*d = (struct dest)DEST_INIT;
	if (open_by_force(id, &d->journal, e) < 0)
		return -1;
	engine = journal_get(d->journal, "engine");
	ct = journal_get(d->journal, "ct");
	private_area = journal_get(d->journal, "private");
	root = journal_get(d->journal, "root");
	name = journal_get(d->journal, "name");
	if (!engine || !ct || !private_area || !root ||
	    !(d->ops = engine_by_name(engine))) {
		/* It died before it did anything. */
		if (journal_get_state(d->journal) == JOURNAL_ACTIVE)
			return journal_set_state(d->journal, JOURNAL_UNDONE, e);
		return err_set(e, ERR_RECOVER, "the journal of migration %s is incomplete", id);
	}
	d->home = (struct ct){ .engine = xstrdup(engine),
			       .id = xstrdup(ct),
			       .name = name ? xstrdup(name) : NULL,
			       .private_area = xstrdup(private_area),
			       .root = xstrdup(root) };
	if (journal_get_state(d->journal) == JOURNAL_DONE ||
	    journal_get_state(d->journal) == JOURNAL_UNDONE)
		return 0;
	if (said_yes(d, "online")) {
		if (witness_says_filled(id) && journal_put(d->journal, "filled", "yes", e) < 0)
			return -1;
		witness_forget(id);
	}
	return lock_it(d, e);
}

/* --- the private area ------------------------------------------------------------ */

/* The file that says so: kept/ENGINE-ID beside the journals. */
static char *kept_record(const struct engine_ops *ops, const char *ct_id)
{
	return xasprintf("%s/kept/%s-%s", journal_dir(), ops->name, ct_id);
}

/* Where an earlier try's area was kept, or NULL; the caller's. */
static char *kept_area(const struct engine_ops *ops, const struct ct *home)
{
	own_free char *record = kept_record(ops, home->id);
	own_free char *path = NULL;
	struct stat st;

	if (file_read(AT_FDCWD, record, PATH_MAX, &path, NULL, NULL) < 0)
		return NULL;
	path[strcspn(path, "\n")] = '\0';
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return NULL;
	return take_ptr(&path);
}

static uint64_t counted; /* nftw has no argument of its own */

static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path, (void)type, (void)ftw;
	counted += (uint64_t)st->st_blocks * 512;
	return 0;
}

uint64_t dest_kept_bytes(const struct engine_ops *ops, const struct ct *home)
{
	own_free char *kept = kept_area(ops, home);

	counted = 0;
	if (kept)
		nftw(kept, count_one, 64, FTW_PHYS | FTW_MOUNT);
	return counted;
}

static int make_parent(const char *path, struct err *e)
{
	own_free char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	return path_mkdirs(dir, 0755, e);
}

int dest_area(struct dest *d, bool *resumed, struct err *e)
{
	own_free char *kept = kept_area(d->ops, &d->home);
	own_free char *record = kept_record(d->ops, d->home.id);
	const char *area = d->home.private_area;

	*resumed = kept != NULL;
	if (make_parent(area, e) < 0)
		return -1;
	if (access(area, F_OK) == 0)
		return err_set(e, ERR_EXISTS, "the private area %s exists", area);
	/* Before the directory: from here on it is ours to remove. */
	if (journal_put(d->journal, "area", kept ? "resumed" : "made", e) < 0)
		return -1;
	if (!kept)
		return path_make_area(area, 0700, e);
	if (rename(kept, area) < 0)
		return err_sys(e, "cannot take up %s again as %s", kept, area);
	unlink(record);
	return 0;
}

static int keep_area(struct dest *d, struct err *e)
{
	own_free char *record = kept_record(d->ops, d->home.id);
	const char *area = d->home.private_area;
	own_free char *to = xasprintf("%s.migrated", area);
	own_free char *line = NULL;

	/* A copy that moved away from here may have that name already. */
	for (unsigned n = 1; access(to, F_OK) == 0; n++) {
		free(to);
		to = xasprintf("%s.migrated.%u", area, n);
	}
	line = xasprintf("%s\n", to);
	if (make_parent(record, e) < 0 ||
	    file_replace(AT_FDCWD, record, line, strlen(line), 0600, e) < 0)
		return -1;
	if (rename(area, to) < 0)
		return err_sys(e, "cannot keep %s as %s", area, to);
	log_info("the synced area is kept as %s for the next try", to);
	return 0;
}

static int undo_area(struct dest *d, struct err *e)
{
	const char *how = journal_get(d->journal, "area");
	const char *keep = journal_get(d->journal, "keep");
	struct stat st;

	if (!how || lstat(d->home.private_area, &st) < 0)
		return 0;
	if (!strcmp(how, "resumed") || (keep && !strcmp(keep, "yes")))
		return keep_area(d, e);
	return path_remove_tree(AT_FDCWD, d->home.private_area, e);
}

/* --- the container ---------------------------------------------------------------- */

int dest_adopt(struct dest *d, const struct ct_desc *desc, struct err *e)
{
	if (journal_put(d->journal, "adopted", "yes", e) < 0)
		return -1;
	return d->ops->adopt(&d->home, desc, e);
}

int dest_make(struct dest *d, bool run, struct err *e)
{
	if (journal_put(d->journal, "run", run ? "yes" : "no", e) < 0)
		return -1;
	if (run && d->ops->hold(&d->home, e) < 0)
		return -1;
	d->held = run;
	return 0;
}

int dest_ready(struct dest *d, struct err *e)
{
	return journal_set_state(d->journal, JOURNAL_READY, e);
}

int dest_hold(struct dest *d, bool run, struct err *e)
{
	return dest_make(d, run, e) < 0 || dest_ready(d, e) < 0 ? -1 : 0;
}

/* Whoever gave it its memory died before all was there (commit/witness.h). */
static int memory_lost(const struct dest *d, bool may_have_run, struct err *e)
{
	const char *id = journal_id(d->journal);

	if (!may_have_run)
		return err_set(e, ERR_START, "the memory of Container %s never arrived here whole",
			       d->home.id);
	/* Told at either end. */
	err_set(e, ERR_RECOVER, "Container %s ran at the destination when the process that brought its memory "
				"was killed, and was ended", d->home.id);
	return err_hint(e, "on the source, to go on from the moment of the switch, without what it did since: "
			   "pmigrate recover --undo %s; or on the destination, to start it from its files, as "
			   "after a loss of power: pmigrate recover --commit %s", id, id);
}

int dest_expect(struct dest *d, const struct ct_desc *desc, const char *sockets, struct err *e)
{
	if (journal_put(d->journal, "sockets", sockets, e) < 0 ||
	    journal_put(d->journal, "adopted", "yes", e) < 0 ||
	    journal_put(d->journal, "arrives", "yes", e) < 0 ||
	    journal_put(d->journal, "run", "yes", e) < 0)
		return -1;
	return d->ops->expect(&d->home, desc, sockets, e) < 0 ? -1 : dest_ready(d, e);
}

static void remove_sockets(const struct dest *d)
{
	const char *sockets = journal_get(d->journal, "sockets");
	struct err e = ERR_INIT;

	if (sockets && path_remove_tree(AT_FDCWD, sockets, &e) < 0)
		log_warn("%s", e.msg);
}

/* Its engine brings it: has it come? */
static int has_arrived(struct dest *d, struct err *e)
{
	int come = d->ops->arrived(&d->home, e);

	if (come < 0)
		return -1;
	return come ? 0 : err_set(e, ERR_START, "%s has not arrived", d->home.id);
}

static int let_run(struct dest *d, bool may_have_run, struct err *e)
{
	enum ct_state state;

	if (said_yes(d, "arrives"))
		return has_arrived(d, e);

	/* Within the downtime: nothing is asked that is known. */
	if (d->held)
		return d->ops->let_run(&d->home, e);
	if (said_yes(d, "online") && !said_yes(d, "filled"))
		return memory_lost(d, may_have_run, e);
	if (d->ops->state(&d->home, &state, e) < 0)
		return -1;
	if (state == CT_RUNNING)
		return 0;
	/* A reboot in between took the held processes.  If they had not begun, nothing is lost by
	 * making them again, but for memory, which the source still has; if they had, they
	 * would have to begin anew in any case. */
	if (state != CT_HELD && said_yes(d, "online") && !may_have_run)
		return memory_lost(d, may_have_run, e);
	if (state != CT_HELD && d->ops->hold(&d->home, e) < 0)
		return -1;
	return d->ops->let_run(&d->home, e);
}

static int be_done(struct dest *d, struct err *e)
{
	if (journal_set_state(d->journal, JOURNAL_DONE, e) < 0) {
		if (e)
			e->code = ERR_RECOVER;
		return -1;
	}
	remove_sockets(d);
	d->ops->unlock(d->home.id, &d->lock_fd);
	return 0;
}

bool dest_lacks_memory(const struct dest *d)
{
	return journal_get_state(d->journal) == JOURNAL_COMMITTED && said_yes(d, "online") &&
	       !said_yes(d, "filled");
}

/* It has not run: the source may have it back. */
static int give_up(struct dest *d, struct err *e)
{
	struct err undo = ERR_INIT;

	if (dest_undo(d, &undo) < 0) {
		e->code = ERR_RECOVER;
		log_warn("%s", undo.msg);
	}
	return -1;
}

int dest_commit(struct dest *d, struct err *e)
{
	bool may_have_run = journal_get_state(d->journal) == JOURNAL_COMMITTED;

	if (journal_get_state(d->journal) == JOURNAL_DONE)
		return 0;
	if (!may_have_run && journal_set_state(d->journal, JOURNAL_COMMITTED, e) < 0)
		return give_up(d, e);
	if (said_yes(d, "run") && let_run(d, may_have_run, e) < 0) {
		if (e->code == ERR_RECOVER)
			return -1;
		if (!may_have_run)
			return give_up(d, e);
		/* It may have answered clients for days: it is never taken back. */
		e->code = ERR_RECOVER;
		return -1;
	}
	if (said_yes(d, "online") && d->held) /* it runs, but gets its memory still */
		return 0;
	if (said_yes(d, "online")) /* its agent died */
		revive_clean(journal_id(d->journal));
	return be_done(d, e);
}

int dest_filled(struct dest *d, struct err *e)
{
	if (journal_put(d->journal, "filled", "yes", e) < 0)
		return -1;
	return journal_get_state(d->journal) == JOURNAL_COMMITTED ? be_done(d, e) : 0;
}

int dest_start_anew(struct dest *d, struct err *e)
{
	/* Nothing of the half copy may be there. */
	if (d->ops->stop(&d->home, 0, e) < 0)
		return -1;
	revive_clean(journal_id(d->journal));
	if (journal_put(d->journal, "filled", "yes", e) < 0 || d->ops->hold(&d->home, e) < 0 ||
	    d->ops->let_run(&d->home, e) < 0)
		return -1;
	return be_done(d, e);
}

int dest_undo(struct dest *d, struct err *e)
{
	if (journal_get_state(d->journal) == JOURNAL_UNDONE)
		return 0;
	if (said_yes(d, "run") && d->ops->unhold(&d->home, e) < 0)
		return -1;
	if (said_yes(d, "online"))
		revive_clean(journal_id(d->journal));
	if (said_yes(d, "adopted") && d->ops->disown(&d->home, e) < 0)
		return -1;
	if (undo_area(d, e) < 0)
		return -1;
	remove_sockets(d);
	if (journal_set_state(d->journal, JOURNAL_UNDONE, e) < 0)
		return -1;
	d->ops->unlock(d->home.id, &d->lock_fd);
	return 0;
}
