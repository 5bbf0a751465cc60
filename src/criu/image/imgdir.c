// SPDX-License-Identifier: MIT
#include "criu/image/imgdir.h"

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

struct sending {
	struct buf frame; /* pieces that wait for more */
	imgdir_send_fn *send;
	void *arg;
};

static int flush(struct sending *s, struct err *e)
{
	if (s->frame.len && s->send(s->arg, s->frame.data, s->frame.len, e) < 0)
		return -1;
	buf_clear(&s->frame);
	return 0;
}

/* In pieces; a container of many processes has thousands of small images. */
static int send_one(int dir, const char *name, struct sending *s, struct err *e)
{
	own_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t offset = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "cannot read the image %s", name);
	if (!S_ISREG(st.st_mode))
		return 0;
	do { /* an empty file is one empty piece */
		size_t left = (size_t)st.st_size - offset, len = left < PIECE ? left : PIECE, at;
		ssize_t n;

		if (s->frame.len + len > PIECE && flush(s, e) < 0)
			return -1;
		buf_put_str(&s->frame, name);
		buf_put_u64(&s->frame, offset);
		at = s->frame.len;
		buf_put_u32(&s->frame, 0);
		n = len ? read(fd, buf_reserve(&s->frame, len), len) : 0;
		if (n < 0 || (n == 0 && len))
			return err_sys(e, "cannot read the image %s", name);
		s->frame.len += (size_t)n;
		put_be32(s->frame.data + at, (uint32_t)n);
		offset += (uint64_t)n;
	} while (offset < (uint64_t)st.st_size);
	return 0;
}

int imgdir_send(int dir, imgdir_send_fn *send, void *arg, struct err *e)
{
	struct sending s = { .frame = BUF_INIT, .send = send, .arg = arg };
	char **names = NULL;
	size_t n = 0;
	int ret = imgdir_list(dir, &names, &n, e);

	for (size_t i = 0; i < n; i++) {
		if (ret == 0 && is_image(names[i]))
			ret = send_one(dir, names[i], &s, e);
		free(names[i]);
	}
	free(names);
	if (ret == 0)
		ret = flush(&s, e) < 0 || send(arg, NULL, 0, e) < 0 ? -1 : 0;
	buf_fini(&s.frame);
	return ret;
}

static int apply_one(int dir, struct reader *r, uint64_t *budget, struct err *e)
{
	own_free char *name = get_str(r, NAME_MAX_BYTES);
	uint64_t offset = get_u64(r);
	own_fd int fd = -1;
	size_t n;
	const uint8_t *data = get_bytes(r, PIECE, &n);

	if (r->bad || !is_image(name) || strchr(name, '/') || name[0] == '.' ||
	    offset > (uint64_t)INT64_MAX / 2)
		return err_set(e, ERR_PROTO, "a piece of the images cannot be understood");
	if (n + NAME_MAX_BYTES > *budget)
		return err_set(e, ERR_PROTO, "the images are larger than the container's memory");
	*budget -= n + NAME_MAX_BYTES; /* so that empty files cost, too */
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || (n && lseek(fd, (off_t)offset, SEEK_SET) < 0) || write_all(fd, data, n) < 0)
		return err_sys(e, "cannot write the image %s", name);
	return 0;
}

int imgdir_apply(int dir, const void *pieces, size_t len, uint64_t *budget, struct err *e)
{
	struct reader r = reader_of(pieces, len);

	if (len == 0)
		return 1;
	while (!reader_done(&r)) {
		if (apply_one(dir, &r, budget, e) < 0)
			return -1;
	}
	return 0;
}
