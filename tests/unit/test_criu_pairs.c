// SPDX-License-Identifier: MIT
/* criu/save/pairs.h: which of two connected unix sockets comes later in files.img. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/own.h"
#include "criu/save/pairs.h"

enum { FIRST = 70, SECOND = 80, LISTENER = 90, FLYING = 100 };

/* The order of the two ends afterwards; 0: it cannot be. */
static uint32_t later_end(const struct pair_holder *h, size_t n, const struct pair_flight *f, size_t n_flights)
{
	struct pair_socket s[] = { { FIRST, 7, 8 }, { LISTENER, 9, 0 }, { SECOND, 8, 7 } };
	struct pair_holder holder[8];
	struct pair_flight flight[8] = { { 0, 0, 0 } };
	struct err e = ERR_INIT;
	int ret;

	memcpy(holder, h, n * sizeof(*h));
	if (n_flights)
		memcpy(flight, f, n_flights * sizeof(*f));
	ret = pairs_choose(s, array_len(s), holder, n, flight, n_flights, &e);
	if (ret < 0) {
		assert_non_null(strstr(e.msg, "cannot restore"));
		return 0;
	}
	assert_int_equal(ret, s[2].file == FIRST);
	assert_int_equal(s[1].file, LISTENER);
	assert_int_equal(s[0].file + s[2].file, FIRST + SECOND);
	return s[2].file;
}

#define LATER(h, f) later_end(h, array_len(h), f, array_len(f))

static const struct pair_flight none[] = { { LISTENER, LISTENER, 0 } };

static void what_crius_order_allows_stays(void **state)
{
	static const struct pair_holder one[] = { { FIRST, 12 }, { SECOND, 12 }, { LISTENER, 12 } };
	static const struct pair_holder two[] = { { FIRST, 11 }, { SECOND, 12 }, { LISTENER, 12 } };
	static const struct pair_holder heir[] = { { FIRST, 12 }, { FIRST, 11 }, { SECOND, 11 }, { LISTENER, 12 } };

	(void)state;
	assert_int_equal(LATER(one, none), SECOND);
	assert_int_equal(LATER(two, none), SECOND);
	assert_int_equal(LATER(heir, none), SECOND);
}

static void an_owner_of_one_that_has_both_comes_first(void **state)
{
	static const struct pair_holder h[] = { { SECOND, 12 }, { FIRST, 12 }, { FIRST, 11 }, { LISTENER, 3 } };

	(void)state;
	assert_int_equal(LATER(h, none), FIRST);
}

static void descriptors_are_sent_by_the_one_that_has_their_numbers(void **state)
{
	static const struct pair_holder h[] = { { FIRST, 11 }, { SECOND, 12 }, { LISTENER, 12 } };
	static const struct pair_flight second[] = { { SECOND, FLYING, 0 } }, first[] = { { FIRST, FLYING, 0 } };
	static const struct pair_flight both[] = { { FIRST, FLYING, 0 }, { SECOND, FLYING + 1, 0 } };

	(void)state;
	assert_int_equal(LATER(h, second), FIRST);
	assert_int_equal(LATER(h, first), SECOND);
	assert_int_equal(LATER(h, both), 0);
}

/* Sent over its own other end: whoever sends it has it open, too. */
static void an_end_in_flight_has_an_owner(void **state)
{
	static const struct pair_holder h[] = { { FIRST, 11 }, { LISTENER, 5 } };
	static const struct pair_flight over[] = { { LISTENER, SECOND, 0 } };

	(void)state;
	assert_int_equal(LATER(h, over), SECOND);
	assert_int_equal(LATER(h, none), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_crius_order_allows_stays),
		cmocka_unit_test(an_owner_of_one_that_has_both_comes_first),
		cmocka_unit_test(descriptors_are_sent_by_the_one_that_has_their_numbers),
		cmocka_unit_test(an_end_in_flight_has_an_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
