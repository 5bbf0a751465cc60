// SPDX-License-Identifier: MIT
/* pmigrate/out and what stands behind it: every event on every kind of output, the schema of
 * --batch, what another server's pmigrate tells, the request to it, bars and pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>
#include <cjson/cJSON.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "pmigrate/bar.h"
#include "pmigrate/out.h"
#include "pmigrate/relay.h"
#include "pmigrate/report.h"

/* ---- a small JSON Schema validator: what doc/batch-schema.json uses ---------------- */

static bool fits(const cJSON *v, const cJSON *schema);

static bool type_fits(const cJSON *v, const char *type)
{
	if (!strcmp(type, "integer"))
		return cJSON_IsNumber(v) && v->valuedouble == (double)(long long)v->valuedouble;
	return !strcmp(type, "string")	? cJSON_IsString(v) :
	       !strcmp(type, "number")	? cJSON_IsNumber(v) :
	       !strcmp(type, "boolean") ? cJSON_IsBool(v) :
	       !strcmp(type, "array")	? cJSON_IsArray(v) :
	       !strcmp(type, "object")	? cJSON_IsObject(v) :
					  false;
}

static bool object_fits(const cJSON *v, const cJSON *schema)
{
	const cJSON *props = cJSON_GetObjectItem(schema, "properties"), *i;

	cJSON_ArrayForEach(i, cJSON_GetObjectItem(schema, "required")) {
		if (!cJSON_HasObjectItem(v, i->valuestring))
			return false;
	}
	cJSON_ArrayForEach(i, v) {
		const cJSON *prop = cJSON_GetObjectItem(props, i->string);

		if (prop ? !fits(i, prop) :
			   cJSON_IsFalse(cJSON_GetObjectItem(schema, "additionalProperties")))
			return false;
	}
	return true;
}

static bool fits(const cJSON *v, const cJSON *schema)
{
	const cJSON *rule, *i;
	int hits = 0;

	if ((rule = cJSON_GetObjectItem(schema, "oneOf"))) {
		cJSON_ArrayForEach(i, rule)
			hits += fits(v, i);
		return hits == 1;
	}
	if ((rule = cJSON_GetObjectItem(schema, "const")) && !cJSON_Compare(v, rule, true))
		return false;
	if ((rule = cJSON_GetObjectItem(schema, "type")) && !type_fits(v, rule->valuestring))
		return false;
	if ((rule = cJSON_GetObjectItem(schema, "enum"))) {
		cJSON_ArrayForEach(i, rule)
			hits += cJSON_Compare(v, i, true);
		if (!hits)
			return false;
	}
	if ((rule = cJSON_GetObjectItem(schema, "items"))) {
		cJSON_ArrayForEach(i, v) {
			if (!fits(i, rule))
				return false;
		}
	}
	return !cJSON_IsObject(v) || object_fits(v, schema);
}

/* ---- one migration with everything in it ------------------------------------------- */

static void tell_all(struct events *ev, bool fails)
{
	struct job job;
	struct finding pass = { "disk_space", FINDING_PASS, ERR_NONE, false, NULL, NULL };
	struct finding bad = { "license", FINDING_BYPASSED, ERR_LICENSE, true, NULL, NULL };
	struct event_round r = { PHASE_MEMORY, 1, 12.5, 1 << 20, 256, 1e6, 4096 };
	struct prediction p = { .bytes = 5, .total_ms = 1, .has_downtime = true,
				.downtime_ms = 2, .link_known = true, .link_bps = 3e8 };
	struct account a = { .wire_bytes = 1 << 20, .files = 10, .total_ms = 1234.5678,
			     .memory_bytes = 1 << 20, .rounds = 1, .has_downtime = true,
			     .downtime_ms = 45, .mode = "iterative", .note = "a note" };
	struct final_state s = { "101", "we\033[2Jb\xff", "a", fails ? "running" : "absent", "b",
				 fails ? "absent" : "running", "102", fails, "m-1" };
	struct err e = ERR_INIT;

	if (!fails) {
		s.kept = "/vz/private/101.migrated";
		s.kept_id = "101.migrated";
		s.kept_bytes = 4096;
	}
	job_init(&job);
	pass.text = bad.text = xstrdup("some <text> & \"more\"");
	bad.hint = xstrdup("do this");
	event_begin(ev, &job, "101", "a", "b");
	event_phase_begin(ev, PHASE_CHECK, NULL);
	event_finding(ev, &pass);
	event_finding(ev, &bad);
	event_warning(ev, "%s", "watch out");
	event_phase_end(ev, PHASE_CHECK, true);
	event_prediction(ev, &p);
	event_phase_begin(ev, PHASE_COPY, "%d files", 10);
	atomic_store(&ev->progress.bytes_total, 2000000);
	atomic_store(&ev->progress.bytes, 1000000);
	atomic_store(&ev->progress.items, 5);
	event_phase_end(ev, PHASE_COPY, true);
	event_round(ev, &r);
	event_decision(ev, "freeze now: %d KiB left", 4);
	account_add_part(&a, "freeze", 5);
	account_add_part(&a, "restore", 40);
	event_account(ev, &a);
	event_state(ev, &s);
	err_set(&e, ERR_DISK, "the disk is full");
	err_hint(&e, "make room");
	event_finish(ev, fails ? &e : NULL, fails ? "b" : NULL);
	free(pass.text);
	free(bad.hint);
	job_fini(&job);
}

struct page {
	char *out, *errors;
	size_t out_len, errors_len;
	FILE *to, *err;
};

static void page_open(struct page *p)
{
	/* A real file descriptor: out asks whether it is a terminal. */
	*p = (struct page){ .to = tmpfile(), .err = tmpfile() };
}

static char *slurp(FILE *f)
{
	char *text = xcalloc(1, 1 << 20);

	rewind(f);
	assert_true(fread(text, 1, (1 << 20) - 1, f) < (1 << 20) - 1);
	fclose(f);
	return text;
}

static void page_close(struct page *p)
{
	p->out = slurp(p->to);
	p->errors = slurp(p->err);
}

static void test_batch_fits_the_schema(void **state)
{
	own_free char *schema_text = NULL;
	own_strv struct strv lines = STRV_INIT;
	struct page p;
	struct err e = ERR_INIT;
	cJSON *schema;

	(void)state;
	page_open(&p);
	struct out_opts o = { .batch = true, .verbose = true, .to = p.to, .errors = p.err };
	struct out *out = out_new(&o);

	tell_all(out_events(out), false);
	tell_all(out_events(out), true);
	log_info("a log line");
	err_set(&e, ERR_USAGE, "wrong");
	out_error(out, &e);
	assert_int_equal(out_close(out), 0);
	page_close(&p);
	assert_int_equal(file_read(AT_FDCWD, DOC_DIR "/batch-schema.json", 1 << 20, &schema_text, NULL, &e), 0);
	schema = cJSON_Parse(schema_text);
	assert_non_null(schema);
	strv_split(&lines, p.out, "\n");
	assert_true(lines.n > 28);
	for (size_t i = 0; i < lines.n; i++) {
		cJSON *v = cJSON_Parse(lines.item[i]);

		if (!v || !fits(v, schema))
			fail_msg("does not fit the schema: %s", lines.item[i]);
		cJSON_AddNumberToObject(v, "surprise", 1);
		assert_false(fits(v, schema)); /* the validator does look */
		cJSON_Delete(v);
	}
	/* Every kind of the schema was told, but progress, which takes a second, and what status says. */
	const cJSON *kind;

	cJSON_ArrayForEach(kind, cJSON_GetObjectItem(schema, "oneOf")) {
		const char *title = cJSON_GetObjectItem(kind, "title")->valuestring;
		own_free char *member = xasprintf("{\"event\":\"%s\"", title);

		if (strcmp(title, "progress") && strcmp(title, "migration") && !strstr(p.out, member))
			fail_msg("no event %s", title);
	}
	assert_string_equal(p.errors, "");
	cJSON_Delete(schema);
	free(p.out);
	free(p.errors);
}

static void test_plain_lines(void **state)
{
	struct page p;

	(void)state;
	page_open(&p);
	struct out_opts o = { .to = p.to, .errors = p.err };
	struct out *out = out_new(&o);

	tell_all(out_events(out), false);
	tell_all(out_events(out), true);
	assert_int_equal(out_close(out), 0);
	page_close(&p);
	assert_null(strchr(p.out, '\033'));
	assert_null(strchr(p.errors, '\033'));
	assert_null(strchr(p.out, '\r'));
	assert_non_null(strstr(p.out, "Container 101: a -> b\n"));
	assert_non_null(strstr(p.out, "Downtime 45 ms: freeze 5.0 ms, restore 40 ms"));
	assert_non_null(strstr(p.out, "absent on a, running on b as 102"));
	assert_non_null(strstr(p.out, "5 files"));
	assert_non_null(strstr(p.errors, "bypassed: license"));
	assert_non_null(strstr(p.errors, "pmigrate: b: the disk is full\n"));
	assert_non_null(strstr(p.errors, "what to do: make room\n"));
	/* The container's state is the last thing said. */
	assert_non_null(strstr(strstr(p.errors, "what to do"), "running on a, absent on b"));
	free(p.out);
	free(p.errors);
}

/* What --batch says, told by relay_tell, makes the same --batch again. */
static void test_relay_tells_the_same(void **state)
{
	own_strv struct strv lines = STRV_INIT;
	struct page first, second;
	struct job job;

	(void)state;
	page_open(&first);
	struct out_opts o = { .batch = true, .to = first.to, .errors = first.err };
	struct out *out = out_new(&o);

	tell_all(out_events(out), true);
	out_close(out);
	page_close(&first);
	page_open(&second);
	o.to = second.to;
	o.errors = second.err;
	out = out_new(&o);
	job_init(&job);
	strv_split(&lines, first.out, "\n");
	bool done = false;
	struct err e = ERR_INIT;

	relay_tell("no JSON at all", &job, out_events(out), &done, &e);
	relay_tell("{\"event\":\"of the future\"}", &job, out_events(out), &done, &e);
	relay_tell("{\"event\":\"phase\",\"phase\":7}", &job, out_events(out), &done, &e);
	for (size_t i = 0; i < lines.n; i++)
		relay_tell(lines.item[i], &job, out_events(out), &done, &e);
	assert_true(done);
	assert_int_equal(e.code, ERR_DISK);
	assert_string_equal(e.msg, "the disk is full");
	out_close(out);
	page_close(&second);
	own_strv struct strv again = STRV_INIT;

	strv_split(&again, second.out, "\n");
	assert_int_equal(again.n, lines.n);
	for (size_t i = 0; i < lines.n; i++) {
		cJSON *x = cJSON_Parse(lines.item[i]), *y = cJSON_Parse(again.item[i]);
		static const char *const clocks[] = { "time", "at_ms", "ms" };

		for (size_t k = 0; k < array_len(clocks); k++) {
			cJSON_DeleteItemFromObject(x, clocks[k]);
			cJSON_DeleteItemFromObject(y, clocks[k]);
		}
		if (!cJSON_Compare(x, y, true))
			fail_msg("%s\nbecame\n%s", lines.item[i], again.item[i]);
		cJSON_Delete(x);
		cJSON_Delete(y);
	}
	free(first.out);
	free(first.errors);
	free(second.out);
	free(second.errors);
}

static void test_relay_request(void **state)
{
	struct relay_request q = { .caller = 3 }, got;
	own_buf struct buf b = BUF_INIT;
	struct reader r;

	(void)state;
	strv_add(&q.words, "c");
	strv_add(&q.words, "--exclude=a\nb");
	q.destination_password = xstrdup("pw");
	q.user = xstrdup("root");
	relay_request_put(&b, &q);
	r = reader_of(b.data, b.len);
	assert_int_equal(relay_request_get(&r, &got, NULL), 0);
	assert_string_equal(got.words.item[1], "--exclude=a\nb");
	assert_string_equal(got.destination_password, "pw");
	assert_null(got.source_password);
	assert_int_equal(got.caller, 3);
	relay_request_fini(&got);
	for (size_t n = 0; n < b.len; n++) {
		r = reader_of(b.data, n);
		assert_int_equal(relay_request_get(&r, &got, NULL), -1);
	}
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		r = reader_of(b.data, b.len);
		if (relay_request_get(&r, &got, NULL) == 0)
			relay_request_fini(&got);
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	relay_request_fini(&q);
}

static void test_stats_and_report(void **state)
{
	char dir[] = "/tmp/test-out-XXXXXX";
	struct page p;
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	own_free char *stats = xasprintf("%s/s.json", dir);
	own_free char *report = xasprintf("%s/r.html", dir);
	own_free char *stats_text = NULL;
	own_free char *html = NULL;

	page_open(&p);
	struct out_opts o = { .stats = stats, .report = report, .to = p.to, .errors = p.err };
	struct out *out = out_new(&o);

	tell_all(out_events(out), false);
	tell_all(out_events(out), true);
	assert_int_equal(out_close(out), 0);
	page_close(&p);
	assert_int_equal(file_read(AT_FDCWD, stats, 1 << 20, &stats_text, NULL, &e), 0);
	assert_int_equal(file_read(AT_FDCWD, report, 1 << 20, &html, NULL, &e), 0);
	cJSON *s = cJSON_Parse(stats_text);
	const cJSON *one = cJSON_GetArrayItem(cJSON_GetObjectItem(s, "migrations"), 1);

	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(s, "migrations")), 2);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(one, "phases")), 2);
	assert_true(cJSON_IsFalse(
		cJSON_GetObjectItem(cJSON_GetObjectItem(one, "finish"), "ok")));
	cJSON_Delete(s);
	assert_non_null(strstr(html, "<svg"));
	assert_non_null(strstr(html, "some &lt;text&gt; &amp; &quot;more&quot;"));
	assert_null(strstr(html, "<text>"));
	assert_null(strstr(html, "http")); /* needs nothing else */
	unlink(stats);
	unlink(report);
	rmdir(dir);
	free(p.out);
	free(p.errors);
}

static void test_bar(void **state)
{
	struct bar b;
	char text[200];

	(void)state;
	bar_begin(&b, 0);
	bar_text(&b, 0, 100 << 20, 120, text, sizeof(text));
	assert_string_equal(text, "[>                       ]   0%  0 B of 100 MiB");
	bar_look(&b, 50 << 20, 1000000000);
	bar_text(&b, 50 << 20, 100 << 20, 120, text, sizeof(text));
	assert_string_equal(text, "[============>           ]  50%  50.0 MiB of 100 MiB"
				  "  50.0 MiB/s  ETA 1.00 s");
	bar_text(&b, 50 << 20, 100 << 20, 55, text, sizeof(text));
	assert_string_equal(text, "[=======>      ]  50%  50.0 MiB  50.0 MiB/s  ETA 1.00 s");
	bar_text(&b, 50 << 20, 0, 120, text, sizeof(text));
	assert_string_equal(text, "50.0 MiB  50.0 MiB/s");
	bar_text(&b, 100 << 20, 100 << 20, 20, text, sizeof(text));
	assert_string_equal(text, "100%  100 MiB");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch_fits_the_schema),
		cmocka_unit_test(test_plain_lines),
		cmocka_unit_test(test_relay_tells_the_same),
		cmocka_unit_test(test_relay_request),
		cmocka_unit_test(test_stats_and_report),
		cmocka_unit_test(test_bar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
