// SPDX-License-Identifier: MIT
/* Unit tests of host/'s network: addresses, announcements, netlink, and, as root, a container's
 * network opened and closed in a network namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/own.h"
#include "net/announce.h"
#include "net/state/ctnet.h"
#include "net/ip.h"
#include "net/neighs.h"
#include "net/netdev.h"
#include "net/probe.h"

static void test_ip_parse(void **state)
{
	static const char *const bad[] = { "", "10.0.0", "10.0.0.1/33", "10.0.0.1/255.0.255.0", "10.0.0.1/",
					   "fd00::1/129", "fd00::1/255.255.0.0", "x", "10.0.0.1 " };
	char text[IP_TEXT_MAX];
	struct ip ip;

	(void)state;
	assert_int_equal(ip_parse("10.1.2.3", &ip, NULL), 0);
	assert_int_equal(ip.family, AF_INET);
	assert_int_equal(ip.prefix, 32);
	assert_int_equal(ip_parse("10.1.2.3/255.255.240.0", &ip, NULL), 0);
	assert_int_equal(ip.prefix, 20);
	assert_int_equal(ip_parse("fd00::a/64", &ip, NULL), 0);
	assert_int_equal(ip.family, AF_INET6);
	assert_int_equal(ip.prefix, 64);
	ip_text(text, &ip);
	assert_string_equal(text, "fd00::a");
	for (size_t i = 0; i < array_len(bad); i++)
		assert_int_equal(ip_parse(bad[i], &ip, NULL), -1);
}

static void test_ip_within(void **state)
{
	struct ip net, a, b, c;

	(void)state;
	assert_int_equal(ip_parse("10.77.16.1/20", &net, NULL), 0);
	assert_int_equal(ip_parse("10.77.31.255", &a, NULL), 0);
	assert_int_equal(ip_parse("10.77.32.0", &b, NULL), 0);
	assert_int_equal(ip_parse("fd77::1", &c, NULL), 0);
	assert_true(ip_within(&a, &net));
	assert_false(ip_within(&b, &net));
	assert_false(ip_within(&c, &net));
	net.prefix = 0;
	assert_true(ip_within(&b, &net));
}

static void test_mac(void **state)
{
	uint8_t mac[6];
	char text[18];

	(void)state;
	assert_int_equal(mac_parse("02:76:7a:0a:0B:ff", mac, NULL), 0);
	mac_text(text, mac);
	assert_string_equal(text, "02:76:7a:0a:0b:ff");
	assert_int_equal(mac_parse("01:00:5e:00:00:01", mac, NULL), -1); /* a group's */
	assert_int_equal(mac_parse("2:76:7a:0a:0b:ff", mac, NULL), -1);
	assert_int_equal(mac_parse("02:76:7a:0a:0b:ff:00", mac, NULL), -1);
}

static void test_announce_arp(void **state)
{
	static const uint8_t mac[6] = { 2, 3, 4, 5, 6, 7 };
	uint8_t f[ANNOUNCE_MAX_FRAME];
	struct ip ip;

	(void)state;
	assert_int_equal(ip_parse("10.1.2.3", &ip, NULL), 0);
	for (int kind = 0; kind < 2; kind++) {
		assert_int_equal(announce_frame(f, &ip, mac, kind), 42);
		assert_int_equal(be16_at(f + 12), 0x0806);
		assert_int_equal(be16_at(f + 20), kind + 1);
		assert_memory_equal(f + 22, mac, 6);
		assert_memory_equal(f + 28, ip.b, 4);
		assert_memory_equal(f + 38, ip.b, 4);
	}
	assert_int_equal(announce_frame(f, &ip, mac, 2), 0);
}

/* The receiver's sum over pseudo header and message must come out as all ones. */
static void test_announce_na(void **state)
{
	static const uint8_t mac[6] = { 2, 3, 4, 5, 6, 7 };
	uint8_t f[ANNOUNCE_MAX_FRAME];
	uint32_t sum = 32 + 58;
	struct ip ip;

	(void)state;
	assert_int_equal(ip_parse("fd77::1:1", &ip, NULL), 0);
	assert_int_equal(announce_frame(f, &ip, mac, 0), 86);
	assert_int_equal(f[54], 136);
	assert_int_equal(f[58] & 0xe0, 0x20);
	assert_memory_equal(f + 62, ip.b, 16);
	assert_memory_equal(f + 80, mac, 6);
	for (size_t i = 22; i < 86; i += 2)
		sum += be16_at(f + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
}

static void test_probe(void **state)
{
	static const uint8_t mac[6] = { 2, 3, 4, 5, 6, 7 };
	uint8_t f[PROBE_MAX_FRAME], who[6];
	struct ip ip, ip6, from, none = { 0 };
	uint32_t sum = 24 + 58;

	(void)state;
	assert_int_equal(ip_parse("10.1.2.3", &ip, NULL), 0);
	assert_int_equal(ip_parse("10.1.2.9", &from, NULL), 0);
	assert_int_equal(ip_parse("fd77::1:1", &ip6, NULL), 0);
	assert_int_equal(probe_frame(f, &ip, &from, mac), 42);
	assert_memory_equal(f + 28, from.b, 4);
	assert_memory_equal(f + 38, ip.b, 4);
	assert_false(probe_is_answer(f, 42, &ip, who));
	assert_int_equal(announce_frame(f, &ip, mac, 1), 42);
	assert_true(probe_is_answer(f, 42, &ip, who));
	assert_memory_equal(who, mac, 6);
	assert_false(probe_is_answer(f, 42, &from, who));
	for (size_t n = 0; n < 42; n++)
		assert_false(probe_is_answer(f, n, &ip, who));

	assert_int_equal(probe_frame(f, &ip6, &none, mac), 78);
	assert_false(probe_is_answer(f, 78, &ip6, who));
	for (size_t i = 22; i < 78; i += 2)
		sum += be16_at(f + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
	assert_int_equal(announce_frame(f, &ip6, mac, 0), 86);
	assert_true(probe_is_answer(f, 86, &ip6, who));
	assert_memory_equal(who, mac, 6);
	for (size_t n = 0; n < 78; n++)
		assert_false(probe_is_answer(f, n, &ip6, who));
}

static void test_netlink_attributes(void **state)
{
	static const uint8_t fixed[16] = { 1 };
	struct nl_msg m;
	size_t nest;
	uint32_t v;

	(void)state;
	nl_begin(&m, 16, 0, fixed, sizeof(fixed));
	nl_put_text(&m, 3, "eth0");
	nest = nl_nest(&m, 18);
	nl_put_u8(&m, 1, 7);
	nl_nest_end(&m, nest);
	nl_put_u32(&m, 4, 0x01020304);
	assert_string_equal(nl_find(&m, sizeof(fixed), 3, 5), "eth0");
	memcpy(&v, nl_find(&m, sizeof(fixed), 4, 4), 4);
	assert_int_equal(v, 0x01020304);
	assert_null(nl_find(&m, sizeof(fixed), 4, 5));
	assert_null(nl_find(&m, sizeof(fixed), 5, 0));
	/* cut anywhere: found or not, never read behind the end */
	for (uint32_t n = 0; n < m.head.nlmsg_len; n++) {
		struct nl_msg cut = m;

		cut.head.nlmsg_len = n;
		nl_find(&cut, sizeof(fixed), 4, 4);
	}
}

/* In namespaces of its own: what a container's network is made of, and that open and close
 * are what they say.  Exit code 77: not root. */
/* Learned entries are listed again; the fixed ones of the gateway are not among them. */
static int neighbours_go_along(const char *netns)
{
	struct neigh v[2] = { { .dev = "venet0", .mac = { 2, 0, 0, 0, 0, 9 } },
			      { .dev = "nowhere", .mac = { 2, 0, 0, 0, 0, 8 } } };
	const struct neighs l = { .v = v, .n = 2 };
	own_neighs struct neighs now = NEIGHS_INIT;

	if (ip_parse("10.9.0.9", &v[0].ip, NULL) < 0 || ip_parse("10.9.0.8", &v[1].ip, NULL) < 0 ||
	    neighs_set(netns, &l, NULL) < 0 || neighs_set(netns, &l, NULL) < 0 ||
	    neighs_read(netns, &now, NULL) < 0)
		return -1;
	return now.n == 1 && ip_same(&now.v[0].ip, &v[0].ip) && strcmp(now.v[0].dev, "venet0") == 0 &&
			       memcmp(now.v[0].mac, v[0].mac, 6) == 0 ? 0 : -1;
}

static int network_in_child(void)
{
	struct ip addr[2];
	struct ctnet_if i = { .name = "venet0", .host_name = "venet7", .mac = { 2, 1, 1, 1, 1, 1 },
			      .addr = addr, .n_addr = 2 };
	struct ctnet n = { .netns = (char *)(uintptr_t)"/run/netns/unit7", .ifs = &i, .n = 1 };
	struct nl nl = NL_INIT;
	struct err e = ERR_INIT;
	int dev;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return 77;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("t", "/run", "tmpfs", 0, NULL) < 0)
		return 1;
	if (ip_parse("10.9.0.7", &addr[0], &e) < 0 || ip_parse("fd09::7", &addr[1], &e) < 0 ||
	    ctnet_prepare(&n, &e) < 0 || nl_open(&nl, -1, &e) < 0)
		goto fail;
	dev = netdev_index(&nl, "venet7");
	if (!dev || !ctnet_exists(&n) || route_lookup(&nl, &addr[0]) == dev)
		return 2;
	if (ctnet_prepare(&n, &e) == 0 || e.code != ERR_EXISTS || !ctnet_exists(&n))
		return 3;
	if (neighbours_go_along(n.netns) < 0)
		return 7;
	for (int round = 0; round < 3; round++) {
		if (ctnet_open(&n, &e) < 0 || ctnet_open(&n, &e) < 0)
			goto fail;
		if (route_lookup(&nl, &addr[0]) != dev || route_lookup(&nl, &addr[1]) != dev)
			return 4;
		if (ctnet_close(&n, &e) < 0 || ctnet_close(&n, &e) < 0)
			goto fail;
		if (route_lookup(&nl, &addr[0]) == dev || route_lookup(&nl, &addr[1]) == dev)
			return 5;
	}
	if (ctnet_remove(&n, &e) < 0 || ctnet_remove(&n, &e) < 0)
		goto fail;
	nl_close(&nl);
	return ctnet_exists(&n) ? 6 : 0;
fail:
	fprintf(stderr, "%s\n", e.msg);
	return 1;
}

static void test_neighs_on_the_wire(void **state)
{
	struct neigh v[2] = { { .dev = "eth0", .mac = { 2, 0, 0, 0, 0, 9 } },
			      { .dev = "eth1", .mac = { 2, 0, 0, 0, 0, 10 } } };
	const struct neighs l = { .v = v, .n = 2 };
	own_neighs struct neighs back = NEIGHS_INIT;
	own_buf struct buf b = BUF_INIT;
	struct reader r;

	(void)state;
	assert_int_equal(ip_parse("10.9.0.9", &v[0].ip, NULL), 0);
	assert_int_equal(ip_parse("fd09::a", &v[1].ip, NULL), 0);
	neighs_put(&b, &l);
	for (size_t n = 0; n < b.len; n++) { /* cut short */
		r = reader_of(b.data, n);
		assert_int_equal(neighs_get(&r, &back, NULL), -1);
		assert_null(back.v);
	}
	r = reader_of(b.data, b.len);
	assert_int_equal(neighs_get(&r, &back, NULL), 0);
	assert_true(reader_done(&r));
	assert_int_equal(back.n, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(back.v[i].dev, v[i].dev);
		assert_true(ip_same(&back.v[i].ip, &v[i].ip));
		assert_memory_equal(back.v[i].mac, v[i].mac, 6);
	}
	put_be32(b.data, 1u << 30);
	neighs_fini(&back);
	r = reader_of(b.data, b.len);
	assert_int_equal(neighs_get(&r, &back, NULL), -1);
}

static void test_ctnet(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(network_in_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip_parse),
		cmocka_unit_test(test_ip_within),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_announce_arp),
		cmocka_unit_test(test_announce_na),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_netlink_attributes),
		cmocka_unit_test(test_neighs_on_the_wire),
		cmocka_unit_test(test_ctnet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
