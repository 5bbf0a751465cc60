// SPDX-License-Identifier: MIT
#include "criu/imgdir.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "wire/proto.h"

enum {
	NAME_MAX_BYTES = 128,
	FILES_MAX = 65536,
};

/* More than the images of a large container without its memory. */
static const size_t file_max = 1u << 30;

/* A file system context for a tmpfs that only root enters. */
static int tmpfs_context(bool noswap)
{
	own_fd int fs = (int)syscall(SYS_fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */);

	if (fs < 0)
		return -1;
	if (syscall(SYS_fsconfig, fs, 1 /* SET_STRING */, "mode", "0700", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, 1, "size", "0", 0) < 0)
		return -1;
	if (noswap && syscall(SYS_fsconfig, fs, 0 /* SET_FLAG */, "noswap", NULL, 0) < 0)
		return -1;
	if (syscall(SYS_fsconfig, fs, 6 /* CMD_CREATE */, NULL, NULL, 0) < 0)
		return -1;
	return take_fd(&fs);
}

int imgdir_open(struct err *e)
{
	own_fd int fs = tmpfs_context(true);
	int dir;

	if (fs < 0)
		fs = tmpfs_context(false);
	if (fs < 0)
		return err_sys(e, "cannot make a directory in memory");
	dir = (int)syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */,
			   MS_NOSUID | MS_NODEV | MS_NOEXEC);
	if (dir < 0)
		return err_sys(e, "cannot make a directory in memory");
	return dir;
}

int imgdir_put(int dir, const char *name, const void *data, size_t len, struct err *e)
{
	own_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			       0600);

	if (fd < 0 || write_all(fd, data, len) < 0)
		return err_sys(e, "cannot write the image %s", name);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int imgdir_list(int dir, char ***out, size_t *n, struct err *e)
{
	own_dir DIR *d = NULL;
	struct dirent *entry;
	char **names = NULL;
	size_t have = 0;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return err_sys(e, "cannot list the images");
	}
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		names = xrealloc(names, (have + 1) * sizeof(*names));
		names[have++] = xstrdup(entry->d_name);
	}
	if (have)
		qsort(names, have, sizeof(*names), by_name);
	*out = names;
	*n = have;
	return 0;
}

static bool is_image(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".img") == 0;
}

static int pack_one(int dir, const char *name, struct buf *out, struct err *e)
{
	own_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	size_t len;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "cannot read the image %s", name);
	if (!S_ISREG(st.st_mode))
		return 0;
	if ((size_t)st.st_size > file_max)
		return err_set(e, ERR_UNSUPPORTED, "the image %s is too large (%lld bytes)",
			       name, (long long)st.st_size);
	len = (size_t)st.st_size;
	buf_put_str(out, name);
	buf_put_u32(out, (uint32_t)len);
	if (read_all(fd, buf_reserve(out, len), len) < 0)
		return err_sys(e, "cannot read the image %s", name);
	out->len += len;
	return 0;
}

int imgdir_pack(int dir, struct buf *out, struct err *e)
{
	char **names = NULL;
	size_t n = 0;
	int ret = imgdir_list(dir, &names, &n, e);

	for (size_t i = 0; i < n; i++) {
		if (ret == 0 && is_image(names[i]))
			ret = pack_one(dir, names[i], out, e);
		free(names[i]);
	}
	free(names);
	return ret;
}

int imgdir_unpack(int dir, const void *data, size_t len, struct err *e)
{
	struct reader r = reader_of(data, len);

	for (int i = 0; r.at < r.end; i++) {
		own_free char *name = get_str(&r, NAME_MAX_BYTES);
		size_t n = 0;
		const uint8_t *bytes = get_bytes(&r, file_max, &n);

		if (r.bad || i >= FILES_MAX || !is_image(name) || strchr(name, '/') ||
		    name[0] == '.')
			return err_set(e, ERR_PROTO, "the images cannot be understood");
		if (imgdir_put(dir, name, bytes, n, e) < 0)
			return -1;
	}
	return 0;
}
