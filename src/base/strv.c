// SPDX-License-Identifier: MIT
#include "base/strv.h"

#include <stdarg.h>
#include <string.h>

#include "base/own.h"

static void append(struct strv *v, char *owned)
{
	v->item = xrealloc(v->item, (v->n + 2) * sizeof(*v->item));
	v->item[v->n++] = owned;
	v->item[v->n] = NULL;
}

void strv_fini(struct strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->item[i]);
	free(v->item);
	*v = (struct strv)STRV_INIT;
}

void strv_add(struct strv *v, const char *s)
{
	append(v, xstrdup(s));
}

void strv_addf(struct strv *v, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	append(v, xmust(s));
}

void strv_addv(struct strv *v, const char *const *items)
{
	for (; items && *items; items++)
		strv_add(v, *items);
}

void strv_split(struct strv *v, const char *text, const char *seps)
{
	for (text += strspn(text, seps); *text; text += strspn(text, seps)) {
		size_t n = strcspn(text, seps);

		append(v, xstrndup(text, n));
		text += n;
	}
}

bool strv_has(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->n; i++) {
		if (!strcmp(v->item[i], s))
			return true;
	}
	return false;
}

char *strv_join(const struct strv *v, const char *sep)
{
	size_t len = 1, sep_len = strlen(sep);
	char *out, *o;

	for (size_t i = 0; i < v->n; i++)
		len += strlen(v->item[i]) + sep_len;
	o = out = xmalloc(len);
	for (size_t i = 0; i < v->n; i++) {
		if (i)
			o = stpcpy(o, sep);
		o = stpcpy(o, v->item[i]);
	}
	*o = '\0';
	return out;
}
