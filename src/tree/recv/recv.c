// SPDX-License-Identifier: MIT
/*
 * The destination: its life, and the frames of a pass.  A stream that has said
 * BARRIER or END is not listened to until the others have said so, too.
 */
#include "tree/recv/impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/path.h"
#include "wire/proto.h"

enum { QUEUE_A_WRITER = 4, ASKS = 64 };

int tree_dest_open(struct tree_dest **out, int dirfd, const char *path,
		   const struct tree_dest_opts *o, struct err *e)
{
	struct tree_dest *d = xcalloc(1, sizeof(*d));

	d->opts = *o;
	d->known = known_new();
	d->plain_ids = geteuid() == 0 && getegid() == 0;
	d->root = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->root < 0)
		err_sys(e, "cannot open the area %s", path);
	if (d->root < 0 ||
	    (path_is_empty(d->root, &d->empty, e) < 0 && err_wrap(e, "%s", path))) {
		tree_dest_close(d);
		return -1;
	}
	*out = d;
	return 0;
}

void tree_dest_close(struct tree_dest *d)
{
	if (!d)
		return;
	close_fd(&d->root);
	known_free(d->known);
	free(d);
}

int tree_dest_sync(struct tree_dest *d, struct err *e)
{
	return syncfs(d->root) < 0 ? err_sys(e, "cannot write the area to the disk") : 0;
}

static int start_lister(struct dest_pass *p, struct err *e)
{
	errno = pthread_create(&p->lister, NULL, recv_list, p);
	if (errno)
		return err_sys(e, "cannot start a thread");
	p->listing = true;
	return 0;
}

/* The first frame of a pass: what kind of pass, and what the source needs to know. */
static int begin(struct dest_pass *p, struct err *e)
{
	own_frame struct frame f = FRAME_INIT;
	struct begin_msg m;
	uint8_t empty;

	if (peer_recv(p->streams[0], &f, e) < 0)
		return -1;
	if (f.type != PROTO_TREE_BEGIN)
		return err_set(e, ERR_PROTO,
			       "frame type %u arrived where a tree pass should begin", f.type);
	if (begin_get(f.data, f.len, &m, e) < 0)
		return -1;
	if (m.n_streams != p->n_streams)
		return err_set(e, ERR_PROTO, "a tree pass over %u streams, but there are %u",
			       m.n_streams, p->n_streams);
	empty = p->d->empty;
	p->d->empty = false;
	if (m.kind == TREE_FIRST) {
		p->to_empty = empty;
		if (peer_send(p->streams[0], PROTO_TREE_STATE, 0, &empty, 1, e) < 0)
			return -1;
	}
	return m.kind == TREE_CHANGES || p->to_empty ? 0 : start_lister(p, e);
}

static int start_threads(struct dest_pass *p, struct err *e)
{
	struct pool_ops apply = { .work = recv_apply, .drop = job_free };
	struct pool_ops hash = { .work = recv_sums, .drop = job_free };
	int cpus = get_nprocs();

	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake < 0)
		return err_sys(e, "no eventfd");
	apply.wake_fd = hash.wake_fd = p->wake;
	p->n_writers = p->d->opts.threads ? p->d->opts.threads :
		       cpus < 2		  ? 1 :
		       cpus > 8		  ? 8 :
					    (unsigned)cpus;
	if (p->n_writers > MAX_WRITERS)
		p->n_writers = MAX_WRITERS;
	for (unsigned i = 0; i < p->n_writers; i++)
		p->writer[i].dir = p->writer[i].file = -1;
	if (pool_new(&p->writers, &apply, p, p->n_writers, p->n_writers * QUEUE_A_WRITER, e) < 0)
		return -1;
	return pool_new(&p->hasher, &hash, p, 1, ASKS, e);
}

/* The first failure of anybody who works for us. */
static int failure(struct dest_pass *p, struct err *e)
{
	if (pool_failed(p->writers))
		return pool_drain(p->writers, e);
	if (pool_failed(p->hasher))
		return pool_drain(p->hasher, e);
	if (p->listing) {
		pthread_join(p->lister, NULL);
		p->listing = false;
		if (p->list_error.code != ERR_NONE) {
			*e = p->list_error;
			return -1;
		}
	}
	return 0;
}

static int push(struct pool *pool, struct frame *f, struct err *e)
{
	struct job *j = xmalloc(sizeof(*j));

	j->type = f->type;
	j->len = f->len;
	j->data = frame_take(f);
	return pool_push(pool, j, e);
}

enum saying { SAYS_MORE, SAYS_BARRIER, SAYS_END };

static int handle(struct dest_pass *p, unsigned stream, struct frame *f, enum saying *says,
		  struct err *e)
{
	switch (f->type) {
	case PROTO_TREE_BATCH:
	case PROTO_TREE_BATCH_ZSTD:
		return push(p->writers, f, e);
	case PROTO_TREE_SUMS_ASK:
		if (stream == 0)
			return push(p->hasher, f, e);
		break;
	case PROTO_TREE_BARRIER:
		*says = SAYS_BARRIER;
		return 0;
	case PROTO_TREE_END:
		*says = SAYS_END;
		return 0;
	default:
		break;
	}
	return err_set(e, ERR_PROTO, "frame type %u arrived within a tree pass", f->type);
}

/* Waits for a frame on any stream that may speak; *stream is which.  Fails when one of our
 * threads did. */
static int wait_any(struct dest_pass *p, const enum saying *says, unsigned *stream,
		    struct err *e)
{
	struct pollfd fds[MAX_STREAMS + 1];
	unsigned of[MAX_STREAMS] = { 0 }, n = 0, first = 0;

	for (unsigned i = 0; i < p->n_streams; i++) {
		unsigned k = (*stream + 1 + i) % p->n_streams;

		if (says[k] != SAYS_MORE)
			continue;
		of[n] = k;
		fds[n++] = (struct pollfd){ .fd = peer_fd(p->streams[k]), .events = POLLIN };
		if (peer_pending(p->streams[k])) {
			*stream = k;
			return 0;
		}
	}
	fds[n] = (struct pollfd){ .fd = p->wake, .events = POLLIN };
	if (poll(fds, n + 1, peer_silence_ms(p->streams[0])) < 0 && errno != EINTR)
		return err_sys(e, "cannot wait for the streams");
	if (fds[n].revents && failure(p, e) < 0)
		return -1;
	while (first + 1 < n && !fds[first].revents)
		first++;
	*stream = of[first]; /* silence, too, is for the peer to judge */
	return 0;
}

/* Everybody has said it: apply all that came before. */
static int all_said(struct dest_pass *p, enum saying *says, bool *end, struct err *e)
{
	for (unsigned i = 0; i < p->n_streams; i++) {
		if (says[i] == SAYS_MORE)
			return 0;
		if (says[i] != says[0])
			return err_set(e, ERR_PROTO, "the streams of a tree pass disagree");
	}
	if (pool_drain(p->writers, e) < 0 || pool_drain(p->hasher, e) < 0)
		return -1;
	p->generation++;
	*end = says[0] == SAYS_END;
	for (unsigned i = 0; i < p->n_streams; i++)
		says[i] = SAYS_MORE;
	return 0;
}

static int receive(struct dest_pass *p, struct err *e)
{
	enum saying says[MAX_STREAMS] = { SAYS_MORE };
	unsigned stream = 0;
	bool end = false;

	while (!end) {
		own_frame struct frame f = FRAME_INIT;
		int got;

		if (wait_any(p, says, &stream, e) < 0)
			return -1;
		got = peer_try(p->streams[stream], &f, e);
		if (got < 0)
			return -1;
		if (got == 0)
			continue;
		if (handle(p, stream, &f, &says[stream], e) < 0 ||
		    (says[stream] != SAYS_MORE && all_said(p, says, &end, e) < 0))
			return -1;
	}
	return failure(p, e);
}

static uint64_t wire_bytes(const struct dest_pass *p)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < p->n_streams; i++) {
		struct peer_stats st = peer_stats(p->streams[i]);

		n += st.sent_bytes + st.received_bytes;
	}
	return n;
}

static void finish(struct dest_pass *p)
{
	pool_free(p->writers);
	pool_free(p->hasher);
	if (p->listing)
		pthread_join(p->lister, NULL);
	for (unsigned i = 0; i < p->n_writers; i++)
		writer_fini(&p->writer[i]);
	close_fd(&p->wake);
}

int tree_dest_pass(struct tree_dest *d, struct peer *const *streams, unsigned n_streams,
		   struct tree_stats *st, struct err *e)
{
	struct dest_pass p = { .d = d, .streams = streams, .n_streams = n_streams, .wake = -1 };
	uint64_t start = clock_ns(), wire;
	struct err own = ERR_INIT;
	int ret;

	*st = (struct tree_stats){ .walked = false };
	if (!n_streams || n_streams > MAX_STREAMS)
		return err_set(e, ERR_USAGE, "a tree pass over %u streams", n_streams);
	wire = wire_bytes(&p);
	ret = start_threads(&p, &own);
	if (ret == 0)
		ret = begin(&p, &own);
	if (ret == 0)
		ret = receive(&p, &own);
	finish(&p);
	*st = (struct tree_stats){ .files = p.files, .others = p.others, .dirs = p.dirs,
				   .removed = p.removed, .bytes = p.bytes,
				   .wire_bytes = wire_bytes(&p) - wire,
				   .ns = clock_ns() - start };
	if (ret < 0 && e)
		*e = own;
	return ret;
}
