// SPDX-License-Identifier: MIT
#include "engine/vz/identity.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/inside.h"

enum { KEYGEN_TIMEOUT_MS = 120000 };

/* systemd's, and the copy of it that dbus keeps where it does not link to it */
static bool renew_machine_id(int tree)
{
	own_fd int etc = path_open_in_root(tree, "etc", O_RDONLY | O_DIRECTORY, 0);
	own_fd int dbus = path_open_in_root(tree, "var/lib/dbus", O_RDONLY | O_DIRECTORY, 0);
	struct stat st;

	if (dbus >= 0 && fstatat(dbus, "machine-id", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		unlinkat(dbus, "machine-id", 0);
	/* "uninitialized" is a first boot, which others ask for on purpose */
	if (etc < 0 || fstatat(etc, "machine-id", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size < 32)
		return false;
	own_fd int file = openat(etc, "machine-id", O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);

	return file >= 0;
}

static bool has_host_keys(int tree)
{
	own_fd int fd = path_open_in_root(tree, "etc/ssh", O_RDONLY | O_DIRECTORY, 0);
	own_dir DIR *d = fd >= 0 ? fdopendir(take_fd(&fd)) : NULL;
	bool found = false;
	struct dirent *de;

	if (!d)
		return false;
	while ((de = readdir(d)))
		found = found || strncmp(de->d_name, "ssh_host_", 9) == 0;
	return found;
}

void vz_identity_renew(const char *tree, const char *id)
{
	static const char keygen[] = "command -v ssh-keygen >/dev/null || { echo 'it has no ssh-keygen' >&2; exit 1; }\n"
				     "rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub && ssh-keygen -A\n";
	own_fd int top = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err why = ERR_INIT;

	if (top < 0)
		return;
	if (renew_machine_id(top))
		log_info("the template has a machine-id: container %s gets one of its own", id);
	if (!has_host_keys(top))
		return;
	if (inside_shell(tree, keygen, NULL, KEYGEN_TIMEOUT_MS, NULL, &why) == 0)
		log_info("the template has ssh host keys: container %s got its own", id);
	else
		log_warn("the template has ssh host keys, and all containers made from it the same: %s", why.msg);
}
