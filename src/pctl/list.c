// SPDX-License-Identifier: MIT
/* pctl/list.c - list, status: a table of fields, each asked for when it is shown. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/own.h"
#include "engine/vz/kept.h"
#include "engine/vz/run/run.h"
#include "pctl/pctl.h"

/* One container while it is listed. */
struct row {
	const struct vz *v;
	enum ct_state state;
	bool kept; /* its like here only: it moved away */
};

static char *of_ctid(const struct row *r)
{
	return xstrdup(r->v->ct.id);
}

static char *of_status(const struct row *r)
{
	return xstrdup(r->kept ? "migrated" : ct_state_word(r->state));
}

static char *of_name(const struct row *r)
{
	return xstrdup(r->v->ct.name ? r->v->ct.name : "");
}

static char *of_hostname(const struct row *r)
{
	return vz_value(r->v, "HOSTNAME", "");
}

static char *of_ip(const struct row *r)
{
	own_strv struct strv list = STRV_INIT;

	if (!r->kept)
		vz_addresses(r->v, &list);
	return list.n ? strv_join(&list, " ") : xstrdup("");
}

static char *of_nproc(const struct row *r)
{
	own_free char *group = vz_cgroup(r->v->ct.id);
	own_free char *dir = cgroup_dir("pids", group);
	own_free char *file = xasprintf("%s/pids.current", dir ? dir : "");
	char *text = NULL;

	if (r->state == CT_STOPPED || r->state == CT_MOUNTED || !dir ||
	    file_read(AT_FDCWD, file, 64, &text, NULL, NULL) < 0)
		return xstrdup("");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static char *of_private(const struct row *r)
{
	return xstrdup(r->v->ct.private_area);
}

static char *of_root(const struct row *r)
{
	return xstrdup(r->v->ct.root);
}

static char *of_live(const struct row *r)
{
	return xstrdup(r->kept ? "" : vz_live_profile(r->v) ? "yes" : "no");
}

static char *of_locked(const struct row *r)
{
	char *who = vz_locked_by(r->v->ct.id);

	return who ? who : xstrdup("");
}

static char *of_description(const struct row *r)
{
	return vz_value(r->v, "DESCRIPTION", "");
}

static const struct field {
	const char *name, *title;
	char *(*get)(const struct row *r);
} fields[] = {
	{ "ctid", "CTID", of_ctid },
	{ "nproc", "NPROC", of_nproc },
	{ "status", "STATUS", of_status },
	{ "ip", "IP_ADDR", of_ip },
	{ "hostname", "HOSTNAME", of_hostname },
	{ "name", "NAME", of_name },
	{ "private", "PRIVATE", of_private },
	{ "root", "ROOT", of_root },
	{ "live", "LIVE", of_live },
	{ "locked", "LOCKED", of_locked },
	{ "description", "DESCRIPTION", of_description },
};

static const struct field *field_find(const char *name)
{
	for (size_t i = 0; i < array_len(fields); i++) {
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	}
	return NULL;
}

/* Lines of cells, so that columns can be as wide as they need. */
struct table {
	const struct field *column[array_len(fields)];
	size_t columns;
	struct strv cells;
};

static int choose_columns(struct table *t, const char *list, struct err *e)
{
	own_strv struct strv words = STRV_INIT;

	strv_split(&words, list, ", ");
	for (size_t i = 0; i < words.n && t->columns < array_len(fields); i++) {
		t->column[t->columns] = field_find(words.item[i]);
		if (!t->column[t->columns++])
			return err_set(e, ERR_USAGE, "there is no field '%s'", words.item[i]);
	}
	return t->columns ? 0 : err_set(e, ERR_USAGE, "--output names no field");
}

static size_t cell_width(const struct table *t, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < t->cells.n; i += t->columns) {
		size_t n = strlen(t->cells.item[i]);

		width = n > width ? n : width;
	}
	return width;
}

static void print_table(const struct table *t)
{
	for (size_t i = 0; i < t->cells.n; i++) {
		size_t column = i % t->columns;
		const char *text = *t->cells.item[i] ? t->cells.item[i] : "-";

		if (column + 1 == t->columns)
			printf("%s\n", text);
		else
			printf("%-*s  ", (int)cell_width(t, column), text);
	}
}

static cJSON *row_json(const struct row *r)
{
	cJSON *o = cJSON_CreateObject();

	for (size_t i = 0; i < array_len(fields); i++) {
		own_free char *value = fields[i].get(r);

		cJSON_AddStringToObject(o, fields[i].name, value);
	}
	return o;
}

/* Takes it over. */
static void print_json(cJSON *json)
{
	own_free char *text = xmust(cJSON_Print(json));

	puts(text);
	cJSON_Delete(json);
}

static void put_row(const struct row *r, struct table *t, cJSON *json)
{
	if (json)
		cJSON_AddItemToArray(json, row_json(r));
	for (size_t i = 0; !json && i < t->columns; i++) {
		own_free char *value = t->column[i]->get(r);

		strv_add(&t->cells, value);
	}
}

/* Every container that is asked for: into the table, or into json when that is not NULL. */
static int add_row(const char *id, bool stopped_too, struct table *t, cJSON *json, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	struct row r = { .v = &v };

	if (vz_open(&v, id, e) < 0 || vz_state(&v.ct, &r.state, e) < 0)
		return -1;
	if (!stopped_too && (r.state == CT_STOPPED || r.state == CT_MOUNTED))
		return 0;
	put_row(&r, t, json);
	return 0;
}

/* What migrations left behind: with -a, behind the containers. */
static int add_kept(struct table *t, cJSON *json, struct err *e)
{
	struct ct *all;
	size_t n;

	if (vz_kept_list(&all, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		own_vz struct vz v = { .ct = all[i] };
		const struct row r = { .v = &v, .state = CT_STOPPED, .kept = true };

		put_row(&r, t, json);
	}
	free(all);
	return 0;
}

/* The ids to show: those named, or all. */
static int ids_of(const struct pctl_args *a, struct strv *ids, struct err *e)
{
	struct ct *all;
	size_t n;

	for (size_t i = 0; i < a->words.n; i++) {
		struct ct ct = CT_INIT;

		if (vz_find(a->words.item[i], &ct, e) < 0)
			return -1;
		strv_add(ids, ct.id);
		ct_fini(&ct);
	}
	if (a->words.n)
		return 0;
	if (vz_list(&all, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		strv_add(ids, all[i].id);
		ct_fini(&all[i]);
	}
	free(all);
	return 0;
}

int pctl_list(const struct pctl_args *a, struct err *e)
{
	const char *columns = pctl_arg(a, "output");
	own_strv struct strv ids = STRV_INIT;
	struct table t = { .columns = 0 };
	cJSON *json = pctl_arg(a, "json") ? cJSON_CreateArray() : NULL;
	bool everyone = pctl_arg(a, "all") || a->words.n;
	int ret = -1;

	if (choose_columns(&t, columns ? columns : "ctid,nproc,status,ip,name", e) < 0 ||
	    ids_of(a, &ids, e) < 0)
		goto out;
	for (size_t i = 0; i < t.columns && !pctl_arg(a, "no-header"); i++)
		strv_add(&t.cells, t.column[i]->title);
	for (size_t i = 0; i < ids.n; i++) {
		if (add_row(ids.item[i], everyone, &t, json, e) < 0)
			goto out;
	}
	if (pctl_arg(a, "all") && !a->words.n && add_kept(&t, json, e) < 0)
		goto out;
	if (json)
		print_json(take_ptr(&json));
	else
		print_table(&t);
	ret = 0;
out:
	strv_fini(&t.cells);
	cJSON_Delete(json);
	return ret;
}

int pctl_status(const struct pctl_args *a, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	struct row r = { .v = &v };
	struct ct ct = CT_INIT;
	int ret = -1;

	if (pctl_find(a, &ct, e) == 0 && vz_open(&v, ct.id, e) == 0 && vz_state(&ct, &r.state, e) == 0)
		ret = 0;
	ct_fini(&ct);
	if (ret < 0)
		return -1;
	if (pctl_arg(a, "json")) {
		print_json(row_json(&r));
		return 0;
	}
	if (!pctl_arg(a, "all")) {
		/* the classic line: its last word is the state */
		printf("CTID %s%s%s %s\n", v.ct.id, v.ct.name ? " " : "", v.ct.name ? v.ct.name : "",
		       ct_state_word(r.state));
		return 0;
	}
	for (size_t i = 0; i < array_len(fields); i++) {
		own_free char *value = fields[i].get(&r);

		if (*value)
			printf("%-12s %s\n", fields[i].name, value);
	}
	return 0;
}
