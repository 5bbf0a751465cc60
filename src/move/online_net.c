// SPDX-License-Identifier: MIT
#include "move/online_net.h"

#include "base/log.h"
#include "base/own.h"
#include "move/source.h"
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
}

static void check_flows(const struct source *s, struct findings *found)
{
	struct flows f = FLOWS_INIT;
	own_buf struct buf b = BUF_INIT;
	struct err why = ERR_INIT;

	if (flows_open(&f, NULL, &s->desc.addresses, &why) < 0 || flows_take(&f, &b, &why) < 0)
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
	check_flows(s, found);
}

/* ---- source ---- */

static int send_text(struct source *s, const struct buf *text, bool asked, struct err *e)
{
	size_t at = 0;

	do {
		own_buf struct buf b = BUF_INIT;
		own_frame struct frame f = FRAME_INIT;
		size_t n = text->len - at < PIECE ? text->len - at : PIECE;
		bool last = at + n == text->len;

		buf_put_u8(&b, last ? NET_LAST | (asked ? NET_ASKED : 0) : 0);
		buf_put(&b, text->data + at, n);
		if (last && asked)
			return peer_call(s->remote.peer, PROTO_LIVE_NET, &b, &f, e);
		if (peer_send(s->remote.peer, PROTO_LIVE_NET, 0, b.data, b.len, e) < 0)
			return -1;
		at += n;
	} while (at < text->len);
	return 0;
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

	/* Listening first: what changes while it is read is read again. */
	if (netwatch_open(&n->watch, s->online.parts.netns, e) < 0 ||
	    flows_open(&n->host, NULL, &s->desc.addresses, e) < 0 ||
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
	bool changed = netwatch_changed(&n->watch);

	if (flows_news(&n->host, &host, e) < 0 || flows_news(&n->inside, &inside, e) < 0)
		return -1;
	if (!changed && !host.len && !inside.len)
		return 0;
	if (!changed)
		buf_put_u8(&b, 0);
	else if (put_state(s, &b, e) < 0)
		return -1;
	buf_put_bytes(&b, host.data, host.len);
	buf_put_bytes(&b, inside.data, inside.len);
	return send_text(s, &b, false, e);
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

int online_net_take(struct buf *text, const struct frame *f, const char *netns, bool *asked,
		    struct err *e)
{
	uint8_t how = f->len ? f->data[0] : 0;
	int ret;

	*asked = how & NET_ASKED;
	if (!f->len || text->len + f->len > TEXT_MAX)
		return err_set(e, ERR_PROTO, "LIVE_NET cannot be understood");
	buf_put(text, f->data + 1, f->len - 1);
	if (!(how & NET_LAST))
		return 0;
	ret = make_so(text, netns, e);
	buf_clear(text);
	return ret;
}
