// SPDX-License-Identifier: MIT
/*
 * Regular files at the destination.  A device, fifo or symlink under the name
 * of a file is never opened for writing, however it came there.
 */
#include "tree/recv/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "tree/area.h"

enum { NEW_FILE = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC };

/* A new file in place of whatever has its name. */
static int open_new(struct writer *w, const char *name, mode_t mode, struct err *e)
{
	int fd = open(name, NEW_FILE, mode);

	if (fd < 0 && (errno == EPERM || errno == EACCES) && meta_unprotect(AT_FD(w->dir)))
		fd = open(name, NEW_FILE, mode);
	if (fd < 0 && errno == EEXIST) {
		if (area_remove(w->dir, name, e) < 0)
			return -1;
		fd = open(name, NEW_FILE, mode);
	}
	return fd >= 0 ? fd : err_sys(e, "cannot make file %s", name);
}

int recv_file(struct dest_pass *p, struct writer *w, const struct rec *rec, struct err *e)
{
	own_fd int fd = open_new(w, rec->name, rec->meta.mode & 0777, e);

	if (fd < 0)
		return -1;
	if (rec->data_len && write_all(fd, rec->data, rec->data_len) < 0)
		return err_sys(e, "cannot write %s", rec->name);
	p->files++;
	p->bytes += rec->data_len;
	if (meta_set(AT_FD(fd), &rec->meta, w->plain && p->d->plain_ids, e) < 0)
		return err_wrap(e, "%s", rec->name);
	return 0;
}

/* An existing regular file for writing. */
static int open_old(struct writer *w, const char *name, struct err *e)
{
	own_fd int found = open(name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char proc[64];
	struct stat st;
	int fd;

	if (found < 0 || fstat(found, &st) < 0)
		return err_sys(e, "cannot open %s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_PROTO, "contents arrived for %s, which is no file", name);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", found);
	fd = open(proc, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == EPERM && meta_unprotect(AT_NAME(name)))
		fd = open(proc, O_WRONLY | O_CLOEXEC);
	(void)w;
	return fd >= 0 ? fd : err_sys(e, "cannot open %s for writing", name);
}

/* The large file that the writer works on; it stays open for the next record. */
static int open_large(struct writer *w, const char *name, struct err *e)
{
	if (w->file >= 0 && !strcmp(w->name, name))
		return 0;
	close_fd(&w->file);
	w->file = open(name, NEW_FILE, 0600);
	if (w->file < 0 && errno == EEXIST)
		w->file = open_old(w, name, e);
	else if (w->file < 0 && errno == EPERM && meta_unprotect(AT_FD(w->dir)))
		w->file = open_new(w, name, 0600, e);
	else if (w->file < 0)
		return err_sys(e, "cannot make file %s", name);
	if (w->file < 0)
		return -1;
	strcpy(w->name, name);
	return 0;
}

static int write_at(struct writer *w, const uint8_t *data, size_t len, uint64_t at,
		    struct err *e)
{
	while (len) {
		ssize_t n = pwrite(w->file, data, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "cannot write %s", w->name);
		data += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int recv_chunk(struct dest_pass *p, struct writer *w, const struct rec *rec, struct err *e)
{
	struct stat st;

	if (open_large(w, rec->name, e) < 0)
		return -1;
	p->bytes += rec->data_len;
	if (write_at(w, rec->data, rec->data_len, rec->offset, e) < 0)
		return -1;
	if (rec->offset + rec->data_len > KNOWN_FROM && fstat(w->file, &st) == 0)
		known_data(p->d->known, st.st_ino, p->to_empty, rec->data, rec->data_len,
			   rec->offset);
	return 0;
}

/* Zeros the hard way. */
static int write_zeros(struct writer *w, uint64_t at, uint64_t len, struct err *e)
{
	static const uint8_t zeros[64 << 10];

	while (len) {
		size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		if (write_at(w, zeros, n, at, e) < 0)
			return -1;
		at += n;
		len -= n;
	}
	return 0;
}

/* A hole beyond the end needs nothing: the file's final size makes it. */
static int punch(struct writer *w, uint64_t at, uint64_t len, struct err *e)
{
	struct stat st;

	if (fstat(w->file, &st) < 0)
		return err_sys(e, "cannot stat %s", w->name);
	if (at >= (uint64_t)st.st_size)
		return 0;
	if (len > (uint64_t)st.st_size - at)
		len = (uint64_t)st.st_size - at;
	if (fallocate(w->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
		      (off_t)len) == 0)
		return 0;
	return write_zeros(w, at, len, e);
}

static int make_zeros(struct dest_pass *p, struct writer *w, const struct rec *rec, struct err *e)
{
	/* In a new file what was not written reads as zeros already. */
	int mode = p->to_empty ? 0 : FALLOC_FL_ZERO_RANGE;

	if (rec->kind == REC_HOLE)
		return punch(w, rec->offset, rec->len, e);
	if (fallocate(w->file, mode, (off_t)rec->offset, (off_t)rec->len) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return err_sys(e, "cannot write %s", rec->name);
	return write_zeros(w, rec->offset, rec->len, e);
}

int recv_zeros(struct dest_pass *p, struct writer *w, const struct rec *rec, struct err *e)
{
	struct stat st;

	if (open_large(w, rec->name, e) < 0)
		return -1;
	if (!rec->len)
		return 0;
	if (make_zeros(p, w, rec, e) < 0)
		return -1;
	if (rec->offset + rec->len > KNOWN_FROM && fstat(w->file, &st) == 0)
		known_zeros(p->d->known, st.st_ino, p->to_empty, rec->kind == REC_HOLE, rec->len,
			    rec->offset);
	return 0;
}

int recv_final(struct dest_pass *p, struct writer *w, const struct rec *rec, struct err *e)
{
	struct stat st;

	if (open_large(w, rec->name, e) < 0)
		return -1;
	if (fstat(w->file, &st) < 0 ||
	    ((uint64_t)st.st_size != rec->len && ftruncate(w->file, (off_t)rec->len) < 0))
		return err_sys(e, "cannot set the size of %s", rec->name);
	p->files++;
	if (meta_set(AT_FD(w->file), &rec->meta, false, e) < 0)
		return err_wrap(e, "%s", rec->name);
	if (rec->len > KNOWN_FROM && fstat(w->file, &st) == 0)
		known_seal(p->d->known, &st);
	close_fd(&w->file);
	return 0;
}

int recv_flags(struct dest_pass *p, struct writer *w, const struct rec *rec, struct err *e)
{
	struct stat st;

	(void)p;
	if (*rec->name && rec->flags & TREE_NOCOW &&
	    (lstat(rec->name, &st) < 0 || !S_ISREG(st.st_mode))) {
		own_fd int fd = open_new(w, rec->name, 0600, e);

		return fd < 0 ? -1 : meta_set_flags(AT_FD(fd), rec->flags, e);
	}
	return meta_set_flags(*rec->name ? AT_NAME(rec->name) : AT_FD(w->dir), rec->flags, e);
}
