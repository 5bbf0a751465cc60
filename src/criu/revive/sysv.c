// SPDX-License-Identifier: MIT
/*
 * System V shared memory at the destination.  CRIU makes the segments, with their ids, in the container's
 * new IPC namespace; no descriptor can be given to it for them, and it found them empty at the source.  They
 * are filled from the store when all is restored and frozen: a copy within memory.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "criu/revive/img.h"
#include "mem/track/shm.h"

struct filling {
	int ipcns;
	struct store *store;
	const uint32_t *shared;
	size_t n;
	int ret;
	struct err err;
};

static int fill_one(struct store *store, const struct memobj *o, struct err *e)
{
	struct shmid_ds ds;
	void *at;
	int ret;

	if (shmctl((int)o->id, IPC_STAT, &ds) < 0 || ds.shm_segsz != o->size)
		return err_set(e, ERR_CHILD, "CRIU did not make the shared memory segment %d", (int)o->id);
	at = shmat((int)o->id, NULL, 0);
	if (at == (void *)-1)
		return err_sys(e, "cannot attach the shared memory segment %d", (int)o->id);
	ret = shm_fill(at, store, o, e);
	shmdt(at);
	return ret;
}

/* In a thread of its own, which enters the namespace and ends there. */
static void *fill_main(void *arg)
{
	struct filling *f = arg;
	struct memobj o;

	f->ret = setns(f->ipcns, CLONE_NEWIPC) < 0 ?
			 err_sys(&f->err, "cannot enter the container's IPC namespace") : 0;
	for (size_t i = 0; i < f->n && f->ret == 0; i++) {
		if (store_get(f->store, f->shared[i], &o) && shm_is_sysv(o.name))
			f->ret = fill_one(f->store, &o, &f->err);
	}
	return NULL;
}

static bool has_some(struct store *store, const uint32_t *shared, size_t n)
{
	struct memobj o;

	for (size_t i = 0; i < n; i++) {
		if (store_get(store, shared[i], &o) && shm_is_sysv(o.name))
			return true;
	}
	return false;
}

int revive_sysv(pid_t init, struct store *store, const uint32_t *shared, size_t n, struct err *e)
{
	own_free char *path = xasprintf("/proc/%d/ns/ipc", (int)init);
	own_fd int ipcns = -1;
	struct filling f = { .store = store, .shared = shared, .n = n, .err = ERR_INIT };
	uint64_t begun = clock_ns();
	pthread_t thread;

	if (!has_some(store, shared, n))
		return 0;
	f.ipcns = ipcns = open(path, O_RDONLY | O_CLOEXEC);
	if (ipcns < 0)
		return err_sys(e, "cannot open %s", path);
	if (pthread_create(&thread, NULL, fill_main, &f) != 0)
		return err_set(e, ERR_SYS, "cannot start a thread");
	pthread_join(thread, NULL);
	log_debug("System V shared memory filled in %.1f ms", (double)(clock_ns() - begun) / 1e6);
	if (f.ret < 0)
		*e = f.err;
	return f.ret;
}
