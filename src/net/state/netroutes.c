// SPDX-License-Identifier: MIT
#include "net/state/netroutes.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "net/state/netroutes_priv.h"

enum { NAME_MAX_LEN = 64 };

void netroutes_fini(struct netroutes *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i].data);
	free(r->v);
	strv_fini(&r->names);
	*r = (struct netroutes)NETROUTES_INIT;
}

void netroutes_add(struct netroutes *r, uint8_t kind, const void *data, size_t len)
{
	r->v = xrealloc(r->v, (r->n + 1) * sizeof(*r->v));
	r->v[r->n] = (struct netroute_item){ .kind = kind, .data = xmalloc(len), .len = len };
	memcpy(r->v[r->n++].data, data, len);
}

size_t netroutes_fixed(uint8_t kind)
{
	return kind == NETROUTE_ADDRESS ? sizeof(struct ifaddrmsg) :
	       kind == NETROUTE_ROUTE	? sizeof(struct rtmsg) :
					  sizeof(struct fib_rule_hdr);
}

/* ---- the wire ---- */

void netroutes_put(struct buf *b, const struct netroutes *r)
{
	buf_put_u32(b, (uint32_t)r->names.n);
	for (size_t i = 0; i < r->names.n; i++)
		buf_put_str(b, r->names.item[i]);
	buf_put_u32(b, (uint32_t)r->n);
	for (size_t i = 0; i < r->n; i++) {
		buf_put_u8(b, r->v[i].kind);
		buf_put_bytes(b, r->v[i].data, r->v[i].len);
	}
}

int netroutes_get(struct reader *r, struct netroutes *out, struct err *e)
{
	uint32_t n = get_u32(r);

	*out = (struct netroutes)NETROUTES_INIT;
	for (uint32_t i = 0; i < n && n <= NETROUTE_NAMES_MAX && !r->bad; i++) {
		own_free char *name = get_str(r, NAME_MAX_LEN);

		strv_add(&out->names, name);
	}
	r->bad |= n > NETROUTE_NAMES_MAX;
	n = get_u32(r);
	r->bad |= n > NETROUTE_ITEMS_MAX;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		uint8_t kind = get_u8(r);
		size_t len;
		const uint8_t *data = get_bytes(r, NETROUTE_ITEM_MAX, &len);

		if (kind < NETROUTE_ADDRESS || kind > NETROUTE_RULE || !data ||
		    len < netroutes_fixed(kind))
			r->bad = true;
		else
			netroutes_add(out, kind, data, len);
	}
	if (!r->bad)
		return 0;
	netroutes_fini(out);
	return err_set(e, ERR_PROTO, "a list of routes cannot be understood");
}
