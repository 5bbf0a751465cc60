// SPDX-License-Identifier: MIT
/*
 * One pass of rsync: pulls the source's tree into the area.  Every old server has
 * rsync, so nothing must be installed there.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/strv.h"
#include "into/into.h"

enum {
	LINE_BYTES = 1024,
	LOOK_MS = 250, /* how often stderr is emptied when stdout is silent */
	RSYNC_PARTIAL = 23, /* some files could not be read */
	RSYNC_VANISHED = 24, /* some files were gone when it came to them */
};

struct reading {
	struct into *n;
	char line[LINE_BYTES];
	size_t len;
	uint64_t sent, received, bytes, files;
};

static void take_line(struct reading *r)
{
	struct progress *p = &r->n->ev->progress;
	uint64_t bytes;
	unsigned percent;

	r->line[r->len] = '\0';
	r->len = 0;
	if (into_rsync_progress(r->line, &bytes, &percent)) {
		atomic_store(&p->bytes, bytes);
		if (percent)
			atomic_store(&p->bytes_total, bytes * 100 / percent);
	} else if (!into_rsync_stat(r->line, "Total bytes sent", &r->sent) &&
		   !into_rsync_stat(r->line, "Total bytes received", &r->received) &&
		   !into_rsync_stat(r->line, "Total transferred file size", &r->bytes) &&
		   !into_rsync_stat(r->line, "Number of regular files transferred",
				    &r->files)) {
		log_debug("rsync: %s", r->line);
	}
}

/* Takes what stdout has; false at its end. */
static bool take_output(struct reading *r, int fd)
{
	char text[4096];
	ssize_t got = read(fd, text, sizeof(text));

	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	for (ssize_t i = 0; i < got; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			take_line(r);
		else if (r->len < LINE_BYTES - 1)
			r->line[r->len++] = text[i];
	}
	return got > 0;
}

static int watch(struct child *c, struct reading *r, int *status, struct err *e)
{
	for (;;) {
		struct pollfd pfd[2] = { { .fd = c->out, .events = POLLIN },
					 { .fd = cancel_fd(), .events = POLLIN } };
		int k = poll(pfd, 2, LOOK_MS);

		if (cancel_requested())
			return cancel_err(e);
		into_services_beat(r->n);
		if (k > 0 && pfd[0].revents && !take_output(r, c->out))
			break;
		if (c->pid > 0)
			child_wait(c, 0, status, NULL); /* takes its stderr */
	}
	return c->pid > 0 ? child_wait(c, -1, status, e) : 0;
}

/* 23 and 24 are what a running server does to a copy: the last pass decides. */
static int judge(struct into *n, const struct child *c, int status, bool last, struct err *e)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (code == 0 || code == RSYNC_VANISHED)
		return 0;
	if (code == RSYNC_PARTIAL && !last) {
		log_info("the first pass could not read everything on %s", n->source);
		return 0;
	}
	child_err(c, status, e);
	if (e)
		e->code = ERR_COPY;
	err_wrap(e, "copying from %s", n->source);
	return err_hint(e, "what was copied stays in %s: the same command sends the rest",
			n->ct.private_area);
}

static void tell(struct into *n, const struct reading *r, bool last, uint64_t begun_ns)
{
	struct event_round round = { .phase = last ? PHASE_LAST : PHASE_COPY,
				     .number = 1,
				     .ms = (double)(clock_ns() - begun_ns) / 1e6,
				     .bytes = r->bytes,
				     .items = r->files };

	event_round(n->ev, &round);
	n->account.wire_bytes += r->sent + r->received;
	n->account.file_bytes += r->bytes;
	n->account.files += r->files;
	if (last)
		n->account.files_last = r->files;
}

int into_copy(struct into *n, bool last, struct err *e)
{
	own_free char *rsh = into_ssh_rsh(&n->ssh), *host = into_ssh_rsync_host(&n->ssh);
	own_free char *from = xasprintf("%s:/", host);
	own_free char *to = xasprintf("%s/", n->ct.private_area);
	bool sudo = n->where->user && strcmp(n->where->user, "root") != 0;
	struct into_rsync args = { .ssh = rsh,
				   .rsync_path = sudo ? "sudo -n rsync" : NULL,
				   .from = from,
				   .to = to,
				   .excludes = &n->plan.excludes,
				   .limit_bps = n->job->limit_bps,
				   .timeout_s = (unsigned)(n->job->link.timeout_ms / 1000),
				   .xattrs = n->xattrs,
				   .xattr_filter = n->xattr_filter,
				   .lost = &n->lost };
	own_strv struct strv argv = STRV_INIT;
	own_child struct child c = CHILD_INIT;
	own_free struct reading *r = xcalloc(1, sizeof(*r));
	uint64_t begun = clock_ns();
	struct spawn s;
	int status = 0;

	r->n = n;
	into_rsync_argv(&argv, &args);
	s = (struct spawn)SPAWN_INIT((const char *const *)argv.item);
	s.out = SPAWN_PIPE;
	s.new_session = true;
	if (child_start(&c, &s, e) < 0 || watch(&c, r, &status, e) < 0 ||
	    judge(n, &c, status, last, e) < 0)
		return -1;
	tell(n, r, last, begun);
	return 0;
}
