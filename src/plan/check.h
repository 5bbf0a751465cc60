/* SPDX-License-Identifier: MIT */
/*
 * plan/check.h - may this container go there?
 *
 * Pure: (job, need, facts of both ends) -> all findings at once, in the order
 * of pmigrate(1), CHECKS.  The words are those of -f; a finding knows what the
 * word's bypass makes of it.
 */
#ifndef PLAN_CHECK_H
#define PLAN_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "plan/facts.h"
#include "plan/job.h"
#include "plan/need.h"

enum finding_level {
	FINDING_PASS = 0, /* it was looked at and is fine */
	FINDING_NOTE,	  /* the user should know; nothing depends on it */
	FINDING_BYPASSED, /* it failed, and -f goes on */
	FINDING_FAIL,	  /* it failed */
};

struct finding {
	const char *word;   /* static: "disk_space", "technologies", "ip", … */
	enum finding_level level;
	enum err_code code; /* ERR_NONE for PASS and NOTE */
	bool nostart;	    /* bypassed, and therefore not started there */
	char *text;	    /* owned: one phrase naming the object */
	char *hint;	    /* owned: what to do, or NULL */
};

struct findings {
	struct finding *item; /* owned */
	size_t n;
};

#define FINDINGS_INIT { NULL, 0 }
#define own_findings __attribute__((cleanup(findings_fini)))

void findings_fini(struct findings *f);

/*
 * Adds a finding that failed: it becomes BYPASSED when the job's -f has `bit`
 * (an enum nodeps; 0: cannot be bypassed), and then prevents the start unless
 * `harmless`.  For checks of other folders (criu's walk) too.  hint may be NULL.
 */
void findings_fail(struct findings *f, const struct job *j, uint32_t bit, bool harmless,
		   const char *word, enum err_code code, const char *hint, const char *fmt,
		   ...) __attribute__((format(printf, 8, 9)));
void findings_note(struct findings *f, enum finding_level pass_or_note, const char *word,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Is there one that stops the migration?  Then e is set to the first of them, "(and N
 * more)" behind it, and -1 returned. */
int findings_verdict(const struct findings *f, struct err *e);
/* A bypassed check says that the container must not be started there. */
bool findings_nostart(const struct findings *f);

/* Everything that can be asked before a byte moves. */
void check_all(const struct job *j, const struct need *n, const struct facts *here,
	       const struct facts *there, struct findings *out);

#endif
