// SPDX-License-Identifier: MIT
#include "move/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "config.h"
#include "wire/proto.h"

enum { PROBE_FRAMES = 8, PROBE_FRAME = 1 << 20, PROBE_CALLS = 5 };

char *remote_text(const struct where *w)
{
	if (!w->host)
		return xstrdup("localhost");
	if (w->port)
		return xasprintf("%s%s%s:%u", w->user ? w->user : "", w->user ? "@" : "",
				 w->host, w->port);
	return xasprintf("%s%s%s", w->user ? w->user : "", w->user ? "@" : "", w->host);
}

static void from_agent(void *arg, enum log_level level, const char *text)
{
	const char *name = arg;

	log_line(level, "%s: %s", name, text);
}

/* The agent of this server: the same program as a child. */
static int open_local(struct child *c, struct err *e)
{
	char self[256], greeting[sizeof(PROTO_GREETING)] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct spawn s;

	if (n < 0)
		return err_sys(e, "cannot find my own program file");
	self[n] = '\0';
	s = (struct spawn)SPAWN_INIT(spawn_argv(self, "agent"));
	s.in = SPAWN_PIPE;
	s.out = SPAWN_PIPE;
	if (child_start(c, &s, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(greeting); i++) {
		if (read(c->out, greeting + i, 1) != 1)
			break;
		if (greeting[i] == '\n') {
			greeting[i] = '\0';
			break;
		}
	}
	if (!strcmp(greeting, PROTO_GREETING))
		return 0;
	child_fini(c);
	return err_set(e, ERR_CONNECT, "the agent of this server does not start");
}

static int say_hello(struct remote *r, int silence_ms, struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	own_frame struct frame f = FRAME_INIT;
	char host[256] = "";
	struct msg_hello mine = { .version = PROTO_VERSION,
				  .features = PROTO_FEATURES,
				  .silence_ms = (uint32_t)silence_ms,
				  .host = host,
				  .program = (char *)(uintptr_t)PMIGRATE_VERSION };

	gethostname(host, sizeof(host) - 1);
	msg_hello_put(&b, &mine);
	if (peer_call(r->peer, PROTO_HELLO, &b, &f, e) < 0 ||
	    msg_hello_get(&f, &r->hello, e) < 0)
		return -1;
	if (r->hello.version == PROTO_VERSION)
		return 0;
	err_set(e, ERR_PROTO, "pmigrate %s on %s speaks protocol %u, this one %u",
		r->hello.program, peer_name(r->peer), r->hello.version, PROTO_VERSION);
	return err_hint(e, "install the same version on both servers");
}

int remote_open(struct remote *r, const struct where *w, const struct link_opts *o,
		struct bucket *limit, struct err *e)
{
	const char *program = getenv("PMIGRATE_REMOTE");
	const char *name = w->host ? w->host : "localhost";
	struct peer_opts opts = { .name = name,
				  .silence_ms = o->timeout_ms,
				  .limit = limit,
				  .on_log = from_agent };

	*r = (struct remote)REMOTE_INIT;
	if (!program || !*program)
		program = "pmigrate";
	if (!w->host ? open_local(&r->child, e) < 0
		     : link_open(&r->child, w, o, spawn_argv(program, "agent"), PROTO_GREETING,
				 e) < 0)
		return -1;
	opts.arg = (void *)(uintptr_t)name;
	if (peer_new(&r->peer, take_fd(&r->child.out), take_fd(&r->child.in), &opts, e) < 0 ||
	    say_hello(r, o->timeout_ms, e) < 0) {
		peer_free(take_ptr(&r->peer));
		child_fini(&r->child);
		msg_hello_fini(&r->hello);
		return -1;
	}
	return 0;
}

void remote_close(struct remote *r)
{
	own_frame struct frame f = FRAME_INIT;
	int status;

	if (!r->peer)
		return;
	peer_call(r->peer, PROTO_BYE, NULL, &f, NULL);
	peer_free(take_ptr(&r->peer));
	if (r->child.pid > 0)
		child_wait(&r->child, 2000, &status, NULL);
	child_fini(&r->child);
	msg_hello_fini(&r->hello);
	*r = (struct remote)REMOTE_INIT;
}

int remote_ask(struct remote *r, const char *id, enum verdict v, struct msg_asked *out,
	       struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	own_frame struct frame f = FRAME_INIT;
	struct msg_ask ask = { .verdict = v };

	snprintf(ask.id, sizeof(ask.id), "%s", id);
	msg_ask_put(&b, &ask);
	if (peer_call(r->peer, PROTO_ASK, &b, &f, e) < 0)
		return -1;
	return msg_asked_get(&f, out, e);
}

static int probe_rtt(struct remote *r, double *rtt_ms, struct err *e)
{
	uint8_t last = 1;
	struct buf b = { &last, 1, 1 };

	*rtt_ms = 0;
	for (int i = 0; i < PROBE_CALLS; i++) {
		own_frame struct frame f = FRAME_INIT;
		uint64_t begun = clock_ns();
		double ms;

		if (peer_call(r->peer, PROTO_PROBE, &b, &f, e) < 0)
			return -1;
		ms = (double)(clock_ns() - begun) / 1e6;
		if (i == 0 || ms < *rtt_ms)
			*rtt_ms = ms;
	}
	return 0;
}

int remote_probe(struct remote *r, double *rtt_ms, uint64_t *bytes_per_s, struct err *e)
{
	own_free uint8_t *noise = NULL;
	own_frame struct frame f = FRAME_INIT;
	struct buf last;
	uint64_t begun;

	if (probe_rtt(r, rtt_ms, e) < 0)
		return -1;
	noise = malloc(PROBE_FRAME);
	if (!noise)
		return err_set(e, ERR_SYS, "no memory to measure the link");
	for (size_t i = 0; i < PROBE_FRAME; i += 256) {
		if (getrandom(noise + i, 256, 0) != 256)
			noise[i] = (uint8_t)i;
	}
	begun = clock_ns();
	noise[0] = 0; /* not the last */
	for (int i = 1; i < PROBE_FRAMES; i++) {
		if (peer_send(r->peer, PROTO_PROBE, 0, noise, PROBE_FRAME, e) < 0)
			return -1;
	}
	noise[0] = 1;
	last = (struct buf){ noise, PROBE_FRAME, PROBE_FRAME };
	if (peer_call(r->peer, PROTO_PROBE, &last, &f, e) < 0)
		return -1;
	*bytes_per_s = (uint64_t)PROBE_FRAMES * PROBE_FRAME * 1000000000u /
		       (clock_ns() - begun + 1);
	return 0;
}
