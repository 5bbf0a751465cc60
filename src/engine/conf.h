/* SPDX-License-Identifier: MIT */
/*
 * engine/conf.h - configuration files of NAME="value" lines: CTID.conf, vz.conf,
 * samples, what vzhwcalc writes.
 *
 * Shell scripts source these files, so what is read here is what a shell would
 * see for plain assignments; nothing is ever executed.  Comments, lines that are
 * no assignment, unknown names, the order and the way values are quoted are kept
 * byte for byte: only a line whose value is set anew is written anew.
 *
 * conf_get gives the text between the quotes.  $VEID and ${VEID} in it stay as
 * they are until conf_expand or a conf_view puts the id in: configs say
 * VE_PRIVATE="/vz/private/$VEID" and must go on saying so.
 */
#ifndef ENGINE_CONF_H
#define ENGINE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { CONF_MAX_BYTES = 1 << 20 };

struct conf_line {
	char *text;  /* the whole line, without its newline */
	char *name;  /* NULL: no assignment */
	char *value; /* unquoted; NULL: no assignment */
};

struct conf {
	struct conf_line *line; /* owned */
	size_t n, cap;
	bool no_final_newline;
};

#define CONF_INIT { .line = NULL }
#define own_conf __attribute__((cleanup(conf_fini)))

void conf_fini(struct conf *c);

/* Replaces what is in *c.  `what` names the text in messages.  Any text is fine but one
 * with NUL bytes or of more than CONF_MAX_BYTES (ERR_BROKEN; *c is empty then). */
int conf_parse(struct conf *c, const char *text, size_t len, const char *what,
	       struct err *e);
/* The text again: the same bytes when nothing was set.  The caller's. */
char *conf_text(const struct conf *c);

/* ERR_ABSENT when there is no such file. */
int conf_load(struct conf *c, const char *path, struct err *e);
/* Atomically; a symlink at `path` stays one and its target is replaced. Mode 0644 for a
 * new file. */
int conf_save(const struct conf *c, const char *path, struct err *e);

/* The value of the last line that assigns it, borrowed; NULL when none does. */
const char *conf_get(const struct conf *c, const char *name);
/* Rewrites the last line that assigns it, or adds one.  ERR_USAGE when the name is no
 * name, or the value has a control character. */
int conf_set(struct conf *c, const char *name, const char *value, struct err *e);
/* Takes every line out that assigns it. */
void conf_unset(struct conf *c, const char *name);

/* A fresh string with every $VEID and ${VEID} replaced by id. */
char *conf_expand(const char *value, const char *id);

/* What holds for one container: its file over vz.conf.  Borrows all three. */
struct conf_view {
	const struct conf *ct;	   /* may be NULL */
	const struct conf *global; /* may be NULL */
	const char *id;
};

/* The container's value, else the global one, else builtin; expanded.  A fresh string, or
 * NULL when there is none at all (builtin NULL). */
char *conf_value(const struct conf_view *v, const char *name, const char *builtin);
/* yes/on/true/1 or no/off/false/0, case does not matter; anything else: builtin. */
bool conf_yes(const struct conf_view *v, const char *name, bool builtin);

#define CONF_UNLIMITED UINT64_MAX

/* "barrier:limit" or "soft:hard"; one alone is both; the word "unlimited" and the largest
 * numbers of old configs (LONG_MAX of 32 and 64 bits) are CONF_UNLIMITED. */
struct conf_pair {
	uint64_t soft; /* barrier */
	uint64_t hard; /* limit */
};

enum { CONF_COUNT = 1, CONF_KIB = 1024, CONF_PAGE = 4096 };

/*
 * Each half as vzctl(8) wrote it: a bare number counts `unit` bytes (CONF_PAGE, CONF_KIB; CONF_COUNT for
 * what is no size); with K, M, G, T behind it, in either case, it is so many bytes, with P so many
 * pages, and then may have a fraction: "0:256M", "2G:2.2G", "65536P".  *out is in units.  ERR_USAGE.
 */
int conf_pair_parse(const char *text, const char *name, unsigned unit, struct conf_pair *out,
		    struct err *e);

#endif
