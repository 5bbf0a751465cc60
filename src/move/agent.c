// SPDX-License-Identifier: MIT
#include "move/agent.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "commit/dest.h"
#include "config.h"
#include "engine/libvirt/libvirt.h"
#include "move/msg.h"
#include "move/online/dest.h"
#include "move/streams.h"
#include "move/vm_live.h"
#include "plan/gather.h"
#include "tree/recv/recv.h"
#include "wire/peer.h"
#include "wire/proto.h"

/* Where the conversation is; a request is legal in some of them only. */
enum agent_state {
	AT_START = 1 << 0,  /* nothing said */
	AT_HELLO = 1 << 1,  /* introduced */
	AT_OPENED = 1 << 2, /* knows what shall come */
	AT_AREA = 1 << 3,   /* has an area: from here on there is something to undo */
	AT_ADOPTED = 1 << 4,
	AT_READY = 1 << 5,  /* only the source decides now */
	AT_LIVE = 1 << 7,   /* online: registered, memory comes */
	AT_ENDED = 1 << 6,  /* done or undone */
};

struct agent {
	struct peer *peer;
	enum agent_state state;
	struct msg_open open;
	const struct engine_ops *ops;
	struct ct home;
	struct dest dest;
	struct tree_dest *tree;
	struct online_dest *online;
	struct streams streams;
	bool bye;
};

static int reply_empty(struct agent *a, const struct frame *f, struct err *e)
{
	return peer_reply(a->peer, f->id, NULL, e);
}

static int reply_bool(struct agent *a, const struct frame *f, bool v, struct err *e)
{
	own_buf struct buf b = BUF_INIT;

	buf_put_u8(&b, v);
	return peer_reply(a->peer, f->id, &b, e);
}

static int on_hello(struct agent *a, const struct frame *f, struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	struct msg_hello theirs, mine = { .version = PROTO_VERSION,
					  .features = PROTO_FEATURES,
					  .program = (char *)(uintptr_t)PMIGRATE_VERSION };
	char host[256] = "";

	if (msg_hello_get(f, &theirs, e) < 0)
		return -1;
	peer_set_silence(a->peer, (int)(theirs.silence_ms & INT32_MAX));
	msg_hello_fini(&theirs);
	gethostname(host, sizeof(host) - 1);
	mine.host = host;
	msg_hello_put(&b, &mine);
	a->state = AT_HELLO;
	return peer_reply(a->peer, f->id, &b, e);
}

static int on_probe(struct agent *a, const struct frame *f, struct err *e)
{
	return f->len && f->data[0] == 1 ? reply_empty(a, f, e) : 0;
}

/*
 * Unfinished migrations of the same container.  One that never became ready and
 * whose agent is dead can only be undone: that is done here.  The others are
 * told to the source, which knows the verdict.
 */
static int settle_stale(struct agent *a, struct strv *stale, struct err *e)
{
	char **ids = NULL;

	if (journal_list(ROLE_DEST, &ids, e) < 0)
		return -1;
	for (size_t i = 0; ids[i]; i++) {
		own_free char *id = ids[i];
		const char *engine, *ct;
		struct journal *j;
		enum journal_state s;
		bool live, same;

		if (journal_peek(id, ROLE_DEST, &j, &live, NULL) < 0)
			continue;
		engine = journal_get(j, "engine");
		ct = journal_get(j, "ct");
		same = engine && ct && !strcmp(engine, a->ops->name) &&
		       !strcmp(ct, a->open.desc.id);
		s = journal_get_state(j);
		journal_free(j);
		if (!same || s == JOURNAL_DONE || s == JOURNAL_UNDONE)
			continue;
		if (s == JOURNAL_ACTIVE && !live && !(a->open.flags & OPEN_DRY_RUN)) {
			struct dest d = DEST_INIT;
			struct err why = ERR_INIT;

			if (dest_resume(&d, id, &why) < 0 || dest_undo(&d, &why) < 0)
				log_warn("migration %s could not be undone: %s", id, why.msg);
			else
				log_info("an earlier migration, %s, was undone", id);
			dest_fini(&d);
			continue;
		}
		strv_add(stale, id);
	}
	free(ids);
	return 0;
}

static int on_open(struct agent *a, const struct frame *f, struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	struct msg_opened m = { .stale = STRV_INIT };
	struct err taken = ERR_INIT, lack = ERR_INIT;
	int ret = -1;

	msg_open_fini(&a->open);
	ct_fini(&a->home);
	if (msg_open_get(f, &a->open, e) < 0)
		return -1;
	a->ops = engine_by_name(a->open.desc.engine);
	if (!a->ops || !a->ops->present()) {
		err_set(e, ERR_LAYOUT, "this server has no %s containers", a->open.desc.engine);
		return err_hint(e, "install pmigrate there (it makes /etc/vz), or choose another server");
	}
	if (settle_stale(a, &m.stale, e) < 0 ||
	    facts_gather(&a->open.need, &a->open.desc, &m.facts, e) < 0)
		goto out;
	/* Why it cannot be had stands in the facts. */
	if (a->ops->plan_home(&a->open.desc, &a->home, &taken) == 0)
		m.facts.kept_bytes = dest_kept_bytes(a->ops, &a->home);
	if (journal_may_write(&lack) < 0)
		facts_add_lack(&m.facts, &lack);
	msg_opened_put(&b, &m);
	a->state = AT_OPENED;
	ret = peer_reply(a->peer, f->id, &b, e);
out:
	msg_opened_fini(&m);
	return ret;
}

static int on_area(struct agent *a, const struct frame *f, struct err *e)
{
	bool keep = a->open.flags & (OPEN_KEEP_DST | OPEN_KEEP_ALWAYS);
	struct tree_dest_opts opts = { 0 };
	bool resumed;

	if (a->open.flags & OPEN_DRY_RUN)
		return err_set(e, ERR_PROTO, "a dry run asked for an area");
	if (!a->home.id) /* plan_home refused: say it again */
		return a->ops->plan_home(&a->open.desc, &a->home, e) < 0
			       ? -1
			       : err_set(e, ERR_PROTO, "OPEN must be repeated");
	if (dest_begin(&a->dest, a->open.id, a->ops, &a->home, a->open.source, keep, e) < 0)
		return -1;
	a->state = AT_AREA;
	if (dest_area(&a->dest, &resumed, e) < 0 ||
	    tree_dest_open(&a->tree, AT_FDCWD, a->home.private_area, &opts, e) < 0)
		return -1;
	return reply_bool(a, f, resumed, e);
}

static int on_streams(struct agent *a, const struct frame *f, struct err *e)
{
	return streams_listen(&a->streams, a->open.id, e) < 0 ? -1 : reply_empty(a, f, e);
}

static int on_pass(struct agent *a, const struct frame *f, struct err *e)
{
	struct tree_stats stats = { 0 };
	struct msg_pass m;

	if (msg_pass_get(f, &m, e) < 0)
		return -1;
	if (streams_accept(&a->streams, m.n_streams, e) < 0)
		return -1;
	/* Synced after each pass, so that the last one, within the downtime, has little
	 * to wait for. */
	if (tree_dest_pass(a->tree, a->streams.peer, m.n_streams, &stats, e) < 0)
		return -1;
	if (a->online && m.kind == PASS_LAST) /* beside the restore; READY waits for it */
		return online_dest_sync(a->online, a->tree, e) < 0 ? -1 : reply_empty(a, f, e);
	return tree_dest_sync(a->tree, e) < 0 ? -1 : reply_empty(a, f, e);
}

static int on_config(struct agent *a, const struct frame *f, struct err *e)
{
	/* The tree is complete: let its resources go before the container starts. */
	tree_dest_close(take_ptr(&a->tree));
	if (dest_adopt(&a->dest, &a->open.desc, e) < 0)
		return -1;
	a->state = AT_ADOPTED;
	return reply_empty(a, f, e);
}

static int on_hold(struct agent *a, const struct frame *f, struct err *e)
{
	bool run;

	if (msg_bool_get(f, &run, e) < 0 || dest_hold(&a->dest, run, e) < 0)
		return -1;
	a->state = AT_READY;
	return reply_empty(a, f, e);
}

/* ---- online: see online.h ---- */

static int on_live_open(struct agent *a, const struct frame *f, struct err *e)
{
	struct msg_live_open m;

	if (msg_live_open_get(f, &m, e) < 0)
		return -1;
	a->state = AT_LIVE;
	if (online_dest_open(&a->online, &a->dest, &a->open.desc, &a->streams, &m, e) < 0)
		return -1;
	return reply_empty(a, f, e);
}

static int on_live_arm(struct agent *a, const struct frame *f, struct err *e)
{
	struct msg_live_arm m;
	int ret;

	if (msg_live_arm_get(f, &m, e) < 0)
		return -1;
	ret = online_dest_arm(a->online, &m, e);
	msg_live_arm_fini(&m);
	return ret < 0 ? -1 : reply_empty(a, f, e);
}

static int on_live_place(struct agent *a, const struct frame *f, struct err *e)
{
	struct msg_live_place m;

	if (msg_live_place_get(f, &m, e) < 0 || online_dest_place(a->online, &m, e) < 0)
		return -1;
	return reply_empty(a, f, e);
}

static int on_live_net(struct agent *a, const struct frame *f, struct err *e)
{
	bool asked;

	if (online_dest_net(a->online, f, &asked, e) < 0)
		return -1;
	return asked ? reply_empty(a, f, e) : 0;
}

static int on_live_closed(struct agent *a, const struct frame *f, struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	size_t refused = 0;
	bool asked;

	if (online_dest_closed(a->online, f, &refused, &asked, e) < 0)
		return -1;
	buf_put_u32(&b, (uint32_t)refused);
	return asked ? peer_reply(a->peer, f->id, &b, e) : 0;
}

static int on_live_image(struct agent *a, const struct frame *f, struct err *e)
{
	return online_dest_image(a->online, f, e);
}

static int on_live_restore(struct agent *a, const struct frame *f, struct err *e)
{
	if (online_dest_restore(a->online, f, e) < 0)
		return -1;
	tree_dest_close(take_ptr(&a->tree));
	a->state = AT_READY;
	return reply_empty(a, f, e);
}

static int on_live_wait(struct agent *a, const struct frame *f, struct err *e)
{
	if (!a->online)
		return err_set(e, ERR_PROTO, "there is no memory to wait for");
	return online_dest_wait(a->online, e) < 0 ? -1 : reply_empty(a, f, e);
}

/* A virtual machine comes by libvirt's own means; from here on only the source knows whether. */
static int on_vm_expect(struct agent *a, const struct frame *f, struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	own_free char *sockets = vm_sockets(a->open.id);
	const char *here = libvirt_socket();

	if (!a->ops->expect || !here)
		return err_set(e, ERR_UNSUPPORTED, "there is no libvirt that a machine could come to");
	tree_dest_close(take_ptr(&a->tree));
	if (dest_expect(&a->dest, &a->open.desc, sockets, e) < 0)
		return -1;
	a->state = AT_READY;
	buf_put_str(&b, here);
	return peer_reply(a->peer, f->id, &b, e);
}

/* Nothing is decided until its journal says committed. */
static int commit(struct agent *a, struct err *why)
{
	struct err undo = ERR_INIT;

	if (!a->online || online_dest_intact(a->online, why) == 0)
		return dest_commit(&a->dest, why);
	if (dest_undo(&a->dest, &undo) < 0) {
		why->code = ERR_RECOVER;
		log_warn("%s", undo.msg);
	}
	return -1;
}

static int on_commit(struct agent *a, const struct frame *f, struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	int ret = 0;
	struct msg_committed m = { .done = true };

	if (a->online)
		online_dest_loud(a->online);
	if (commit(a, &m.why) < 0) {
		if (m.why.code == ERR_RECOVER) {
			*e = m.why;
			return -1;
		}
		m.done = false;
	}
	a->state = AT_ENDED;
	msg_committed_put(&b, &m);
	if (peer_reply(a->peer, f->id, &b, e) < 0)
		ret = -1;
	if (a->online && m.done) /* behind the answer: nobody waits for it */
		online_dest_ran(a->online);
	return ret;
}

static int on_undo(struct agent *a, const struct frame *f, struct err *e)
{
	online_dest_free(take_ptr(&a->online));
	tree_dest_close(take_ptr(&a->tree));
	if (a->dest.journal && dest_undo(&a->dest, e) < 0)
		return -1;
	a->state = AT_ENDED;
	return reply_empty(a, f, e);
}

/* Carries out the verdict on an unfinished migration that nobody works on. */
static void carry_out(struct dest *d, enum verdict v, struct err *why)
{
	switch (journal_get_state(d->journal)) {
	case JOURNAL_ACTIVE: /* it never became ready */
		dest_undo(d, why);
		break;
	case JOURNAL_READY:
		if (v == VERDICT_COMMIT)
			dest_commit(d, why);
		else
			dest_undo(d, why);
		break;
	case JOURNAL_COMMITTED:
		if (v == VERDICT_COMMIT)
			dest_commit(d, why);
		else if (v == VERDICT_LOST && dest_lacks_memory(d))
			dest_undo(d, why);
		break;
	case JOURNAL_NONE:
	case JOURNAL_DONE:
	case JOURNAL_UNDONE:
		break;
	}
}

/* What became of migration `id`, and carry out the verdict on it. */
static void settle(const struct msg_ask *ask, struct msg_asked *out)
{
	struct dest d = DEST_INIT;
	struct journal *j = NULL;
	bool live;

	if (journal_peek(ask->id, ROLE_DEST, &j, &live, NULL) < 0)
		return; /* none */
	out->state = journal_get_state(j);
	journal_free(j);
	if (ask->verdict == VERDICT_ASK || out->state == JOURNAL_DONE ||
	    out->state == JOURNAL_UNDONE)
		return;
	/* It runs and gets its memory: whoever brings that is not disturbed. */
	if (out->state == JOURNAL_COMMITTED && live)
		return;
	if (dest_resume(&d, ask->id, &out->why) == 0) {
		carry_out(&d, ask->verdict, &out->why);
		out->state = journal_get_state(d.journal);
	}
	dest_fini(&d);
}

static int on_ask(struct agent *a, const struct frame *f, struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	struct msg_asked m = { .state = JOURNAL_NONE };
	struct msg_ask ask;

	if (msg_ask_get(f, &ask, e) < 0)
		return -1;
	settle(&ask, &m);
	msg_asked_put(&b, &m);
	return peer_reply(a->peer, f->id, &b, e);
}

static int on_bye(struct agent *a, const struct frame *f, struct err *e)
{
	a->bye = true;
	return reply_empty(a, f, e);
}

static const struct handler {
	uint8_t type;
	const char *name; /* the fault point */
	unsigned states;  /* in which it is legal */
	int (*run)(struct agent *a, const struct frame *f, struct err *e);
} handlers[] = {
	{ PROTO_HELLO, "hello", AT_START, on_hello },
	{ PROTO_PROBE, "probe", AT_HELLO | AT_OPENED, on_probe },
	{ PROTO_ASK, "ask", AT_HELLO | AT_OPENED, on_ask },
	{ PROTO_OPEN, "open", AT_HELLO | AT_OPENED, on_open },
	{ PROTO_AREA, "area", AT_OPENED, on_area },
	{ PROTO_STREAMS, "streams", AT_AREA, on_streams },
	{ PROTO_PASS, "pass", AT_AREA | AT_LIVE, on_pass },
	{ PROTO_LIVE_OPEN, "live-open", AT_AREA, on_live_open },
	{ PROTO_LIVE_ARM, "live-arm", AT_LIVE, on_live_arm },
	{ PROTO_LIVE_PLACE, "live-place", AT_LIVE, on_live_place },
	{ PROTO_LIVE_NET, "live-net", AT_LIVE, on_live_net },
	{ PROTO_LIVE_IMAGE, "live-image", AT_LIVE, on_live_image },
	{ PROTO_LIVE_RESTORE, "live-restore", AT_LIVE, on_live_restore },
	{ PROTO_LIVE_CLOSED, "live-closed", AT_READY, on_live_closed },
	{ PROTO_LIVE_WAIT, "live-wait", AT_ENDED, on_live_wait },
	{ PROTO_VM_EXPECT, "vm-expect", AT_AREA, on_vm_expect },
	{ PROTO_CONFIG, "config", AT_AREA, on_config },
	{ PROTO_HOLD, "hold", AT_ADOPTED, on_hold },
	{ PROTO_COMMIT, "commit", AT_READY, on_commit },
	{ PROTO_UNDO, "undo", AT_HELLO | AT_OPENED | AT_AREA | AT_ADOPTED | AT_LIVE | AT_READY, on_undo },
	{ PROTO_BYE, "bye", AT_HELLO | AT_OPENED | AT_ENDED, on_bye },
};

static int handle(struct agent *a, const struct frame *f, struct err *e)
{
	for (size_t i = 0; i < array_len(handlers); i++) {
		const struct handler *h = &handlers[i];

		if (h->type != f->type)
			continue;
		if (!(h->states & a->state))
			return err_set(e, ERR_PROTO, "request '%s' came out of turn", h->name);
		if (fault_point("agent", h->name, "", e) < 0 || h->run(a, f, e) < 0)
			return -1;
		return fault_point("agent", h->name, ".done", e);
	}
	return err_set(e, ERR_PROTO, "unknown request %u", f->type);
}

static void log_home(void *arg, enum log_level level, const char *line)
{
	peer_log(arg, level, line);
}

/* The link or a request failed: put back what may be put back, then say why. */
static void give_up(struct agent *a, const struct err *why)
{
	struct err undo = ERR_INIT;

	cancel_allow(false);
	if (a->online && a->state == AT_READY)
		online_dest_leave(a->online); /* it stays held: the source decides */
	else if (a->online && a->state != AT_ENDED)
		online_dest_free(take_ptr(&a->online));
	tree_dest_close(take_ptr(&a->tree));
	if (a->dest.journal && journal_get_state(a->dest.journal) == JOURNAL_ACTIVE &&
	    dest_undo(&a->dest, &undo) < 0)
		log_warn("could not put everything back: %s", undo.msg);
	peer_abort(a->peer, why);
}

/* Our stdin and stdout are the link; nothing else may read or write them. */
static int take_stdio(int fds[2], struct err *e)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	fds[0] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	fds[1] = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (null < 0 || fds[0] < 0 || fds[1] < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		return err_sys(e, "cannot take over stdin and stdout");
	close(null);
	return 0;
}

int agent_main(void)
{
	static const char greeting[] = PROTO_GREETING "\n";
	struct agent a = { .state = AT_START, .dest = DEST_INIT };
	struct peer_opts opts = { .name = "the source" };
	struct err e = ERR_INIT;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	cancel_install();
	if (take_stdio(fds, &e) < 0 || write_all(fds[1], greeting, sizeof(greeting) - 1) < 0 ||
	    peer_new(&a.peer, fds[0], fds[1], &opts, &e) < 0) {
		fprintf(stderr, "pmigrate agent: %s\n", e.msg);
		return 2;
	}
	streams_init(&a.streams, a.peer);
	log_init(LOG_LVL_DEBUG, log_home, a.peer);
	while (!a.bye) {
		own_frame struct frame f = FRAME_INIT;

		if (peer_recv(a.peer, &f, &e) < 0 || handle(&a, &f, &e) < 0) {
			give_up(&a, &e);
			break;
		}
	}
	log_init(LOG_LVL_ERROR, NULL, NULL);
	tree_dest_close(a.tree);
	online_dest_free(a.online);
	streams_fini(&a.streams);
	dest_fini(&a.dest);
	msg_open_fini(&a.open);
	ct_fini(&a.home);
	peer_free(a.peer);
	return a.bye ? 0 : 2;
}
