// SPDX-License-Identifier: MIT
#include "engine/conf.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/own.h"
#include "base/parse.h"

static void line_fini(struct conf_line *l)
{
	free(l->text);
	free(l->name);
	free(l->value);
}

void conf_fini(struct conf *c)
{
	for (size_t i = 0; i < c->n; i++)
		line_fini(&c->line[i]);
	free(c->line);
	*c = (struct conf)CONF_INIT;
}

static size_t name_length(const char *s)
{
	size_t n = 0;

	if (!isalpha((unsigned char)s[0]) && s[0] != '_')
		return 0;
	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

/* Is there nothing but blanks and perhaps a comment? */
static bool is_rest(const char *s)
{
	const char *p = s + strspn(s, " \t\r");

	return !*p || (*p == '#' && p > s);
}

/* Between double quotes a backslash takes the meaning from these. */
static bool is_escapable(char c)
{
	return c == '"' || c == '\\' || c == '$' || c == '`';
}

/* A quoted value that ends with its quote on this line; NULL when it does not. */
static char *unquote(const char *s)
{
	own_free char *out = xmalloc(strlen(s) + 1);
	char quote = *s++;
	size_t n = 0;

	for (; *s && *s != quote; s++) {
		if (quote == '"' && *s == '\\' && is_escapable(s[1]))
			s++;
		out[n++] = *s;
	}
	if (!*s || !is_rest(s + 1))
		return NULL;
	out[n] = '\0';
	return take_ptr(&out);
}

/* As the original's reader: without the blanks around, one quote at either end dropped. */
static char *strip(const char *s, size_t len)
{
	while (len && isspace((unsigned char)s[len - 1]))
		len--;
	if (len && (*s == '"' || *s == '\'')) {
		s++;
		len--;
	}
	if (len && (s[len - 1] == '"' || s[len - 1] == '\''))
		len--;
	return xstrndup(s, len);
}

static char *value_of(const char *s)
{
	char *quoted = *s == '"' || *s == '\'' ? unquote(s) : NULL;
	size_t len = 0;

	if (quoted)
		return quoted;
	/* a word, or words that somebody forgot to quote; a comment ends them */
	while (s[len] && !(s[len] == '#' && len && isspace((unsigned char)s[len - 1])))
		len++;
	return strip(s, len);
}

/* Takes the text over. */
static void line_set(struct conf_line *l, char *text)
{
	const char *s = text + strspn(text, " \t");
	size_t n = name_length(s);

	*l = (struct conf_line){ .text = text };
	if (!n || s[n] != '=')
		return;
	l->name = xstrndup(s, n);
	l->value = value_of(s + n + 1);
}

static struct conf_line *line_add(struct conf *c, char *text)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 32;
		c->line = xrealloc(c->line, c->cap * sizeof(*c->line));
	}
	line_set(&c->line[c->n], text);
	return &c->line[c->n++];
}

int conf_parse(struct conf *c, const char *text, size_t len, const char *what,
	       struct err *e)
{
	const char *end = text + len;

	conf_fini(c);
	if (len > CONF_MAX_BYTES)
		return err_set(e, ERR_BROKEN, "%s is larger than %d bytes", what,
			       CONF_MAX_BYTES);
	if (memchr(text, '\0', len))
		return err_set(e, ERR_BROKEN, "%s is no text file", what);
	c->no_final_newline = len && end[-1] != '\n';
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((nl ? nl : end) - text);

		line_add(c, xstrndup(text, n));
		text += n + 1;
	}
	return 0;
}

char *conf_text(const struct conf *c)
{
	size_t len = 0;
	char *out, *at;

	for (size_t i = 0; i < c->n; i++)
		len += strlen(c->line[i].text) + 1;
	out = at = xmalloc(len + 1);
	for (size_t i = 0; i < c->n; i++) {
		at = stpcpy(at, c->line[i].text);
		if (i + 1 < c->n || !c->no_final_newline)
			*at++ = '\n';
	}
	*at = '\0';
	return out;
}

int conf_load(struct conf *c, const char *path, struct err *e)
{
	own_free char *text = NULL;
	struct err why = ERR_INIT;
	size_t len;

	if (file_read(AT_FDCWD, path, CONF_MAX_BYTES, &text, &len, &why) < 0) {
		conf_fini(c);
		if (why.sys == ENOENT)
			return err_set(e, ERR_ABSENT, "there is no %s", path);
		if (e)
			*e = why;
		return -1;
	}
	return conf_parse(c, text, len, path, e);
}

int conf_save(const struct conf *c, const char *path, struct err *e)
{
	own_free char *text = conf_text(c);
	own_free char *target = realpath(path, NULL);
	struct stat st;
	mode_t mode = target && stat(target, &st) == 0 ? st.st_mode & 07777 : 0644;

	return file_replace(AT_FDCWD, target ? target : path, text, strlen(text), mode, e);
}

static struct conf_line *line_find(const struct conf *c, const char *name)
{
	for (size_t i = c->n; i-- > 0;) {
		if (c->line[i].name && strcmp(c->line[i].name, name) == 0)
			return &c->line[i];
	}
	return NULL;
}

const char *conf_get(const struct conf *c, const char *name)
{
	const struct conf_line *l = line_find(c, name);

	return l ? l->value : NULL;
}

/* Quoted so that a shell and we read the same; $VEID stays a variable for both. */
static char *quote(const char *value)
{
	char *out = xmalloc(strlen(value) * 2 + 3), *o = out;

	*o++ = '"';
	for (const char *s = value; *s; s++) {
		bool variable = *s == '$' && (strncmp(s, "$VEID", 5) == 0 ||
					      strncmp(s, "${VEID}", 7) == 0);

		if (is_escapable(*s) && !variable)
			*o++ = '\\';
		*o++ = *s;
	}
	*o++ = '"';
	*o = '\0';
	return out;
}

int conf_set(struct conf *c, const char *name, const char *value, struct err *e)
{
	struct conf_line *l = line_find(c, name);
	own_free char *quoted = quote(value);
	char *text;

	if (!name_length(name) || name[name_length(name)])
		return err_set(e, ERR_USAGE, "'%s' is no parameter name", name);
	for (const char *s = value; *s; s++) {
		if (iscntrl((unsigned char)*s) && *s != '\t')
			return err_set(e, ERR_USAGE,
				       "the value of %s has a control character", name);
	}
	if (l && strcmp(l->value, value) == 0)
		return 0;
	text = xasprintf("%s=%s", name, quoted);
	if (l) {
		line_fini(l);
		line_set(l, text);
	} else {
		line_add(c, text);
		c->no_final_newline = false;
	}
	return 0;
}

void conf_unset(struct conf *c, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (c->line[i].name && strcmp(c->line[i].name, name) == 0)
			line_fini(&c->line[i]);
		else
			c->line[kept++] = c->line[i];
	}
	c->n = kept;
}

char *conf_expand(const char *value, const char *id)
{
	size_t id_len = strlen(id);
	char *out = xmalloc(strlen(value) * (id_len + 1) + 1), *o = out;

	while (*value) {
		size_t skip = strncmp(value, "${VEID}", 7) == 0 ? 7 :
			      strncmp(value, "$VEID", 5) == 0	? 5 :
								  0;

		if (skip && !(skip == 5 && (isalnum((unsigned char)value[5]) ||
					    value[5] == '_'))) {
			o = stpcpy(o, id);
			value += skip;
		} else {
			*o++ = *value++;
		}
	}
	*o = '\0';
	return out;
}

char *conf_value(const struct conf_view *v, const char *name, const char *builtin)
{
	const char *value = v->ct ? conf_get(v->ct, name) : NULL;

	if (!value && v->global)
		value = conf_get(v->global, name);
	if (!value)
		value = builtin;
	return value ? conf_expand(value, v->id ? v->id : "") : NULL;
}

bool conf_yes(const struct conf_view *v, const char *name, bool builtin)
{
	static const char *const yes[] = { "yes", "on", "true", "1" };
	static const char *const no[] = { "no", "off", "false", "0" };
	own_free char *value = conf_value(v, name, NULL);

	for (size_t i = 0; value && i < array_len(yes); i++) {
		if (strcasecmp(value, yes[i]) == 0)
			return true;
		if (strcasecmp(value, no[i]) == 0)
			return false;
	}
	return builtin;
}

/* parse_bytes takes P for 1024 T; here it is a page, four of its K. */
static int size_parse(const char *text, const char *name, uint64_t *out, struct err *e)
{
	own_free char *kib = NULL;
	size_t n = strlen(text);

	if (!n || toupper((unsigned char)text[n - 1]) != 'P')
		return parse_bytes(text, name, out, e);
	kib = xasprintf("%.*sK", (int)n - 1, text);
	if (parse_bytes(kib, name, out, e) < 0)
		return -1;
	*out *= CONF_PAGE / CONF_KIB;
	return 0;
}

static int number_parse(const char *text, const char *name, unsigned unit, uint64_t *out, struct err *e)
{
	if (strcasecmp(text, "unlimited") == 0) {
		*out = CONF_UNLIMITED;
		return 0;
	}
	if (!text[strspn(text, "0123456789")]) {
		if (parse_u64(text, name, 0, UINT64_MAX, out, e) < 0)
			return -1;
		if (*out == INT32_MAX || *out >= INT64_MAX)
			*out = CONF_UNLIMITED;
		return 0;
	}
	/* a bare fraction is no number of anything */
	if (isdigit((unsigned char)text[strlen(text) - 1]) || size_parse(text, name, out, NULL) < 0)
		return err_set(e, ERR_USAGE,
			       "%s '%s' is no number, no size (such as 256M, 1.5G, 65536P), and not unlimited", name,
			       text);
	*out /= unit;
	return 0;
}

int conf_pair_parse(const char *text, const char *name, unsigned unit, struct conf_pair *out,
		    struct err *e)
{
	own_free char *copy = strip(text + strspn(text, " \t"), strlen(text + strspn(text, " \t")));
	char *soft = copy, *hard = strchr(copy, ':');

	if (hard)
		*hard++ = '\0';
	if (number_parse(soft, name, unit, &out->soft, e) < 0)
		return -1;
	if (!hard) {
		out->hard = out->soft;
		return 0;
	}
	return number_parse(hard, name, unit, &out->hard, e);
}
