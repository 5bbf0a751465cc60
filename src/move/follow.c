// SPDX-License-Identifier: MIT
#include "move/follow.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/track/serve.h"
#include "move/remote.h"
#include "move/streams.h"

enum { PAUSE_FIRST_MS = 50, PAUSE_MOST_MS = 2000 };

static int ask(const struct follow *f, struct msg_asked *out, struct err *e)
{
	struct remote r = REMOTE_INIT;
	int ret;

	if (remote_open(&r, f->where, f->link, NULL, e) < 0)
		return -1;
	ret = remote_ask(&r, f->id, VERDICT_COMMIT, out, e);
	remote_close(&r);
	return ret;
}

/* Over one link: until everything is there, or the link is lost again. */
static int serve_once(const struct follow *f, struct err *e)
{
	own_child struct child ssh = CHILD_INIT;
	struct peer *p = NULL;
	struct serve *s = NULL;
	struct serve_stats st = { 0 };
	int ret;

	if (stream_dial(&ssh, &p, f->id, f->where, f->link, f->limit, e) < 0)
		return -1;
	ret = serve_resume(&s, f->parts->init, f->parts->freezer, p, e);
	if (ret == 0) {
		log_info("%s lacks %llu pages: they follow", peer_name(p),
			 (unsigned long long)serve_stats(s).left);
		ret = serve_run(s, p, e);
		st = serve_stats(s);
	}
	log_debug("lazy, again: %llu pages wanted, %llu pushed, %llu left",
		  (unsigned long long)st.wanted, (unsigned long long)st.pushed,
		  (unsigned long long)st.left);
	serve_free(s);
	peer_free(p);
	return ret < 0 ? -1 : 0;
}

int follow_run(const struct follow *f, struct msg_asked *out, struct err *e)
{
	uint64_t deadline = clock_deadline(f->timeout_ms);
	struct err last = ERR_INIT;
	unsigned pause = PAUSE_FIRST_MS;

	while (clock_left_ms(deadline)) {
		*out = (struct msg_asked){ .state = JOURNAL_NONE };
		last = (struct err)ERR_INIT;
		if (ask(f, out, &last) == 0) {
			if (out->state != JOURNAL_COMMITTED)
				return 0;
			if (out->why.code != ERR_NONE) {
				*e = out->why;
				e->code = ERR_RECOVER;
				return -1;
			}
			if (f->parts && serve_once(f, &last) == 0)
				pause = PAUSE_FIRST_MS;
			/* However long that took. */
			deadline = clock_deadline(f->timeout_ms);
		}
		if (last.code != ERR_NONE)
			log_info("the memory does not follow just now: %s", last.msg);
		clock_sleep_ms(pause); /* what was sent is being put in its place */
		pause = 2 * pause < PAUSE_MOST_MS ? 2 * pause : PAUSE_MOST_MS;
	}
	out->state = JOURNAL_NONE;
	return err_set(e, ERR_RECOVER, "the destination cannot be reached: %s", last.msg);
}
