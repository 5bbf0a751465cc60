// SPDX-License-Identifier: MIT
/* engine/vz/lock.c - LOCKDIR/ID.lck: one worker at a time for each container. */
#include "base/own.h"
#include "engine/lockfile.h"
#include "engine/vz/vz.h"

static char *lock_file(const char *id, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	own_free char *dir = NULL;

	if (vz_open_new(&v, id, e) < 0)
		return NULL;
	dir = vz_value(&v, "LOCKDIR", "/vz/lock");
	return xasprintf("%s/%s.lck", dir, id);
}

int vz_lock(const char *id, const char *why, const char *ticket, int *lock_fd, struct err *e)
{
	own_free char *file = lock_file(id, e), *what = xasprintf("container %s", id);

	return file ? lockfile_take(file, what, why, ticket, lock_fd, e) : -1;
}

void vz_unlock(const char *id, int *lock_fd)
{
	own_free char *what = xasprintf("container %s", id);

	lockfile_release(what, lock_fd);
}

char *vz_ticket(const char *id)
{
	own_free char *file = lock_file(id, NULL);

	return file ? lockfile_ticket(file) : NULL;
}

char *vz_locked_by(const char *id)
{
	own_free char *file = lock_file(id, NULL);

	return file ? lockfile_holder(file) : NULL;
}
