// SPDX-License-Identifier: MIT
#include "host/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/path.h"

bool mount_is_point(const char *path)
{
	struct statx st;

	return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_TYPE, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

int mount_bind(const char *from, const char *at, struct err *e)
{
	if (path_mkdirs(at, 0755, e) < 0)
		return -1;
	if (mount(from, at, NULL, MS_BIND, NULL) < 0)
		return err_sys(e, "cannot mount %s on %s", from, at);
	if (mount(NULL, at, NULL, MS_PRIVATE, NULL) < 0) {
		err_sys(e, "cannot make the mount on %s private", at);
		umount2(at, MNT_DETACH);
		return -1;
	}
	return 0;
}

int mount_remove(const char *at, struct err *e)
{
	while (mount_is_point(at)) {
		if (umount2(at, 0) == 0)
			continue;
		if (errno != EBUSY || umount2(at, MNT_DETACH) < 0)
			return err_sys(e, "cannot unmount %s", at);
	}
	return 0;
}
