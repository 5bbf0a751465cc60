// SPDX-License-Identifier: MIT
#include "plan/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/own.h"
#include "base/parse.h"
#include "wire/login.h"

enum { USER_MAX = 64, PASSWORD_LEN_MAX = 1000, HOST_MAX = 253, ID_DIGITS_MAX = 10 };

/* A piece of the text. */
struct span {
	char *at;
	size_t n;
};

void address_fini(struct address *a)
{
	where_fini(&a->where);
	free(a->name);
	a->name = NULL;
}

/* "user:password@rest": where the password lies; at NULL when there is none. */
static struct span password_of(char *text)
{
	char *end = strrchr(text, '@');
	char *colon = strchr(text, ':');

	if (!end || !colon || colon > end)
		return (struct span){ NULL, 0 };
	return (struct span){ colon + 1, (size_t)(end - colon - 1) };
}

void address_wipe(char *text)
{
	struct span p = password_of(text);

	if (p.at)
		memset(p.at, '*', p.n);
}

bool address_is_id(const char *name)
{
	uint64_t v;

	return name[0] != '0' && strlen(name) <= ID_DIGITS_MAX &&
	       parse_u64(name, "the CTID", 1, ADDRESS_ID_MAX, &v, NULL) == 0;
}

static bool all_digits(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

bool address_is_name(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > ADDRESS_NAME_MAX || strchr("-. ", name[0]) || name[n - 1] == ' ')
		return false;
	for (const char *p = name; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("-_.\\ ", *p))
			return false;
		if (p[0] == ' ' && p[1] == ' ')
			return false;
	}
	return !all_digits(name);
}

static size_t prefix_len(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz");

	return n && n < 16 && name[n] == ':' ? n : 0;
}

const char *address_engine(const char *name, char **engine)
{
	size_t n = prefix_len(name);

	*engine = n ? xstrndup(name, n) : NULL;
	return n ? name + n + 1 : name;
}

/* One container; e says what is wrong with it. */
static int check_container(const char *spec, struct err *e)
{
	const char *name = spec + (prefix_len(spec) ? prefix_len(spec) + 1 : 0);

	if (address_is_id(name) || address_is_name(name))
		return 0;
	if (all_digits(name))
		return err_set(e, ERR_USAGE, "the CTID '%s' is not between 1 and %d", name,
			       ADDRESS_ID_MAX);
	err_set(e, ERR_USAGE, "'%s' is no name of a Container", spec);
	return err_hint(e, "names have letters, digits, '-', '_', '.' and single blanks inside");
}

/* A virtual machine's name is libvirt's business; only what cannot be one is refused.
 * "/DIR/FILE" is its disk. */
static int check_vm(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (!n || n > ADDRESS_NAME_MAX || name[0] == '-')
		return err_set(e, ERR_USAGE, "'%s' is no name of a virtual machine", name);
	for (const char *p = name; *p; p++) {
		if (iscntrl((unsigned char)*p) || (*p == '/' && name[0] != '/'))
			return err_set(e, ERR_USAGE, "'%s' is no name of a virtual machine",
				       name);
	}
	return 0;
}

int address_list(const char *names, struct strv *out, struct err *e)
{
	const char *p = names;

	for (;;) {
		size_t n = strcspn(p, ",");
		own_free char *one = xstrndup(p, n);

		if (check_container(one, e) < 0)
			return -1;
		if (strv_has(out, one))
			return err_set(e, ERR_USAGE, "Container %s is named twice", one);
		if (out->n == ADDRESS_LIST_MAX)
			return err_set(e, ERR_USAGE, "more than %d Containers in one call",
				       ADDRESS_LIST_MAX);
		strv_add(out, one);
		if (!p[n])
			return 0;
		p += n + 1;
	}
}

static int check_names(enum address_side side, enum kind kind, const char *name,
		       struct err *e)
{
	own_strv struct strv list = STRV_INIT;

	if (kind == KIND_VM)
		return check_vm(name, e);
	if (side == ADDRESS_SOURCE)
		return address_list(name, &list, e);
	return check_container(name, e);
}

static int take_user(const char *user, size_t n, struct where *w, struct err *e)
{
	if (!n || n > USER_MAX || user[0] == '-')
		goto bad;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)user[i]) && !strchr("-_.+\\$", user[i]))
			goto bad;
	}
	w->user = xstrndup(user, n);
	return 0;
bad:
	return err_set(e, ERR_USAGE, "'%.*s' is no user name", (int)(n < 64 ? n : 64), user);
}

/* "user" or "user:password" */
static int take_credentials(const char *text, size_t n, struct where *w, struct err *e)
{
	const char *colon = memchr(text, ':', n);
	size_t user_n = colon ? (size_t)(colon - text) : n;
	size_t password_n = colon ? n - user_n - 1 : 0;

	if (take_user(text, user_n, w, e) < 0)
		return -1;
	if (password_n > PASSWORD_LEN_MAX)
		return err_set(e, ERR_USAGE, "the password of %s is longer than %d bytes",
			       w->user, PASSWORD_LEN_MAX);
	for (size_t i = 0; i < password_n; i++) {
		if (colon[1 + i] == '\n' || colon[1 + i] == '\r')
			return err_set(e, ERR_USAGE, "the password of %s holds a line break",
				       w->user);
	}
	if (password_n) /* "user:@host" is as if there were no ':' */
		w->password = xstrndup(colon + 1, password_n);
	return 0;
}

static int check_host(const char *host, struct err *e)
{
	size_t n = strlen(host);

	if (!n)
		return err_set(e, ERR_USAGE, "the host name is empty");
	if (n > HOST_MAX || host[0] == '-' || host[0] == '.')
		return err_set(e, ERR_USAGE, "'%s' is no host name", host);
	for (const char *p = host; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
			return err_set(e, ERR_USAGE, "'%s' is no host name", host);
	}
	return 0;
}

/* An IPv6 address, with or without %interface. */
static int check_v6(const char *host, struct err *e)
{
	size_t n = strcspn(host, "%");
	char plain[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	const char *zone = host[n] ? host + n + 1 : NULL;

	if (n < sizeof(plain)) {
		memcpy(plain, host, n);
		plain[n] = '\0';
		if (inet_pton(AF_INET6, plain, &addr) == 1 &&
		    (!zone || (*zone && strlen(zone) < 16 && check_host(zone, NULL) == 0)))
			return 0;
	}
	return err_set(e, ERR_USAGE, "'%s' is no IPv6 address", host);
}

static int take_port(const char *text, struct where *w, struct err *e)
{
	uint64_t port;

	if (parse_u64(text, "the port", 1, UINT16_MAX, &port, e) < 0)
		return -1;
	w->port = (uint16_t)port;
	return 0;
}

/* "[v6]" or "[v6]:port" */
static int take_bracketed(const char *text, struct where *w, struct err *e)
{
	const char *close = strchr(text, ']');

	if (!close || (close[1] && close[1] != ':'))
		return err_set(e, ERR_USAGE, "'%s' is not of the form [IPv6]:port", text);
	w->host = xstrndup(text + 1, (size_t)(close - text - 1));
	if (check_v6(w->host, e) < 0)
		return -1;
	return close[1] ? take_port(close + 2, w, e) : 0;
}

/* host, host:port, v6, [v6], [v6]:port */
static int take_host(const char *text, struct where *w, struct err *e)
{
	const char *colon = strchr(text, ':');

	if (text[0] == '[')
		return take_bracketed(text, w, e);
	if (colon && strchr(colon + 1, ':')) {
		w->host = xstrdup(text);
		return check_v6(w->host, e);
	}
	w->host = xstrndup(text, colon ? (size_t)(colon - text) : strlen(text));
	if (check_host(w->host, e) < 0)
		return -1;
	return colon ? take_port(colon + 1, w, e) : 0;
}

/* localhost without a port is this server, whoever asks. */
static void fold_localhost(struct where *w)
{
	if (w->port || !w->host)
		return;
	if (strcmp(w->host, "localhost") && strcmp(w->host, "127.0.0.1") &&
	    strcmp(w->host, "::1"))
		return;
	where_fini(w);
}

/* A word without '/' and '@': is it a name, or a host? */
static bool is_bare_name(const char *word, enum address_side side, enum kind kind,
			 enum kind from)
{
	if (kind == KIND_SERVER)
		return false;
	if (side == ADDRESS_SOURCE)
		return true;
	if (all_digits(word))
		return true;
	if (prefix_len(word)) { /* engine:NAME, unless it is host:port */
		const char *behind = word + prefix_len(word) + 1;

		return *behind && !all_digits(behind) && !strchr(behind, ':');
	}
	return from == KIND_SERVER && strcmp(word, "localhost") && !strchr(word, ':') &&
	       word[0] != '[';
}

/* What stands behind the credentials: host, name, or both. */
static int take_place(char *text, bool has_user, enum address_side side, enum kind kind,
		      enum kind from, struct address *out, struct err *e)
{
	char *slash = kind == KIND_SERVER ? NULL : strchr(text, '/');
	const char *name = NULL;

	if (slash == text && kind == KIND_VM && !has_user) {
		name = text;
	} else if (slash) {
		own_free char *host = xstrndup(text, (size_t)(slash - text));

		name = slash + 1;
		if (take_host(host, &out->where, e) < 0)
			return -1;
	} else if (!has_user && is_bare_name(text, side, kind, from)) {
		name = text;
	} else if (take_host(text, &out->where, e) < 0) {
		return -1;
	}
	if (name && (*name || !slash)) {
		if (check_names(side, kind, name, e) < 0)
			return -1;
		out->name = xstrdup(name);
	}
	if (kind != KIND_SERVER && side == ADDRESS_SOURCE && !out->name) {
		err_set(e, ERR_USAGE, "the source '%s' names no %s", out->where.host,
			kind == KIND_VM ? "virtual machine" : "Container");
		return err_hint(e, "write HOST/%s", kind == KIND_VM ? "NAME" : "CTID");
	}
	fold_localhost(&out->where);
	return 0;
}

int address_parse(char *text, enum address_side side, enum kind kind, enum kind from,
		  struct address *out, struct err *e)
{
	char *at = strrchr(text, '@');
	int r = 0;

	*out = (struct address){ .name = NULL };
	if (at)
		r = take_credentials(text, (size_t)(at - text), &out->where, e);
	address_wipe(text);
	if (r == 0)
		r = take_place(at ? at + 1 : text, at != NULL, side, kind, from, out, e);
	if (r == 0 && out->where.host)
		out->where.login = login_new();
	return r;
}

char *address_text(const struct address *a)
{
	const struct where *w = &a->where;
	bool v6 = w->host && strchr(w->host, ':') && (w->port || a->name);
	own_free char *port = w->port ? xasprintf(":%u", w->port) : xstrdup("");

	return xasprintf("%s%s%s%s%s%s%s%s", w->user ? w->user : "", w->user ? "@" : "",
			 v6 ? "[" : "", w->host ? w->host : a->name ? "" : "localhost",
			 v6 ? "]" : "", port, w->host && a->name ? "/" : "",
			 a->name ? a->name : "");
}
