// SPDX-License-Identifier: MIT
#include "engine/engine.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/path.h"
#include "engine/conf.h"
#include "engine/libvirt/libvirt.h"
#include "engine/vz/vz.h"

const struct engine_ops *const engines[] = { &vz_engine, NULL };

enum {
	DESC_MAX_SCRIPTS = 16,
	DESC_MAX_SCRIPT_BYTES = 1 << 20,
	DESC_MAX_ADDRESSES = 4096,
	DESC_MAX_WORD = 255,
	DESC_MAX_PATH = 4095,
};

const char *ct_state_word(enum ct_state s)
{
	static const char *const words[] = { "stopped", "mounted", "running", "frozen", "held" };

	return (size_t)s < array_len(words) ? words[s] : "unknown";
}

void ct_fini(struct ct *ct)
{
	free(ct->engine);
	free(ct->id);
	free(ct->name);
	free(ct->private_area);
	free(ct->root);
	*ct = (struct ct)CT_INIT;
}

void ct_desc_fini(struct ct_desc *d)
{
	free(d->engine);
	free(d->id);
	free(d->name);
	free(d->private_area);
	free(d->root);
	free(d->config);
	for (size_t i = 0; i < d->n_scripts; i++) {
		free(d->script[i].name);
		free(d->script[i].text);
	}
	free(d->script);
	strv_fini(&d->addresses);
	memset(d, 0, sizeof(*d));
}

static void put_optional(struct buf *b, const char *s)
{
	buf_put_u8(b, s != NULL);
	if (s)
		buf_put_str(b, s);
}

void ct_desc_put(struct buf *b, const struct ct_desc *d)
{
	buf_put_str(b, d->engine);
	buf_put_str(b, d->id);
	put_optional(b, d->name);
	put_optional(b, d->private_area);
	put_optional(b, d->root);
	buf_put_str(b, d->config);
	buf_put_u32(b, (uint32_t)d->n_scripts);
	for (size_t i = 0; i < d->n_scripts; i++) {
		buf_put_str(b, d->script[i].name);
		buf_put_u32(b, d->script[i].mode);
		buf_put_str(b, d->script[i].text);
	}
	buf_put_u32(b, (uint32_t)d->addresses.n);
	for (size_t i = 0; i < d->addresses.n; i++)
		buf_put_str(b, d->addresses.item[i]);
}

static char *get_optional(struct reader *r, size_t max)
{
	switch (get_u8(r)) {
	case 0:
		return NULL;
	case 1:
		return get_str(r, max);
	default:
		r->bad = true;
		return NULL;
	}
}

/* Becomes part of a file's name: letters, digits and -_. only, not a dot first. */
static bool word_is_clean(const char *s)
{
	if (!*s || *s == '.' || *s == '-' || strlen(s) > DESC_MAX_WORD)
		return false;
	for (; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr("-_.", *s))
			return false;
	}
	return true;
}

/* Shown to people and part of a file's name, too, but with blanks. */
static bool name_is_clean(const char *s)
{
	if (!*s || *s == '.')
		return false;
	for (; *s; s++) {
		if (*s == '/' || iscntrl((unsigned char)*s))
			return false;
	}
	return true;
}

static bool absolute_is_clean(const char *s)
{
	return s[0] == '/' && path_is_clean(s + 1);
}

static void get_scripts(struct reader *r, struct ct_desc *d)
{
	uint32_t n = get_u32(r);

	if (n > DESC_MAX_SCRIPTS)
		r->bad = true;
	if (r->bad || !n)
		return;
	d->script = xcalloc(n, sizeof(*d->script));
	for (; d->n_scripts < n && !r->bad; d->n_scripts++) {
		struct ct_script *s = &d->script[d->n_scripts];

		s->name = get_str(r, DESC_MAX_WORD);
		s->mode = (mode_t)get_u32(r) & 07777;
		s->text = get_str(r, DESC_MAX_SCRIPT_BYTES);
		if (!word_is_clean(s->name))
			r->bad = true;
	}
}

static void get_addresses(struct reader *r, struct ct_desc *d)
{
	uint32_t n = get_u32(r);

	if (n > DESC_MAX_ADDRESSES)
		r->bad = true;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		own_free char *text = get_str(r, 64);

		strv_add(&d->addresses, text);
	}
}

int ct_desc_get(struct reader *r, struct ct_desc *d, struct err *e)
{
	memset(d, 0, sizeof(*d));
	d->engine = get_str(r, DESC_MAX_WORD);
	d->id = get_str(r, DESC_MAX_WORD);
	d->name = get_optional(r, DESC_MAX_WORD);
	d->private_area = get_optional(r, DESC_MAX_PATH);
	d->root = get_optional(r, DESC_MAX_PATH);
	d->config = get_str(r, CONF_MAX_BYTES);
	get_scripts(r, d);
	get_addresses(r, d);
	if (r->bad || !word_is_clean(d->engine) || !word_is_clean(d->id) ||
	    (d->name && !name_is_clean(d->name)) ||
	    (d->private_area && !absolute_is_clean(d->private_area)) ||
	    (d->root && !absolute_is_clean(d->root))) {
		ct_desc_fini(d);
		return err_set(e, ERR_PROTO, "the description of the container is damaged");
	}
	return 0;
}

const char *engine_noun(const char *engine)
{
	return strcmp(engine, libvirt_engine.name) == 0 ? "Virtual machine" : "Container";
}

const struct engine_ops *engine_by_name(const char *name)
{
	for (size_t i = 0; engines[i]; i++) {
		if (strcmp(engines[i]->name, name) == 0)
			return engines[i];
	}
	return strcmp(name, libvirt_engine.name) == 0 ? &libvirt_engine : NULL;
}

int engine_find(const char *spec, const struct engine_ops **ops, struct ct *out,
		struct err *e)
{
	const char *colon = strchr(spec, ':');
	own_free char *engine = colon ? xstrndup(spec, (size_t)(colon - spec)) : NULL;
	const struct engine_ops *named = engine ? engine_by_name(engine) : NULL;
	struct err why = ERR_INIT;
	char host[256] = "";

	if (engine && (!named || !named->present())) {
		gethostname(host, sizeof(host) - 1);
		err_set(e, ERR_LAYOUT, "%s has no engine %s", host, engine);
		return err_hint(e, "leave the prefix out: `pctl list` shows its containers");
	}
	if (engine)
		spec = colon + 1;
	for (size_t i = 0; engines[i]; i++) {
		if (spec == (colon ? colon + 1 : NULL) &&
		    strcmp(engines[i]->name, engine) != 0)
			continue;
		if (!engines[i]->present())
			continue;
		*ops = engines[i];
		if (engines[i]->find(spec, out, &why) == 0)
			return 0;
		if (why.code != ERR_ABSENT)
			goto fail;
	}
	gethostname(host, sizeof(host) - 1);
	err_set(&why, ERR_ABSENT, "there is no container '%s' on %s", spec, host);
	err_hint(&why, "`pctl list -a` shows the containers of a server");
fail:
	if (e)
		*e = why;
	return -1;
}

void ct_parts_fini(struct ct_parts *p)
{
	free(p->root);
	free(p->netns);
	free(p->freezer);
	strv_fini(&p->ifs);
	*p = (struct ct_parts)CT_PARTS_INIT;
}
