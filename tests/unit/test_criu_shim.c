// SPDX-License-Identifier: MIT
/* What the preload library decides by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/own.h"
#include "criu/shim/text.h"

static const char smaps[] =
	"1000-2000 r-xp 00000000 fe:00 12   /bin/a b\n"
	"Size:                  4 kB\n"
	"VmFlags: rd ex mr mw me \n"
	"10000000-20000000 rw-p 00000000 00:00 0 \n"
	"Rss:                   4 kB\n"
	"VmFlags: rd wr mr mw me ac sd uw \n"
	"30000000-40000000 rw-p 00000000 00:00 0 \n"
	"VmFlags: rd wr lo ac \n"
	"7ff0-7ff1 r-xp 00000000 00:00 0    [vdso]\n";

static void smaps_are_walked(void **state)
{
	const char *next = smaps;
	struct shim_vma v;

	(void)state;
	assert_true(shim_next(&next, &v));
	assert_int_equal(v.start, 0x1000);
	assert_int_equal(v.ino, 12);
	assert_int_equal(v.name_len, strlen("/bin/a b"));
	assert_true(shim_has_flag(v.flags, v.flags_len, "ex"));
	assert_false(shim_has_flag(v.flags, v.flags_len, "wr"));
	assert_false(shim_hides(&v));
	assert_true(shim_next(&next, &v));
	assert_int_equal(v.name_len, 0);
	assert_true(shim_hides(&v));
	assert_true(shim_next(&next, &v));
	assert_true(shim_hides(&v)); /* locked */
	assert_true(shim_next(&next, &v));
	assert_null(v.flags);
	assert_false(shim_hides(&v));
	assert_false(shim_next(&next, &v));
	assert_int_equal(*next, '\0');
}

static const char *flags_of(const char *header, size_t *len)
{
	const char *at = NULL;
	struct shim_vma v;

	assert_true(shim_next(&header, &v));
	return shim_flags(&v, smaps, &at, len);
}

static void flags_come_from_the_cache(void **state)
{
	size_t len;

	(void)state;
	/* the same; grown; a part */
	assert_non_null(flags_of("10000000-20000000 rw-p 00000000 00:00 0 \n", &len));
	assert_non_null(flags_of("f000000-28000000 rw-p 00000000 00:00 0 \n", &len));
	assert_non_null(flags_of("11000000-12000000 rw-p 00000000 00:00 0 \n", &len));
	assert_non_null(flags_of("1000-2000 r-xp 00000000 fe:00 12   /bin/a b\n", &len));
	/* new; another protection, file, place in the file; over two that differ */
	assert_null(flags_of("50000000-60000000 rw-p 00000000 00:00 0 \n", &len));
	assert_null(flags_of("10000000-20000000 r--p 00000000 00:00 0 \n", &len));
	assert_null(flags_of("1000-2000 r-xp 00000000 fe:00 13   /bin/a b\n", &len));
	assert_null(flags_of("1000-2000 r-xp 00001000 fe:00 12   /bin/a b\n", &len));
	assert_null(flags_of("10000000-40000000 rw-p 00000000 00:00 0 \n", &len));
	/* without flags in the cache */
	assert_null(flags_of("7ff0-7ff1 r-xp 00000000 00:00 0    [vdso]\n", &len));
}

static void only_private_memory_is_hidden(void **state)
{
	static const struct {
		const char *text;
		bool hides;
	} cases[] = {
		{ "1000000-2000000 rw-p 0 00:00 0 \nVmFlags: rd wr \n", true },
		{ "1000000-2000000 rw-p 0 00:00 0 [heap]\nVmFlags: rd wr \n", true },
		{ "1000000-1001000 rw-p 0 00:00 0 \nVmFlags: rd wr \n", true },
		{ "1000000-1001000 rwxp 0 00:00 0 \nVmFlags: rd wr ex \n", true },
		{ "1000000-2000000 rw-s 0 00:01 5 /dev/zero (deleted)\nVmFlags: rd \n", false },
		{ "1000000-2000000 rw-p 0 fe:00 5 /lib/x\nVmFlags: rd wr \n", true },
		{ "1000000-2000000 r--p 0 fe:00 5 [vvar]\nVmFlags: rd \n", true },
		{ "1000000-2000000 r-xp 0 fe:00 5 /lib/x\nVmFlags: rd ex \n", false },
		{ "1000000-2000000 rw-p 0 00:05 0 /dev/mem\nVmFlags: rd wr io \n", false },
		{ "1000000-2000000 rw-p 0 00:00 0 [stack]\nVmFlags: rd wr gd \n", false },
		{ "1000000-2000000 rw-p 0 00:00 0 \nVmFlags: rd wr lo \n", true },
		{ "1000000-2000000 rw-p 0 00:00 0 \nVmFlags: rd wr ht \n", false },
		{ "1000000-2000000 r--p 0 00:00 0 [vvar]\nVmFlags: rd \n", false },
		{ "1000000-2000000 rw-p 0 00:00 0 \nVmFlags: rd wr um \n", false },
	};

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		const char *next = cases[i].text;
		struct shim_vma v;

		assert_true(shim_next(&next, &v));
		assert_int_equal(shim_hides(&v), cases[i].hides);
	}
}

static void shared_code_is_no_place_for_criu(void **state)
{
	static const struct {
		const char *rights;
		bool unfit;
	} cases[] = {
		{ "r-xs", true }, { "rw-p", false }, { "r--s", false }, { "rwxs", true },
		{ "r-xp", false }, { "r-xs", false }, { "r-xp", false },
	};
	bool fit = false;

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		struct shim_vma v = { .start = i };

		strcpy(v.perms, cases[i].rights);
		assert_int_equal(shim_unfit(&v, &fit), cases[i].unfit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smaps_are_walked),
		cmocka_unit_test(flags_come_from_the_cache),
		cmocka_unit_test(shared_code_is_no_place_for_criu),
		cmocka_unit_test(only_private_memory_is_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
