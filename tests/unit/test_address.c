// SPDX-License-Identifier: MIT
/* plan/address: the grammar, what it refuses, and that passwords vanish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "plan/address.h"

static int parse(const char *text, enum address_side side, enum kind kind, enum kind from,
		 struct address *a, struct err *e)
{
	own_free char *copy = xstrdup(text);
	int r = address_parse(copy, side, kind, from, a, e);

	/* Whatever it was: no password is left in it. */
	if (a->where.password)
		assert_null(strstr(copy, a->where.password));
	return r;
}

static const struct good {
	const char *text;
	enum address_side side;
	enum kind kind, from;
	const char *user, *password, *host;
	unsigned port;
	const char *name, *again;
} goods[] = {
#define SRC ADDRESS_SOURCE, KIND_CONTAINER, KIND_CONTAINER
#define DST ADDRESS_DESTINATION, KIND_CONTAINER, KIND_CONTAINER
#define FROM_H ADDRESS_DESTINATION, KIND_CONTAINER, KIND_SERVER
#define HOST ADDRESS_SOURCE, KIND_SERVER, KIND_SERVER
#define VM_SRC ADDRESS_SOURCE, KIND_VM, KIND_VM
#define VM_DST ADDRESS_DESTINATION, KIND_VM, KIND_VM
	{ "101", SRC, NULL, NULL, NULL, 0, "101", "101" },
	{ "my web", SRC, NULL, NULL, NULL, 0, "my web", "my web" },
	{ "101,web,podman:db", SRC, NULL, NULL, NULL, 0, "101,web,podman:db", "101,web,podman:db" },
	{ "192.168.1.130/101", SRC, NULL, NULL, "192.168.1.130", 0, "101", "192.168.1.130/101" },
	{ "root@b/101,102", SRC, "root", NULL, "b", 0, "101,102", "root@b/101,102" },
	{ "localhost/101", SRC, NULL, NULL, NULL, 0, "101", "101" },
	{ "::1/101", SRC, NULL, NULL, NULL, 0, "101", "101" },
	{ "[::1]:22/101", SRC, NULL, NULL, "::1", 22, "101", "[::1]:22/101" },
	{ "root:1qasdeqw3@ts7.test.com/101", DST, "root", "1qasdeqw3", "ts7.test.com", 0, "101",
	  "root@ts7.test.com/101" },
	{ "root:p@ss:w/rd@b:2222/101", DST, "root", "p@ss:w/rd", "b", 2222, "101",
	  "root@b:2222/101" },
	{ "root:@b", DST, "root", NULL, "b", 0, NULL, "root@b" },
	{ "root@b", DST, "root", NULL, "b", 0, NULL, "root@b" },
	{ "b", DST, NULL, NULL, "b", 0, NULL, "b" },
	{ "b/", DST, NULL, NULL, "b", 0, NULL, "b" },
	{ "b:2222", DST, NULL, NULL, "b", 2222, NULL, "b:2222" },
	{ "102", DST, NULL, NULL, NULL, 0, "102", "102" },
	{ "podman:web", DST, NULL, NULL, NULL, 0, "podman:web", "podman:web" },
	{ "b/podman:web", DST, NULL, NULL, "b", 0, "podman:web", "b/podman:web" },
	{ "localhost", DST, NULL, NULL, NULL, 0, NULL, "localhost" },
	{ "root@localhost", DST, NULL, NULL, NULL, 0, NULL, "localhost" },
	{ "localhost:2222", DST, NULL, NULL, "localhost", 2222, NULL, "localhost:2222" },
	{ "2001:db8::1", DST, NULL, NULL, "2001:db8::1", 0, NULL, "2001:db8::1" },
	{ "root@2001:db8::1/7", DST, "root", NULL, "2001:db8::1", 0, "7", "root@[2001:db8::1]/7" },
	{ "fe80::1%eth0", DST, NULL, NULL, "fe80::1%eth0", 0, NULL, "fe80::1%eth0" },
	{ "[2001:db8::1]:65535", DST, NULL, NULL, "2001:db8::1", 65535, NULL,
	  "[2001:db8::1]:65535" },
	{ "[2001:db8::1]", DST, NULL, NULL, "2001:db8::1", 0, NULL, "2001:db8::1" },
	{ "MyCT1", FROM_H, NULL, NULL, NULL, 0, "MyCT1", "MyCT1" },
	{ "b/MyCT1", FROM_H, NULL, NULL, "b", 0, "MyCT1", "b/MyCT1" },
	{ "root@b", FROM_H, "root", NULL, "b", 0, NULL, "root@b" },
	{ "root:pw@192.168.1.130", HOST, "root", "pw", "192.168.1.130", 0, NULL,
	  "root@192.168.1.130" },
	{ "localhost", HOST, NULL, NULL, NULL, 0, NULL, "localhost" },
	{ "MyVM", VM_SRC, NULL, NULL, NULL, 0, "MyVM", "MyVM" },
	{ "ts7.test.com/My (old) VM", VM_SRC, NULL, NULL, "ts7.test.com", 0, "My (old) VM",
	  "ts7.test.com/My (old) VM" },
	{ "root:XXX@ts7.test.com/MyVM", VM_DST, "root", "XXX", "ts7.test.com", 0, "MyVM",
	  "root@ts7.test.com/MyVM" },
	{ "/srv/my vm.qcow2", VM_SRC, NULL, NULL, NULL, 0, "/srv/my vm.qcow2", "/srv/my vm.qcow2" },
	{ "root@kvm//srv/vm.qcow2", VM_SRC, "root", NULL, "kvm", 0, "/srv/vm.qcow2",
	  "root@kvm//srv/vm.qcow2" },
	{ "/srv/old.qcow2", VM_SRC, NULL, NULL, NULL, 0, "/srv/old.qcow2", "/srv/old.qcow2" },
	{ "root@b//srv/old.qcow2", VM_SRC, "root", NULL, "b", 0, "/srv/old.qcow2",
	  "root@b//srv/old.qcow2" },
	{ "kvm1", VM_DST, NULL, NULL, "kvm1", 0, NULL, "kvm1" },
};

static void same(const char *what, const char *have, const char *want)
{
	if (!have != !want || (have && strcmp(have, want)))
		fail_msg("%s: have '%s', want '%s'", what, have ? have : "(none)",
			 want ? want : "(none)");
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(goods); i++) {
		const struct good *g = &goods[i];
		struct address a;
		struct err e = ERR_INIT;

		if (parse(g->text, g->side, g->kind, g->from, &a, &e) < 0)
			fail_msg("%s: %s", g->text, e.msg);
		same(g->text, a.where.user, g->user);
		same(g->text, a.where.password, g->password);
		same(g->text, a.where.host, g->host);
		assert_int_equal(a.where.port, g->port);
		same(g->text, a.name, g->name);
		own_free char *again = address_text(&a);

		same(g->text, again, g->again);
		address_fini(&a);
	}
}

static const struct bad {
	const char *text;
	enum address_side side;
	enum kind kind, from;
	const char *says;
} bads[] = {
	{ "", SRC, "no name" },
	{ "root@b", SRC, "names no Container" },
	{ "b/", SRC, "names no Container" },
	{ "0", SRC, "not between" },
	{ "2147483645", SRC, "not between" },
	{ "007", SRC, "not between" },
	{ "101,101", SRC, "named twice" },
	{ "101,", SRC, "no name" },
	{ "../x", SRC, "no host name" },
	{ "b/..", SRC, "no name" },
	{ "b/-x", SRC, "no name" },
	{ "two  blanks", SRC, "no name" },
	{ "101,102", ADDRESS_DESTINATION, KIND_CONTAINER, KIND_SERVER, "no name" },
	{ "-oProxyCommand=x", DST, "no host name" },
	{ "-l@b", DST, "no user name" },
	{ "@b", DST, "no user name" },
	{ "a b@b", DST, "no user name" },
	{ "root:x\ny@b", DST, "line break" },
	{ "root@", DST, "empty" },
	{ "root@b:0", DST, "not between" },
	{ "root@b:65536", DST, "not between" },
	{ "root@b:x", DST, "not a number" },
	{ "[::1", DST, "not of the form" },
	{ "[::1]x", DST, "not of the form" },
	{ "[b]:22", DST, "no IPv6" },
	{ "1:2:3", DST, "no IPv6" },
	{ "fe80::1%", DST, "no IPv6" },
	{ "b;id", DST, "no host name" },
	{ "host/dir", HOST, "no host name" },
	{ "b/\tvm", VM_SRC, "no name of a virtual machine" },
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(bads); i++) {
		const struct bad *b = &bads[i];
		struct address a;
		struct err e = ERR_INIT;

		if (parse(b->text, b->side, b->kind, b->from, &a, &e) == 0)
			fail_msg("'%s' was taken", b->text);
		assert_int_equal(e.code, ERR_USAGE);
		if (!strstr(e.msg, b->says))
			fail_msg("'%s': '%s' does not say '%s'", b->text, e.msg, b->says);
		address_fini(&a);
	}
}

/* The password is gone from argv and in no message, also when the rest is wrong. */
static void test_password_vanishes(void **state)
{
	static const char *const texts[] = { "root:sEcret@b", "root:sEcret@b:x", "root:sEcret@",
					     "r oot:sEcret@b", ":sEcret@b", "root:sEcret@b/../.." };

	(void)state;
	for (size_t i = 0; i < array_len(texts); i++) {
		own_free char *text = xstrdup(texts[i]);
		struct address a;
		struct err e = ERR_INIT;

		address_parse(text, ADDRESS_DESTINATION, KIND_CONTAINER, KIND_CONTAINER, &a, &e);
		assert_null(strstr(text, "sEcret"));
		assert_null(strstr(e.msg, "sEcret"));
		assert_null(strstr(e.hint, "sEcret"));
		own_free char *shown = address_text(&a);

		assert_null(strstr(shown, "sEcret"));
		address_fini(&a);
	}
}

static void test_list_and_engine(void **state)
{
	own_strv struct strv list = STRV_INIT;
	own_free char *engine = NULL;
	own_free char *none = NULL;

	(void)state;
	assert_int_equal(address_list("101,podman:web,x y", &list, NULL), 0);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.item[2], "x y");
	assert_string_equal(address_engine("podman:web", &engine), "web");
	assert_string_equal(engine, "podman");
	assert_string_equal(address_engine("101", &none), "101");
	assert_null(none);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_password_vanishes),
		cmocka_unit_test(test_list_and_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
