// SPDX-License-Identifier: MIT
#include "move/online/net.h"

#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/own.h"
#include "move/source.h"
#include "net/addresses.h"
#include "wire/frame.h"
#include "wire/proto.h"

enum {
	TEXT_MAX = NETSTATE_MAX + (64 << 20),
	PIECE = 512 << 10,
	/* the first byte of a piece */
	NET_LAST = 1, /* nothing follows */
	NET_ASKED = 2, /* answered when it is made so */
};

void online_net_close(struct online_net *n)
{
	netwatch_close(&n->watch);
	flows_close(&n->host);
	flows_close(&n->inside);
	if (n->closed_begun)
		pthread_join(n->closed_thread, NULL);
	n->closed_begun = false;
	closed_fini(&n->closed);
	silence_end(&n->lo);
	silence_end(&n->uplink);
	buf_fini(&n->news);
}

/* ---- preflight ---- */

static void check_strangers(const struct source *s, const struct ct_parts *parts,
			    struct findings *found)
{
	own_strv struct strv strange = STRV_INIT;
	own_free char *names = NULL;
	struct err why = ERR_INIT;

	if (netstate_strangers(&strange, parts->netns, &parts->ifs, &why) < 0) {
		findings_fail(found, s->job, 0, false, "network", why.code, why.hint, "%s", why.msg);
	} else if (strange.n) {
		names = strv_join(&strange, ", ");
		findings_fail(found, s->job, 0, false, "network", ERR_UNSUPPORTED,
			      "remove what was made inside (ip link delete NAME; stop the program that "
			      "needs it), or move without --online",
			      "network interfaces that the container made itself cannot be moved: %s",
			      names);
	}
}

static void check_state(const struct source *s, const struct ct_parts *parts,
			struct findings *found)
{
	own_netstate struct netstate state = NETSTATE_INIT;
	struct err why = ERR_INIT;

	if (netstate_take(&state, parts->netns, &why) < 0)
		findings_fail(found, s->job, 0, false, "network", why.code, why.hint, "%s", why.msg);
	for (size_t i = 0; i < state.links.n; i++) {
		if (links_discipline_stays(&state.links.v[i]))
			findings_note(found, FINDING_NOTE, "network",
				      "the queueing discipline %s of %s inside does not move; it can be made there again",
				      state.links.v[i].discipline, state.links.v[i].name);
	}
}

struct inside {
	struct strv addresses;
	struct err *e;
};

static int addresses_inside(void *arg)
{
	struct inside *i = arg;

	return addresses_here(&i->addresses, i->e);
}

static bool is_own_business(const char *address)
{
	return !strncmp(address, "127.", 4) || !strcmp(address, "::1") || !strncmp(address, "fe80:", 5);
}

/* Those of the config, and those that it has given itself (DHCP), but for any that the server itself has. */
static int all_addresses(const struct source *s, const char *netns, struct strv *out, struct err *e)
{
	own_fd int ns = open(netns, O_RDONLY | O_CLOEXEC);
	own_strv struct strv here = STRV_INIT;
	struct inside in = { .addresses = STRV_INIT, .e = e };
	int ret = ns < 0 ? err_sys(e, "cannot open %s", netns) : netns_call(ns, addresses_inside, &in, e);

	if (ret == 0)
		ret = addresses_here(&here, e);
	strv_addv(out, (const char *const *)s->desc.addresses.item);
	for (size_t i = 0; ret == 0 && i < in.addresses.n; i++) {
		const char *one = in.addresses.item[i];

		if (!is_own_business(one) && !strv_has(&here, one) && !strv_has(out, one))
			strv_add(out, one);
	}
	strv_fini(&in.addresses);
	return ret;
}

static void check_flows(const struct source *s, const struct ct_parts *parts, struct findings *found)
{
	own_strv struct strv addresses = STRV_INIT;
	struct flows f = FLOWS_INIT;
	own_buf struct buf b = BUF_INIT;
	struct err why = ERR_INIT;

	if (all_addresses(s, parts->netns, &addresses, &why) < 0 || flows_open(&f, NULL, &addresses, &why) < 0 || flows_take(&f, &b, &why) < 0)
		findings_fail(found, s->job, 0, false, "network", why.code, why.hint, "%s", why.msg);
	else if (f.translated)
		findings_note(found, FINDING_NOTE, "network",
			      "%zu connections are translated to an address of this server and will break",
			      f.translated);
	flows_close(&f);
}

void online_net_check(const struct source *s, const struct ct_parts *parts, struct findings *found)
{
	check_strangers(s, parts, found);
	check_state(s, parts, found);
	check_flows(s, parts, found);
}

/* ---- source ---- */

/* The last piece of it is a request when there is somewhere to put the answer. */
static int send_pieces(struct source *s, uint8_t type, const struct buf *text, struct frame *answer, struct err *e)
{
	size_t at = 0;

	do {
		own_buf struct buf b = BUF_INIT;
		size_t n = text->len - at < PIECE ? text->len - at : PIECE;
		bool last = at + n == text->len;

		buf_put_u8(&b, last ? NET_LAST | (answer ? NET_ASKED : 0) : 0);
		buf_put(&b, text->data + at, n);
		if (last && answer)
			return peer_call(s->remote.peer, type, &b, answer, e);
		if (peer_send(s->remote.peer, type, 0, b.data, b.len, e) < 0)
			return -1;
		at += n;
	} while (at < text->len);
	return 0;
}

static int send_text(struct source *s, const struct buf *text, bool asked, struct err *e)
{
	own_frame struct frame f = FRAME_INIT;

	return send_pieces(s, PROTO_LIVE_NET, text, asked ? &f : NULL, e);
}

static int put_state(struct source *s, struct buf *b, struct err *e)
{
	own_netstate struct netstate state = NETSTATE_INIT;

	if (netstate_take(&state, s->online.parts.netns, e) < 0)
		return -1;
	buf_put_u8(b, 1);
	netstate_put(b, &state);
	return 0;
}

int online_net_send(struct source *s, struct err *e)
{
	struct online_net *n = &s->online.net;
	own_buf struct buf b = BUF_INIT, host = BUF_INIT, inside = BUF_INIT;
	own_strv struct strv addresses = STRV_INIT;

	/* Listening first: what changes while it is read is read again. */
	if (netwatch_open(&n->watch, s->online.parts.netns, e) < 0 ||
	    all_addresses(s, s->online.parts.netns, &addresses, e) < 0 ||
	    flows_open(&n->host, NULL, &addresses, e) < 0 ||
	    flows_open(&n->inside, s->online.parts.netns, NULL, e) < 0 ||
	    put_state(s, &b, e) < 0 || flows_take(&n->host, &host, e) < 0 ||
	    flows_take(&n->inside, &inside, e) < 0)
		return -1;
	buf_put_bytes(&b, host.data, host.len);
	buf_put_bytes(&b, inside.data, inside.len);
	return send_text(s, &b, true, e);
}

int online_net_send_news(struct source *s, struct err *e)
{
	struct online_net *n = &s->online.net;
	own_buf struct buf b = BUF_INIT, host = BUF_INIT, inside = BUF_INIT;

	if (flows_news(&n->host, &host, e) < 0 || flows_news(&n->inside, &inside, e) < 0)
		return -1;
	if (!n->news.len && !host.len && !inside.len)
		return 0;
	if (!n->news.len)
		buf_put_u8(&b, 0);
	else
		buf_put(&b, n->news.data, n->news.len);
	buf_put_bytes(&b, host.data, host.len);
	buf_put_bytes(&b, inside.data, inside.len);
	return send_text(s, &b, false, e);
}

int online_net_refresh(struct source *s, struct err *e)
{
	static const struct buf none = BUF_INIT;
	struct online_net *n = &s->online.net;
	own_buf struct buf b = BUF_INIT;

	if (!netwatch_changed(&n->watch))
		return 0;
	if (put_state(s, &b, e) < 0)
		return -1;
	buf_put_bytes(&b, none.data, none.len);
	buf_put_bytes(&b, none.data, none.len);
	return send_text(s, &b, true, e);
}

/* ---- frozen: silence, and connections that nobody has ---- */

static void silence(struct silence *s, const char *netns, const struct strv *interfaces)
{
	struct err why = ERR_INIT;

	/* Without it a move is as good as it was without: seldom a packet comes at a bad moment. */
	if (silence_begin(s, netns, interfaces, &why) < 0)
		log_info("packets are not held back while it is saved and restored: %s", why.msg);
}

static void silence_lo(struct silence *s, const char *netns)
{
	own_strv struct strv lo = STRV_INIT;

	strv_add(&lo, "lo");
	silence(s, netns, &lo);
}

static void *closed_main(void *arg)
{
	struct source *s = arg;
	struct online_net *n = &s->online.net;

	n->closed_taken = closed_take(s->online.parts.netns, &n->closed, &n->closed_err) == 0;
	return NULL;
}

static int closed_wait(struct online_net *n, struct err *e)
{
	if (n->closed_begun)
		pthread_join(n->closed_thread, NULL);
	n->closed_begun = false;
	if (n->closed_err.code && e)
		*e = n->closed_err;
	return n->closed_err.code ? -1 : 0;
}

int online_net_quiet(struct source *s, struct err *e)
{
	struct online_net *n = &s->online.net;

	/* Before the silence, which is a packet filter itself. */
	buf_clear(&n->news);
	if (netwatch_changed(&n->watch) && put_state(s, &n->news, e) < 0)
		return -1;
	silence_lo(&n->lo, s->online.parts.netns);
	if (s->online.hold.ways.n)
		silence(&n->uplink, NULL, &s->online.hold.ways);
	if (pthread_create(&n->closed_thread, NULL, closed_main, s) != 0)
		return err_set(e, ERR_SYS, "cannot start a thread");
	n->closed_begun = true;
	return 0;
}

void online_net_undo(struct source *s)
{
	struct online_net *n = &s->online.net;
	struct err why = ERR_INIT;
	size_t refused = 0;

	if (closed_wait(n, NULL) == 0 && n->closed_taken &&
	    (closed_make(s->online.parts.netns, &n->closed, &refused, &why) < 0 || refused))
		event_warning(s->ev, "%zu connections that it had closed already are lost: %s", refused, why.msg);
	n->closed_taken = false;
	closed_fini(&n->closed);
	silence_end(&n->lo);
	silence_end(&n->uplink);
}

int online_net_send_closed(struct source *s, struct err *e)
{
	struct online_net *n = &s->online.net;
	own_buf struct buf b = BUF_INIT;
	own_frame struct frame f = FRAME_INIT;
	struct reader r;
	size_t refused;

	if (closed_wait(n, e) < 0)
		return -1;
	for (size_t i = 0; i < n->closed.lost.n; i++)
		event_warning(s->ev, "a connection that it had closed already is lost, with %s: nobody answers there",
			      n->closed.lost.item[i]);
	if (!n->closed.n)
		return 0;
	closed_put(&b, &n->closed);
	if (send_pieces(s, PROTO_LIVE_CLOSED, &b, &f, e) < 0)
		return -1;
	r = reader_of(f.data, f.len);
	refused = get_u32(&r);
	if (refused)
		event_warning(s->ev, "%zu connections that it had closed already are lost: %s cannot make them", refused,
			      s->remote.hello.host);
	log_debug("%zu closed connections have moved", n->closed.n - refused);
	return 0;
}

/* ---- destination ---- */

static int make_known(const char *netns, struct reader *r, struct err *e)
{
	size_t len, refused = 0;
	const uint8_t *data = get_bytes(r, TEXT_MAX, &len);

	if (!data || flows_apply(netns, data, len, &refused, e) < 0)
		return data ? -1 : err_set(e, ERR_PROTO, "LIVE_NET cannot be understood");
	if (refused)
		log_info("%zu tracked connections are not known here", refused);
	return 0;
}

static int make_so(const struct buf *text, const char *netns, struct err *e)
{
	own_netstate struct netstate state = NETSTATE_INIT;
	struct reader r = reader_of(text->data, text->len);

	if (get_u8(&r) &&
	    (netstate_get(&r, &state, e) < 0 || netstate_apply(&state, netns, e) < 0))
		return -1;
	if (make_known(NULL, &r, e) < 0 || make_known(netns, &r, e) < 0)
		return -1;
	return reader_done(&r) ? 0 : err_set(e, ERR_PROTO, "LIVE_NET cannot be understood");
}

/* 1: all of it is there. */
static int take_piece(struct buf *text, const struct frame *f, size_t max, bool *asked, struct err *e)
{
	uint8_t how = f->len ? f->data[0] : 0;

	*asked = how & NET_ASKED;
	if (!f->len || text->len + f->len > max)
		return err_set(e, ERR_PROTO, "the pieces of a network's state are too many");
	buf_put(text, f->data + 1, f->len - 1);
	return how & NET_LAST ? 1 : 0;
}

int online_net_take(struct buf *text, const struct frame *f, const char *netns, bool *asked,
		    struct err *e)
{
	int ret = take_piece(text, f, TEXT_MAX, asked, e);

	if (ret <= 0)
		return ret;
	ret = make_so(text, netns, e);
	buf_clear(text);
	return ret;
}

void online_net_silence(struct silence *lo, const char *netns)
{
	silence_lo(lo, netns);
}

int online_net_take_closed(struct buf *text, const struct frame *f, const char *netns, size_t *refused, bool *asked,
			   struct err *e)
{
	own_closed struct closed c = CLOSED_INIT;
	int ret = take_piece(text, f, CLOSED_MAX + TEXT_MAX, asked, e);
	struct reader r;

	if (ret <= 0)
		return ret;
	r = reader_of(text->data, text->len);
	ret = closed_get(&r, &c, e) < 0 || closed_make(netns, &c, refused, e) < 0 ? -1 : 0;
	buf_fini(text);
	return ret;
}
