// SPDX-License-Identifier: MIT
/*
 * The source: its life and the frame of a pass.  What a pass sends is in the
 * other send*.c, see send_impl.h.
 */
#include "tree/send/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "wire/proto.h"

enum {
	QUEUE = 64,
	CTIME_MARGIN_S = 2, /* the coarsest time stamps of file systems we may meet */
};

int tree_source_open(struct tree_source **out, const char *root, const struct tree_opts *o,
		     struct err *e)
{
	struct tree_source *s = xcalloc(1, sizeof(*s));
	struct err why = ERR_INIT;
	struct statx stx;

	s->opts = *o;
	s->root_path = xstrdup(root);
	s->links = links_new();
	s->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0 || meta_stat(AT_FD(s->root), &stx) < 0) {
		err_sys(e, "cannot open %s", root);
		tree_source_close(s);
		return -1;
	}
	s->mnt_id = stx.stx_mnt_id;
	s->may_nocow = meta_may_nocow(s->root);
	if (o->no_journal)
		strcpy(s->no_journal, "it was not asked for");
	else if (journal_open(&s->journal, s->root, root,
			      o->journal_max ? o->journal_max : 250000, &why) < 0)
		snprintf(s->no_journal, sizeof(s->no_journal), "%.255s", why.msg);
	*out = s;
	return 0;
}

void tree_source_close(struct tree_source *s)
{
	if (!s)
		return;
	journal_close(s->journal);
	touched_free(s->touched);
	links_free(s->links);
	free(s->again);
	close_fd(&s->root);
	free(s->root_path);
	free(s);
}

const char *tree_source_no_journal(const struct tree_source *s)
{
	return s->journal ? NULL : s->no_journal;
}

void send_count_bytes(struct pass *p, uint64_t n)
{
	p->n.bytes += n;
	if (p->s->opts.progress)
		p->s->opts.progress->bytes += n;
}

int send_vanished(struct pass *p, const struct walk_dir *dir, const char *name, struct err *e)
{
	p->n.vanished++;
	if (!p->frozen)
		return 0;
	err_set(e, ERR_COPY, "%s%s%s changed although nothing should run in the container",
		dir->path, dir->path_len ? "/" : "", name);
	return err_hint(e, "find out who writes below the private area from outside");
}

/* Every stream says it, behind everything that was sent on it. */
static int say_everywhere(struct pass *p, uint8_t type, const struct buf *b, struct err *e)
{
	for (unsigned i = 0; i < p->n_streams; i++)
		if (peer_send(p->streams[i], type, 0, b->data, b->len, e) < 0)
			return -1;
	return 0;
}

static int flush_all(struct pass *p, struct err *e)
{
	if (pool_drain(p->pool, e) < 0 || pack_flush(&p->main, e) < 0)
		return -1;
	for (unsigned i = 0; i < p->n_readers; i++)
		if (pack_flush(&p->reader[i].pack, e) < 0)
			return -1;
	return 0;
}

int send_barrier(struct pass *p, struct err *e)
{
	own_buf struct buf b = BUF_INIT;

	if (flush_all(p, e) < 0)
		return -1;
	buf_put_u32(&b, p->barrier++);
	return say_everywhere(p, PROTO_TREE_BARRIER, &b, e);
}

/* Behind everything before it. */
static int send_kept(struct pass *p, struct spill *kept, struct err *e)
{
	if (!spill_size(kept))
		return 0;
	return send_barrier(p, e) < 0 ? -1 : pack_replay(&p->main, kept, e);
}

/* What was kept for the end: large files, links and attributes, directories. */
static int send_rest(struct pass *p, struct err *e)
{
	own_buf struct buf none = BUF_INIT;

	if (send_large(p, e) < 0 || flush_all(p, e) < 0 || send_kept(p, p->finals, e) < 0 ||
	    send_kept(p, p->further, e) < 0 || send_kept(p, p->dirs, e) < 0 ||
	    send_kept(p, p->flags, e) < 0)
		return -1;
	return say_everywhere(p, PROTO_TREE_END, &none, e);
}

static unsigned reader_count(const struct pass *p)
{
	unsigned n = p->s->opts.threads;
	int cpus = get_nprocs();

	if (!n)
		n = cpus < 2 ? 1 : cpus > 8 ? 8 : (unsigned)cpus;
	if (n < p->n_streams)
		n = p->n_streams;
	return n > MAX_READERS ? MAX_READERS : n;
}

static int pass_begin(struct pass *p, struct err *e)
{
	const struct pool_ops ops = { .work = send_work, .drop = work_free, .wake_fd = -1 };
	struct begin_msg m = { p->kind, p->n_streams };
	own_buf struct buf b = BUF_INIT;

	p->start_ns = clock_ns();
	pthread_mutex_init(&p->several_lock, NULL);
	pthread_mutex_init(&p->lease_lock, NULL);
	leases_read(&p->leases);
	p->n_readers = reader_count(p);
	p->large = spill_new();
	p->finals = spill_new();
	p->further = spill_new();
	p->dirs = spill_new();
	p->flags = spill_new();
	pack_init(&p->main, p->streams[0], p->s->opts.zip);
	for (unsigned i = 0; i < p->n_readers; i++)
		pack_init(&p->reader[i].pack, p->streams[i % p->n_streams], p->s->opts.zip);
	begin_put(&b, &m);
	if (peer_send(p->streams[0], PROTO_TREE_BEGIN, 0, b.data, b.len, e) < 0)
		return -1;
	return pool_new(&p->pool, &ops, p, p->n_readers, QUEUE, e);
}

static void reader_fini(struct reader_ctx *r)
{
	pack_fini(&r->pack);
	buf_fini(&r->xattrs);
	buf_fini(&r->fragment);
	buf_fini(&r->path);
	buf_fini(&r->primary);
	buf_fini(&r->block);
	walk_dir_put(r->cwd);
}

static void pass_end(struct pass *p, struct tree_stats *st)
{
	pool_free(p->pool);
	for (unsigned i = 0; i < p->n_readers; i++)
		reader_fini(&p->reader[i]);
	pack_fini(&p->main);
	spill_free(p->large);
	spill_free(p->finals);
	spill_free(p->further);
	spill_free(p->dirs);
	spill_free(p->flags);
	free(p->several);
	pthread_mutex_destroy(&p->several_lock);
	pthread_mutex_destroy(&p->lease_lock);
	leases_fini(&p->leases);
	*st = (struct tree_stats){
		.files = p->n.files,
		.others = p->n.others,
		.dirs = p->n.dirs,
		.removed = p->n.removed,
		.bytes = p->n.bytes,
		.same_bytes = p->n.same_bytes,
		.vanished = p->n.vanished,
		.mounts = p->n.mounts,
		.excluded = p->n.excluded,
		.ns = clock_ns() - p->start_ns,
		.walked = p->kind != TREE_CHANGES,
	};
}

static uint64_t wire_bytes(const struct pass *p)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < p->n_streams; i++) {
		struct peer_stats st = peer_stats(p->streams[i]);

		n += st.sent_bytes + st.received_bytes;
	}
	return n;
}

/* The receiver's answer to TREE_FIRST: is its area empty? */
static int receive_state(struct pass *p, struct err *e)
{
	own_frame struct frame f = FRAME_INIT;

	if (peer_recv(p->streams[0], &f, e) < 0)
		return -1;
	if (f.type != PROTO_TREE_STATE || f.len != 1 || f.data[0] > 1)
		return err_set(e, ERR_PROTO,
			       "frame type %u arrived where the area's state was awaited",
			       f.type);
	p->to_empty = f.data[0] == 1;
	return 0;
}

static int send_compare(struct pass *p, struct err *e)
{
	struct list_in *list = list_in_new(p->streams[0]);
	int ret = send_walk(p, "", 0, list, e);

	if (ret == 0)
		ret = list_in_end(list, e);
	list_in_free(list);
	return ret;
}

static int send_everything(struct pass *p, struct err *e)
{
	if (links_clear(p->s->links, e) < 0)
		return -1;
	if (p->kind == TREE_FIRST && receive_state(p, e) < 0)
		return -1;
	return p->to_empty ? send_walk(p, "", 0, NULL, e) : send_compare(p, e);
}

/* When our end failed because theirs had: what they said is the better reason. */
static void prefer_their_reason(struct pass *p, struct err *e)
{
	struct err said = ERR_INIT;

	if (e->code != ERR_LINK)
		return;
	for (;;) {
		own_frame struct frame f = FRAME_INIT;

		if (peer_recv(p->streams[0], &f, &said) < 0)
			break;
	}
	if (said.code != ERR_LINK && said.code != ERR_TIMEOUT)
		*e = said;
}

static int run_pass(struct pass *p, struct changes *c, struct tree_stats *st, struct err *e)
{
	struct timespec now;
	struct err own = ERR_INIT;
	uint64_t wire = wire_bytes(p);
	int ret;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	ret = pass_begin(p, &own);
	if (ret == 0)
		ret = c ? send_changes(p, c, &own) : send_everything(p, &own);
	if (ret == 0)
		ret = send_rest(p, &own);
	else if (p->pool && pool_failed(p->pool))
		pool_drain(p->pool, &own); /* the first failure, not its consequence */
	if (ret < 0)
		prefer_their_reason(p, &own);
	pass_end(p, st);
	st->wire_bytes = wire_bytes(p) - wire;
	if (ret < 0) {
		p->s->passed = false;
		if (e)
			*e = own;
		return -1;
	}
	p->s->passed = true;
	p->s->since_s = now.tv_sec - CTIME_MARGIN_S;
	return 0;
}

static void progress_begin(struct tree_source *s, uint64_t files, uint64_t bytes)
{
	struct tree_progress *pr = s->opts.progress;

	if (!pr)
		return;
	pr->files = 0;
	pr->bytes = 0;
	pr->files_expected = files;
	pr->bytes_expected = bytes;
}

int tree_source_first(struct tree_source *s, struct peer *const *streams, unsigned n_streams,
		      struct tree_stats *st, struct err *e)
{
	struct pass p = { .s = s, .streams = streams, .n_streams = n_streams,
			  .kind = TREE_FIRST };
	struct changes *before = NULL;

	*st = (struct tree_stats){ .walked = true };
	/* What has changed up to here is seen by the walk. */
	if (s->journal && journal_take(s->journal, &before, e) < 0)
		return -1;
	changes_free(before);
	touched_free(s->touched);
	s->touched = touched_new(time(NULL));
	s->passed = false;
	progress_begin(s, s->measured.files, s->measured.bytes);
	return run_pass(&p, NULL, st, e);
}

/* A later pass: by the journal where it is whole, else by comparing. */
static int later(struct tree_source *s, struct peer *const *streams, unsigned n_streams,
		 bool frozen, const struct held *held, struct tree_stats *st, struct err *e)
{
	struct pass p = { .s = s, .streams = streams, .n_streams = n_streams,
			  .kind = TREE_COMPARE, .frozen = frozen };
	struct changes *c = NULL;
	int ret;

	*st = (struct tree_stats){ .walked = true };
	if (s->journal && journal_take(s->journal, &c, e) < 0)
		return -1;
	if (c && c->overflow)
		log_info("%s: more changes than the journal holds: the whole tree is compared",
			 s->root_path);
	if (held && held->unseen_overlay && !s->overlays) {
		s->overlays = true;
		log_info("%s: written to through overlays, which this kernel does not report: the whole "
			 "tree is compared",
			 s->root_path);
	}
	if (c && !c->overflow && !s->overlays && s->passed)
		p.kind = TREE_CHANGES;
	progress_begin(s, c ? c->n : 0, 0);
	ret = s->touched ? touched_look(s->touched, s->root, s->root_path, held, frozen,
					time(NULL), c, e) :
			   0;
	if (ret == 0)
		ret = run_pass(&p, p.kind == TREE_CHANGES ? c : NULL, st, e);
	changes_free(c);
	return ret;
}

int tree_source_next(struct tree_source *s, struct peer *const *streams, unsigned n_streams,
		     const struct held *held, struct tree_stats *st, uint64_t *left,
		     struct err *e)
{
	if (later(s, streams, n_streams, false, held, st, e) < 0)
		return -1;
	if (left)
		*left = s->journal ? journal_pending(s->journal) + s->n_again :
				     st->files + st->others + st->removed;
	return 0;
}

int tree_source_last(struct tree_source *s, struct peer *const *streams, unsigned n_streams,
		     const struct held *held, struct tree_stats *st, struct err *e)
{
	return later(s, streams, n_streams, true, held, st, e);
}
