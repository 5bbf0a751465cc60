// SPDX-License-Identifier: MIT
/*
 * Unit tests of what travels of a network namespace (net/state/netstate.h, net/traffic/flows.h): as root, all that
 * is made in one is found again in another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/own.h"
#include "base/spawn.h"
#include "net/state/filtertext.h"
#include "net/state/netstate.h"
#include "net/traffic/flows.h"

#define FROM "/run/netns/from"
#define TO "/run/netns/to"

#define check(cond)                                                                      \
	do {                                                                             \
		if (!(cond)) {                                                           \
			fprintf(stderr, "line %d: %s: %s\n", __LINE__, #cond, e.msg);    \
			return 1;                                                        \
		}                                                                        \
	} while (0)

static int run(const char *netns, const char *const *argv, struct err *e)
{
	struct spawn s = SPAWN_INIT(argv);
	own_child struct child c = CHILD_INIT;
	int status;

	s.netns = netns;
	if (child_start(&c, &s, e) < 0 || child_wait(&c, 5000, &status, e) < 0)
		return -1;
	return status ? child_err(&c, status, e) : 0;
}

#define ip(ns, ...) run(ns, spawn_argv("ip", __VA_ARGS__), &e)

/* Namespaces FROM and TO with an interface e0 each, as the engine makes them. */
static int make_both(void)
{
	struct err e = ERR_INIT;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return 77;
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	check(mount("t", "/run", "tmpfs", 0, NULL) == 0);
	check(netns_make(FROM, &e) == 0 && netns_make(TO, &e) == 0);
	/* numbers of interfaces differ between servers */
	check(ip(TO, "link", "add", "before", "type", "bridge") == 0);
	check(ip(FROM, "link", "add", "e0", "type", "bridge") == 0);
	check(ip(TO, "link", "add", "e0", "type", "bridge") == 0);
	for (int i = 0; i < 2; i++) {
		const char *ns = i ? TO : FROM;

		check(ip(ns, "link", "set", "e0", "address", "02:00:00:00:00:07", "up") == 0);
		check(ip(ns, "link", "set", "lo", "up") == 0);
		check(ip(ns, "addr", "add", "10.9.0.7/24", "dev", "e0") == 0);
		check(ip(ns, "route", "add", "default", "via", "10.9.0.1") == 0);
	}
	return 0;
}

static int state_in_child(void)
{
	own_netstate struct netstate from = NETSTATE_INIT, got = NETSTATE_INIT, to = NETSTATE_INIT;
	own_netwatch struct netwatch w = NETWATCH_INIT;
	own_buf struct buf b = BUF_INIT, b2 = BUF_INIT;
	own_strv struct strv strange = STRV_INIT, known = STRV_INIT;
	struct err e = ERR_INIT;
	struct reader r;
	int ret = make_both();

	if (ret)
		return ret;
	check(netwatch_open(&w, FROM, &e) == 0 && !netwatch_changed(&w));
	check(ip(FROM, "addr", "add", "10.9.1.8/24", "dev", "e0") == 0);
	check(netwatch_changed(&w) && !netwatch_changed(&w));
	check(ip(FROM, "addr", "add", "fd09::7/64", "dev", "e0", "nodad") == 0);
	check(ip(FROM, "addr", "add", "10.9.2.8/24", "dev", "e0", "valid_lft", "1000",
		 "preferred_lft", "500") == 0);
	/* the gateway is reached by a route that is listed after it */
	check(ip(FROM, "route", "add", "10.10.0.0/16", "dev", "e0") == 0);
	check(ip(FROM, "route", "add", "10.20.0.0/16", "via", "10.10.0.1", "metric", "5", "mtu", "1300") == 0);
	check(ip(FROM, "route", "add", "10.0.0.0/16", "via", "10.10.0.1") == 0);
	check(ip(FROM, "route", "add", "10.30.0.0/16", "nexthop", "via", "10.9.0.2", "weight", "2",
		 "nexthop", "via", "10.9.0.3") == 0);
	check(ip(FROM, "-6", "route", "add", "default", "via", "fd09::1") == 0);
	check(ip(FROM, "route", "add", "10.40.0.0/16", "via", "10.9.0.9", "table", "100") == 0);
	check(ip(FROM, "rule", "add", "from", "10.9.1.8", "table", "100") == 0);
	check(ip(FROM, "-6", "rule", "add", "fwmark", "7", "table", "100") == 0);
	/* what is only there goes */
	check(ip(TO, "route", "add", "10.50.0.0/16", "dev", "e0") == 0);
	check(ip(TO, "addr", "add", "10.9.9.9/24", "dev", "e0") == 0);
	check(run(FROM, spawn_argv("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; "
					       "echo 17 >/proc/sys/net/ipv4/ip_default_ttl"), &e) == 0);

	check(netstate_take(&from, FROM, &e) == 0);
	netstate_put(&b, &from);
	r = reader_of(b.data, b.len);
	check(netstate_get(&r, &got, &e) == 0 && reader_done(&r));
	check(netstate_apply(&got, TO, &e) == 0);
	check(netstate_apply(&got, TO, &e) == 0);
	check(ip(TO, "link", "delete", "before") == 0);
	check(netstate_take(&to, TO, &e) == 0);
	check(to.routes.n == from.routes.n);
	for (size_t i = 0; i < to.n_set && i < from.n_set; i++) {
		if (strcmp(to.set[i].value, from.set[i].value) != 0)
			fprintf(stderr, "%s: %s, not %s\n", to.set[i].path, to.set[i].value,
				from.set[i].value);
	}
	netstate_put(&b2, &to);
	check(b2.len == b.len && memcmp(b2.data, b.data, b.len) == 0);

	/* every cut of it is refused */
	for (size_t n = 0; n < b.len; n += b.len / 97 + 1) {
		own_netstate struct netstate cut = NETSTATE_INIT;

		r = reader_of(b.data, n);
		check(netstate_get(&r, &cut, NULL) < 0 && !cut.routes.n && !cut.set);
	}

	strv_add(&known, "e0");
	check(netstate_strangers(&strange, FROM, &known, &e) == 0 && strange.n == 0);
	check(ip(FROM, "link", "add", "docker0", "type", "bridge") == 0);
	check(netstate_strangers(&strange, FROM, &known, &e) == 0 && strange.n == 1);
	check(strcmp(strange.item[0], "docker0") == 0);
	netstate_fini(&from);
	check(ip(FROM, "link", "set", "docker0", "up") == 0);
	check(ip(FROM, "route", "add", "10.60.0.0/16", "dev", "docker0") == 0);
	check(netstate_take(&from, FROM, &e) == 0);
	check(netstate_apply(&from, TO, &e) < 0 && e.code == ERR_UNSUPPORTED);
	return 0;
}

/* ---- flows ---- */

static void put_tuple(struct nl_msg *m, uint16_t type, const char *src, const char *dst,
		      uint16_t sport, uint16_t dport)
{
	size_t all = nl_nest(m, type | NLA_F_NESTED), part = nl_nest(m, CTA_TUPLE_IP | NLA_F_NESTED);
	uint32_t a = inet_addr(src), b = inet_addr(dst);

	nl_put(m, CTA_IP_V4_SRC, &a, 4);
	nl_put(m, CTA_IP_V4_DST, &b, 4);
	nl_nest_end(m, part);
	part = nl_nest(m, CTA_TUPLE_PROTO | NLA_F_NESTED);
	nl_put_u8(m, CTA_PROTO_NUM, 6);
	sport = htons(sport);
	dport = htons(dport);
	nl_put(m, CTA_PROTO_SRC_PORT, &sport, 2);
	nl_put(m, CTA_PROTO_DST_PORT, &dport, 2);
	nl_nest_end(m, part);
	nl_nest_end(m, all);
}

/* A connection 10.1.0.1:1000 -> 10.9.0.7:80; with `via` it was asked for as via:8080. */
static int add_flow(const char *netns, uint16_t sport, const char *via, struct err *e)
{
	struct nfgenmsg head = { .nfgen_family = AF_INET };
	own_fd int ns = open(netns, O_RDONLY | O_CLOEXEC);
	own_nl struct nl nl = NL_INIT;
	size_t all, part;
	struct nl_msg m;

	if (nl_open_other(&nl, ns, NETLINK_NETFILTER, 0, e) < 0)
		return -1;
	nl_begin(&m, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, &head,
		 sizeof(head));
	put_tuple(&m, CTA_TUPLE_ORIG, "10.1.0.1", via ? via : "10.9.0.7", sport, via ? 8080 : 80);
	put_tuple(&m, CTA_TUPLE_REPLY, via ? via : "10.9.0.7", "10.1.0.1", via ? 8080 : 80, sport);
	if (via) {
		uint32_t to = inet_addr("10.9.0.7");
		uint16_t port = htons(80);

		all = nl_nest(&m, CTA_NAT_DST | NLA_F_NESTED);
		nl_put(&m, CTA_NAT_V4_MINIP, &to, 4);
		part = nl_nest(&m, CTA_NAT_PROTO | NLA_F_NESTED);
		nl_put(&m, CTA_PROTONAT_PORT_MIN, &port, 2);
		nl_nest_end(&m, part);
		nl_nest_end(&m, all);
	}
	nl_put_u32(&m, CTA_TIMEOUT, htonl(1000));
	nl_put_u32(&m, CTA_STATUS, htonl(0xe)); /* seen a reply, assured, confirmed */
	nl_put_u32(&m, CTA_MARK, htonl(42));
	all = nl_nest(&m, CTA_PROTOINFO | NLA_F_NESTED);
	part = nl_nest(&m, CTA_PROTOINFO_TCP | NLA_F_NESTED);
	nl_put_u8(&m, CTA_PROTOINFO_TCP_STATE, 3); /* established */
	nl_nest_end(&m, part);
	nl_nest_end(&m, all);
	return nl_do(&nl, &m, NULL) < 0 ? err_sys(e, "cannot make a flow") : 0;
}

static int flows_in_child(void)
{
	struct flows from = FLOWS_INIT, to = FLOWS_INIT;
	own_buf struct buf b = BUF_INIT, b2 = BUF_INIT;
	own_strv struct strv mine = STRV_INIT, none = STRV_INIT;
	struct err e = ERR_INIT;
	size_t refused = 0;
	int ret = make_both();

	if (ret)
		return ret;
	check(flows_open(&from, FROM, NULL, &e) == 0 && !from.used);
	check(flows_take(&from, &b, &e) == 0 && flows_news(&from, &b, &e) == 0 && b.len == 0);
	flows_close(&from);
	if (add_flow(FROM, 1000, NULL, &e) < 0 && (e.sys == EINVAL || e.sys == EOPNOTSUPP))
		return 77; /* no conntrack in this kernel */
	check(add_flow(FROM, 1001, "10.8.0.8", &e) == 0);
	check(flows_open(&from, FROM, NULL, &e) == 0 && from.used);
	check(flows_take(&from, &b, &e) == 0 && b.len > 0);
	check(flows_apply(TO, b.data, b.len, &refused, &e) == 0 && refused == 0);
	check(flows_open(&to, TO, NULL, &e) == 0 && to.used);
	check(flows_take(&to, &b2, &e) == 0);
	check(b2.len == b.len);

	/* a new one is noticed, and once */
	buf_clear(&b);
	check(flows_news(&from, &b, &e) == 0 && b.len == 0);
	check(add_flow(FROM, 1002, NULL, &e) == 0);
	check(flows_news(&from, &b, &e) == 0 && b.len > 0);
	check(flows_apply(TO, b.data, b.len, &refused, &e) == 0 && refused == 0);
	buf_clear(&b2);
	check(flows_take(&to, &b2, &e) == 0);
	buf_clear(&b);
	check(flows_take(&from, &b, &e) == 0 && b.len == b2.len);
	flows_close(&from);
	flows_close(&to);

	/* of one address only; what is translated to an address of this host stays */
	strv_add(&mine, "10.9.0.7");
	check(flows_open(&from, FROM, &mine, &e) == 0);
	buf_clear(&b);
	check(flows_take(&from, &b, &e) == 0 && from.translated == 0 && b.len == b2.len);
	strv_add(&from.here, "10.8.0.8");
	buf_clear(&b);
	check(flows_take(&from, &b, &e) == 0 && from.translated == 1 && b.len < b2.len);
	flows_close(&from);
	strv_fini(&mine);
	strv_add(&mine, "10.9.0.99");
	check(flows_open(&from, FROM, &mine, &e) == 0);
	buf_clear(&b);
	check(flows_take(&from, &b, &e) == 0 && b.len == 0);
	flows_close(&from);
	/* no address is not all of them */
	check(flows_open(&from, FROM, &none, &e) == 0);
	check(flows_take(&from, &b, &e) == 0 && b.len == 0);
	flows_close(&from);
	check(flows_apply(TO, "\0\0\0\5abcde", 9, &refused, NULL) < 0);
	return 0;
}

static void in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_state(void **state)
{
	(void)state;
	in_child(state_in_child);
}

static void test_flows(void **state)
{
	(void)state;
	in_child(flows_in_child);
}

static void test_filter_texts(void **state)
{
	static const char *const fine_nft[] = {
		"table ip x {\n\tchain includes {\n\t\ttcp dport 80 accept\n\t}\n}\n",
		"table inet t {\n\tset include-list {\n\t\ttype ipv4_addr\n\t}\n}\n",
		"add rule x y comment \"they include all\"",
	};
	static const char *const bad_nft[] = {
		"include \"/etc/shadow\"", "table ip x {\ninclude \"/x\"\n}", "table ip a\n\t include  \"/x\" {",
		"table ip a { include '/x'", "counter; include\t\"/x\"",
	};
	static const char *const fine_ipt[] = {
		"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 10.0.0.0/8 -m comment --comment \"a/b\" -j ACCEPT\nCOMMIT\n", "",
	};
	static const char *const bad_ipt[] = {
		"-A INPUT -m ../../vz/private/1/x -j ACCEPT\n", "-A INPUT -j /x\n", "-A INPUT \"-m\" \"../x\"\n",
		"-A INPUT --match=../x\n", "-A INPUT -m../x\n", ":x\n-A INPUT -g a/b - [0:0]\n",
	};

	(void)state;
	for (size_t i = 0; i < array_len(fine_nft); i++)
		assert_true(filtertext_nft_is_fine(fine_nft[i]));
	for (size_t i = 0; i < array_len(bad_nft); i++)
		assert_false(filtertext_nft_is_fine(bad_nft[i]));
	for (size_t i = 0; i < array_len(fine_ipt); i++)
		assert_true(filtertext_ipt_is_fine(fine_ipt[i]));
	for (size_t i = 0; i < array_len(bad_ipt); i++)
		assert_false(filtertext_ipt_is_fine(bad_ipt[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter_texts),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
