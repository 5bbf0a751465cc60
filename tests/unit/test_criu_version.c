// SPDX-License-Identifier: MIT
/* Each row of the table of CRIU's versions: where it begins and ends, by version and by kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "criu/version.h"

static void test_refusals(void **state)
{
	static const struct {
		uint32_t version;
		const char *kernel, *why; /* a part of it; NULL: may be used */
	} cases[] = {
		{ 31701, "6.1.0-42-amd64", "until the switch" },
		{ 31701, "6.18.0", "until the switch" },
		{ 31900, "6.1.0-42-amd64", "ambient capabilities" },
		{ 40000, "6.12.1", "ambient capabilities" },
		{ 40100, "6.12.1", "propagation" },
		{ 40101, "6.12.117+deb13-cloud-amd64", NULL },
		{ 40101, "6.1.0-42-amd64", NULL },
		{ 40101, "5.10", NULL },
		{ 40101, "6.13.0", "guard regions" },
		{ 40101, "6.15.9", "guard regions" },
		{ 40199, "6.16.0-rc1", "network sockets" },
		{ 40101, "7.0.1", "network sockets" },
		{ 40101, "", "network sockets" }, /* who knows */
		{ 40101, NULL, "network sockets" },
		{ 40200, "6.1.0", NULL },
		{ 40200, "6.18.44-fc", NULL },
		{ 40200, NULL, NULL },
		{ 40201, "7.0.1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		const char *why = criu_refusal(cases[i].version, cases[i].kernel);

		if (!why != !cases[i].why || (why && !strstr(why, cases[i].why)))
			fail_msg("%u on %s: %s", cases[i].version, cases[i].kernel, why ? why : "may be used");
	}
}

static void test_lacks(void **state)
{
	(void)state;
	assert_int_equal(criu_lacks(40101, "6.12.1"), CRIU_LACKS_PING | CRIU_LACKS_WIPE);
	assert_int_equal(criu_lacks(40101, NULL), CRIU_LACKS_PING | CRIU_LACKS_WIPE);
	assert_int_equal(criu_lacks(40200, "6.12.1"), 0);
	assert_non_null(strstr(criu_difference(CRIU_LACKS_PING | CRIU_LACKS_WIPE), "ping"));
	assert_null(criu_difference(CRIU_LACKS_WIPE));
	assert_null(criu_difference(0));
}

static void test_text(void **state)
{
	static const struct {
		uint32_t version;
		const char *text;
	} cases[] = { { 40200, "4.2" }, { 40201, "4.2.1" }, { 31701, "3.17.1" }, { 40101, "4.1.1" } };

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		own_free char *text = criu_version_text(cases[i].version);

		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_lacks),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
