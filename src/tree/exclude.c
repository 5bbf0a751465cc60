// SPDX-License-Identifier: MIT
#include "tree/exclude.h"

#include <string.h>

#include "base/own.h"

struct rule {
	char *pattern;	 /* without leading and trailing slashes */
	bool include, anchored, dir_only, whole_path;
	bool with_inside; /* three stars behind: the directory and all in it */
};

struct exclude {
	struct rule *rule;
	size_t n;
};

struct exclude *exclude_new(void)
{
	return xcalloc(1, sizeof(struct exclude));
}

void exclude_free(struct exclude *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->n; i++)
		free(x->rule[i].pattern);
	free(x->rule);
	free(x);
}

int exclude_add(struct exclude *x, const char *rule, struct err *e)
{
	struct rule r = { .pattern = NULL };
	const char *p = rule;
	size_t len;

	if ((p[0] == '-' || p[0] == '+') && (p[1] == ' ' || !p[1])) {
		r.include = p[0] == '+';
		p += p[1] ? 2 : 1;
	}
	r.anchored = p[0] == '/';
	while (*p == '/')
		p++;
	len = strlen(p);
	r.dir_only = len && p[len - 1] == '/';
	while (len && p[len - 1] == '/')
		len--;
	if (!len || len > 4095)
		return err_set(e, ERR_USAGE, "not an exclude rule: \"%.100s\"", rule);
	r.pattern = xstrndup(p, len);
	if (len > 4 && !strcmp(r.pattern + len - 4, "/***")) {
		r.with_inside = true;
		r.pattern[len - 4] = '\0';
	}
	r.whole_path = strchr(r.pattern, '/') || strstr(r.pattern, "**");
	x->rule = xrealloc(x->rule, (x->n + 1) * sizeof(*x->rule));
	x->rule[x->n++] = r;
	return 0;
}

/* "[...]" at p: does it hold c?  *end is behind it; NULL when it has no end, which makes
 * the '[' an ordinary character. */
static bool in_class(const char *p, char c, const char **end)
{
	bool invert = p[1] == '!' || p[1] == '^', found = false;
	const char *at = p + 1 + invert;

	*end = NULL;
	for (bool first = true; *at && (*at != ']' || first); first = false) {
		char low = *at++;

		if (low == '\\' && *at)
			low = *at++;
		if (at[0] == '-' && at[1] && at[1] != ']') {
			char high = at[1];

			at += 2;
			if (high == '\\' && *at)
				high = *at++;
			found |= (unsigned char)low <= (unsigned char)c &&
				 (unsigned char)c <= (unsigned char)high;
		} else {
			found |= low == c;
		}
	}
	if (*at != ']')
		return false;
	*end = at + 1;
	return found != invert && c != '/';
}

/*
 * Matches pattern against all of text.  Keeps the last '*' and the last "**" to
 * go back to, so that the time is at most the product of both lengths squared,
 * whatever the pattern.
 */
static bool wild(const char *p, const char *t)
{
	const char *star_p = NULL, *star_t = NULL, *deep_p = NULL, *deep_t = NULL;

	for (;;) {
		const char *end = NULL;

		if (p[0] == '*' && p[1] == '*') {
			while (*p == '*')
				p++;
			deep_p = p;
			deep_t = t;
			star_p = NULL;
			continue;
		}
		if (*p == '*') {
			star_p = ++p;
			star_t = t;
			continue;
		}
		if (!*t && !*p)
			return true;
		if (*t && *p == '?' && *t != '/') {
			p++, t++;
			continue;
		}
		if (*t && *p == '[' && in_class(p, *t, &end)) {
			p = end, t++;
			continue;
		}
		if (*t && (*p != '[' || !end) && *p != '?') {
			const char *lit = *p == '\\' && p[1] ? p + 1 : p;

			if (*lit && *lit == *t) {
				p = lit + 1, t++;
				continue;
			}
		}
		/* A '*' takes one more character, but never a slash; else "**" does. */
		if (star_p && *star_t && *star_t != '/') {
			p = star_p;
			t = ++star_t;
		} else if (deep_p && *deep_t) {
			p = deep_p;
			t = ++deep_t;
			star_p = NULL;
		} else {
			return false;
		}
	}
}

/* Against the whole path when anchored, else against every end of it that begins at a
 * component. */
static bool match_path(const struct rule *r, const char *path)
{
	if (wild(r->pattern, path))
		return true;
	if (r->anchored)
		return false;
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
		if (wild(r->pattern, slash + 1))
			return true;
	return false;
}

static bool match_one(const struct rule *r, const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/');

	if (r->dir_only && !is_dir)
		return false;
	if (r->whole_path || r->anchored)
		return match_path(r, path);
	return wild(r->pattern, slash ? slash + 1 : path);
}

/* For rules with three stars: some directory above path. */
static bool match_above(const struct rule *r, const char *path)
{
	own_free char *part = xstrdup(path);
	char *slash;

	while ((slash = strrchr(part, '/'))) {
		*slash = '\0';
		if (match_one(r, part, true))
			return true;
	}
	return false;
}

bool exclude_match(const struct exclude *x, const char *path, bool is_dir)
{
	for (size_t i = 0; x && i < x->n; i++) {
		const struct rule *r = &x->rule[i];

		if (r->with_inside ? (is_dir && match_one(r, path, true)) || match_above(r, path) :
				     match_one(r, path, is_dir))
			return !r->include;
	}
	return false;
}
