// SPDX-License-Identifier: MIT
/* Unit tests of engine/dist.c and engine/inside.c: which file, which script, what it did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cjson/cJSON.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/dist.h"
#include "engine/inside.h"
#include "engine/ugquota.h"

static void test_candidates(void **state)
{
	own_strv struct strv v = STRV_INIT;
	static const char *const bad[] = { "", ".", "..", "a/b", "../x", "-a", "a b", ".hidden" };

	(void)state;
	assert_int_equal(dist_candidates("rhel-5-u4", &v, NULL), 0);
	assert_int_equal(v.n, 4);
	assert_string_equal(v.item[0], "rhel-5-u4.conf");
	assert_string_equal(v.item[1], "rhel-5.conf");
	assert_string_equal(v.item[2], "rhel.conf");
	assert_string_equal(v.item[3], "default");
	for (size_t i = 0; i < array_len(bad); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(dist_candidates(bad[i], &v, &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
	}
}

static void put_file(const char *dir, const char *name, const char *text)
{
	own_free char *path = xasprintf("%s/%s", dir, name);

	assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0644, NULL), 0);
}

static int make_dirs(void **state)
{
	char top[] = "/tmp/test-dist-XXXXXX";

	if (!mkdtemp(top))
		return -1;
	for (int i = 0; i < 2; i++) {
		own_free char *dir = xasprintf("%s/%s/scripts", top, i ? "dist" : "dists");

		if (path_mkdirs(dir, 0755, NULL) < 0)
			return -1;
	}
	*state = xstrdup(top);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* Not by base/path: valgrind does not know openat2. */
static int remove_dirs(void **state)
{
	int ret = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return ret;
}

static bool openat2_works(void)
{
	own_fd int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int fd = path_open_beneath(top, "tmp", O_PATH, 0);

	return fd >= 0;
}

static void test_find(void **state)
{
	own_free char *a = xasprintf("%s/dists", (char *)*state);
	own_free char *b = xasprintf("%s/dist", (char *)*state);
	const char *const dirs[] = { a, b, NULL };
	struct err e = ERR_INIT;
	struct dist d;
	char *script;

	assert_int_equal(dist_find(dirs, "rhel-5", &d, &e), -1);
	assert_int_equal(e.code, ERR_ABSENT);
	put_file(a, "default", "POST_MIGRATE=nothing.sh\n");
	put_file(a, "rhel.conf", "# x\nPOST_MIGRATE=\"redhat.sh\"\nSET_DNS=\n");
	put_file(b, "rhel-5.conf", "POST_MIGRATE=../evil.sh\n");

	/* The closer name wins although its directory is the later one. */
	assert_int_equal(dist_find(dirs, "rhel-5", &d, NULL), 0);
	assert_string_equal(d.name, "rhel-5");
	assert_string_equal(d.dir, b);
	assert_false(d.fallback);
	assert_int_equal(dist_script(&d, "POST_MIGRATE", &script, &e), -1);
	dist_fini(&d);

	assert_int_equal(dist_find(dirs, "rhel-6.1-x", &d, NULL), 0);
	assert_string_equal(d.name, "rhel");
	assert_true(dist_has(&d, "POST_MIGRATE"));
	assert_false(dist_has(&d, "SET_DNS"));
	assert_false(dist_has(&d, "ADD_IP"));
	assert_int_equal(dist_script(&d, "ADD_IP", &script, NULL), 0);
	assert_null(script);
	assert_int_equal(dist_script(&d, "POST_MIGRATE", &script, NULL), -1); /* no file */
	put_file(a, "scripts/redhat.sh", "echo body\n");
	put_file(a, "scripts/functions", "echo prelude\n");
	assert_int_equal(dist_script(&d, "POST_MIGRATE", &script, NULL), 0);
	assert_true(strstr(script, "echo prelude") < strstr(script, "echo body"));
	free(script);
	dist_fini(&d);

	assert_int_equal(dist_find(dirs, "plan9", &d, NULL), 0);
	assert_true(d.fallback);
	dist_fini(&d);
}

static void test_changes(void **state)
{
	own_dist_changes struct dist_changes c = DIST_CHANGES_INIT;

	(void)state;
	dist_changes_parse(&c, "EDIT\t/etc/fstab\tcommented\nnoise\nMASK\tudev.service\twhy\n"
			       "NOTE\tlook at \033[31mthis\nEDIT\t/only\n\t\t\nNOTE");
	assert_int_equal(c.n, 3);
	assert_int_equal(c.item[0].kind, DIST_EDIT);
	assert_string_equal(c.item[0].object, "/etc/fstab");
	assert_string_equal(c.item[1].text, "why");
	assert_int_equal(c.item[2].kind, DIST_NOTE);
	assert_string_equal(c.item[2].text, "look at ?[31mthis");
}

static void test_spec(void **state)
{
	static const char *const env[] = { "HOSTNM=x", NULL };
	own_free char *text = inside_spec("/vz/private/7", "inside-1", env);
	cJSON *j = cJSON_Parse(text), *p, *caps, *cap;

	(void)state;
	assert_non_null(j);
	p = cJSON_GetObjectItem(j, "process");
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(p, "noNewPrivileges")));
	assert_non_null(strstr(text, "HOSTNM=x"));
	caps = cJSON_GetObjectItem(cJSON_GetObjectItem(p, "capabilities"), "bounding");
	assert_true(cJSON_GetArraySize(caps) > 0);
	cJSON_ArrayForEach(cap, caps)
	{
		assert_string_not_equal(cap->valuestring, "CAP_SYS_ADMIN");
		assert_string_not_equal(cap->valuestring, "CAP_MKNOD");
	}
	assert_null(strstr(text, "\"sysfs\""));
	cJSON_Delete(j);
}

static void test_nodes(void **state)
{
	own_free char *null = NULL, *dev = NULL;
	struct stat st;

	if (geteuid() != 0 || !openat2_works())
		skip();
	null = xasprintf("%s/dev/null", (char *)*state);
	dev = xasprintf("%s/dev", (char *)*state);
	assert_int_equal(mkdir(dev, 0755), 0);
	put_file(dev, "null", "somebody redirected to a missing device\n");
	assert_int_equal(inside_make_nodes(*state, NULL), 0);
	assert_int_equal(lstat(null, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(st.st_rdev, makedev(1, 3));
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_int_equal(inside_make_nodes(*state, NULL), 0); /* again */
}

static void test_ugquota(void **state)
{
	const char *at = "u 1000 10240 20480 0 5\nrubbish\ng 50 -1 0 0 0\nu 1 2 3 4\n"
			 "u 1 2 3 4 5 6\ng 100 0 1 0 0";
	struct ugquota q;

	(void)state;
	assert_int_equal(ugquota_line(&at, &q), 1);
	assert_false(q.group);
	assert_int_equal(q.id, 1000);
	assert_int_equal(q.block_soft_kib, 10240);
	assert_int_equal(q.inode_hard, 5);
	for (int i = 0; i < 4; i++)
		assert_int_equal(ugquota_line(&at, &q), -1);
	assert_int_equal(ugquota_line(&at, &q), 1);
	assert_true(q.group);
	assert_int_equal(ugquota_line(&at, &q), 0);
}

/* /tmp is everybody's file system: nothing is set there. */
static void test_ugquota_shared(void **state)
{
	own_free char *why = NULL;
	unsigned set, left;

	ugquota_apply(*state, "u 1000 1 2 3 4\n", &set, &left, &why);
	assert_int_equal(set, 0);
	assert_int_equal(left, 1);
	assert_non_null(why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_candidates),
		cmocka_unit_test_setup_teardown(test_find, make_dirs, remove_dirs),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_ugquota),
		cmocka_unit_test_setup_teardown(test_ugquota_shared, make_dirs, remove_dirs),
		cmocka_unit_test(test_spec),
		cmocka_unit_test_setup_teardown(test_nodes, make_dirs, remove_dirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
