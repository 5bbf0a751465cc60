// SPDX-License-Identifier: MIT
#include "criu/shim/text.h"

#include <stdio.h>
#include <string.h>

static const char *line_end(const char *s)
{
	return strchrnul(s, '\n');
}

static bool parse_header(const char *line, struct shim_vma *v)
{
	int at = 0;
	unsigned long start, end, offset, ino;
	const char *eol = line_end(line);

	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu%n", &start, &end, v->perms, &offset,
		   &v->dev_major, &v->dev_minor, &ino, &at) != 7 ||
	    at == 0 || line + at > eol || start >= end)
		return false;
	v->start = start;
	v->end = end;
	v->offset = offset;
	v->ino = ino;
	v->name = line + at;
	while (v->name < eol && *v->name == ' ')
		v->name++;
	v->name_len = (size_t)(eol - v->name);
	return true;
}

/* Values of smaps begin with a capital letter, headers with a hexadecimal digit. */
static bool is_value(const char *line)
{
	return *line >= 'A' && *line <= 'Z';
}

bool shim_next(const char **text, struct shim_vma *v)
{
	const char *line = *text;

	*v = (struct shim_vma){ .flags = NULL };
	if (!*line || !parse_header(line, v))
		return false;
	line = line_end(line);
	while (*line && is_value(line + 1)) {
		line++;
		if (strncmp(line, "VmFlags: ", 9) == 0) {
			v->flags = line + 9;
			v->flags_len = (size_t)(line_end(line) - v->flags);
		}
		line = line_end(line);
	}
	*text = *line ? line + 1 : line;
	return true;
}

static bool alike(const struct shim_vma *a, const struct shim_vma *b)
{
	return strcmp(a->perms, b->perms) == 0 && a->ino == b->ino &&
	       a->dev_major == b->dev_major && a->dev_minor == b->dev_minor &&
	       a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0 &&
	       (!a->ino || a->offset - a->start == b->offset - b->start);
}

const char *shim_flags(const struct shim_vma *v, const char *cache, const char **at,
		       size_t *len)
{
	const char *flags = NULL, *next = *at ? *at : cache;
	struct shim_vma c;

	*len = 0;
	while (shim_next(&next, &c)) {
		if (c.end <= v->start) {
			*at = next;
			continue;
		}
		if (c.start >= v->end)
			break;
		if (!c.flags || !alike(v, &c))
			return NULL;
		if (flags && (*len != c.flags_len || memcmp(flags, c.flags, *len) != 0))
			return NULL;
		flags = c.flags;
		*len = c.flags_len;
	}
	return flags;
}

bool shim_has_flag(const char *flags, size_t len, const char *word)
{
	for (size_t i = 0; i + 2 <= len; i += 3) {
		if (flags[i] == word[0] && flags[i + 1] == word[1])
			return true;
	}
	return false;
}

bool shim_unfit(const struct shim_vma *v, bool *fit)
{
	if (v->perms[2] != 'x')
		return false;
	*fit = *fit || v->perms[3] == 'p';
	return !*fit;
}

bool shim_hides(const struct shim_vma *v)
{
	static const char not_ours[][3] = { "ht", "io", "pf", "gd", "dp", "ss", "um" };

	bool of_file = v->ino || v->dev_major || v->dev_minor;

	if (v->perms[3] != 'p' || !v->flags || (of_file && v->perms[2] == 'x'))
		return false;
	if (!of_file && v->name_len >= 2 && v->name[0] == '[' && v->name[1] == 'v')
		return false; /* [vdso], [vvar], [vsyscall] */
	for (size_t i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++) {
		if (shim_has_flag(v->flags, v->flags_len, not_ours[i]))
			return false;
	}
	return true;
}
