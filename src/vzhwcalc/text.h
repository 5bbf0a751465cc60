/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/text.h - lines and fields of the kernel's and the distributions'
 * text files.
 *
 * Readers walk a borrowed NUL-terminated text and never change it; what they
 * return in fixed arrays is cut, never overrun.
 */
#ifndef VZHWCALC_TEXT_H
#define VZHWCALC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The next line of *at (without its newline, cut to out_size - 1) into out; *at
 * moves behind it.  False at the end of the text. */
bool text_line(const char **at, char *out, size_t out_size);

/* The next run of non-blanks of *at into out, cut; *at moves behind it.  False when
 * only blanks are left. */
bool text_field(const char **at, char *out, size_t out_size);

/* A fresh copy of s in which control characters and backslashes are written as
 * \ooo: one field of our own tab-separated lists.  The caller's. */
char *text_escape(const char *s);

/* The value of `KEY=value` in a shell-style file: quotes at both ends and
 * backslashes before " $ ` \ are taken away.  False when no line sets it. */
bool text_value(const char *text, const char *key, char *out, size_t out_size);

/* Digits at *at as a number, saturating; *at moves behind them.  False if none. */
bool text_number(const char **at, uint64_t *out);

#endif
