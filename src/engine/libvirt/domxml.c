// SPDX-License-Identifier: MIT
#include "engine/libvirt/domxml.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/own.h"

enum { PATH_SIZE = 512, DISKS_MAX = 256, LIST_MAX = 256 };

/* --- tags -------------------------------------------------------------------------- */

/* One tag, at its beginning or (closes) at its end. */
struct tag {
	char path[PATH_SIZE];	  /* "/domain/devices/disk" */
	const char *begin, *end;  /* "<" … behind ">" */
	const char *words;	  /* behind its name */
	bool closes;
};

static bool is_path(const struct tag *t, const char *path)
{
	return !strcmp(t->path, path);
}

static bool push(struct tag *t, const char *name, size_t len)
{
	size_t have = strlen(t->path);

	if (have + len + 2 > sizeof(t->path))
		return false;
	t->path[have] = '/';
	memcpy(t->path + have + 1, name, len);
	t->path[have + 1 + len] = '\0';
	return true;
}

static bool pop(struct tag *t, const char *name, size_t len)
{
	char *last = strrchr(t->path, '/');

	if (!last || strlen(last + 1) != len || memcmp(last + 1, name, len) != 0)
		return false;
	*last = '\0';
	return true;
}

/* Behind the ">" of a tag, looking past quoted values; NULL: it has no end. */
static const char *tag_end(const char *p)
{
	for (; *p && *p != '>'; p++) {
		if (*p == '\'' || *p == '"') {
			p = strchr(p + 1, *p);
			if (!p)
				return NULL;
		}
	}
	return *p ? p + 1 : NULL;
}

typedef void tag_fn(void *arg, const struct tag *t);

/* Calls fn for every tag, twice for <x/>; false when the text is not well formed. */
static bool scan(const char *xml, tag_fn *fn, void *arg)
{
	struct tag t = { .path = "" };
	const char *p = xml;

	while ((p = strchr(p, '<'))) {
		const char *name = p + 1 + (p[1] == '/');
		size_t len = strcspn(name, " \t\r\n/>");

		if (!strncmp(p, "<!--", 4)) {
			p = strstr(p, "-->");
			if (!p)
				return false;
			continue;
		}
		t.begin = p;
		t.end = tag_end(p);
		t.words = name + len;
		if (!t.end)
			return false;
		p = t.end;
		if (*name == '?' || *name == '!')
			continue;
		t.closes = name[-1] == '/';
		if (!t.closes) {
			if (!len || !push(&t, name, len))
				return false;
			fn(arg, &t);
			t.closes = t.end[-2] == '/';
		}
		if (t.closes) {
			fn(arg, &t);
			if (!pop(&t, name, len))
				return false;
		}
	}
	return !t.path[0];
}

/* --- texts ------------------------------------------------------------------------- */

static const struct {
	const char *name;
	char c;
} entities[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&apos;", '\'' },
		 { "&quot;", '"' } };

static char *unescape(const char *p, size_t n)
{
	char *out = xmalloc(n + 1), *to = out;

	for (const char *end = p + n; p < end;) {
		size_t used = 1;

		*to = *p;
		for (size_t i = 0; i < array_len(entities); i++) {
			size_t k = strlen(entities[i].name);

			if ((size_t)(end - p) >= k && !memcmp(p, entities[i].name, k)) {
				*to = entities[i].c;
				used = k;
			}
		}
		p += used;
		to++;
	}
	*to = '\0';
	return out;
}

static void put_escaped(struct buf *b, const char *text)
{
	for (; *text; text++) {
		const char *as = NULL;

		for (size_t i = 0; i < array_len(entities); i++)
			as = *text == entities[i].c ? entities[i].name : as;
		if (as)
			buf_put(b, as, strlen(as));
		else
			buf_put_u8(b, (uint8_t)*text);
	}
}

/* The value of an attribute, as it stands there; false: it has none of that name. */
static bool attribute(const struct tag *t, const char *name, const char **value, size_t *len)
{
	const char *p = t->words;
	size_t n = strlen(name);

	while (p < t->end) {
		const char *at = p + strspn(p, " \t\r\n"), *quote;
		size_t k = strcspn(at, "= \t\r\n/>");

		quote = at + k + strspn(at + k, "= \t\r\n");
		if (!k || quote >= t->end || (*quote != '\'' && *quote != '"'))
			return false;
		*value = quote + 1;
		*len = strcspn(*value, *quote == '\'' ? "'" : "\"");
		if (k == n && !memcmp(at, name, n))
			return true;
		p = *value + *len + 1;
	}
	return false;
}

static char *attribute_text(const struct tag *t, const char *name)
{
	const char *value;
	size_t len;

	return attribute(t, name, &value, &len) ? unescape(value, len) : NULL;
}

/* --- what is taken ----------------------------------------------------------------- */

struct taking {
	const char *xml;
	struct domxml *d;
	struct domxml_disk *disk; /* inside of one */
	bool too_many;
};

static void keep(char **slot, char *text)
{
	free(*slot);
	*slot = text;
}

/* The text of an element, and where it stands. */
static void take_text(struct taking *k, const struct tag *t, char **slot,
		      struct domxml_span *span)
{
	size_t len = strcspn(t->end, "<");

	if (t->end[-2] == '/')
		return;
	keep(slot, unescape(t->end, len));
	if (span)
		*span = (struct domxml_span){ (size_t)(t->end - k->xml), len };
}

static void list_take(struct strv *list, char *text)
{
	if (text && *text && list->n < LIST_MAX && !strv_has(list, text))
		strv_add(list, text);
	free(text);
}

static void take_need(struct taking *k, const struct tag *t)
{
	char *text = NULL;

	take_text(k, t, &text, NULL);
	list_take(&k->d->needs, text);
}

static void begin_disk(struct taking *k, const struct tag *t)
{
	struct domxml *d = k->d;

	if (d->n_disks == DISKS_MAX) {
		k->too_many = true;
		k->disk = NULL;
		return;
	}
	d->disk = xrealloc(d->disk, (d->n_disks + 1) * sizeof(*d->disk));
	k->disk = &d->disk[d->n_disks++];
	memset(k->disk, 0, sizeof(*k->disk));
	k->disk->type = attribute_text(t, "type");
	k->disk->device = attribute_text(t, "device");
	if (!k->disk->type)
		k->disk->type = xstrdup("");
	if (!k->disk->device)
		k->disk->device = xstrdup("disk");
}

static void take_in_disk(struct taking *k, const struct tag *t)
{
	struct domxml_disk *disk = k->disk;
	const char *within = t->path + strlen("/domain/devices/disk"), *value;
	size_t len;

	if (!strcmp(within, "/source")) {
		keep(&disk->file, NULL);
		if (attribute(t, "file", &value, &len)) {
			disk->file = unescape(value, len);
			disk->file_span = (struct domxml_span){ (size_t)(value - k->xml), len };
		} else {
			disk->file = attribute_text(t, "dev");
		}
	} else if (!strcmp(within, "/target")) {
		keep(&disk->target, attribute_text(t, "dev"));
	} else if (!strcmp(within, "/driver")) {
		keep(&disk->format, attribute_text(t, "type"));
	} else if (!strcmp(within, "/readonly")) {
		disk->readonly = true;
	} else if (!strcmp(within, "/shareable")) {
		disk->shareable = true;
	} else if (!strcmp(within, "/backingStore")) {
		disk->backing_span.at = (size_t)(t->begin - k->xml);
	}
}

static void end_in_disk(struct taking *k, const struct tag *t)
{
	struct domxml_span *b = &k->disk->backing_span;

	if (is_path(t, "/domain/devices/disk/backingStore") && b->at)
		b->len = (size_t)(t->end - k->xml) - b->at;
	if (is_path(t, "/domain/devices/disk"))
		k->disk = NULL;
}

static void take(void *arg, const struct tag *t)
{
	static const char *const need[] = { "/domain/os/kernel", "/domain/os/initrd",
					    "/domain/os/dtb", "/domain/os/loader",
					    "/domain/devices/emulator" };
	static const char *const obstacle[] = { "/domain/devices/hostdev",
						"/domain/devices/filesystem",
						"/domain/devices/shmem", "/domain/devices/vsock" };
	struct taking *k = arg;
	struct domxml *d = k->d;

	if (t->closes) {
		if (k->disk)
			end_in_disk(k, t);
		return;
	}
	if (is_path(t, "/domain/devices/disk"))
		begin_disk(k, t);
	else if (k->disk)
		take_in_disk(k, t);
	else if (is_path(t, "/domain"))
		keep(&d->kind, attribute_text(t, "type"));
	else if (is_path(t, "/domain/name"))
		take_text(k, t, &d->name, &d->name_span);
	else if (is_path(t, "/domain/uuid"))
		take_text(k, t, &d->uuid, &d->uuid_span);
	else if (is_path(t, "/domain/os/nvram"))
		take_text(k, t, &d->nvram, &d->nvram_span);
	else if (is_path(t, "/domain/devices/interface/source")) {
		list_take(&d->networks, attribute_text(t, "network"));
		list_take(&d->bridges, attribute_text(t, "bridge"));
		list_take(&d->bridges, attribute_text(t, "dev"));
	}
	for (size_t i = 0; i < array_len(need); i++) {
		if (is_path(t, need[i]))
			take_need(k, t);
	}
	for (size_t i = 0; i < array_len(obstacle); i++) {
		if (is_path(t, obstacle[i]))
			list_take(&d->obstacles, xstrdup(strrchr(obstacle[i], '/') + 1));
	}
}

void domxml_fini(struct domxml *d)
{
	for (size_t i = 0; i < d->n_disks; i++) {
		free(d->disk[i].type);
		free(d->disk[i].device);
		free(d->disk[i].file);
		free(d->disk[i].target);
		free(d->disk[i].format);
	}
	free(d->disk);
	free(d->name);
	free(d->uuid);
	free(d->kind);
	free(d->nvram);
	strv_fini(&d->needs);
	strv_fini(&d->networks);
	strv_fini(&d->bridges);
	strv_fini(&d->obstacles);
	memset(d, 0, sizeof(*d));
}

int domxml_parse(const char *xml, struct domxml *out, struct err *e)
{
	struct taking k = { .xml = xml, .d = out };

	memset(out, 0, sizeof(*out));
	if (scan(xml, take, &k) && out->name && out->uuid && out->kind && !k.too_many)
		return 0;
	domxml_fini(out);
	return err_set(e, ERR_BROKEN, "the description of the virtual machine cannot be understood");
}

bool domxml_moves(const struct domxml_disk *disk)
{
	return disk->file && !strcmp(disk->type, "file") && !strcmp(disk->device, "disk") &&
	       !disk->shareable;
}

/* --- another place ----------------------------------------------------------------- */

struct edit {
	struct domxml_span span;
	const char *text;
};

static int by_place(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	return x->span.at < y->span.at ? -1 : x->span.at > y->span.at;
}

static void add(struct edit *list, size_t *n, struct domxml_span span, const char *text)
{
	if (span.at && span.len && text)
		list[(*n)++] = (struct edit){ span, text };
}

char *domxml_place(const char *xml, const struct domxml *d, const char *name, const char *uuid,
		   const char *const *file, const char *nvram)
{
	own_free struct edit *edits = xcalloc(2 * d->n_disks + 3, sizeof(*edits));
	own_buf struct buf b = BUF_INIT;
	size_t n = 0, at = 0;

	add(edits, &n, d->name_span, name);
	add(edits, &n, d->uuid_span, uuid);
	add(edits, &n, d->nvram_span, nvram);
	for (size_t i = 0; i < d->n_disks; i++) {
		add(edits, &n, d->disk[i].file_span, file ? file[i] : NULL);
		add(edits, &n, d->disk[i].backing_span, "");
	}
	qsort(edits, n, sizeof(*edits), by_place);
	for (size_t i = 0; i < n; i++) {
		if (edits[i].span.at < at) /* inside of one that is gone */
			continue;
		buf_put(&b, xml + at, edits[i].span.at - at);
		put_escaped(&b, edits[i].text);
		at = edits[i].span.at + edits[i].span.len;
	}
	buf_put(&b, xml + at, strlen(xml + at) + 1);
	return xstrdup((const char *)b.data);
}
