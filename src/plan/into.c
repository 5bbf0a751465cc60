// SPDX-License-Identifier: MIT
#include "plan/into.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "engine/conf.h"

void into_plan_fini(struct into_plan *p)
{
	free(p->config);
	free(p->dist);
	free(p->hostname);
	free(p->nameservers);
	free(p->searchdomains);
	strv_fini(&p->addresses);
	strv_fini(&p->excludes);
	memset(p, 0, sizeof(*p));
}

/* They say where a Container lives and what it was made of: never another one's. */
static const char *const not_taken[] = {
	"OSTEMPLATE", "TEMPLATE", "TEMPLATES", "VE_ROOT",	"VE_PRIVATE", "NETIF",
	"NETDEV",     "VEID",	  "UUID",      "VEFORMAT",	"VEFSTYPE",   "PCI",
	"DISK",	      "NAME",	  "EXCLUDE",   "ORIGIN_SAMPLE", "VE_LAYOUT",
};

static char *dup_or_null(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

static void take_addresses(struct into_plan *p, const char *list)
{
	strv_split(&p->addresses, list ? list : "", " \t");
	for (size_t i = 0; i < p->addresses.n; i++)
		p->addresses.item[i][strcspn(p->addresses.item[i], "/")] = '\0';
}

static uint64_t soft_limit(const struct conf *c, const char *name, unsigned unit)
{
	const char *value = conf_get(c, name);
	struct conf_pair pair;

	if (!value || conf_pair_parse(value, name, unit, &pair, NULL) < 0 ||
	    pair.soft == CONF_UNLIMITED)
		return 0;
	return pair.soft;
}

static int choose_dist(struct into_plan *p, struct conf *c, const char *what,
		       const struct job *job, struct err *e)
{
	const char *dist = job->dist ? job->dist : conf_get(c, "DISTRIBUTION");

	if (!dist || !*dist) {
		err_set(e, ERR_USAGE, "%s names no DISTRIBUTION", what);
		return err_hint(e, "give it: -d NAME, such as -d debian-12 or -d unknown");
	}
	p->dist = xstrdup(dist);
	return conf_set(c, "DISTRIBUTION", p->dist, e);
}

int into_plan_make(struct into_plan *p, const char *hw_config, const char *what,
		   const struct job *job, struct err *e)
{
	own_conf struct conf c = CONF_INIT;
	const char *excludes;

	memset(p, 0, sizeof(*p));
	if (conf_parse(&c, hw_config, strlen(hw_config), what, e) < 0 ||
	    choose_dist(p, &c, what, job, e) < 0)
		goto fail;
	excludes = conf_get(&c, "EXCLUDE");
	strv_split(&p->excludes, excludes ? excludes : "", " \t");
	strv_addv(&p->excludes, (const char *const *)job->excludes.item);
	take_addresses(p, conf_get(&c, "IP_ADDRESS"));
	p->hostname = dup_or_null(conf_get(&c, "HOSTNAME"));
	p->nameservers = dup_or_null(conf_get(&c, "NAMESERVER"));
	p->searchdomains = dup_or_null(conf_get(&c, "SEARCHDOMAIN"));
	p->disk_kib = soft_limit(&c, "DISKSPACE", CONF_KIB);
	p->inodes = soft_limit(&c, "DISKINODES", CONF_COUNT);
	for (size_t i = 0; i < array_len(not_taken); i++)
		conf_unset(&c, not_taken[i]);
	if (job->eztmpl && conf_set(&c, "OSTEMPLATE", job->eztmpl, e) < 0)
		goto fail;
	p->config = conf_text(&c);
	return 0;
fail:
	into_plan_fini(p);
	return -1;
}

void into_rsync_argv(struct strv *out, const struct into_rsync *r)
{
	strv_add(out, "rsync");
	/* Everything a tree has; what is only there goes; what was sent stays when the
	 * link breaks; a file is never seen half written. */
	strv_add(out, "-aHS");
	strv_add(out, "--numeric-ids");
	strv_add(out, "--delete");
	strv_add(out, "--partial");
	strv_add(out, "--stats");
	strv_add(out, "--info=progress2");
	strv_add(out, "--no-inc-recursive");
	if (r->xattrs) {
		strv_add(out, r->lost && strv_has(r->lost, "system.posix_acl_access") ? "-X" : "-AX");
		/* A label says nothing where there is no SELinux. */
		if (r->xattr_filter)
			strv_add(out, "--filter=-x security.selinux");
		for (size_t i = 0; r->lost && r->xattr_filter && i < r->lost->n; i++)
			strv_addf(out, "--filter=-x %s", r->lost->item[i]);
	}
	if (r->timeout_s)
		strv_addf(out, "--timeout=%u", r->timeout_s);
	if (r->limit_bps)
		strv_addf(out, "--bwlimit=%" PRIu64,
			  r->limit_bps >= 1024 ? r->limit_bps / 1024 : 1);
	for (size_t i = 0; i < r->excludes->n; i++)
		strv_addf(out, "--exclude=%s", r->excludes->item[i]);
	if (r->ssh)
		strv_addf(out, "--rsh=%s", r->ssh);
	if (r->rsync_path)
		strv_addf(out, "--rsync-path=%s", r->rsync_path);
	strv_add(out, "--");
	strv_add(out, r->from);
	strv_add(out, r->to);
}

/* A number with commas. */
static const char *grouped(const char *p, uint64_t *out)
{
	uint64_t v = 0;

	if (!isdigit((unsigned char)*p))
		return NULL;
	for (; isdigit((unsigned char)*p) || (*p == ',' && isdigit((unsigned char)p[1])); p++) {
		if (*p != ',' && v < UINT64_MAX / 10 - 1)
			v = v * 10 + (uint64_t)(*p - '0');
	}
	*out = v;
	return p;
}

bool into_rsync_progress(const char *line, uint64_t *bytes, unsigned *percent)
{
	uint64_t share;
	const char *p = grouped(line + strspn(line, " "), bytes);

	if (!p || *p != ' ')
		return false;
	p = grouped(p + strspn(p, " "), &share);
	if (!p || *p != '%' || share > 100)
		return false;
	*percent = (unsigned)share;
	return true;
}

bool into_rsync_stat(const char *line, const char *name, uint64_t *out)
{
	size_t n = strlen(name);

	return !strncmp(line, name, n) && line[n] == ':' &&
	       grouped(line + n + 1 + strspn(line + n + 1, " "), out);
}

void into_rsync_version(const char *text, unsigned *version, bool *xattrs)
{
	const char *p = strstr(text, "version ");
	unsigned a = 0, b = 0, c = 0;

	*version = 0;
	if (p) {
		p += 8;
		p += *p == 'v';
		if (sscanf(p, "%3u.%3u.%3u", &a, &b, &c) >= 2 && a < 100 && b < 100 && c < 100)
			*version = a * 10000 + b * 100 + c;
	}
	*xattrs = *version && strstr(text, "xattrs") && !strstr(text, "no xattrs");
}
