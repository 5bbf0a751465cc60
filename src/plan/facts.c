// SPDX-License-Identifier: MIT
#include "plan/facts.h"

#include <string.h>

#include "base/own.h"
#include "plan/codec.h"
#include "wire/proto.h"

void facts_init(struct facts *f)
{
	*f = (struct facts){ .hostname = NULL };
}

void facts_fini(struct facts *f)
{
	free(f->hostname);
	free(f->machine);
	free(f->arch);
	free(f->kernel);
	strv_fini(&f->engines);
	strv_fini(&f->technologies);
	strv_fini(&f->cpu_flags);
	strv_fini(&f->filesystems);
	strv_fini(&f->modules);
	strv_fini(&f->interfaces);
	strv_fini(&f->templates);
	strv_fini(&f->addresses_used);
	free(f->criu_problem);
	free(f->licence_text);
	free(f->private_area);
	free(f->root);
	free(f->home_problem);
	free(f->name_problem);
	for (uint32_t i = 0; i < f->n_lacks; i++) {
		free(f->lack[i].text);
		free(f->lack[i].hint);
	}
	free(f->lack);
	facts_init(f);
}

void facts_add_lack(struct facts *f, const struct err *why)
{
	if (f->n_lacks == FACTS_LACKS_MAX)
		return;
	f->lack = xrealloc(f->lack, (f->n_lacks + 1) * sizeof(*f->lack));
	f->lack[f->n_lacks++] = (struct lack){
		.code = why->code,
		.text = xstrdup(why->msg),
		.hint = *why->hint ? xstrdup(why->hint) : NULL,
	};
}

/* ERR_NONE is 0 on the wire, the others as in ABORT. */
static void put_code(struct buf *b, enum err_code code)
{
	buf_put_u16(b, code == ERR_NONE ? 0 : proto_code_of(code));
}

static enum err_code get_code(struct reader *r)
{
	uint16_t code = get_u16(r);

	return code ? proto_code_to_err(code) : ERR_NONE;
}

static void put_lacks(struct buf *b, const struct facts *f)
{
	buf_put_u32(b, f->n_lacks);
	for (uint32_t i = 0; i < f->n_lacks; i++) {
		put_code(b, f->lack[i].code);
		codec_put_text(b, f->lack[i].text);
		codec_put_text(b, f->lack[i].hint);
	}
}

static void get_lacks(struct reader *r, struct facts *f)
{
	uint32_t n = get_u32(r);

	if (n > FACTS_LACKS_MAX)
		r->bad = true;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		struct lack l = { .code = get_code(r) };

		l.text = codec_get_text(r);
		l.hint = codec_get_text(r);
		f->lack = xrealloc(f->lack, (i + 1) * sizeof(*f->lack));
		f->lack[f->n_lacks++] = l;
		if (l.code == ERR_NONE || !l.text)
			r->bad = true;
	}
}

static unsigned get_enum(struct reader *r, unsigned max)
{
	unsigned v = get_u8(r);

	if (v > max)
		r->bad = true;
	return r->bad ? 0 : v;
}

void facts_put(struct buf *b, const struct facts *f)
{
	codec_put_text(b, f->hostname);
	codec_put_text(b, f->machine);
	codec_put_text(b, f->arch);
	codec_put_text(b, f->kernel);
	buf_put_u8(b, (uint8_t)f->cgroup);
	codec_put_list(b, &f->engines);
	codec_put_list(b, &f->technologies);
	codec_put_list(b, &f->cpu_flags);
	codec_put_list(b, &f->filesystems);
	codec_put_list(b, &f->modules);
	codec_put_list(b, &f->interfaces);
	codec_put_list(b, &f->templates);
	codec_put_list(b, &f->addresses_used);
	buf_put_u64(b, f->memory);
	buf_put_u64(b, f->memory_free);
	buf_put_u32(b, f->cpus);
	buf_put_u32(b, f->criu_version);
	codec_put_text(b, f->criu_problem);
	codec_put_bool(b, f->traffic_shaping);
	buf_put_u32(b, f->rate_classes);
	buf_put_u8(b, (uint8_t)f->licence);
	codec_put_text(b, f->licence_text);
	buf_put_u64(b, f->licence_max);
	buf_put_u64(b, f->running);
	codec_put_text(b, f->private_area);
	codec_put_text(b, f->root);
	buf_put_u64(b, f->disk_free);
	buf_put_u64(b, f->inodes_free);
	buf_put_u64(b, f->kept_bytes);
	put_code(b, f->home_code);
	codec_put_text(b, f->home_problem);
	put_code(b, f->name_code);
	codec_put_text(b, f->name_problem);
	put_lacks(b, f);
}

int facts_get(struct reader *r, struct facts *f, struct err *e)
{
	facts_init(f);
	f->hostname = codec_get_text(r);
	f->machine = codec_get_text(r);
	f->arch = codec_get_text(r);
	f->kernel = codec_get_text(r);
	f->cgroup = (enum cgroup_mode)get_enum(r, CGROUP_V2);
	codec_get_list(r, &f->engines);
	codec_get_list(r, &f->technologies);
	codec_get_list(r, &f->cpu_flags);
	codec_get_list(r, &f->filesystems);
	codec_get_list(r, &f->modules);
	codec_get_list(r, &f->interfaces);
	codec_get_list(r, &f->templates);
	codec_get_list(r, &f->addresses_used);
	f->memory = get_u64(r);
	f->memory_free = get_u64(r);
	f->cpus = get_u32(r);
	f->criu_version = get_u32(r);
	f->criu_problem = codec_get_text(r);
	f->traffic_shaping = codec_get_bool(r);
	f->rate_classes = get_u32(r);
	f->licence = (enum licence_state)get_enum(r, LICENCE_BROKEN);
	f->licence_text = codec_get_text(r);
	f->licence_max = get_u64(r);
	f->running = get_u64(r);
	f->private_area = codec_get_text(r);
	f->root = codec_get_text(r);
	f->disk_free = get_u64(r);
	f->inodes_free = get_u64(r);
	f->kept_bytes = get_u64(r);
	f->home_code = get_code(r);
	f->home_problem = codec_get_text(r);
	f->name_code = get_code(r);
	f->name_problem = codec_get_text(r);
	get_lacks(r, f);
	if (r->bad || !f->hostname || !f->machine || !f->arch || !f->kernel) {
		facts_fini(f);
		return err_set(e, ERR_PROTO, "what the server offers arrived garbled");
	}
	return 0;
}

const char *cgroup_mode_word(enum cgroup_mode m)
{
	static const char *const words[] = { "none", "v1", "hybrid", "v2" };

	return (unsigned)m < array_len(words) ? words[m] : "unknown";
}
