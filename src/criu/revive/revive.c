// SPDX-License-Identifier: MIT
#include "criu/revive/revive.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <poll.h>
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
#include "criu/freeze.h"
#include "criu/image/image.h"
#include "criu/image/imgdir.h"
#include "criu/park.h"
#include "criu/places.h"
#include "criu/restore.h"
#include "criu/revive/img.h"
#include "criu/shimdir.h"
#include "criu/shim/text.h"
#include "mem/procs.h"

enum {
	RESTORE_MS = 120000,
	END_MS = 5000,
	TASKS_IMAGE_MAX = 256 << 20,
};

struct revive {
	pid_t like, init;
	bool keep, lazy_used;
	char *rootfs;
	struct park *park;
	bool cgroups;
	struct strv enable_fs;
	struct ext_mounts mounts;
	int *idmaps; /* user namespaces of idmapped mounts */
	size_t n_idmaps;
	struct places places;
	struct freezer freezer;
	struct criu *criu;
	struct lazy *lazy;
	struct store *store;
	int images;
	uint32_t *shared;
	size_t n_shared;
};

static void copy_mounts(struct ext_mounts *to, const struct ext_mounts *from)
{
	to->m = xcalloc(from->n + 1, sizeof(*to->m));
	for (size_t i = 0; i < from->n; i++) {
		to->m[i] = from->m[i];
		to->m[i].key = xstrdup(from->m[i].key);
		to->m[i].at = xstrdup(from->m[i].at);
		to->m[i].root = xstrdup(from->m[i].root);
		to->m[i].options = xstrdup(from->m[i].options);
	}
	to->n = from->n;
}

static int start_criu(struct revive *r, const char *netns, struct err *e)
{
	own_free int *fds = xcalloc(r->n_shared + 1, sizeof(*fds));
	own_free char *cgroupns = xasprintf("/proc/%d/ns/cgroup", (int)r->like);
	own_free char *idmaps = xasprintf(SHIM_IDMAPS "=%s/images", r->places.dir);
	const struct criu_opts o = { .netns = netns, .cgroupns = cgroupns, .fds = fds,
				     .n_fds = r->n_shared,
				     .preload = shim_library(),
				     .env = (const char *const[]){ idmaps, NULL } };

	for (size_t i = 0; i < r->n_shared; i++) {
		fds[i] = store_shared_fd(r->store, r->shared[i]);
		if (fds[i] < 0)
			return err_set(e, ERR_PROTO, "shared memory %u was never sent",
				       r->shared[i]);
	}
	return shim_find(e) < 0 || criu_start(&r->criu, &o, e) < 0 || criu_ready(r->criu, e) < 0 ? -1 :
		       cgroups_join(criu_pid(r->criu), r->like, e);
}

/* The engine's waiting process makes room, before the freeze: CRIU is in its namespaces and
 * cgroups now. */
static int end_waiting(struct revive *r, struct err *e)
{
	own_fd int fd = -1;
	struct pollfd p = { .events = POLLIN };

	if (r->like <= 0)
		return 0;
	fd = (int)syscall(SYS_pidfd_open, r->like, 0);
	if (fd >= 0 && kill(r->like, SIGKILL) == 0) {
		p.fd = fd;
		if (poll(&p, 1, END_MS) <= 0)
			return err_set(e, ERR_TIMEOUT, "the waiting process %d does not end",
				       (int)r->like);
	}
	r->like = 0;
	return 0;
}

int revive_prepare(struct revive **out, const struct revive_opts *o, struct err *e)
{
	struct revive *r = xcalloc(1, sizeof(*r));
	struct lazy_opts lo = { .store = o->store, .remote = o->remote, .met = o->met,
				.filled = o->filled, .arg = o->arg };
	own_free char *v1 = cgroups_mount("freezer");
	own_free char *parking = cgroups_dir(getpid(), v1 ? "freezer" : NULL, e);

	r->like = o->like;
	r->rootfs = xstrdup(o->rootfs);
	r->cgroups = o->cgroups;
	strv_addv(&r->enable_fs, o->enable_fs);
	copy_mounts(&r->mounts, o->mounts);
	r->freezer = (struct freezer)FREEZER_INIT;
	r->store = o->store;
	r->shared = xcalloc(o->n_shared + 1, sizeof(*r->shared));
	if (o->n_shared)
		memcpy(r->shared, o->shared, o->n_shared * sizeof(*r->shared));
	r->n_shared = o->n_shared;
	r->images = lo.workdir = imgdir_open(e);
	if (r->images < 0 || !parking ||
	    places_make(&r->places, o->id, o->mounts, o->like, e) < 0 ||
	    places_attach(&r->places, r->images, e) < 0 ||
	    freezer_open(&r->freezer, o->freezer_dir, false, e) < 0 ||
	    lazy_start(&r->lazy, &lo, e) < 0 || start_criu(r, o->netns, e) < 0 ||
	    end_waiting(r, e) < 0 || park_start(&r->park, parking, e) < 0) {
		revive_free(r);
		return -1;
	}
	*out = r;
	return 0;
}

size_t revive_nr_places(const struct revive *r)
{
	return r->places.n_memory;
}

const char *revive_place(const struct revive *r, size_t i)
{
	return i < r->places.n_memory ? r->places.path[r->places.memory[i]] : NULL;
}

int revive_images(const struct revive *r)
{
	return r->images;
}

/* Does anything come by the page handler? */
static bool has_lazy(const struct hidden_spaces *hidden)
{
	for (size_t i = 0; i < hidden->n; i++) {
		if (hidden->v[i].lazy.n)
			return true;
	}
	return false;
}

/* Their names in the images lead the preload library to the namespaces, which we hold until all is restored. */
static int link_idmaps(struct revive *r, struct err *e)
{
	own_free struct idmap *maps = NULL;
	size_t n;

	if (idmaps_load(r->images, &maps, &n, e) < 0)
		return -1;
	r->idmaps = xcalloc(n + 1, sizeof(*r->idmaps));
	for (size_t i = 0; i < n; i++) {
		own_free char *name = xasprintf(SHIM_IDMAP "%u", maps[i].mnt_id), *to = NULL;
		int ns = idmap_open(&maps[i], e);

		if (ns < 0)
			return -1;
		r->idmaps[r->n_idmaps++] = ns;
		to = xasprintf("/proc/%d/fd/%d", (int)getpid(), ns);
		if (symlinkat(to, r->images, name) < 0)
			return err_sys(e, "cannot make %s", name);
	}
	return 0;
}

/* Held: its sockets get what CRIU does not give them. */
static int settle_sockets(const struct revive *r, const struct procs *p, struct err *e)
{
	const uint64_t begun = clock_ns();
	own_sockopts struct sockopts saved = SOCKOPTS_INIT;
	own_strv struct strv lost = STRV_INIT;
	own_free char *data = NULL;
	size_t len;

	if (file_read(r->images, SOCKOPTS_IMAGE, TASKS_IMAGE_MAX, &data, &len, e) < 0 ||
	    sockopts_get(&saved, data, len, e) < 0 || sockopts_apply(&saved, p->v, p->n, &lost, e) < 0)
		return -1;
	for (size_t i = 0; i < lost.n; i++)
		log_warn("this kernel refuses for a socket: %s, which is lost", lost.item[i]);
	log_debug("%zu sockets settled in %.1f ms", saved.n, (double)(clock_ns() - begun) / 1e6);
	return 0;
}

/* Held: is every task what the source wrote down? */
static int settle_tasks(struct revive *r, struct err *e)
{
	const uint64_t begun = clock_ns();
	own_tasks struct tasks saved = TASKS_INIT, now = TASKS_INIT;
	own_procs struct procs p = PROCS_INIT;
	own_free char *data = NULL;
	size_t len;

	if (file_read(r->images, TASKS_IMAGE, TASKS_IMAGE_MAX, &data, &len, e) < 0 || tasks_get(&saved, data, len, e) < 0 ||
	    procs_init(&p, r->init, r->freezer.dir, e) < 0 || procs_refresh(&p, e) < 0 ||
	    tasks_read(&now, p.v, p.n, e) < 0 || tasks_settle(&saved, &now, tasks_give, e) < 0 ||
	    groups_join(r->images, p.v, p.n, e) < 0)
		return -1;
	log_debug("%zu tasks compared in %.1f ms", now.n, (double)(clock_ns() - begun) / 1e6);
	return settle_sockets(r, &p, e);
}

int revive_restore(struct revive *r, const struct hidden_spaces *hidden, pid_t *init,
		   struct err *e)
{
	own_free struct restore_fd *fds = xcalloc(r->n_shared + 1, sizeof(*fds));
	own_free struct shared_use *use = xcalloc(r->n_shared + 1, sizeof(*use));
	own_strv struct strv keys = STRV_INIT;
	struct restore_opts o = {
		.rootfs = r->rootfs,
		.images = r->images,
		.mounts = &r->mounts,
		.places = r->places.path,
		.lazy = has_lazy(hidden),
		.cgroups = r->cgroups,
		.hold = &r->freezer,
		.park = r->park,
		.fds = fds,
		.n_fds = r->n_shared,
		.enable_fs = r->enable_fs.n ? (const char *const *)r->enable_fs.item : NULL,
		.timeout_ms = RESTORE_MS,
	};

	if (revive_exes(r->images, e) < 0 || revive_labels(r->images, e) < 0 || link_idmaps(r, e) < 0 ||
	    places_points(&r->places, &r->mounts, e) < 0 ||
	    revive_pagemaps(r->images, hidden, r->store, r->lazy, e) < 0 ||
	    revive_memfds(r->images, r->store, r->shared, r->n_shared, use, e) < 0)
		return -1;
	for (size_t i = 0; i < r->n_shared; i++)
		strv_addf(&keys, SHIM_SHARED "%u", r->shared[i]);
	for (size_t i = 0; i < r->n_shared; i++)
		fds[i] = (struct restore_fd){ keys.item[i], store_shared_fd(r->store, r->shared[i]) };
	if (criu_restore(r->criu, &o, &r->init, e) < 0 ||
	    revive_mounts(r->images, r->init, r->freezer.dir, e) < 0 ||
	    revive_memfds_taken(r->store, r->shared, r->n_shared, use, e) < 0 ||
	    revive_sysv(r->init, r->store, r->shared, r->n_shared, e) < 0 || settle_tasks(r, e) < 0)
		return -1;
	r->lazy_used = o.lazy;
	if (!o.lazy) /* the source still waits to hear that all is here */
		lazy_unused(r->lazy);
	*init = r->init;
	return 0;
}

int revive_attach(struct revive *r, struct peer *source, struct err *e)
{
	return lazy_attach(r->lazy, source, e);
}

void revive_detach(struct revive *r)
{
	lazy_detach(r->lazy);
}

int revive_wait(struct revive *r, int timeout_ms, struct err *e)
{
	return r->lazy_used ? lazy_wait(r->lazy, timeout_ms, e) : 0;
}

struct lazy_stats revive_stats(struct revive *r)
{
	return lazy_stats(r->lazy);
}

void revive_keep(struct revive *r)
{
	r->keep = true;
	/* The container has what it needs of them. */
	places_remove(&r->places);
}

void revive_free(struct revive *r)
{
	if (!r)
		return;
	criu_free(r->criu);
	park_free(r->park);
	if (r->init > 0 && !r->keep) {
		kill(r->init, SIGKILL);
		freezer_thaw(&r->freezer, NULL);
		waitpid(r->init, NULL, 0);
	}
	lazy_free(r->lazy);
	freezer_close(&r->freezer);
	places_remove(&r->places);
	for (size_t i = 0; i < r->n_idmaps; i++)
		close_fd(&r->idmaps[i]);
	free(r->idmaps);
	ext_mounts_fini(&r->mounts);
	strv_fini(&r->enable_fs);
	close_fd(&r->images);
	free(r->shared);
	free(r->rootfs);
	free(r);
}

void revive_clean(const char *id)
{
	places_clean(id);
}
