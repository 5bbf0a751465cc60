// SPDX-License-Identifier: MIT
/* Any line as an event of another server, any bytes as its request. */
#include <stdint.h>
#include <string.h>

#include "base/own.h"
#include "pmigrate/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_finding(void *arg, const struct finding *f)
{
	*(size_t *)arg += strlen(f->text) + strlen(f->word);
}

static void on_account(void *arg, const struct account *a)
{
	if (a->n_parts > EVENT_PARTS_MAX)
		__builtin_trap();
	for (size_t i = 0; i < a->n_parts; i++)
		*(size_t *)arg += strlen(a->part[i].name);
}

static void on_state(void *arg, const struct final_state *s)
{
	*(size_t *)arg += strlen(s->id) + strlen(s->source) + strlen(s->destination_state);
}

static const struct event_ops ops = {
	.finding = on_finding,
	.account = on_account,
	.state = on_state,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_free char *line = xstrndup((const char *)data, size);
	struct reader r = reader_of(data, size);
	struct relay_request q;
	size_t sum = 0;
	struct events ev = { .ops = &ops, .arg = &sum };
	struct job job;
	struct err e = ERR_INIT;
	bool done = false;

	job_init(&job);
	relay_tell(line, &job, &ev, &done, &e);
	job_fini(&job);
	if (relay_request_get(&r, &q, NULL) == 0)
		relay_request_fini(&q);
	return 0;
}
