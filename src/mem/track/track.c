// SPDX-License-Identifier: MIT
#include "mem/track/track.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/track/direct.h"
#include "mem/track/priv.h"
#include "mem/track/scan.h"
#include "mem/track/soft.h"

enum { USER_MODE_ONLY = 1 };

#define PIECE (UINT64_C(64) << 20) /* bytes that are armed at once */

/* userfaultfd and PAGEMAP_SCAN. */
static int uffd_usable(struct err *e)
{
	own_fd int uffd = -1;

	if (scan_usable(e) < 0)
		return -1;
	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | USER_MODE_ONLY);
	if (uffd < 0)
		return err_sys(e, "this kernel gives no userfaultfd");
	return scan_handshake(uffd, e);
}

/* Which means there are, the better one first. */
static int choose(bool *soft, struct err *e)
{
	const char *only = getenv("PMIGRATE_TRACK");
	struct err own = ERR_INIT, why = ERR_INIT;
	pid_t self = getpid();

#if !defined(__x86_64__)
	return err_set(e, ERR_UNSUPPORTED, "memory is tracked on x86-64 only");
#endif
	if (syscall(SYS_kcmp, self, self, KCMP_VM, 0, 0) != 0) {
		err_sys(e, "kcmp does not work here");
		return err_hint(e, "CRIU needs it too: CONFIG_KCMP, and no seccomp around us");
	}
	*soft = false;
	if ((!only || !strcmp(only, "uffd")) && uffd_usable(only ? e : &own) == 0)
		return 0;
	if (only && !strcmp(only, "uffd"))
		return -1;
	*soft = true;
	if (only && strcmp(only, "soft-dirty")) {
		err_set(e, ERR_UNSUPPORTED, "this kernel does not tell which pages are written");
		return err_hint(e, "Linux 6.7 or newer is needed, or CONFIG_MEM_SOFT_DIRTY");
	}
	if (soft_usable(&why) == 0)
		return 0;
	if (e) /* the better means is worth the words */
		*e = only ? why : own;
	return -1;
}

int track_usable(struct err *e)
{
	return choose(&(bool){ false }, e);
}

int track_open(struct track **out, const struct track_opts *o, struct err *e)
{
	struct track *t = xcalloc(1, sizeof(*t));

	t->o = *o;
	t->cgroup = o->cgroup ? xstrdup(o->cgroup) : NULL;
	t->o.cgroup = t->cgroup;
	t->soft = o->no_rounds;
	if ((o->no_rounds ? scan_usable(e) < 0 : choose(&t->soft, e) < 0) || procs_init(&t->procs, o->init, o->cgroup, e) < 0) {
		track_close(t);
		return -1;
	}
	procs_watch(&t->procs);
	if (look_at_spaces(t, NULL, true, e) < 0) {
		track_close(t);
		return -1;
	}
	if (!t->nr_spaces) {
		track_close(t);
		return err_set(e, ERR_ABSENT, "no process of the container was found");
	}
	*out = t;
	return 0;
}

void track_close(struct track *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->nr_spaces; i++)
		space_close(t->spaces[i]);
	for (size_t i = 0; i < t->nr_shms; i++)
		shm_close(t->shms[i]);
	procs_fini(&t->procs);
	free(t->spaces);
	free(t->shms);
	free(t->cgroup);
	free(t);
}

struct batch_from space_from(const struct space *s)
{
	return (struct batch_from){ .nr = s->nr, .fd = s->mem };
}

int send_copies(const struct space *s, const struct map *m, const struct pageset *pages, struct sender *to,
		struct err *e)
{
	const struct copies *c = space_find_copies(s, m);
	struct batch_from from = space_from(s);

	if (c) {
		from.hash = c->hash;
		from.first = c->start;
		from.compare = true;
	}
	return sender_pages(to, &from, pages->v, pages->n, e);
}

int announce_space(struct track *t, struct space *s, struct sender *to, struct err *e)
{
	struct memobj o = { .nr = s->nr, .kind = MEMOBJ_SPACE, .id = (uint64_t)s->vpid };

	(void)t;
	if (s->announced)
		return 0;
	s->announced = true;
	return sender_object(to, &o, e);
}

static int announce_shm(struct track *t, struct shm *o, struct sender *to, bool again, struct err *e)
{
	struct memobj d = { .nr = o->nr, .kind = MEMOBJ_SHARED, .id = o->ino, .dev = o->dev,
			    .size = o->size };

	if (o->nr && !again)
		return 0;
	if (!o->nr)
		d.nr = o->nr = ++t->next_nr;
	memcpy(d.name, o->name, sizeof(d.name));
	return sender_object(to, &d, e);
}

/* ---- one round ---- */

void scan_views(struct track *t, struct space *s, bool arm)
{
	for (size_t i = 0, v = 0; i < s->maps.n && v < s->nr_views; i++) {
		const struct map *m = &s->maps.v[i];
		struct shm *o;

		if (m->kind != MAP_KIND_SHM)
			continue;
		o = find_shm(t, m->dev, m->ino);
		if (!o) {
			v++;
			continue;
		}
		if (s->scan.soft) /* see soft.h */
			o->suspect = true;
		switch (scan_shared(&s->scan, m, arm, &s->views[v++].tables, &o->dirty)) {
		case SCAN_TRACKED:
			break;
		case SCAN_UNTRACKED: /* it may not write there (no VM_MAYWRITE), or who knows */
			if (m->prot & MAP_WRITE)
				o->suspect = true;
			break;
		case SCAN_WHOLE:
		case SCAN_GONE:
			o->suspect = true;
			break;
		}
	}
}

static int send_dirty(const struct space *s, struct sender *to, struct err *e)
{
	const struct batch_from from = space_from(s);

	return sender_pages(to, &from, s->dirty.v, s->dirty.n, e);
}

/* Whatever is fresh of this part.  It is armed already: what is written meanwhile is found again. */
static void take_fresh(const struct space *s, const struct map *m, uint64_t from, uint64_t to, struct pageset *dirty)
{
	own_pageset struct pageset there = PAGESET_INIT;
	struct map part = *m;

	part.start = from;
	part.end = to;
	if (pageset_count(&s->fresh, from, to))
		space_scan(s, &part, &there, dirty);
}

/* What is dirty of one mapping, armed again, piece by piece; `to` (may be NULL) gets each at once. */
static int scan_mapping(struct space *s, const struct map *m, struct sender *to, uint64_t *scan_ns, struct err *e)
{
	const struct batch_from from = space_from(s);
	const uint64_t piece = piece_of(m, PIECE);
	bool whole = false;

	for (uint64_t at = m->start, end; at < m->end; at = end) {
		own_pageset struct pageset dirty = PAGESET_INIT;
		uint64_t began = clock_ns();
		enum scan_result r;

		end = m->end - at > piece ? (at | (piece - 1)) + 1 : m->end;
		r = scan_arm(&s->scan, m, at, end, whole, &dirty);
		whole |= r == SCAN_WHOLE;
		s->gone |= r == SCAN_GONE; /* what was armed on the way nobody knows: all of it goes again, if it lives */
		if (r == SCAN_TRACKED)
			take_fresh(s, m, at, end, &dirty);
		*scan_ns += clock_ns() - began;
		for (size_t i = 0; i < dirty.n; i++)
			pageset_add(&s->dirty, dirty.v[i].start, dirty.v[i].pages);
		if (to && sender_pages(to, &from, dirty.v, dirty.n, e) < 0)
			return -1;
	}
	return 0;
}

/* The written copies of a file's pages; those that are not as they were sent go. */
static int compare_copies(struct space *s, const struct map *m, struct sender *to, uint64_t *scan_ns, struct err *e)
{
	own_pageset struct pageset all = PAGESET_INIT;
	uint64_t began = clock_ns();

	if (!to)
		return 0;
	scan_private(&s->scan, m, NULL, &all);
	*scan_ns += clock_ns() - began;
	return send_copies(s, m, &all, to, e);
}

/*
 * Dirty pages of one address space, armed again; without its views.  They are sent meanwhile: a page is armed shortly
 * before it is read, so a program that writes everywhere has its fault only in pages that have gone already.
 */
static int scan_space(struct space *s, bool flying, struct sender *to, uint64_t *scan_ns, struct err *e)
{
	pageset_clear(&s->dirty);
	for (size_t i = 0; i < s->maps.n; i++) {
		const struct map *m = &s->maps.v[i];

		if (!space_covers(m))
			continue;
		if (m->kind == MAP_KIND_FILE ? compare_copies(s, m, to, scan_ns, e) < 0 :
					       scan_mapping(s, m, s->direct ? NULL : to, scan_ns, e) < 0)
			return -1;
	}
	if (!s->direct)
		return 0;
	space_doubt(s, flying);
	return to ? send_dirty(s, to, e) : 0;
}

static int send_shm(struct track *t, struct shm *o, struct sender *to, uint64_t *dirty_pages,
		    struct err *e)
{
	own_pageset struct pageset was = PAGESET_INIT, send = PAGESET_INIT, fresh = PAGESET_INIT;
	struct batch_from from = { .fd = o->fd };
	bool resized, again = o->nr != 0;

	pageset_move(&was, &o->present);
	if (shm_look(o, &resized, e) < 0 || announce_shm(t, o, to, resized && again, e) < 0)
		return -1;
	from.nr = o->nr;
	from.hash = o->hash;
	from.compare = o->suspect && o->sent;
	/* Whoever only reads where there is no page makes one, and nobody has written it. */
	pageset_add_set(&fresh, &o->present);
	pageset_remove_set(&fresh, &was);
	pageset_add_set(&o->dirty, &fresh);
	/* Pages that went. */
	pageset_remove_set(&was, &o->present);
	for (size_t i = 0; i < was.n; i++)
		for (uint64_t at = was.v[i].start >> MEM_PAGE_SHIFT;
		     at < run_end(&was.v[i]) >> MEM_PAGE_SHIFT && at < o->n_hash; at++)
			o->hash[at] = 0;
	if (was.n && sender_drop(to, o->nr, was.v, was.n, e) < 0)
		return -1;
	pageset_add_set(&send, &o->present);
	if (!o->suspect && o->sent)
		pageset_keep(&send, &o->dirty);
	*dirty_pages += from.compare ? o->dirty.pages : send.pages;
	if (from.compare)
		log_debug("shared memory %s %llu: all %llu pages are compared", o->name,
			  (unsigned long long)o->ino, (unsigned long long)send.pages);
	pageset_clear(&o->dirty);
	o->suspect = false;
	o->sent = true;
	return sender_pages(to, &from, send.v, send.n, e);
}

int send_shms(struct track *t, struct sender *to, uint64_t *dirty_pages, struct err *e)
{
	for (size_t i = 0; i < t->nr_shms; i++)
		if (send_shm(t, t->shms[i], to, dirty_pages, e) < 0)
			return -1;
	return 0;
}

static void read_smaps(struct space *s)
{
	struct maps m;

	if (maps_read_pid(&m, s->pid, true, NULL) < 0 || !m.n) {
		maps_fini(&m);
		return;
	}
	maps_fini(&s->smaps);
	s->smaps = m;
	maps_inherit_vm(&s->maps, &s->smaps);
}

/* VmFlags while it may take its time: once, and when mappings are new. */
static void renew_smaps(struct space *s)
{
	if (maps_inherit_vm(&s->maps, &s->smaps))
		read_smaps(s);
}

void track_learn(struct track *t)
{
	for (size_t i = 0; i < t->nr_spaces; i++)
		read_smaps(t->spaces[i]);
}

static int scan_and_send(struct track *t, struct sender *to, struct track_round *r, struct err *e)
{
	if (t->soft && soft_round(t, r, e) < 0)
		return -1;
	for (size_t i = 0; i < t->nr_spaces; i++) {
		struct space *s = t->spaces[i];
		uint64_t began;

		if (announce_space(t, s, to, e) < 0 ||
		    (t->soft ? send_dirty(s, to, e) : scan_space(s, t->flying, to, &r->scan_ns, e)) < 0)
			return -1;
		began = clock_ns();
		if (!t->soft)
			scan_views(t, s, true);
		r->scan_ns += clock_ns() - began;
		r->dirty_pages += s->dirty.pages;
	}
	return send_shms(t, to, &r->dirty_pages, e);
}

static uint64_t pages_sent(struct sender *s)
{
	const struct sender_stats st = sender_stats(s);

	return st.data_pages + st.zero_pages;
}

static bool any_direct(const struct track *t)
{
	for (size_t i = 0; i < t->nr_spaces; i++)
		if (t->spaces[i]->direct)
			return true;
	return false;
}

uint64_t track_doubted(const struct track *t)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < t->nr_spaces; i++)
		for (size_t k = 0; k < t->spaces[i]->nr_doubts; k++)
			pages += t->spaces[i]->doubts[k].pages.pages;
	return pages;
}

int track_round(struct track *t, struct sender *s, struct track_round *r, struct err *e)
{
	uint64_t began = clock_ns(), sent = pages_sent(s), looked;
	bool dropped;

	*r = (struct track_round){ .nr = ++t->rounds };
	t->attached = t->rounds == 1 ? t->attached : 0;
	t->attach_max_ns = t->rounds == 1 ? t->attach_max_ns : 0;
	t->frozen = false;
	sender_urgent(s, false);
	if (look_at_spaces(t, s, true, e) < 0 || look_at_mappings(t, s, true, &dropped, e) < 0)
		return -1;
	if (dropped && sender_sync(s, NULL, e) < 0)
		return -1;
	t->flying = any_direct(t) && direct_under_way();
	for (size_t i = 0; i < t->nr_spaces; i++)
		renew_smaps(t->spaces[i]);
	looked = clock_ns();
	r->interval_ns = t->scanned_ns ? looked - t->scanned_ns : 0;
	t->scanned_ns = looked;
	if (scan_and_send(t, s, r, e) < 0 || sender_sync(s, NULL, e) < 0)
		return -1;
	r->send_ns = clock_ns() - looked - r->scan_ns;
	/* Those that were compared are known to be dirty only now. */
	sent = pages_sent(s) - sent;
	r->dirty_pages = r->dirty_pages > sent ? r->dirty_pages : sent;
	r->nr_spaces = (unsigned)t->nr_spaces;
	r->nr_shms = (unsigned)t->nr_shms;
	r->attached = t->attached;
	r->attach_max_ns = t->attach_max_ns;
	for (size_t i = 0; i < t->nr_spaces; i++)
		pageset_clear(&t->spaces[i]->fresh);
	/* Pages read after an exec were the new program's: then the whole object goes. */
	for (size_t i = 0; i < t->nr_spaces; i++)
		if (!space_is_same(t->spaces[i]))
			t->spaces[i]->gone = true;
	log_debug("memory round %u: %" PRIu64 " pages dirty, scan %.1f ms, send %.1f ms, look %.1f ms",
		  r->nr, r->dirty_pages, (double)r->scan_ns / 1e6, (double)r->send_ns / 1e6,
		  (double)(looked - began) / 1e6);
	return 0;
}

/* ---- for --dry-run ---- */

int track_arm(struct track *t, struct err *e)
{
	bool dropped;

	if (look_at_spaces(t, NULL, true, e) < 0 || look_at_mappings(t, NULL, true, &dropped, e) < 0)
		return -1;
	for (size_t i = 0; !t->soft && i < t->nr_spaces; i++) {
		uint64_t ns = 0;

		if (scan_space(t->spaces[i], false, NULL, &ns, e) < 0)
			return -1;
		scan_views(t, t->spaces[i], true);
	}
	if (t->soft && soft_arm(t, e) < 0)
		return -1;
	for (size_t i = 0; i < t->nr_shms; i++)
		pageset_clear(&t->shms[i]->dirty);
	return 0;
}

int track_count(struct track *t, uint64_t *dirty_pages, uint64_t *present_pages, struct err *e)
{
	bool dropped;

	*dirty_pages = *present_pages = 0;
	if (look_at_spaces(t, NULL, true, e) < 0 || look_at_mappings(t, NULL, true, &dropped, e) < 0)
		return -1;
	for (size_t i = 0; i < t->nr_spaces; i++) {
		struct space *s = t->spaces[i];

		own_pageset struct pageset copies = PAGESET_INIT; /* all look dirty, few are */

		pageset_clear(&s->dirty);
		pageset_clear(&s->present);
		for (size_t k = 0; k < s->maps.n; k++) {
			const struct map *m = &s->maps.v[k];

			if (space_covers(m))
				scan_private(&s->scan, m, &s->present, m->kind == MAP_KIND_FILE ? &copies : &s->dirty);
		}
		scan_views(t, s, false);
		*dirty_pages += s->dirty.pages;
		*present_pages += s->present.pages;
	}
	for (size_t i = 0; i < t->nr_shms; i++) {
		struct shm *o = t->shms[i];
		bool resized;

		if (shm_look(o, &resized, e) < 0)
			return -1;
		pageset_keep(&o->dirty, &o->present);
		*dirty_pages += o->dirty.pages;
		*present_pages += o->present.pages;
		pageset_clear(&o->dirty);
	}
	return 0;
}

/* ---- what others ask ---- */

size_t track_nr_spaces(const struct track *t)
{
	return t->nr_spaces;
}

const struct procs *track_procs(const struct track *t)
{
	return &t->procs;
}

void track_get_space(const struct track *t, size_t i, struct track_space *out)
{
	const struct space *s = t->spaces[i];

	*out = (struct track_space){
		.nr = s->nr,
		.pid = s->pid,
		.vpid = s->vpid,
		.maps = &s->maps,
		.present = &s->present,
		.shared = &s->shared,
		.sharers = s->sharers,
		.nr_sharers = s->nr_sharers,
		.guarded = s->guarded,
		.call = s->call,
	};
}

const struct pageset *track_owed(const struct track *t, size_t i)
{
	return &t->spaces[i]->dirty;
}

bool track_covers(const struct map *m)
{
	return space_covers(m);
}

size_t track_nr_shms(const struct track *t)
{
	return t->nr_shms;
}

const struct shm *track_get_shm(const struct track *t, size_t i)
{
	return t->shms[i];
}

const struct maps *track_smaps(const struct track *t, pid_t vpid)
{
	for (size_t i = 0; i < t->nr_spaces; i++)
		if (t->spaces[i]->vpid == vpid && t->spaces[i]->smaps.n)
			return &t->spaces[i]->smaps;
	return NULL;
}
