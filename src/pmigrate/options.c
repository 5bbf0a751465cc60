// SPDX-License-Identifier: MIT
/*
 * The parser.  Which table holds is known only when the operands are, and
 * which words are operands only when the table is: so every table is tried,
 * and the one whose own pair comes out is taken.
 */
#include "pmigrate/options.h"

#include <ctype.h>
#include <string.h>

#include "base/own.h"
#include "plan/address.h"

enum { OPERANDS = 4, OPTIONS_MAX = 256 };

/* An option as it was found. */
struct found {
	const struct option_row *row;
	const char *value; /* borrowed from argv, or NULL */
};

/* One reading of the command line by one table. */
struct scan {
	enum pair pair;
	char *operand[OPERANDS + 1];
	int n_operands; /* also counts what did not fit */
	struct found found[OPTIONS_MAX];
	int n_found;
	struct err err; /* the first thing that is wrong */
	const char *ctid; /* vzp2v */
};

void options_init(struct options *o)
{
	*o = (struct options){ .mode = OPTIONS_RUN };
	job_init(&o->job);
}

void options_fini(struct options *o)
{
	job_fini(&o->job);
	strv_fini(&o->names);
	strv_fini(&o->warnings);
	strv_fini(&o->carried);
}

__attribute__((format(printf, 2, 3))) static void scan_fail(struct scan *s, const char *fmt,
							    ...)
{
	va_list ap;

	if (s->err.code != ERR_NONE)
		return;
	s->err.code = ERR_USAGE;
	va_start(ap, fmt);
	vsnprintf(s->err.msg, sizeof(s->err.msg), fmt, ap);
	va_end(ap);
}

static void scan_found(struct scan *s, const struct option_row *row, const char *value)
{
	if (s->n_found == OPTIONS_MAX)
		scan_fail(s, "more than %d options", OPTIONS_MAX);
	else
		s->found[s->n_found++] = (struct found){ row, value };
}

/* The row of `name` (n bytes), whole or as a unique beginning; *many when it is not unique. */
static const struct option_row *row_by_name(enum pair p, const char *name, size_t n, bool *many)
{
	const struct option_row *row, *hit = NULL;

	*many = false;
	for (size_t i = 0; (row = options_row(p, i)); i++) {
		if (!row->name || strncmp(row->name, name, n))
			continue;
		if (!row->name[n])
			return row;
		*many = hit != NULL;
		hit = row;
		if (*many)
			break;
	}
	return *many ? NULL : hit;
}

static const struct option_row *row_by_letter(enum pair p, char letter)
{
	const struct option_row *row;

	for (size_t i = 0; (row = options_row(p, i)); i++) {
		if (row->letter == letter)
			return row;
	}
	return NULL;
}

/* Which other pairs know it?  "" or "; it is one of h -> c, v -> c". */
static const char *known_elsewhere(enum pair p, const char *name, size_t n, char letter)
{
	static const char *const text[PAIR_MAX] = {
		[PAIR_CC] = "; it is one of c -> c",
		[PAIR_INTO] = "; it is one of h -> c and v -> c",
		[PAIR_VV] = "; it is one of v -> v",
	};
	bool many;

	for (int q = 0; q < PAIR_MAX; q++) {
		if (q != (int)p && (letter ? row_by_letter((enum pair)q, letter) :
				      row_by_name((enum pair)q, name, n, &many)))
			return text[q];
	}
	return "";
}

/* "--name", "--name=value", "--name value".  Returns how many words it took. */
static int scan_long(struct scan *s, char **at, char *end_of[])
{
	const char *name = at[0] + 2;
	size_t n = strcspn(name, "=");
	const char *value = name[n] ? name + n + 1 : NULL;
	const struct option_row *row;
	bool many;

	row = row_by_name(s->pair, name, n, &many);
	if (!row) {
		if (many)
			scan_fail(s, "--%.*s may be several options", (int)n, name);
		else
			scan_fail(s, "no option --%.*s for %s%s", (int)n, name,
				  options_pair_text(s->pair),
				  known_elsewhere(s->pair, name, n, 0));
		return 1;
	}
	if (row->arg == OPTION_PLAIN && value)
		scan_fail(s, "--%s takes no value", row->name);
	if (row->arg == OPTION_VALUE && !value) {
		value = at + 1 < end_of ? at[1] : NULL;
		if (!value || value[0] == '-') {
			scan_fail(s, "--%s needs a value: %s", row->name, row->arg_name);
			return 1;
		}
		scan_found(s, row, value);
		return 2;
	}
	scan_found(s, row, value);
	return 1;
}

/* "-s", "-sb", "-r yes", "-ryes".  Returns how many words it took. */
static int scan_short(struct scan *s, char **at, char *end_of[])
{
	for (const char *p = at[0] + 1; *p; p++) {
		const struct option_row *row = row_by_letter(s->pair, *p);
		const char *value = p[1] ? p + 1 : at + 1 < end_of ? at[1] : NULL;

		if (!row) {
			scan_fail(s, "no option -%c for %s%s", isprint((unsigned char)*p) ? *p : '?',
				  options_pair_text(s->pair), known_elsewhere(s->pair, "", 0, *p));
			return 1;
		}
		if (row->arg != OPTION_VALUE) {
			scan_found(s, row, NULL);
			continue;
		}
		if (!value || (!p[1] && value[0] == '-')) {
			scan_fail(s, "-%c needs a value: %s", *p, row->arg_name);
			return 1;
		}
		scan_found(s, row, value);
		return p[1] ? 1 : 2;
	}
	return 1;
}

/* vzp2v's --ctid, in front of the table.  Words taken, or 0. */
static int scan_ctid(struct scan *s, char **at, char *end_of[])
{
	if (!strncmp(at[0], "--ctid=", 7)) {
		s->ctid = at[0] + 7;
		return 1;
	}
	if (strcmp(at[0], "--ctid"))
		return 0;
	if (at + 1 < end_of)
		s->ctid = at[1];
	else
		scan_fail(s, "--ctid needs a value: CTID");
	return 2;
}

static void scan_run(struct scan *s, enum pair pair, int argc, char **argv, bool vzp2v)
{
	bool only_operands = false;

	*s = (struct scan){ .pair = pair };
	for (int i = 1; i < argc;) {
		char *word = argv[i];

		if (only_operands || word[0] != '-' || !word[1]) {
			if (s->n_operands < OPERANDS)
				s->operand[s->n_operands] = word;
			s->n_operands++;
			i++;
		} else if (!strcmp(word, "--")) {
			only_operands = true;
			i++;
		} else if (word[1] == '-') {
			int n = vzp2v ? scan_ctid(s, argv + i, argv + argc) : 0;

			i += n ? n : scan_long(s, argv + i, argv + argc);
		} else {
			i += scan_short(s, argv + i, argv + argc);
		}
	}
}

/* The type letter a word is, or 0. */
static char letter_of(const char *word)
{
	return word && isalpha((unsigned char)word[0]) && !word[1] ? word[0] : 0;
}

static int pair_of(char src, char dst, enum pair *out)
{
	if (src == KIND_CONTAINER && dst == KIND_CONTAINER)
		*out = PAIR_CC;
	else if ((src == KIND_SERVER || src == KIND_VM) && dst == KIND_CONTAINER)
		*out = PAIR_INTO;
	else if (src == KIND_VM && dst == KIND_VM)
		*out = PAIR_VV;
	else
		return -1;
	return 0;
}

static int pair_refuse(char src, char dst, struct err *e)
{
	if (!strchr("hcv", src) || !strchr("hcv", dst))
		err_set(e, ERR_USAGE, "'%c' is no type", strchr("hcv", src) ? dst : src);
	else if (dst == KIND_SERVER)
		err_set(e, ERR_USAGE, "nothing can be migrated to a physical server (%c -> h)", src);
	else
		err_set(e, ERR_USAGE, "%c -> %c is not possible in this version", src, dst);
	return err_hint(e, "possible are c -> c, h -> c, v -> c and v -> v "
			   "(c Container, h physical server, v virtual machine)");
}

/* Finds the table whose pair the operands are; e for what cannot be any. */
static int scan_best(struct scan *best, int argc, char **argv, struct err *e)
{
	own_free struct scan *s = xcalloc(1, sizeof(*s));
	char src = 0, dst = 0;

	for (int p = 0; p < PAIR_MAX; p++) {
		enum pair pair;

		scan_run(s, (enum pair)p, argc, argv, false);
		if (p == 0)
			*best = *s;
		if (!letter_of(s->operand[0]) || !letter_of(s->operand[2]))
			continue;
		src = letter_of(s->operand[0]);
		dst = letter_of(s->operand[2]);
		if (pair_of(src, dst, &pair) == 0 && (int)pair == p) {
			*best = *s;
			return 0;
		}
	}
	if (src)
		return pair_refuse(src, dst, e);
	return 1;
}

/* No operands at all is fine for --help and --version. */
static int without_operands(const struct scan *s, struct options *out, struct err *e)
{
	for (int i = 0; i < s->n_found; i++) {
		if (s->found[i].row->local && s->found[i].row->arg == OPTION_PLAIN)
			s->found[i].row->set(out, NULL, e);
	}
	if (out->mode != OPTIONS_RUN)
		return 0;
	if (s->err.code != ERR_NONE && !s->n_operands) {
		*e = s->err;
		return -1;
	}
	if (!s->n_operands)
		err_set(e, ERR_USAGE, "nothing to do: no source and no destination");
	else if (s->n_operands < OPERANDS)
		err_set(e, ERR_USAGE, "TYPE ADDRESS TYPE ADDRESS are needed, but there are %d words",
			s->n_operands);
	else
		err_set(e, ERR_USAGE, "'%s' is no type: h, c or v stand before an address",
			letter_of(s->operand[0]) ? s->operand[2] : s->operand[0]);
	return err_hint(e, "such as: pmigrate c 101 c root@otherserver (see pmigrate --help)");
}

static int apply(const struct scan *s, struct options *out, struct err *e)
{
	if (s->err.code != ERR_NONE) {
		/* Even a wrong line is told in the way it asks for. */
		for (int i = 0; i < s->n_found; i++) {
			if (s->found[i].row->letter == 'b')
				s->found[i].row->set(out, NULL, NULL);
		}
		*e = s->err;
		return -1;
	}
	for (int i = 0; i < s->n_found; i++) {
		const struct found *f = &s->found[i];

		if (f->row->set(out, f->value, e) < 0)
			return -1;
		if (f->row->local)
			continue;
		if (!f->row->name) {
			strv_addf(&out->carried, "-%c", f->row->letter);
			strv_add(&out->carried, f->value);
		} else if (f->value) {
			strv_addf(&out->carried, "--%s=%s", f->row->name, f->value);
		} else {
			strv_addf(&out->carried, "--%s", f->row->name);
		}
	}
	return 0;
}

/* The operands of the four-word form. */
static int take_operands(const struct scan *s, struct options *out, struct err *e)
{
	struct job *j = &out->job;

	j->src_kind = (enum kind)letter_of(s->operand[0]);
	j->dst_kind = (enum kind)letter_of(s->operand[2]);
	if (s->n_operands > OPERANDS)
		return err_set(e, ERR_USAGE, "%d words too many behind '%s'",
			       s->n_operands - OPERANDS, s->operand[2]);
	if (s->n_operands < OPERANDS)
		return err_set(e, ERR_USAGE, "the destination's address is missing");
	if (address_parse(s->operand[1], ADDRESS_SOURCE, j->src_kind, j->src_kind, &j->src, e) < 0)
		return -1;
	return address_parse(s->operand[3], ADDRESS_DESTINATION, j->dst_kind, j->src_kind,
			     &j->dst, e);
}

static int take_names(struct options *o, struct err *e)
{
	struct job *j = &o->job;

	if (!j->src.name)
		return 0;
	if (j->src_kind == KIND_VM) {
		strv_add(&o->names, j->src.name);
		return 0;
	}
	if (address_list(j->src.name, &o->names, e) < 0)
		return -1;
	free(j->src.name);
	j->src.name = xstrdup(o->names.item[0]);
	return 0;
}

/* Once everything is understood or refused: neither argv nor the error keeps one. */
static void hide_passwords(int argc, char **argv, int r, struct err *e)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-')
			address_wipe(argv[i]);
	}
	if (r < 0)
		address_wipe(e->msg);
}

int options_parse(int argc, char **argv, struct options *out, struct err *e)
{
	own_free struct scan *s = xcalloc(1, sizeof(*s));
	struct err ignored = ERR_INIT;
	int r;

	e = e ? e : &ignored;
	r = scan_best(s, argc, argv, e);
	if (r == 0) {
		out->pair = s->pair;
		out->pair_known = true;
		r = apply(s, out, e);
		if (r == 0 && out->mode == OPTIONS_RUN)
			r = take_operands(s, out, e);
		if (r == 0 && out->mode == OPTIONS_RUN)
			r = take_names(out, e);
		if (r == 0 && out->mode == OPTIONS_RUN)
			r = options_rules(out, e);
	} else if (r > 0) {
		r = without_operands(s, out, e);
	}
	hide_passwords(argc, argv, r, e);
	return r;
}

int options_parse_vzp2v(int argc, char **argv, struct options *out, struct err *e)
{
	own_free struct scan *s = xcalloc(1, sizeof(*s));
	struct err ignored = ERR_INIT;
	int r;

	e = e ? e : &ignored;
	scan_run(s, PAIR_INTO, argc, argv, true);
	out->pair = PAIR_INTO;
	out->pair_known = true;
	r = apply(s, out, e);
	out->job.src_kind = KIND_SERVER;
	out->job.dst_kind = KIND_CONTAINER;
	if (r == 0 && out->mode == OPTIONS_RUN) {
		if (!s->ctid || !address_is_id(s->ctid))
			r = err_set(e, ERR_USAGE, s->ctid ? "--ctid '%s' is no CTID" :
						  "--ctid is missing", s->ctid);
		else if (s->n_operands != 1)
			r = err_set(e, ERR_USAGE, "one address is needed: that of the server to migrate");
		else
			r = address_parse(s->operand[0], ADDRESS_SOURCE, KIND_SERVER, KIND_SERVER,
					  &out->job.src, e);
	}
	if (r == 0 && out->mode == OPTIONS_RUN) {
		out->job.dst.name = xstrdup(s->ctid);
		r = options_rules(out, e);
	}
	hide_passwords(argc, argv, r, e);
	return r;
}
