// SPDX-License-Identifier: MIT
#include "criu/save/save.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/strv.h"
#include "criu/carry/groups.h"
#include "criu/carry/mountnotes.h"
#include "criu/carry/sockopts.h"
#include "criu/carry/tasks.h"
#include "criu/cgroups.h"
#include "criu/dump.h"
#include "criu/freeze.h"
#include "criu/image/image.h"
#include "criu/image/imgdir.h"
#include "criu/image/mm.h"
#include "criu/save/alarms.h"
#include "criu/save/calls.h"
#include "criu/save/mend.h"
#include "criu/save/pairs.h"
#include "criu/save/watches.h"
#include "criu/shim/text.h"
#include "criu/shimdir.h"
#include "criu/shimtest.h"
#include "criu/version.h"

enum {
	MOUNTINFO_MAX = 4 << 20,
	IMAGE_MAX = 64 << 20,
	ARMED_MAX = 512, /* each is a descriptor at the destination */
	DUMP_MS = 720000, /* waiting at the gate included */
};

const char *const criu_trusted_fs[] = { "hugetlbfs", NULL };

struct save {
	pid_t init;
	char *rootfs;
	bool cgroups;
	struct strv enable_fs;
	uint64_t ghost_max;
	enum save_memory memory;
	struct ext_mounts mounts;
	struct freezer freezer;
	struct watches watches;
	struct criu *criu;
	int images;
	int shim;	 /* shimdir; -1: no library */
	bool wipes;	 /* CRIU lacks CRIU_LACKS_WIPE */
	struct dumping dumping;
	struct strv put; /* "PID NR" of the address spaces that shimdir knows */
	struct shim_object *armed; /* shared objects that CRIU finds empty */
	size_t n_armed;
	struct proc *proc; /* all that are frozen; their pidfds are not ours */
	size_t n_procs;
	struct call_notes notes;
	uint64_t dump_ns;
};

int save_read_mounts(struct save *s, struct err *e)
{
	own_free char *path = xasprintf("/proc/%d/mountinfo", (int)s->init);
	own_free char *text = NULL;

	if (file_read(AT_FDCWD, path, MOUNTINFO_MAX, &text, NULL, e) < 0)
		return -1;
	ext_mounts_fini(&s->mounts);
	if (ext_mounts_read(&s->mounts, text, e) < 0)
		return -1;
	for (size_t i = 0; i < s->mounts.n; i++) {
		own_free char *at = xasprintf("/proc/%d/root%s", (int)s->init, s->mounts.m[i].at);
		struct stat st;

		s->mounts.m[i].is_file = stat(at, &st) == 0 && !S_ISDIR(st.st_mode);
	}
	return 0;
}

/* Killed while it dumps, CRIU takes processes of the container along: the kernel shall look for memory elsewhere. */
static void spare(pid_t criu)
{
	own_free char *file = xasprintf("/proc/%d/oom_score_adj", (int)criu);

	file_poke(AT_FDCWD, file, "-1000", NULL); /* not everywhere allowed */
}

/* What an older CRIU loses in silence is not left to it. */
static int want_wiped(struct save *s, struct err *e)
{
	own_free char *version = criu_version_text(criu_its_version(s->criu));

	if (!(criu_lacks(criu_its_version(s->criu), NULL) & CRIU_LACKS_WIPE))
		return 0;
	if (s->shim < 0)
		return err_set(e, ERR_UNSUPPORTED, "CRIU %s loses MADV_WIPEONFORK, and the preload library cannot tell of it", version);
	s->wipes = true;
	return shimdir_want_wiped(s->shim, e);
}

/* Its own death with ours ends where the dump begins: by the shim, at the gate.  Without the shim nobody would end that. */
static int start_criu(struct save *s, const char *netns, struct err *e)
{
	own_strv struct strv env = STRV_INIT;
	own_free char *cgroupns = xasprintf("/proc/%d/ns/cgroup", (int)s->init);
	const int fds[] = { freezer_guard_fd(&s->freezer), freezer_control_fd(&s->freezer) };
	struct criu_opts o = { .netns = netns, .cgroupns = cgroupns, .fds = fds, .n_fds = array_len(fds),
			       .outlive = s->memory != SAVE_SHIM };

	if (s->memory == SAVE_SHIM) {
		if (shim_find(e) < 0 || shim_test(e) < 0)
			return -1;
		s->shim = shimdir_open(&env, e);
		if (s->shim < 0)
			return -1;
	} else if (shim_find(NULL) == 0 && shim_test(NULL) == 0) { /* for the threads; it knows of no memory */
		s->shim = shimdir_open(&env, NULL);
	}
	if (s->shim >= 0) {
		strv_addf(&env, SHIM_FREEZER "=%d", fds[1]);
		o.preload = shim_library();
		o.env = (const char *const *)env.item;
	}
	if (criu_start(&s->criu, &o, e) < 0)
		return -1;
	spare(criu_pid(s->criu));
	return criu_ready(s->criu, e) < 0 ? -1 : want_wiped(s, e);
}

int save_prepare(struct save **out, const struct save_opts *o, struct err *e)
{
	struct save *s = xcalloc(1, sizeof(*s));

	s->init = o->init;
	s->rootfs = xstrdup(o->rootfs);
	s->cgroups = o->cgroups;
	strv_addv(&s->enable_fs, o->enable_fs);
	s->ghost_max = o->ghost_max;
	s->memory = o->memory;
	s->freezer = (struct freezer)FREEZER_INIT;
	s->shim = -1;
	s->dumping = (struct dumping)DUMPING_INIT;
	s->images = imgdir_open(e);
	if (s->images < 0 || save_read_mounts(s, e) < 0 ||
	    freezer_open(&s->freezer, o->freezer_dir, true, e) < 0 ||
	    start_criu(s, o->netns, e) < 0) {
		save_free(s);
		return -1;
	}
	*out = s;
	return 0;
}

void save_free(struct save *s)
{
	if (!s)
		return;
	dumping_stop(&s->dumping);
	criu_free(s->criu); /* first: it must not look at thawed processes */
	freezer_close(&s->freezer);
	close_fd(&s->images);
	close_fd(&s->shim);
	watches_release(&s->watches);
	ext_mounts_fini(&s->mounts);
	strv_fini(&s->enable_fs);
	strv_fini(&s->put);
	free(s->armed);
	free(s->proc);
	call_notes_fini(&s->notes);
	free(s->rootfs);
	free(s);
}

const struct ext_mounts *save_mounts(const struct save *s)
{
	return &s->mounts;
}

void save_ghosts(struct save *s, uint64_t ghost_max)
{
	s->ghost_max = ghost_max;
}

pid_t save_criu(const struct save *s)
{
	return criu_pid(s->criu);
}

int save_images(const struct save *s)
{
	return s->images;
}

static void note_calls(struct save *s, const struct track *t)
{
	for (size_t i = 0; i < track_nr_spaces(t); i++) {
		struct track_space sp;

		track_get_space(t, i, &sp);
		call_notes_add(&s->notes, &sp.call);
	}
}

int save_look(struct save *s, const struct track *t, bool quick, struct err *e)
{
	own_strv struct strv before = s->put;

	note_calls(s, t);
	s->put = (struct strv)STRV_INIT;
	if (s->memory != SAVE_SHIM)
		return 0;
	/* A process that went, and whose number may be another's now, is no longer known. */
	for (size_t i = 0; i < before.n; i++)
		shimdir_drop(s->shim, atoi(before.item[i]));
	for (size_t i = 0; i < track_nr_spaces(t); i++) {
		own_free char *name = NULL;
		struct track_space sp;
		const struct maps *maps;

		track_get_space(t, i, &sp);
		name = xasprintf("%d %u", (int)sp.pid, sp.nr);
		maps = track_smaps(t, sp.vpid);
		if (!maps)
			continue;
		if (shimdir_put(s->shim, sp.pid, maps, !quick || !strv_has(&before, name), e) < 0)
			return -1;
		strv_add(&s->put, name);
	}
	return 0;
}

static int larger_first(const void *a, const void *b)
{
	const struct shm *const *x = a, *const *y = b;

	return (*x)->size < (*y)->size ? 1 : (*x)->size > (*y)->size ? -1 : 0;
}

static bool travels(const struct shm *o)
{
	return o->nr && o->size;
}

int save_arm(struct save *s, const struct track *t, uint32_t **nrs, size_t *n, struct err *e)
{
	size_t all = track_nr_shms(t), have = 0;
	own_free const struct shm **by_size = xcalloc(all + 1, sizeof(const struct shm *));
	own_free uint32_t *list = xcalloc(all + 1, sizeof(*list));

	free(s->armed);
	s->armed = xcalloc(all + 1, sizeof(*s->armed));
	for (size_t i = 0; s->memory == SAVE_SHIM && i < all; i++) {
		by_size[have] = track_get_shm(t, i);
		have += travels(by_size[have]);
	}
	qsort(by_size, have, sizeof(*by_size), larger_first);
	have = have < ARMED_MAX ? have : ARMED_MAX;
	for (size_t i = 0; i < have; i++) {
		s->armed[i] = (struct shim_object){ by_size[i]->dev, by_size[i]->ino, by_size[i]->nr,
						    shm_is_sysv(by_size[i]->name) };
		list[i] = by_size[i]->nr;
	}
	s->n_armed = have;
	if (s->memory == SAVE_SHIM && shimdir_put_shm(s->shim, s->armed, have, e) < 0)
		return -1;
	log_debug("shared memory: %zu of %zu objects travel by themselves", have, all);
	*nrs = take_ptr(&list);
	*n = have;
	return 0;
}

int save_freeze(struct save *s, int timeout_ms, struct err *e)
{
	return freezer_freeze(&s->freezer, timeout_ms, e);
}

void save_frozen(struct save *s, const struct procs *p)
{
	free(s->proc);
	s->proc = xcalloc(p->n + 1, sizeof(*s->proc));
	s->n_procs = p->n;
	if (p->n)
		memcpy(s->proc, p->v, p->n * sizeof(*p->v));
}

int save_forget(struct save *s)
{
	return (int)watches_forget(&s->watches);
}

int save_let_run_on(struct save *s, struct err *e)
{
	call_notes_take(&s->notes, s->proc, s->n_procs);
	return freezer_thaw(&s->freezer, e);
}

int save_thaw(struct save *s, struct err *e)
{
	return freezer_thaw(&s->freezer, e);
}

static struct dump_opts dump_opts_of(const struct save *s)
{
	return (struct dump_opts){
		.init = s->init,
		.rootfs = s->rootfs,
		.freezer_dir = s->freezer.dir,
		.mounts = &s->mounts,
		.images = s->images,
		.cgroups = s->cgroups,
		.ghost_limit = s->ghost_max > (1 << 20) ? s->ghost_max : 0,
		.enable_fs = s->enable_fs.n ? (const char *const *)s->enable_fs.item : NULL,
		.timeout_ms = DUMP_MS,
	};
}

static void recall_cgroups(const struct save *s)
{
	for (size_t i = 0; i < s->mounts.n; i++) {
		if (s->mounts.m[i].kind == MOUNT_CGROUP)
			cgroups_recall(s->init, s->mounts.m[i].at);
	}
}

int save_begin(struct save *s, struct err *e)
{
	const struct dump_opts o = dump_opts_of(s);

	recall_cgroups(s);
	watches_hold(&s->watches, s->init, s->freezer.dir, s->rootfs);
	/* Without the library nothing makes it wait. */
	return s->memory != SAVE_SHIM || s->dumping.begun ? 0 : dumping_begin(&s->dumping, s->criu, &o, s->shim, e);
}

static int mend_alarms(const struct save *s, struct err *e)
{
	own_free struct shim_signal *signals = NULL;
	struct err why = ERR_INIT;
	size_t n = 0;

	if (s->shim >= 0 && shimdir_signals(s->shim, &signals, &n, &why) < 0)
		log_warn("timers that went off in the freeze may be lost: %s", why.msg);
	return alarms_mend(s->images, signals, n, s->proc, s->n_procs, s->dump_ns, e);
}

static int note_sockets(const struct save *s, struct err *e)
{
	const uint64_t begun = clock_ns();
	own_sockopts struct sockopts o = SOCKOPTS_INIT;
	own_buf struct buf b = BUF_INIT;

	if (sockopts_read(&o, s->proc, s->n_procs, e) < 0)
		return -1;
	sockopts_put(&b, &o);
	log_debug("%zu sockets written down in %.1f ms", o.n, (double)(clock_ns() - begun) / 1e6);
	return imgdir_put(s->images, SOCKOPTS_IMAGE, b.data, b.len, e);
}

/* After the dump: beside it, CRIU's own descriptors and masks would be seen. */
static int note_tasks(const struct save *s, struct err *e)
{
	const uint64_t begun = clock_ns();
	own_tasks struct tasks t = TASKS_INIT;
	own_buf struct buf b = BUF_INIT;

	if (tasks_read(&t, s->proc, s->n_procs, e) < 0)
		return -1;
	tasks_put(&b, &t);
	log_debug("%zu tasks written down in %.1f ms", t.n, (double)(clock_ns() - begun) / 1e6);
	return imgdir_put(s->images, TASKS_IMAGE, b.data, b.len, e);
}

/* What CRIU does not know; beside its own work, where that runs in a thread. */
static int save_notes(const struct save *s, struct err *e)
{
	return mountnotes_save(s->images, s->init, s->proc, s->n_procs, e) < 0 ||
		       groups_save(s->images, s->init, s->proc, s->n_procs, e) < 0 ? -1 : note_sockets(s, e);
}

/* What CRIU was told not to be executable, for it could not run its code there. */
static int mend_exec(const struct save *s, struct err *e)
{
	for (size_t i = 0; s->shim >= 0 && i < s->n_procs; i++) {
		own_free char *name = xasprintf("mm-%d.img", (int)s->proc[i].vpid);
		own_pageset struct pageset mappings = PAGESET_INIT;

		if (shimdir_noexec(s->shim, s->proc[i].pid, &mappings, e) < 0 ||
		    (mappings.n && mm_set_exec(s->images, name, &mappings, e) < 0))
			return -1;
	}
	return 0;
}

/* What a child of the process finds empty; a CRIU that lacks that does restore it. */
static int mend_wiped(const struct save *s, struct err *e)
{
	for (size_t i = 0; s->wipes && i < s->n_procs; i++) {
		own_free char *name = xasprintf("mm-%d.img", (int)s->proc[i].vpid);
		own_pageset struct pageset mappings = PAGESET_INIT;

		if (faccessat(s->images, name, F_OK, 0) < 0) /* it has ended */
			continue;
		if (shimdir_wiped(s->shim, s->proc[i].pid, &mappings, e) < 0 ||
		    (mappings.n && mm_set_wiped(s->images, name, &mappings, e) < 0))
			return -1;
	}
	return 0;
}

int save_dump(struct save *s, struct err *e)
{
	const uint64_t begun = clock_ns();
	const struct dump_opts o = dump_opts_of(s);
	int ret, noted = 0;

	if (s->dumping.begun) {
		if (dumping_go(&s->dumping, e) < 0)
			return -1;
		noted = save_notes(s, e);
		ret = dumping_end(&s->dumping, noted < 0 ? NULL : e);
	} else {
		ret = criu_dump(s->criu, &o, e);
		noted = ret < 0 ? 0 : save_notes(s, e);
	}
	if (noted < 0)
		return -1;
	s->dump_ns = clock_ns() - begun;
	return ret < 0 || save_mend(s->images, s->rootfs, e) < 0 || pairs_mend(s->images, e) < 0 ||
			       calls_mend(s->images, &s->notes, e) < 0 || mend_alarms(s, e) < 0 ||
			       mend_exec(s, e) < 0 || mend_wiped(s, e) < 0 ? -1 : note_tasks(s, e);
}

/* Every page of a hidden mapping must be one that mem/ answers for; the kind of mapping says how it comes back, and whether
 * CRIU took it for locked (it may have read newer flags than we have). */
static int sort_hidden(const struct track_space *sp, const struct pageset *hidden, const struct pageset *locked,
		       struct hidden_space *out, struct err *e)
{
	for (size_t i = 0; i < hidden->n; i++) {
		uint64_t at = hidden->v[i].start, end = run_end(&hidden->v[i]);

		while (at < end) {
			const struct map *m = maps_find(sp->maps, at);

			if (!m || !track_covers(m))
				return err_set(e, ERR_UNSUPPORTED,
					       "memory of process %d changed its kind at the freeze",
					       (int)sp->vpid);
			pageset_add(map_is_eager(m) ? &out->eager : &out->lazy, at,
				    ((m->end < end ? m->end : end) - at) >> MEM_PAGE_SHIFT);
			at = m->end;
		}
	}
	pageset_add_set(&out->eager, locked);
	if (sp->shared->n) {
		own_pageset struct pageset shared = PAGESET_INIT;

		pageset_add_set(&shared, sp->shared);
		pageset_keep(&shared, &out->lazy);
		pageset_add_set(&out->eager, &shared);
	}
	pageset_remove_set(&out->lazy, &out->eager);
	return 0;
}

/* Does mem/ know this object under the number that the destination was told? */
static bool still_tracked(const struct track *t, const struct shim_object *a)
{
	for (size_t i = 0; i < track_nr_shms(t); i++) {
		const struct shm *o = track_get_shm(t, i);

		if (o->dev == a->dev && o->ino == a->ino)
			return o->nr == a->nr;
	}
	return false;
}

static int lost(const char *name, struct err *e)
{
	err_set(e, ERR_UNSUPPORTED, "the shared memory %.64s was in no process's hands for a moment", name);
	return err_hint(e, "it is handed over by a socket, or attached and detached; migrate again");
}

/*
 * A memfd that no process had open or mapped in some round was given up by mem/; it may have been on
 * its way in a socket, and still be.  A segment exists without a process.
 */
static int check_armed(struct save *s, const struct track *t, struct err *e)
{
	own_free char *data = NULL;
	struct image_reader ir;
	struct image_msg msg;
	size_t len;
	int ret;

	for (size_t i = 0; i < s->n_armed; i++) {
		if (s->armed[i].sysv && !still_tracked(t, &s->armed[i]))
			return lost("of System V", e);
	}
	if (!s->n_armed || faccessat(s->images, "memfd.img", F_OK, 0) < 0)
		return 0;
	if (file_read(s->images, "memfd.img", IMAGE_MAX, &data, &len, e) < 0 ||
	    image_begin(&ir, "memfd", IMAGE_MEMFD, data, len, e) < 0)
		return -1;
	while ((ret = image_next(&ir, &msg, e)) > 0) {
		Img__MemfdInode *inode = img__memfd_inode__unpack(NULL, msg.len, msg.data);

		if (!inode)
			return err_set(e, ERR_PROTO, "the image memfd is broken");
		for (size_t i = 0; i < s->n_armed && ret > 0; i++) {
			if ((uint32_t)s->armed[i].ino != inode->shmid || still_tracked(t, &s->armed[i]))
				continue;
			ret = lost(inode->name, e);
		}
		img__memfd_inode__free_unpacked(inode, NULL);
		if (ret < 0)
			return -1;
	}
	return ret;
}

int save_hidden(struct save *s, const struct track *t, struct buf *out, struct err *e)
{
	own_hidden_spaces struct hidden_spaces h = HIDDEN_SPACES_INIT;

	for (size_t i = 0; s->memory == SAVE_SHIM && i < track_nr_spaces(t); i++) {
		own_pageset struct pageset pages = PAGESET_INIT, locked = PAGESET_INIT;
		struct hidden_space *sp;
		struct track_space ts;

		track_get_space(t, i, &ts);
		h.v = xrealloc(h.v, (h.n + 1) * sizeof(*h.v));
		sp = &h.v[h.n++];
		*sp = (struct hidden_space){ .vpid = (uint32_t)ts.vpid };
		if (shimdir_hidden(s->shim, ts.pid, &pages, &locked, e) < 0 ||
		    sort_hidden(&ts, &pages, &locked, sp, e) < 0)
			return -1;
		if (ts.guarded && pages.n && !shimdir_guards(s->shim, ts.pid)) {
			err_set(e, ERR_UNSUPPORTED, "process %d made its first guard region at the freeze",
				(int)ts.vpid);
			return err_hint(e, "run it again: it will be known from the beginning");
		}
	}
	hidden_spaces_put(out, &h);
	return check_armed(s, t, e);
}

int save_disarm(struct save *s, struct err *e)
{
	return freezer_disarm(&s->freezer, e);
}
