// SPDX-License-Identifier: MIT
#include "criu/image/cores.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/own.h"
#include "criu/image/image.h"
#include "criu/image/imgdir.h"

static const size_t image_max = 64u << 20;

Img__Core *core_load(int images, uint32_t tid, struct err *e)
{
	own_free char *name = xasprintf("core-%u.img", tid), *data = NULL;
	struct image_reader ir;
	struct image_msg msg;
	Img__Core *core = NULL;
	size_t len;

	if (file_read(images, name, image_max, &data, &len, e) < 0 ||
	    image_begin(&ir, name, IMAGE_CORE, data, len, e) < 0)
		return NULL;
	if (image_next(&ir, &msg, NULL) > 0)
		core = img__core__unpack(NULL, msg.len, msg.data);
	if (!core)
		err_set(e, ERR_PROTO, "the image %s is broken", name);
	return core;
}

void core_free(Img__Core **core)
{
	if (*core)
		img__core__free_unpacked(*core, NULL);
	*core = NULL;
}

int core_store(int images, uint32_t tid, const Img__Core *core, struct err *e)
{
	own_free char *name = xasprintf("core-%u.img", tid);
	own_buf struct buf out = BUF_INIT;

	image_put_head(&out, IMAGE_CORE);
	image_put(&out, &core->base);
	return imgdir_put(images, name, out.data, out.len, e);
}
