// SPDX-License-Identifier: MIT
#include "net/traffic/silence.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "net/netdev.h"

enum {
	TABLE_OWNER = 2, /* NFT_TABLE_F_OWNER */
	PRIORITY = -400, /* before everybody else's */
	RULES_MAX = 16,
	ANSWER_S = 5,
};

static void put_be(struct nl_msg *m, uint16_t type, uint32_t v)
{
	nl_put_u32(m, type, htonl(v));
}

static void begin(struct nl_msg *m, uint16_t type, uint16_t flags)
{
	const struct nfgenmsg g = { .nfgen_family = NFPROTO_INET };

	nl_begin(m, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &g, sizeof(g));
}

/* One expression of a rule: its name, and its data begun. */
struct expr {
	size_t elem, data;
};

static struct expr expr(struct nl_msg *m, const char *name)
{
	struct expr x = { .elem = nl_nest(m, NFTA_LIST_ELEM) };

	nl_put_text(m, NFTA_EXPR_NAME, name);
	x.data = nl_nest(m, NFTA_EXPR_DATA);
	return x;
}

static void expr_end(struct nl_msg *m, struct expr x)
{
	nl_nest_end(m, x.data);
	nl_nest_end(m, x.elem);
}

/* Goes on when that property of the packet compares so with v. */
static void put_if(struct nl_msg *m, uint32_t key, uint32_t op, uint32_t v)
{
	struct expr x = expr(m, "meta");
	size_t data;

	put_be(m, NFTA_META_KEY, key);
	put_be(m, NFTA_META_DREG, NFT_REG_1);
	expr_end(m, x);
	x = expr(m, "cmp");
	put_be(m, NFTA_CMP_SREG, NFT_REG_1);
	put_be(m, NFTA_CMP_OP, op);
	data = nl_nest(m, NFTA_CMP_DATA);
	nl_put_u32(m, NFTA_DATA_VALUE, v);
	nl_nest_end(m, data);
	expr_end(m, x);
}

static void put_drop(struct nl_msg *m)
{
	struct expr x = expr(m, "immediate");
	size_t data, verdict;

	put_be(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest(m, NFTA_IMMEDIATE_DATA);
	verdict = nl_nest(m, NFTA_DATA_VERDICT);
	put_be(m, NFTA_VERDICT_CODE, NF_DROP);
	nl_nest_end(m, verdict);
	nl_nest_end(m, data);
	expr_end(m, x);
}

/* One of each process: others may be migrating, too. */
static void put_name(struct nl_msg *m, uint16_t type)
{
	own_free char *name = xasprintf("pmigrate-%d", (int)getpid());

	nl_put_text(m, type, name);
}

static void make_table(struct nl_msg *m)
{
	begin(m, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	put_name(m, NFTA_TABLE_NAME);
	put_be(m, NFTA_TABLE_FLAGS, TABLE_OWNER);
}

static void make_chain(struct nl_msg *m)
{
	size_t hook;

	begin(m, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	put_name(m, NFTA_CHAIN_TABLE);
	nl_put_text(m, NFTA_CHAIN_NAME, "silence");
	nl_put_text(m, NFTA_CHAIN_TYPE, "filter");
	hook = nl_nest(m, NFTA_CHAIN_HOOK);
	put_be(m, NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING);
	put_be(m, NFTA_HOOK_PRIORITY, (uint32_t)PRIORITY);
	nl_nest_end(m, hook);
}

static void make_rule(struct nl_msg *m, int dev)
{
	size_t list;

	begin(m, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	put_name(m, NFTA_RULE_TABLE);
	nl_put_text(m, NFTA_RULE_CHAIN, "silence");
	list = nl_nest(m, NFTA_RULE_EXPRESSIONS);
	put_if(m, NFT_META_IIF, NFT_CMP_EQ, (uint32_t)dev);
	put_if(m, NFT_META_MARK, NFT_CMP_NEQ, SILENCE_PASS_MARK);
	put_drop(m);
	nl_nest_end(m, list);
}

/* What begins and ends a transaction. */
static void bracket(struct nl_msg *m, uint16_t type)
{
	const struct nfgenmsg g = { .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nl_begin(m, type, 0, &g, sizeof(g));
	m->head.nlmsg_flags = NLM_F_REQUEST;
}

/* Each message is acknowledged, if not by a number, then all by an error. */
static int transact(struct nl *nl, struct nl_msg *m, size_t n)
{
	own_buf struct buf b = BUF_INIT;
	struct nl_msg edge;
	size_t acks = 0;

	bracket(&edge, NFNL_MSG_BATCH_BEGIN);
	buf_put(&b, &edge, NLMSG_ALIGN(edge.head.nlmsg_len));
	for (size_t i = 0; i < n; i++) {
		m[i].head.nlmsg_seq = ++nl->seq;
		buf_put(&b, &m[i], NLMSG_ALIGN(m[i].head.nlmsg_len));
	}
	bracket(&edge, NFNL_MSG_BATCH_END);
	buf_put(&b, &edge, NLMSG_ALIGN(edge.head.nlmsg_len));
	if (send(nl->fd, b.data, b.len, 0) < 0)
		return -1;
	while (acks < n) {
		_Alignas(struct nlmsghdr) uint8_t answer[8192];
		ssize_t got = recv(nl->fd, answer, sizeof(answer), 0);
		unsigned left = got > 0 ? (unsigned)got : 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		for (const struct nlmsghdr *h = (const void *)answer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			const struct nlmsgerr *why = NLMSG_DATA(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			if (why->error) {
				errno = -why->error;
				return -1;
			}
			acks++;
		}
	}
	return 0;
}

static int begin_all(struct silence *s, const struct strv *interfaces, struct nl *route, struct err *e)
{
	own_free struct nl_msg *m = xcalloc(2 + RULES_MAX, sizeof(*m));
	size_t n = 2;

	make_table(&m[0]);
	make_chain(&m[1]);
	for (size_t i = 0; i < interfaces->n && n < 2 + RULES_MAX; i++) {
		int dev = netdev_index(route, interfaces->item[i]);

		if (dev > 0)
			make_rule(&m[n++], dev);
	}
	return transact(&s->nl, m, n) == 0 ? 0 : err_sys(e, "cannot make a packet filter");
}

int silence_begin(struct silence *s, const char *netns, const struct strv *interfaces, struct err *e)
{
	own_fd int ns = netns ? open(netns, O_RDONLY | O_CLOEXEC) : -1;
	const struct timeval patience = { .tv_sec = ANSWER_S };
	own_nl struct nl route = NL_INIT;

	*s = (struct silence)SILENCE_INIT;
	if (netns && ns < 0)
		return err_sys(e, "cannot open the network namespace %s", netns);
	if (nl_open(&route, ns, e) < 0 || nl_open_other(&s->nl, ns, NETLINK_NETFILTER, 0, e) < 0)
		return -1;
	setsockopt(s->nl.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (begin_all(s, interfaces, &route, e) == 0)
		return 0;
	nl_close(&s->nl);
	return -1;
}

/* Told, because the kernel need not look at once for what a closed socket leaves behind. */
void silence_end(struct silence *s)
{
	struct nl_msg m;

	if (s->nl.fd < 0)
		return;
	begin(&m, NFT_MSG_DELTABLE, 0);
	put_name(&m, NFTA_TABLE_NAME);
	transact(&s->nl, &m, 1);
	nl_close(&s->nl);
}
