// SPDX-License-Identifier: MIT
#include "base/mountinfo.h"

#include <stdio.h>
#include <string.h>

static const char deleted[] = "//deleted";

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

void mountinfo_unescape(char *s)
{
	char *w = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && is_octal(s[2]) && is_octal(s[3]) &&
		    memcmp(s + 1, "000", 3) != 0) {
			*w++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*w++ = *s++;
		}
	}
	*w = '\0';
}

/* The optional fields end with one that is "-". */
static char *take_tags(char **rest)
{
	char *tags = *rest, *dash;

	if (tags && strncmp(tags, "- ", 2) == 0) {
		*rest = tags + 2;
		return tags + strlen(tags); /* none */
	}
	dash = tags ? strstr(tags, " - ") : NULL;
	if (!dash)
		return NULL;
	*dash = '\0';
	*rest = dash + 3;
	return tags;
}

static void take_deleted(struct mountinfo *m)
{
	size_t len = strlen(m->root), n = strlen(deleted);

	m->deleted = len > n && strcmp(m->root + len - n, deleted) == 0;
	if (m->deleted)
		m->root[len - n] = '\0';
}

int mountinfo_next(char **text, struct mountinfo *m, struct err *e)
{
	char *line, *word[6];

	do {
		line = strsep(text, "\n");
		if (!line)
			return 0;
	} while (!*line);
	for (size_t i = 0; i < sizeof(word) / sizeof(*word); i++)
		word[i] = strsep(&line, " ");
	if (!word[5] || sscanf(word[0], "%u", &m->id) != 1 || sscanf(word[1], "%u", &m->parent) != 1 ||
	    sscanf(word[2], "%u:%u", &m->major, &m->minor) != 2)
		goto bad;
	m->root = word[3];
	m->at = word[4];
	m->options = word[5];
	m->tags = take_tags(&line);
	m->type = m->tags ? strsep(&line, " ") : NULL;
	m->source = strsep(&line, " ");
	m->super = line;
	if (!m->type || !m->source || !m->super)
		goto bad;
	mountinfo_unescape(m->root);
	mountinfo_unescape(m->at);
	take_deleted(m);
	return 1;
bad:
	return err_set(e, ERR_PROTO, "a line of mountinfo cannot be understood");
}

bool mountinfo_has(const char *options, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, word, n) == 0 && (at[n] == ',' || !at[n]))
			return true;
	}
	return false;
}
