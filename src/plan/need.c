// SPDX-License-Identifier: MIT
#include "plan/need.h"

#include "base/own.h"
#include "plan/codec.h"

void need_init(struct need *n)
{
	*n = (struct need){ .engine = NULL };
}

void need_fini(struct need *n)
{
	free(n->engine);
	free(n->id);
	free(n->name);
	free(n->arch);
	free(n->kernel);
	free(n->ostemplate);
	strv_fini(&n->templates);
	strv_fini(&n->technologies);
	strv_fini(&n->rate);
	strv_fini(&n->addresses);
	strv_fini(&n->bind_mounts);
	strv_fini(&n->left_out);
	strv_fini(&n->filesystems);
	strv_fini(&n->modules);
	strv_fini(&n->cpu_flags);
	strv_fini(&n->programs);
	need_init(n);
}

void need_put(struct buf *b, const struct need *n)
{
	codec_put_text(b, n->engine);
	codec_put_text(b, n->id);
	codec_put_text(b, n->name);
	codec_put_text(b, n->arch);
	codec_put_text(b, n->kernel);
	codec_put_bool(b, n->running);
	codec_put_bool(b, n->start);
	codec_put_bool(b, n->online);
	codec_put_bool(b, n->mount_script);
	codec_put_bool(b, n->systemd);
	buf_put_u64(b, n->bytes);
	buf_put_u64(b, n->inodes);
	buf_put_u64(b, n->memory_limit);
	buf_put_u64(b, n->memory_used);
	buf_put_u32(b, n->cpus);
	codec_put_text(b, n->ostemplate);
	codec_put_list(b, &n->templates);
	codec_put_list(b, &n->technologies);
	codec_put_list(b, &n->rate);
	codec_put_list(b, &n->addresses);
	codec_put_list(b, &n->bind_mounts);
	codec_put_list(b, &n->filesystems);
	codec_put_list(b, &n->modules);
	codec_put_list(b, &n->cpu_flags);
	codec_put_list(b, &n->programs);
}

int need_get(struct reader *r, struct need *n, struct err *e)
{
	need_init(n);
	n->engine = codec_get_text(r);
	n->id = codec_get_text(r);
	n->name = codec_get_text(r);
	n->arch = codec_get_text(r);
	n->kernel = codec_get_text(r);
	n->running = codec_get_bool(r);
	n->start = codec_get_bool(r);
	n->online = codec_get_bool(r);
	n->mount_script = codec_get_bool(r);
	n->systemd = codec_get_bool(r);
	n->bytes = get_u64(r);
	n->inodes = get_u64(r);
	n->memory_limit = get_u64(r);
	n->memory_used = get_u64(r);
	n->cpus = get_u32(r);
	n->ostemplate = codec_get_text(r);
	codec_get_list(r, &n->templates);
	codec_get_list(r, &n->technologies);
	codec_get_list(r, &n->rate);
	codec_get_list(r, &n->addresses);
	codec_get_list(r, &n->bind_mounts);
	codec_get_list(r, &n->filesystems);
	codec_get_list(r, &n->modules);
	codec_get_list(r, &n->cpu_flags);
	codec_get_list(r, &n->programs);
	if (r->bad || !n->engine || !n->id || !n->arch || !n->kernel) {
		need_fini(n);
		return err_set(e, ERR_PROTO, "what the container needs arrived garbled");
	}
	return 0;
}
