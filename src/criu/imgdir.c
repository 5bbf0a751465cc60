// SPDX-License-Identifier: MIT
#include "criu/imgdir.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/own.h"
#include "wire/proto.h"

enum {
	NAME_MAX_BYTES = 128,
	PIECE = PROTO_MAX_FRAME - 4096,
};

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

static int send_one(int dir, const char *name, struct buf *piece, imgdir_send_fn *send,
		    void *arg, struct err *e)
{
	own_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t offset = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "cannot read the image %s", name);
	if (!S_ISREG(st.st_mode))
		return 0;
	do { /* an empty file is one empty piece */
		ssize_t n;

		buf_clear(piece);
		buf_put_str(piece, name);
		buf_put_u64(piece, offset);
		n = read(fd, buf_reserve(piece, PIECE), PIECE);
		if (n < 0)
			return err_sys(e, "cannot read the image %s", name);
		piece->len += (size_t)n;
		offset += (uint64_t)n;
		if ((n || offset == 0) && send(arg, piece->data, piece->len, e) < 0)
			return -1;
		if (n == 0)
			break;
	} while (offset < (uint64_t)st.st_size);
	return 0;
}

int imgdir_send(int dir, imgdir_send_fn *send, void *arg, struct err *e)
{
	own_buf struct buf piece = BUF_INIT;
	char **names = NULL;
	size_t n = 0;
	int ret = imgdir_list(dir, &names, &n, e);

	for (size_t i = 0; i < n; i++) {
		if (ret == 0 && is_image(names[i]))
			ret = send_one(dir, names[i], &piece, send, arg, e);
		free(names[i]);
	}
	free(names);
	return ret < 0 ? -1 : send(arg, NULL, 0, e);
}

int imgdir_apply(int dir, const void *piece, size_t len, uint64_t *budget, struct err *e)
{
	struct reader r = reader_of(piece, len);
	own_free char *name = NULL;
	own_fd int fd = -1;
	uint64_t offset;
	size_t n;

	if (len == 0)
		return 1;
	name = get_str(&r, NAME_MAX_BYTES);
	offset = get_u64(&r);
	n = (size_t)(r.end - r.at);
	if (r.bad || !is_image(name) || strchr(name, '/') || name[0] == '.' ||
	    offset > (uint64_t)INT64_MAX / 2)
		return err_set(e, ERR_PROTO, "a piece of the images cannot be understood");
	if (n + NAME_MAX_BYTES > *budget)
		return err_set(e, ERR_PROTO, "the images are larger than the container's memory");
	*budget -= n + NAME_MAX_BYTES; /* so that empty files cost, too */
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || lseek(fd, (off_t)offset, SEEK_SET) < 0 || write_all(fd, r.at, n) < 0)
		return err_sys(e, "cannot write the image %s", name);
	return 0;
}
