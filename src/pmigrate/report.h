/* SPDX-License-Identifier: MIT */
/*
 * pmigrate/report.h - --report: one HTML file that needs nothing else, with a
 * timeline of phases, rounds and downtime.
 */
#ifndef PMIGRATE_REPORT_H
#define PMIGRATE_REPORT_H

#include <cjson/cJSON.h>

#include "base/err.h"

/* The page as a fresh string.  `all` is what --stats writes. */
char *report_html(const cJSON *all);
int report_write(const char *path, const cJSON *all, struct err *e);

#endif
