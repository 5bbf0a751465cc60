// SPDX-License-Identifier: MIT
#include "criu/mounts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mountinfo.h"
#include "base/own.h"
#include "wire/proto.h"

enum { MOUNTS_MAX = 4096 };

void ext_mounts_fini(struct ext_mounts *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->m[i].key);
		free(l->m[i].at);
		free(l->m[i].root);
		free(l->m[i].options);
	}
	free(l->m);
	*l = (struct ext_mounts)EXT_MOUNTS_INIT;
}

static struct ext_mount *add(struct ext_mounts *l)
{
	l->m = xrealloc(l->m, (l->n + 1) * sizeof(*l->m));
	l->m[l->n] = (struct ext_mount){ .key = NULL };
	return &l->m[l->n++];
}

/* "/dev/shm" -> "dev_shm", with a number so that two mounts on one point differ. */
static char *make_key(const char *at, size_t nr)
{
	char *key = xasprintf("m%zu%s", nr, at);

	for (char *c = key; *c; c++) {
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		      (*c >= '0' && *c <= '9')))
			*c = '_';
	}
	return key;
}

/* Which hierarchy: the last word of the options that is no flag; "" for v2. */
static char *hierarchy_of(const char *type, const char *options)
{
	const char *comma = strrchr(options, ',');

	if (strcmp(type, "cgroup2") == 0)
		return xstrdup("");
	return xstrdup(comma ? comma + 1 : options);
}

/* What a new tmpfs must be told to be alike. */
static char *memory_options(const char *options)
{
	static const char *const keep[] = { "size=", "nr_inodes=", "mode=", "uid=", "gid=",
					    "huge=" };
	own_free char *copy = xstrdup(options);
	char *rest = copy, *word, *out = xstrdup("");

	while ((word = strsep(&rest, ","))) {
		for (size_t i = 0; i < array_len(keep); i++) {
			char *more;

			if (strncmp(word, keep[i], strlen(keep[i])) != 0)
				continue;
			more = xasprintf("%s%s%s", out, *out ? "," : "", word);
			free(out);
			out = more;
		}
	}
	return out;
}

static bool is_cgroup(const char *type)
{
	return strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0;
}

static bool is_memory(const char *type)
{
	return strcmp(type, "tmpfs") == 0 || strcmp(type, "devtmpfs") == 0 ||
	       strcmp(type, "ramfs") == 0;
}

const char *ext_mount_inside(const struct ext_mount *m, const char *below)
{
	size_t n = strlen(below);

	return strncmp(m->at, below, n) == 0 && m->at[n] == '/' && m->at[n + 1] ? m->at + n + 1 :
										  NULL;
}

bool ext_mount_is_node(const char *root)
{
	static const char *const nodes[] = { "/null", "/zero", "/full", "/random", "/urandom", "/tty" };

	for (size_t i = 0; i < array_len(nodes); i++) {
		if (strcmp(root, nodes[i]) == 0)
			return true;
	}
	return false;
}

static const struct ext_mount *whole_of(const struct ext_mounts *l, uint64_t dev)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->m[i].dev == dev && strcmp(l->m[i].root, "/") == 0)
			return &l->m[i];
	}
	return NULL;
}

static void add_line(struct ext_mounts *l, const struct mountinfo *line)
{
	struct ext_mount *m = add(l);

	m->kind = is_cgroup(line->type) ? MOUNT_CGROUP :
		  is_memory(line->type) ? MOUNT_MEMORY :
					  MOUNT_OTHER;
	m->at = xstrdup(line->at);
	m->root = xstrdup(line->root);
	m->key = make_key(m->at, l->n);
	m->dev = (uint64_t)line->major << 32 | line->minor;
	m->options = m->kind == MOUNT_CGROUP ? hierarchy_of(line->type, line->super) :
		     m->kind == MOUNT_MEMORY ? memory_options(line->super) :
					       xstrdup("");
}

int ext_mounts_read(struct ext_mounts *l, const char *mountinfo, struct err *e)
{
	own_free char *copy = xstrdup(mountinfo);
	struct mountinfo line;
	char *rest = copy;
	int ret;

	while ((ret = mountinfo_next(&rest, &line, e)) > 0) {
		if (strcmp(line.at, "/") != 0)
			add_line(l, &line);
	}
	if (ret < 0) {
		ext_mounts_fini(l);
		return -1;
	}
	for (size_t i = 0; i < l->n; i++) {
		struct ext_mount *m = &l->m[i];

		if (m->kind != MOUNT_MEMORY || strcmp(m->root, "/") == 0)
			continue;
		m->nested = whole_of(l, m->dev) != NULL;
		if (!m->nested)
			m->kind = MOUNT_SERVER;
	}
	return 0;
}

size_t ext_mounts_memory(const struct ext_mounts *l, size_t **out)
{
	size_t n = 0;

	*out = xcalloc(l->n + 1, sizeof(**out));
	for (size_t i = 0; i < l->n; i++) {
		bool again = false;

		if (l->m[i].kind != MOUNT_MEMORY || strcmp(l->m[i].root, "/") != 0)
			continue;
		for (size_t k = 0; k < n; k++)
			again = again || l->m[(*out)[k]].dev == l->m[i].dev;
		if (!again)
			(*out)[n++] = i;
	}
	return n;
}

void ext_mounts_put(struct buf *b, const struct ext_mounts *l)
{
	buf_put_u32(b, (uint32_t)l->n);
	for (size_t i = 0; i < l->n; i++) {
		const struct ext_mount *m = &l->m[i];

		buf_put_u8(b, (uint8_t)m->kind);
		buf_put_u8(b, m->nested);
		buf_put_u8(b, m->is_file);
		buf_put_u64(b, m->dev);
		buf_put_str(b, m->key);
		buf_put_str(b, m->at);
		buf_put_str(b, m->root);
		buf_put_str(b, m->options);
	}
}

int ext_mounts_get(struct reader *r, struct ext_mounts *l, struct err *e)
{
	uint32_t n = get_u32(r);

	if (n > MOUNTS_MAX)
		return err_set(e, ERR_PROTO, "too many mounts (%u)", n);
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		struct ext_mount *m = add(l);
		uint8_t kind = get_u8(r);

		if (kind < MOUNT_MEMORY || kind > MOUNT_OTHER)
			r->bad = true;
		m->kind = (enum mount_kind)kind;
		m->nested = get_u8(r) != 0;
		m->is_file = get_u8(r) != 0;
		m->dev = get_u64(r);
		m->key = get_str(r, PROTO_MAX_PATH);
		m->at = get_str(r, PROTO_MAX_PATH);
		m->root = get_str(r, PROTO_MAX_PATH);
		m->options = get_str(r, PROTO_MAX_PATH);
		if (m->at[0] != '/' || m->root[0] != '/' || strstr(m->root, "/..") ||
		    strstr(m->at, "/..") || strpbrk(m->key, "[]:/"))
			r->bad = true;
	}
	if (r->bad) {
		ext_mounts_fini(l);
		return err_set(e, ERR_PROTO, "the list of mounts cannot be understood");
	}
	return 0;
}
