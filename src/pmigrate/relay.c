// SPDX-License-Identifier: MIT
/* The asking side. */
#include "pmigrate/relay.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/own.h"
#include "plan/address.h"
#include "wire/link.h"

enum { LINE_MAX_BYTES = 256 << 10, END_MS = 10000 };

/* Where the work is done: the source of moves, the destination of what becomes a Container. */
static const struct address *worker(const struct job *j)
{
	bool into = j->src_kind != j->dst_kind;

	return into ? &j->dst : &j->src;
}

bool relay_wanted(const struct job *j)
{
	return worker(j)->where.host != NULL;
}

/* One operand as the worker shall read it; *caller is set when it is this server. */
static char *operand(const struct job *j, const struct address *a, enum kind kind, bool *caller)
{
	own_free char *text = NULL;

	*caller = false;
	if (a == worker(j)) /* for it, that is "here" */
		return a->name ? xstrdup(a->name) : xstrdup("localhost");
	if (!a->where.host) {
		*caller = true;
		return xstrdup(a->name ? a->name : "");
	}
	text = address_text(a);
	/* "102/" is a host, "102" would be a CTID. */
	return xasprintf("%s%s", text, kind != KIND_SERVER && !a->name ? "/" : "");
}

static void request_of(const struct options *o, struct relay_request *q)
{
	const struct job *j = &o->job;
	const struct passwd *pw = getpwuid(geteuid());
	bool src_caller, dst_caller;
	own_free char *src = operand(j, &j->src, j->src_kind, &src_caller);
	own_free char *dst = operand(j, &j->dst, j->dst_kind, &dst_caller);

	*q = (struct relay_request){ .caller = src_caller ? 1 : dst_caller ? 3 : 0 };
	q->user = xstrdup(pw ? pw->pw_name : "root");
	if (j->src.where.password && &j->src != worker(j))
		q->source_password = xstrdup(j->src.where.password);
	if (j->dst.where.password && &j->dst != worker(j))
		q->destination_password = xstrdup(j->dst.where.password);
	strv_addf(&q->words, "%c", (char)j->src_kind);
	strv_add(&q->words, src);
	strv_addf(&q->words, "%c", (char)j->dst_kind);
	strv_add(&q->words, dst);
	strv_addv(&q->words, (const char *const *)o->carried.item);
}

static int send_request(const struct options *o, struct child *c, struct err *e)
{
	struct relay_request q;
	own_buf struct buf b = BUF_INIT;
	uint8_t len[4];
	int r;

	request_of(o, &q);
	relay_request_put(&b, &q);
	relay_request_fini(&q);
	put_be32(len, (uint32_t)b.len);
	r = write_all(c->in, len, sizeof(len)) < 0 || write_all(c->in, b.data, b.len) < 0 ?
		    err_sys(e, "cannot send the request to %s", worker(&o->job)->where.host) :
		    0;
	explicit_bzero(b.data, b.len);
	return r;
}

struct lines {
	char *data;
	size_t len;
};

/* Tells all whole lines; keeps the rest. */
static int take_lines(struct lines *l, const struct job *j, struct events *ev, bool *done,
		      struct err *result, struct err *e)
{
	char *at = l->data, *end;

	while ((end = memchr(at, '\n', l->len - (size_t)(at - l->data)))) {
		*end = '\0';
		relay_tell(at, j, ev, done, result);
		at = end + 1;
	}
	l->len -= (size_t)(at - l->data);
	memmove(l->data, at, l->len);
	if (l->len == LINE_MAX_BYTES)
		return err_set(e, ERR_PROTO, "%s sent a line without end",
			       worker(j)->where.host);
	return 0;
}

/* Until it has said all.  Ctrl-C ends its stdin: it undoes, and tells the end. */
static int follow(struct child *c, const struct job *j, struct events *ev, bool *done,
		  struct err *result, struct err *e)
{
	own_free char *data = xmalloc(LINE_MAX_BYTES);
	struct lines l = { data, 0 };

	for (;;) {
		bool cancelled = c->in < 0;
		struct pollfd p[2] = { { .fd = c->out, .events = POLLIN },
				       { .fd = cancelled ? -1 : cancel_fd(), .events = POLLIN } };
		ssize_t n;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return err_sys(e, "cannot wait for %s", worker(j)->where.host);
		if (!cancelled && cancel_requested())
			close_fd(&c->in);
		if (!(p[0].revents & (POLLIN | POLLHUP | POLLERR)))
			continue;
		n = read(c->out, l.data + l.len, LINE_MAX_BYTES - l.len);
		if (n <= 0)
			return 0;
		l.len += (size_t)n;
		if (take_lines(&l, j, ev, done, result, e) < 0)
			return -1;
	}
}

int relay_run(const struct options *o, struct events *ev, struct err *e)
{
	const struct where *w = &worker(&o->job)->where;
	own_child struct child c = CHILD_INIT;
	struct err result = ERR_INIT;
	bool done = false;
	int status = 0;

	if (link_open(&c, w, &o->job.link, (const char *const[]){ "pmigrate", "relay", NULL },
		      RELAY_GREETING, e) < 0 ||
	    send_request(o, &c, e) < 0 || follow(&c, &o->job, ev, &done, &result, e) < 0)
		return -1;
	close_fd(&c.in);
	child_wait(&c, END_MS, &status, NULL);
	if (!done) {
		err_set(e, ERR_LINK, "the connection to %s broke before the end was told", w->host);
		return err_hint(e, "run there: pmigrate status");
	}
	if (result.code == ERR_NONE)
		return 0;
	*e = result;
	return -1;
}
