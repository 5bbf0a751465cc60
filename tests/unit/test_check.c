// SPDX-License-Identifier: MIT
/* plan/check: every check that passes, fails and is bypassed; plan/need and plan/facts on
 * the wire; plan/predict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "plan/check.h"
#include "plan/cpu.h"
#include "plan/predict.h"

/* One question with an answer that passes everywhere; a case changes it. */
struct bed {
	struct job j;
	struct need n;
	struct facts here, there;
};

static void words(struct strv *v, const char *text)
{
	strv_fini(v);
	strv_split(v, text, " ");
}

static void facts_fill(struct facts *f, const char *host)
{
	facts_init(f);
	f->hostname = xstrdup(host);
	f->machine = xasprintf("boot-of-%s", host);
	f->arch = xstrdup("x86_64");
	f->kernel = xstrdup("6.12.1");
	f->cgroup = CGROUP_V2;
	words(&f->engines, "vz podman");
	words(&f->technologies, "x86 x86_64 nptl sysfs nfs ext4");
	words(&f->cpu_flags, "fpu sse sse2 avx avx2 erms pti");
	words(&f->filesystems, "ext4 nfs proc fuse");
	words(&f->modules, "nfs autofs4");
	words(&f->interfaces, "eth0 lo");
	words(&f->templates, "debian-13-x86_64 nginx");
	f->memory = 8ull << 30;
	f->memory_free = 4ull << 30;
	f->cpus = 4;
	f->criu_version = 40200;
	f->criu_problem = xstrdup("");
	f->traffic_shaping = true;
	f->rate_classes = 2;
	f->licence = LICENCE_VALID;
	f->licence_max = 5;
	f->running = 3;
	f->private_area = xstrdup("/vz/private/101");
	f->root = xstrdup("/vz/root/101");
	f->disk_free = 10ull << 30;
	f->inodes_free = 100000;
}

static void bed_init(struct bed *b)
{
	job_init(&b->j);
	b->j.src.name = xstrdup("101");
	b->j.dst.where.host = xstrdup("b");
	need_init(&b->n);
	b->n.engine = xstrdup("vz");
	b->n.id = xstrdup("101");
	b->n.arch = xstrdup("x86_64");
	b->n.kernel = xstrdup("6.12.1");
	b->n.running = b->n.start = b->n.online = true;
	b->j.online = true;
	b->n.bytes = 1 << 30;
	b->n.inodes = 20000;
	b->n.memory_limit = 1 << 30;
	b->n.memory_used = 1 << 28;
	b->n.cpus = 2;
	b->n.ostemplate = xstrdup("debian-13-x86_64");
	words(&b->n.templates, "nginx");
	words(&b->n.technologies, "x86_64 nptl");
	words(&b->n.rate, "eth0:1:8 *:*:100");
	words(&b->n.addresses, "10.0.0.5");
	words(&b->n.filesystems, "nfs");
	words(&b->n.modules, "nfs");
	words(&b->n.cpu_flags, "fpu sse2 avx erms fsrm");
	facts_fill(&b->here, "a");
	facts_fill(&b->there, "b");
}

static void bed_fini(struct bed *b)
{
	job_fini(&b->j);
	need_fini(&b->n);
	facts_fini(&b->here);
	facts_fini(&b->there);
}

static void replace(char **at, const char *text)
{
	free(*at);
	*at = text ? xstrdup(text) : NULL;
}

static void test_all_pass(void **state)
{
	struct bed b;
	own_findings struct findings f = FINDINGS_INIT;
	struct err e = ERR_INIT;

	(void)state;
	bed_init(&b);
	check_all(&b.j, &b.n, &b.here, &b.there, &f);
	for (size_t i = 0; i < f.n; i++) {
		if (f.item[i].level != FINDING_PASS)
			fail_msg("%s: %s", f.item[i].word, f.item[i].text);
	}
	assert_in_range(f.n, 9, 20);
	assert_int_equal(findings_verdict(&f, &e), 0);
	bed_fini(&b);
}

static void no_engine(struct bed *b) { words(&b->there.engines, "podman"); }
static void other_engine(struct bed *b) { replace(&b->j.dst.name, "podman:101"); }
static void same_place(struct bed *b) { replace(&b->there.machine, "boot-of-a"); }
static void id_taken(struct bed *b)
{
	b->there.home_code = ERR_EXISTS;
	replace(&b->there.home_problem, "101 exists");
}
static void no_runc(struct bed *b)
{
	facts_add_lack(&b->there, &(struct err){ .code = ERR_LAYOUT, .msg = "the program runc is not here" });
}
static void bind_mount(struct bed *b) { words(&b->n.bind_mounts, "/srv/data:/data"); }
static void licence_full(struct bed *b) { b->there.running = 5; }
static void licence_old(struct bed *b) { b->there.licence = LICENCE_EXPIRED; }
static void licence_bad(struct bed *b) { b->there.licence = LICENCE_BROKEN; }
static void no_fs(struct bed *b) { words(&b->n.filesystems, "nfs btrfs"); }
static void no_module(struct bed *b) { words(&b->there.modules, "autofs4"); }
static void no_criu(struct bed *b) { b->there.criu_version = 0; }
static void no_criu_here(struct bed *b) { b->here.criu_version = 0; }
static void criu_unwell(struct bed *b) { replace(&b->there.criu_problem, "no memfd"); }
static void criu_stuck(struct bed *b) { b->there.criu_version = 0; replace(&b->there.criu_problem, "killed"); }
static void criu_old(struct bed *b) { b->there.criu_version = 31701; replace(&b->there.criu_problem, "vdso"); }
static void criu_new_kernel(struct bed *b)
{
	b->here.criu_version = 40101;
	replace(&b->here.kernel, "6.16.1");
}
static void criu_older(struct bed *b) { b->here.criu_version = 40300; }
static void no_cpu(struct bed *b) { words(&b->n.cpu_flags, "avx512f avx fpu"); }
static void other_cgroup(struct bed *b) { b->there.cgroup = CGROUP_HYBRID; }
static void no_tech(struct bed *b) { words(&b->n.technologies, "x86_64 cowdir"); }
static void no_arch(struct bed *b) { replace(&b->n.arch, "aarch64"); }
static void no_disk(struct bed *b) { b->there.disk_free = 1 << 20; }
static void no_inodes(struct bed *b) { b->there.inodes_free = 19999; }
static void ip_used(struct bed *b) { words(&b->there.addresses_used, "10.0.0.5"); }
static void name_used(struct bed *b)
{
	b->there.name_code = ERR_NAME_USED;
	replace(&b->there.name_problem, "web is the name of 7");
}
static void mount_script(struct bed *b) { b->n.mount_script = true; }
static void no_ostemplate(struct bed *b) { replace(&b->n.ostemplate, "centos-6-x86"); }
static void no_template(struct bed *b) { words(&b->n.templates, "nginx mysql"); }
static void rate_form(struct bed *b) { words(&b->n.rate, "eth0:1"); }
static void rate_dev(struct bed *b) { words(&b->n.rate, "eth7:1:8"); }
static void rate_class(struct bed *b) { words(&b->n.rate, "eth0:3:8"); }

/* Each: what goes wrong, the word, the code, the bit of -f (0: cannot be bypassed), and
 * whether the container may start all the same. */
static const struct {
	void (*change)(struct bed *b);
	const char *word;
	enum err_code code;
	uint32_t bit;
	bool harmless, online_only;
} cases[] = {
	{ no_engine, "engine", ERR_LAYOUT, 0, false, false },
	{ other_engine, "engine", ERR_LAYOUT, 0, false, false },
	{ same_place, "place", ERR_SAME, 0, false, false },
	{ id_taken, "place", ERR_EXISTS, 0, false, false },
	{ no_runc, "tried", ERR_LAYOUT, 0, false, false },
	{ bind_mount, "bindmount", ERR_BINDMOUNT, NODEPS_BINDMOUNT, false, false },
	{ licence_full, "license", ERR_LICENSE, NODEPS_LICENSE, false, false },
	{ licence_old, "license", ERR_LICENSE, NODEPS_LICENSE, false, false },
	{ licence_bad, "license", ERR_LICENSE, NODEPS_LICENSE, false, false },
	{ no_fs, "kernel_modules", ERR_SYS, NODEPS_KERNEL_MODULES, false, false },
	{ no_module, "kernel_modules", ERR_SYS, NODEPS_KERNEL_MODULES, false, true },
	{ no_criu, "criu", ERR_UNSUPPORTED, 0, false, true },
	{ no_criu_here, "criu", ERR_UNSUPPORTED, 0, false, true },
	{ criu_unwell, "criu", ERR_UNSUPPORTED, NODEPS_CAPABILITIES, false, true },
	{ criu_stuck, "criu", ERR_UNSUPPORTED, 0, false, true },
	{ criu_old, "criu", ERR_UNSUPPORTED, 0, false, true },
	{ criu_new_kernel, "criu", ERR_UNSUPPORTED, 0, false, true },
	{ criu_older, "cpt_image_version", ERR_CPT_VERSION, NODEPS_CPT_IMAGE_VERSION, false,
	  true },
	{ no_cpu, "cpu_check", ERR_CPU, NODEPS_CPU_CHECK, true, true },
	{ other_cgroup, "cgroup", ERR_UNSUPPORTED, NODEPS_CAPABILITIES, false, true },
	{ no_tech, "technologies", ERR_TECH, NODEPS_TECHNOLOGIES, false, false },
	{ no_arch, "technologies", ERR_TECH, NODEPS_TECHNOLOGIES, false, false },
	{ no_disk, "disk_space", ERR_DISK, NODEPS_DISK_SPACE, true, false },
	{ no_inodes, "disk_space", ERR_DISK, NODEPS_DISK_SPACE, true, false },
	{ ip_used, "ip", ERR_IP_USED, NODEPS_ALL, false, false },
	{ name_used, "name", ERR_NAME_USED, 0, false, false },
	{ mount_script, "mount_script", ERR_MOUNT_SCRIPT, NODEPS_ALL, false, false },
	{ no_ostemplate, "templates", ERR_TEMPLATES, NODEPS_TEMPLATE_AREA_SYNC, false, false },
	{ no_template, "templates", ERR_TEMPLATES, NODEPS_TEMPLATE_AREA_SYNC, false, false },
	{ rate_form, "rate", ERR_RATE, NODEPS_RATE, false, false },
	{ rate_dev, "rate", ERR_RATE, NODEPS_RATE, false, false },
	{ rate_class, "rate", ERR_RATE, NODEPS_RATE, false, false },
};

/* The case's finding; the only one that is not a pass or a note. */
static const struct finding *only(const struct findings *f, const char *word)
{
	const struct finding *hit = NULL;

	for (size_t i = 0; i < f->n; i++) {
		if (f->item[i].level < FINDING_BYPASSED)
			continue;
		assert_null(hit);
		hit = &f->item[i];
		assert_string_equal(hit->word, word);
	}
	return hit;
}

static const struct finding *run(struct bed *b, struct findings *f, size_t i, bool online,
				 uint32_t nodeps)
{
	findings_fini(f);
	bed_init(b);
	b->j.online = b->n.online = online;
	b->j.nodeps = nodeps;
	cases[i].change(b);
	check_all(&b->j, &b->n, &b->here, &b->there, f);
	return only(f, cases[i].word);
}

static void test_each_check(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		own_findings struct findings f = FINDINGS_INIT;
		const struct finding *hit;
		struct bed b;
		struct err e = ERR_INIT;

		/* It stops the move, with its own code. */
		hit = run(&b, &f, i, true, 0);
		assert_non_null(hit);
		assert_int_equal(hit->level, FINDING_FAIL);
		assert_int_equal(findings_verdict(&f, &e), -1);
		assert_int_equal(e.code, cases[i].code);
		bed_fini(&b);

		/* A cold move does not look at what only live moves need. */
		hit = run(&b, &f, i, false, 0);
		assert_int_equal(hit == NULL, cases[i].online_only);
		bed_fini(&b);

		/* All other words do not help it. */
		hit = run(&b, &f, i, true, NODEPS_ALL & ~cases[i].bit);
		assert_int_equal(hit->level, FINDING_FAIL);
		bed_fini(&b);

		/* Its own word does, and then it is left stopped, if it can be. */
		hit = run(&b, &f, i, false, cases[i].bit ? cases[i].bit : NODEPS_ALL);
		if (hit && cases[i].bit) {
			assert_int_equal(hit->level, FINDING_BYPASSED);
			assert_int_equal(findings_verdict(&f, &e), 0);
			assert_int_equal(findings_nostart(&f), !cases[i].harmless);
		} else if (hit) {
			assert_int_equal(hit->level, FINDING_FAIL);
		}
		bed_fini(&b);

		hit = run(&b, &f, i, true, NODEPS_ALL);
		assert_int_equal(hit->level,
				 cases[i].bit ? FINDING_BYPASSED : FINDING_FAIL);
		assert_false(findings_nostart(&f));
		bed_fini(&b);
	}
}

static size_t count_of(const struct findings *f, enum finding_level level, const char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->item[i].level == level && strstr(f->item[i].text, text);
	return n;
}

/* Four different things to tell a user, and one to go on with. */
static void test_criu_is_named(void **state)
{
	struct bed b;
	own_findings struct findings f = FINDINGS_INIT;

	(void)state;
	bed_init(&b);
	b.here.criu_version = b.there.criu_version = 40101; /* Debian 13's own, on its own kernel */
	check_all(&b.j, &b.n, &b.here, &b.there, &f);
	assert_null(only(&f, "criu"));
	assert_int_equal(count_of(&f, FINDING_NOTE, "with CRIU 4.1.1 on a, other than with 4.2, sockets of ping"), 1);
	assert_int_equal(count_of(&f, FINDING_NOTE, "with CRIU 4.1.1 on b,"), 1);
	assert_int_equal(count_of(&f, FINDING_PASS, "CRIU 4.1.1 and 4.1.1"), 1);
	findings_fini(&f);
	b.there.criu_version = 40200; /* to a newer one */
	check_all(&b.j, &b.n, &b.here, &b.there, &f);
	assert_null(only(&f, "criu"));
	findings_fini(&f);
	replace(&b.here.kernel, "6.18.1");
	check_all(&b.j, &b.n, &b.here, &b.there, &f);
	assert_int_equal(count_of(&f, FINDING_FAIL, "CRIU 4.1.1 on a (kernel 6.18.1) is too old: it cannot save network sockets"), 1);
	findings_fini(&f);
	b.here.criu_version = 0;
	check_all(&b.j, &b.n, &b.here, &b.there, &f);
	assert_int_equal(count_of(&f, FINDING_FAIL, "a has no CRIU"), 1);
	findings_fini(&f);
	replace(&b.here.criu_problem, "criu: error while loading shared libraries: libnet.so.1");
	check_all(&b.j, &b.n, &b.here, &b.there, &f);
	assert_int_equal(count_of(&f, FINDING_FAIL, "CRIU on a does not start: criu: error while loading shared libraries: libnet.so.1"), 1);
	bed_fini(&b);
}

/* All at once; the first in the manual's order gives the code. */
static void test_all_at_once(void **state)
{
	struct bed b;
	own_findings struct findings f = FINDINGS_INIT;
	struct err e = ERR_INIT;
	size_t failed = 0;

	(void)state;
	bed_init(&b);
	no_disk(&b);
	bind_mount(&b);
	rate_dev(&b);
	no_tech(&b);
	check_all(&b.j, &b.n, &b.here, &b.there, &f);
	for (size_t i = 0; i < f.n; i++)
		failed += f.item[i].level == FINDING_FAIL;
	assert_int_equal(failed, 4);
	assert_int_equal(findings_verdict(&f, &e), -1);
	assert_int_equal(e.code, ERR_BINDMOUNT);
	assert_non_null(strstr(e.msg, "(and 3 more)"));
	bed_fini(&b);
}

/* What a stopped container does not need. */
static void test_stopped(void **state)
{
	struct bed b;
	own_findings struct findings f = FINDINGS_INIT;

	(void)state;
	bed_init(&b);
	b.n.running = b.n.start = b.n.online = b.j.online = false;
	b.j.nodeps = NODEPS_ALL;
	licence_full(&b);
	no_tech(&b);
	check_all(&b.j, &b.n, &b.here, &b.there, &f);
	assert_non_null(only(&f, "technologies"));
	assert_false(findings_nostart(&f));
	bed_fini(&b);
}

static void test_kept_area_needs_less_room(void **state)
{
	struct bed b;
	own_findings struct findings f = FINDINGS_INIT;

	(void)state;
	bed_init(&b);
	no_disk(&b);
	assert_true(b.n.bytes > b.there.disk_free);
	b.there.kept_bytes = b.n.bytes - b.there.disk_free;
	check_all(&b.j, &b.n, &b.here, &b.there, &f);
	assert_int_equal(findings_verdict(&f, NULL), 0);
	findings_fini(&f);
	b.there.kept_bytes--;
	check_all(&b.j, &b.n, &b.here, &b.there, &f);
	assert_int_equal(findings_verdict(&f, NULL), -1);
	bed_fini(&b);
}

/* need and facts come out as they went in, and nothing else is taken. */
static void test_codecs(void **state)
{
	struct bed b;
	own_buf struct buf n1 = BUF_INIT, n2 = BUF_INIT, f1 = BUF_INIT, f2 = BUF_INIT;
	struct reader r;
	struct need n;
	struct facts f;

	(void)state;
	bed_init(&b);
	replace(&b.there.name_problem, "a\nb\x1b[0m");
	b.there.name_code = ERR_NAME_USED;
	facts_add_lack(&b.there, &(struct err){ .code = ERR_LAYOUT, .msg = "no runc", .hint = "get it" });
	facts_add_lack(&b.there, &(struct err){ .code = ERR_SYS, .msg = "read-only" });
	words(&b.n.programs, "nft");
	need_put(&n1, &b.n);
	r = reader_of(n1.data, n1.len);
	assert_int_equal(need_get(&r, &n, NULL), 0);
	assert_true(reader_done(&r));
	need_put(&n2, &n);
	assert_int_equal(n1.len, n2.len);
	assert_memory_equal(n1.data, n2.data, n1.len);
	need_fini(&n);
	facts_put(&f1, &b.there);
	r = reader_of(f1.data, f1.len);
	assert_int_equal(facts_get(&r, &f, NULL), 0);
	assert_true(reader_done(&r));
	assert_int_equal(f.name_code, ERR_NAME_USED);
	assert_string_equal(f.name_problem, "a?b?[0m");
	assert_int_equal(f.n_lacks, 2);
	assert_int_equal(f.lack[0].code, ERR_LAYOUT);
	assert_string_equal(f.lack[0].hint, "get it");
	assert_null(f.lack[1].hint);
	facts_put(&f2, &f);
	assert_memory_equal(f1.data, f2.data, f1.len);
	facts_fini(&f);

	/* Cut anywhere: refused, and nothing is left in it. */
	for (size_t len = 0; len < f1.len; len++) {
		r = reader_of(f1.data, len);
		assert_int_equal(facts_get(&r, &f, NULL), -1);
		assert_null(f.hostname);
	}
	/* Any bit flipped: taken or refused, never worse (ASan, UBSan look on). */
	for (size_t bit = 0; bit < n1.len * 8; bit++) {
		n1.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		r = reader_of(n1.data, n1.len);
		if (need_get(&r, &n, NULL) == 0)
			need_fini(&n);
		n1.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	bed_fini(&b);
}

static void test_cpu_flags(void **state)
{
	(void)state;
	assert_true(cpu_flag_counts("avx512_vnni"));
	assert_true(cpu_flag_counts("sse4_2"));
	assert_true(cpu_flag_counts("amx_tile"));
	assert_false(cpu_flag_counts("erms"));
	assert_false(cpu_flag_counts("hypervisor"));
	assert_false(cpu_flag_counts("pti"));
}

static const struct predict_in quiet = {
	.tree_bytes = 1 << 30,
	.tree_files = 10000,
	.link_bps = 100 << 20,
	.rtt_ms = 1,
	.memory_bytes = 512 << 20,
	.stop_ms = 300,
	.start_ms = 2000,
	.freeze_ms = 30,
};

static void test_predict_cold(void **state)
{
	struct predict_in in = quiet;
	struct prediction p;

	(void)state;
	predict(&in, &p);
	assert_false(p.has_downtime);
	assert_in_range((int)p.total_ms, 10200, 10300);
	assert_int_equal(p.bytes, 1 << 30);
	in.running = true;
	predict(&in, &p);
	assert_true(p.has_downtime);
	assert_in_range((int)p.downtime_ms, 2300, 2310);
	in.change_bps = 10 << 20;
	in.change_files_ps = 5;
	predict(&in, &p);
	/* A tenth of 10 s at a tenth of the speed is left: a second more. */
	assert_in_range((int)p.downtime_ms, 3200, 3400);
	in.link_bps = 0;
	predict(&in, &p);
	assert_false(p.link_known);
	assert_int_equal(p.bytes, 1 << 30);
}

static void test_predict_online(void **state)
{
	struct predict_in in = quiet;
	struct prediction p;
	double iterative;

	(void)state;
	in.running = in.online = true;
	in.dirty_bps = 10 << 20;
	predict(&in, &p);
	assert_true(p.converges);
	assert_in_range(p.rounds, 2, 4);
	assert_in_range((int)p.downtime_ms, 30, 45);
	iterative = p.downtime_ms;
	in.noiter = true;
	predict(&in, &p);
	assert_int_equal(p.rounds, 0);
	assert_in_range((int)p.downtime_ms, 5100, 5200);
	in.lazy = true;
	predict(&in, &p);
	assert_true(p.downtime_ms <= iterative);
	in.noiter = in.lazy = false;
	in.dirty_bps = 200 << 20;
	in.max_downtime_ms = 50;
	predict(&in, &p);
	assert_false(p.converges);
	assert_false(p.fits);
	assert_in_range(p.rounds, 1, 30);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_pass),
		cmocka_unit_test(test_each_check),
		cmocka_unit_test(test_criu_is_named),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_kept_area_needs_less_room),
		cmocka_unit_test(test_codecs),
		cmocka_unit_test(test_cpu_flags),
		cmocka_unit_test(test_predict_cold),
		cmocka_unit_test(test_predict_online),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
