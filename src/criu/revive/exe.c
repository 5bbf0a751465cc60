// SPDX-License-Identifier: MIT
/*
 * CRIU 4.2 gives a process's program (/proc/PID/exe) the number of any descriptor on the
 * same file.  When that one was opened with O_PATH, as systemd >= 255 holds its executor, the
 * restore refuses it ("PR_SET_MM_MAP failed"; seen with "(sd-pam)").  Such a program gets an
 * entry of its own here, with plain flags.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "criu/image/image.h"
#include "criu/image/imgdir.h"
#include "criu/image/mm.h"
#include "criu/revive/img.h"

enum { TYPE_REG = 1, PATH_FLAG = 010000000 /* O_PATH, x86 and arm */ };

static const size_t image_max = 256u << 20;

/* A file entry opened by O_PATH, and the number of its plain twin once there is one. */
struct path_file {
	uint32_t id, twin;
	struct image_msg msg;
};

struct path_files {
	struct path_file *v;
	size_t n;
	uint32_t max_id;
};

static int collect(struct path_files *p, const char *data, size_t len, struct err *e)
{
	struct image_reader ir;
	struct image_msg msg;
	int ret;

	if (image_begin(&ir, "files", IMAGE_FILES, data, len, e) < 0)
		return -1;
	while ((ret = image_next(&ir, &msg, e)) > 0) {
		Img__File *f = img__file__unpack(NULL, msg.len, msg.data);

		if (!f)
			return err_set(e, ERR_PROTO, "the image files is broken");
		if (f->id > p->max_id)
			p->max_id = f->id;
		if (f->type == TYPE_REG && f->reg && (f->reg->flags & PATH_FLAG)) {
			p->v = xrealloc(p->v, (p->n + 1) * sizeof(*p->v));
			p->v[p->n++] = (struct path_file){ .id = f->id, .msg = msg };
		}
		img__file__free_unpacked(f, NULL);
	}
	return ret;
}

/* The twin's number; its entry is added to `more`. */
static uint32_t twin_of(struct path_files *p, struct path_file *pf, struct buf *more)
{
	Img__File *f;

	if (pf->twin)
		return pf->twin;
	pf->twin = ++p->max_id;
	f = img__file__unpack(NULL, pf->msg.len, pf->msg.data);
	if (!f || !f->reg)
		abort(); /* it was read before */
	f->id = f->reg->id = pf->twin;
	f->reg->flags = 0;
	image_put(more, &f->base);
	img__file__free_unpacked(f, NULL);
	return pf->twin;
}

static int mend_mm(int images, const char *name, struct path_files *p, struct buf *more,
		   struct err *e)
{
	Img__Mm *mm;
	int ret = 0;

	if (mm_read(images, name, &mm, e) < 0)
		return -1;
	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].id != mm->exe_file_id)
			continue;
		mm->exe_file_id = twin_of(p, &p->v[i], more);
		ret = mm_write(images, name, mm, e);
		break;
	}
	img__mm__free_unpacked(mm, NULL);
	return ret;
}

static bool is_mm(const char *name)
{
	return strncmp(name, "mm-", 3) == 0;
}

int revive_exes(int images, struct err *e)
{
	own_free char *data = NULL;
	own_buf struct buf out = BUF_INIT;
	struct path_files p = { .v = NULL };
	char **names = NULL;
	size_t len, n = 0;
	int ret;

	if (file_read(images, "files.img", image_max, &data, &len, e) < 0)
		return -1;
	ret = collect(&p, data, len, e);
	buf_put(&out, data, len);
	len = out.len;
	if (ret == 0 && p.n)
		ret = imgdir_list(images, &names, &n, e);
	for (size_t i = 0; i < n; i++) {
		if (ret == 0 && is_mm(names[i]))
			ret = mend_mm(images, names[i], &p, &out, e);
		free(names[i]);
	}
	free(names);
	free(p.v);
	if (ret == 0 && out.len != len)
		ret = imgdir_put(images, "files.img", out.data, out.len, e);
	return ret;
}
