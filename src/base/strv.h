/* SPDX-License-Identifier: MIT */
/*
 * base/strv.h - a growing, NULL-terminated list of strings: argv, excludes,
 * words of a configuration value.
 */
#ifndef BASE_STRV_H
#define BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

struct strv {
	char **item; /* owned; item[n] is NULL once something was added */
	size_t n;
};

#define STRV_INIT { NULL, 0 }
#define own_strv __attribute__((cleanup(strv_fini)))

void strv_fini(struct strv *v);
void strv_add(struct strv *v, const char *s); /* dups */
void strv_addf(struct strv *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strv_addv(struct strv *v, const char *const *items); /* NULL-terminated; NULL is fine */
/* Adds the words of `text` that stand between any of the characters of `seps`. */
void strv_split(struct strv *v, const char *text, const char *seps);
bool strv_has(const struct strv *v, const char *s);
/* A fresh string of all items with `sep` between them. */
char *strv_join(const struct strv *v, const char *sep);

#endif
