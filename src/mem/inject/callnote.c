// SPDX-License-Identifier: MIT
#include "mem/inject/callnote.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/own.h"

enum { SYSCALL_MAX = 4096 };

void call_notes_fini(struct call_notes *notes)
{
	free(notes->v);
	*notes = (struct call_notes)CALL_NOTES_INIT;
}

void call_notes_add(struct call_notes *notes, const struct call_note *note)
{
	if (!note->nr)
		return;
	notes->v = xrealloc(notes->v, (notes->n + 1) * sizeof(*notes->v));
	notes->v[notes->n++] = *note;
}

bool call_note_read(struct call_note *note, const char *text)
{
	unsigned long nr, a[6], sp, ip;

	/* "running", or "-1 SP IP" */
	if (*text < '0' || *text > '9' ||
	    sscanf(text, "%lu %lx %lx %lx %lx %lx %lx %lx %lx", &nr, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &sp,
		   &ip) != 9 || nr == CALL_NR_RESTART)
		return false;
	*note = (struct call_note){ .nr = nr, .arg = { a[0], a[1], a[2], a[3] }, .sp = sp, .ip = ip };
	return true;
}

struct call_note call_note_of(pid_t tid)
{
	own_free char *path = xasprintf("/proc/%d/syscall", (int)tid), *text = NULL;
	struct call_note note = { 0 };

	if (file_read(AT_FDCWD, path, SYSCALL_MAX, &text, NULL, NULL) == 0)
		call_note_read(&note, text);
	return note;
}

void call_notes_take(struct call_notes *notes, const struct proc *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		own_free char *path = xasprintf("/proc/%d/task", (int)p[i].pid);
		own_dir DIR *d = opendir(path);
		struct dirent *de;

		while (d && (de = readdir(d))) {
			const pid_t tid = atoi(de->d_name); /* 0: . and .. */
			struct call_note note = tid ? call_note_of(tid) : (struct call_note){ 0 };

			call_notes_add(notes, &note);
		}
	}
}

uint64_t call_notes_find(const struct call_notes *notes, const struct call_note *like)
{
	for (size_t i = notes->n; i-- > 0;) {
		const struct call_note *c = &notes->v[i];

		if (c->ip == like->ip && c->sp == like->sp && !memcmp(c->arg, like->arg, sizeof(c->arg)))
			return c->nr;
	}
	return 0;
}
