// SPDX-License-Identifier: MIT
/* CRIU's images, the list of mounts, and that of hidden memory, from any bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "criu/carry/sockopts.h"
#include "criu/carry/tasks.h"
#include "criu/image/image.h"
#include "criu/mounts.h"
#include "criu/save/alarms.h"
#include "criu/save/calls.h"
#include "criu/save/save.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int connected(void *arg, uint32_t fd)
{
	(void)arg;
	return (int)(fd & 0xf);
}

static void mend(const uint8_t *data, size_t size, const char *text)
{
	struct call_notes notes = CALL_NOTES_INIT;
	struct call_note note;
	_Alignas(struct shim_signal) uint8_t signals[2 * sizeof(struct shim_signal)] = { 0 };
	Img__Core *core = img__core__unpack(NULL, size, data);

	memcpy(signals, data, size < sizeof(signals) ? size : sizeof(signals));
	if (call_note_read(&note, text))
		call_notes_add(&notes, &note);
	if (core) {
		calls_mend_thread(core, &notes, connected, NULL);
		if (core->tc)
			alarms_add(&core->tc->signals_s, core->tc->timers, (const struct shim_signal *)signals, 2, 1000000);
		img__core__free_unpacked(core, NULL);
	}
	call_notes_fini(&notes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_pagemap struct pagemap pm = PAGEMAP_INIT;
	own_ext_mounts struct ext_mounts mounts = EXT_MOUNTS_INIT;
	own_hidden_spaces struct hidden_spaces hidden = HIDDEN_SPACES_INIT;
	own_free struct image_task *tasks = NULL;
	own_sockopts struct sockopts sockets = SOCKOPTS_INIT;
	own_tasks struct tasks saved = TASKS_INIT, none = TASKS_INIT;
	own_free char *text = xstrndup((const char *)data, size);
	struct reader r = reader_of(data, size);
	uint32_t state;
	size_t n;

	if (pagemap_read(&pm, data, size, NULL) == 0 && pm.n) {
		struct page_run lazy = { pm.run[0].start, 3, 0 };

		pagemap_add(&pm, &lazy, 1, PAGE_LAZY);
	}
	core_read_state(data, size, &state, NULL);
	mend(data, size, text);
	pstree_read(data, size, &tasks, &n, NULL);
	if (ext_mounts_get(&r, &mounts, NULL) == 0)
		ext_mounts_fini(&mounts);
	ext_mounts_read(&mounts, text, NULL);
	if (tasks_get(&saved, data, size, NULL) == 0 && tasks_settle(&saved, &saved, NULL, NULL) == 0)
		tasks_settle(&saved, &none, NULL, NULL);
	sockopts_get(&sockets, data, size, NULL);
	r = reader_of(data, size);
	hidden_spaces_get(&r, &hidden, NULL);
	return 0;
}
