// SPDX-License-Identifier: MIT
/* The list of findings: adding, and what it comes to. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "plan/check.h"

void findings_fini(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->item[i].text);
		free(f->item[i].hint);
	}
	free(f->item);
	*f = (struct findings)FINDINGS_INIT;
}

/* Takes text and hint. */
static struct finding *findings_add(struct findings *f, const char *word, char *text,
				    char *hint)
{
	f->item = xrealloc(f->item, (f->n + 1) * sizeof(*f->item));
	f->item[f->n] = (struct finding){ .word = word, .text = text, .hint = hint };
	return &f->item[f->n++];
}

__attribute__((format(printf, 1, 0))) static char *text_of(const char *fmt, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	return xmust(text);
}

void findings_fail(struct findings *f, const struct job *j, uint32_t bit, bool harmless,
		   const char *word, enum err_code code, const char *hint, const char *fmt, ...)
{
	struct finding *new;
	va_list ap;

	va_start(ap, fmt);
	new = findings_add(f, word, text_of(fmt, ap), hint ? xstrdup(hint) : NULL);
	va_end(ap);
	new->code = code;
	new->level = FINDING_FAIL;
	if (bit && (j->nodeps & bit) == bit) {
		new->level = FINDING_BYPASSED;
		/* What goes on running cannot be left stopped. */
		new->nostart = !harmless && !j->online;
	}
}

void findings_note(struct findings *f, enum finding_level pass_or_note, const char *word,
		   const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	findings_add(f, word, text_of(fmt, ap), NULL)->level = pass_or_note;
	va_end(ap);
}

int findings_verdict(const struct findings *f, struct err *e)
{
	const struct finding *first = NULL;
	size_t more = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (f->item[i].level != FINDING_FAIL)
			continue;
		if (first)
			more++;
		else
			first = &f->item[i];
	}
	if (!first)
		return 0;
	if (more)
		err_set(e, first->code, "%s (and %zu more)", first->text, more);
	else
		err_set(e, first->code, "%s", first->text);
	if (first->hint)
		err_hint(e, "%s", first->hint);
	return -1;
}

bool findings_nostart(const struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->item[i].nostart)
			return true;
	}
	return false;
}
