// SPDX-License-Identifier: MIT
/*
 * Looks at the server that is to become a Container: vzhwcalc is copied there, run,
 * and removed.  What it tells, and what this server has, is checked all at once.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "into/into.h"
#include "plan/restrict.h"

#define CONFIG_MARK "pmigrate-config\n"

enum { TEXT_MAX = 4 << 20, ASK_MS = 60000, SCAN_MS = 600000, XATTR_FILTER_SINCE = 30100 };

/* "i386" … "i686" */
static bool is_x86_32(const char *machine)
{
	return strlen(machine) == 4 && machine[0] == 'i' && !strcmp(machine + 2, "86");
}

/* The program for the source lies beside this one, in the bin next to our sbin, or
 * where programs are.  There is one of its own for 32-bit servers. */
static int open_vzhwcalc(const char *machine, struct err *e)
{
	static const char *const places[] = { "/usr/local/bin", "/usr/bin" };
	const char *name = is_x86_32(machine) ? "vzhwcalc-i386" : "vzhwcalc";
	char self[PATH_MAX] = "";
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash = len > 0 ? strrchr(self, '/') : NULL;
	own_strv struct strv dirs = STRV_INIT;
	int fd = -1;

	if (slash) {
		*slash = '\0';
		strv_add(&dirs, self);
		strv_addf(&dirs, "%s/../bin", self);
	}
	for (size_t i = 0; i < array_len(places); i++)
		strv_add(&dirs, places[i]);
	for (size_t i = 0; fd < 0 && i < dirs.n; i++) {
		own_free char *path = xasprintf("%s/%s", dirs.item[i], name);

		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			log_debug("the source is measured by %s", path);
	}
	if (fd < 0) {
		err_set(e, ERR_ABSENT, "the program %s is not here", name);
		if (is_x86_32(machine))
			return err_hint(e, "pmigrate was built without it (scripts/musl-i386); or run "
					   "one on the source and give its file with -c");
		return err_hint(e, "it comes with pmigrate; or run it on the source and give -c");
	}
	return fd;
}

/*
 * stdin is the program.  A directory may be mounted noexec; the program may be for
 * another kind of machine (126, 127).
 */
static const char measure[] =
	"for d in /tmp /var/tmp /root /dev/shm; do\n"
	"	t=$(mktemp \"$d/vzhwcalc.XXXXXX\" 2>/dev/null) || continue\n"
	"	[ -s \"$t\" ] || { [ -z \"$p\" ] && cat >\"$t\" || cp \"$p\" \"$t\"; }\n"
	"	chmod 700 \"$t\"\n"
	"	if \"$t\" --version >/dev/null 2>&1; then\n"
	"		\"$t\" --scan -o \"$t.conf\" \"$@\"; rc=$?\n"
	"		echo pmigrate-config; cat \"$t.conf\"\n"
	"		rm -f \"$t\" \"$t.conf\" $p; exit $rc\n"
	"	fi\n"
	"	[ -z \"$p\" ] && p=$t || rm -f \"$t\"\n"
	"done\n"
	"rm -f $p\n"
	"exit 126\n";

/* Gives the source's own config and scan.  1: the program does not run there. */
static int measure_source(struct into *n, char **config, struct err *e)
{
	const char *quota[] = { "--quota", n->job->quota_part, NULL };
	own_free char *text = NULL;
	own_fd int program = -1;
	struct err why = ERR_INIT;
	char *mark;
	int code = 0;

	program = open_vzhwcalc(n->machine, &why);
	if (program < 0 && n->job->hw_config) {
		event_warning(n->ev, "%s", why.msg);
		return 1;
	}
	if (program < 0) {
		*e = why;
		return -1;
	}
	if (into_ssh_run(&n->ssh, measure, n->job->quota_part ? quota : NULL, program, TEXT_MAX,
			 SCAN_MS, &text, &code, e) < 0)
		return -1;
	if (code == 126)
		return 1;
	mark = strstr(text, CONFIG_MARK);
	if (code != 0 || !mark)
		return err_set(e, ERR_CHILD, "vzhwcalc on %s failed (exit %d)", n->source, code);
	*config = xstrdup(mark + strlen(CONFIG_MARK));
	*mark = '\0';
	n->scan = take_ptr(&text);
	return 0;
}

static int ask_source(struct into *n, struct err *e)
{
	own_free char *text = NULL, *here = NULL;
	unsigned version, version_here;
	bool can, can_here;
	char *line;

	if (into_ssh_run(&n->ssh, "uname -m; rsync --version 2>/dev/null", NULL, SPAWN_NULL,
			 65536, ASK_MS, &text, &(int){ 0 }, e) < 0)
		return -1;
	line = text + strcspn(text, "\n");
	n->machine = xstrndup(text, (size_t)(line - text));
	into_rsync_version(line, &version, &can);
	if (!version) {
		err_set(e, ERR_ABSENT, "%s has no rsync", n->source);
		return err_hint(e, "install it there: everything is read by it");
	}
	if (spawn_read(spawn_argv("rsync", "--version"), NULL, 65536, ASK_MS, &here, NULL, e) < 0) {
		err_wrap(e, "this server has no rsync that works");
		return err_hint(e, "install it here, too: apt-get install rsync");
	}
	into_rsync_version(here, &version_here, &can_here);
	n->xattrs = can && can_here;
	n->xattr_filter = version >= XATTR_FILTER_SINCE && version_here >= XATTR_FILTER_SINCE;
	log_debug("rsync %u there, %u here, xattrs %d", version, version_here, n->xattrs);
	return 0;
}

/* The scan's own lines that are for us: "size KIB INODES", "limit u|g …". */
static void take_numbers(struct into *n)
{
	own_buf struct buf limits = BUF_INIT;
	char *line, *rest = n->scan, *copy;

	copy = rest = xstrdup(n->scan);
	while ((line = strsep(&rest, "\n"))) {
		if (!strncmp(line, "size\t", 5))
			sscanf(line + 5, "%" SCNu64 "\t%" SCNu64, &n->need_kib,
			       &n->need_inodes);
		else if (!strncmp(line, "limit\t", 6)) {
			buf_put(&limits, line + 6, strcspn(line + 6, "\t"));
			buf_put(&limits, "\n", 1);
		}
	}
	free(copy);
	buf_put(&limits, "", 1);
	n->quotas = xstrdup((const char *)limits.data);
}

static int read_config_file(const struct into *n, char **out, struct err *e)
{
	if (file_read(AT_FDCWD, n->job->hw_config, TEXT_MAX, out, NULL, e) == 0)
		return 0;
	if (e)
		e->code = ERR_USAGE;
	return err_hint(e, "-c is the file that vzhwcalc wrote on the server");
}

int into_look(struct into *n, struct err *e)
{
	own_free char *config = NULL, *measured = NULL;
	const char *what = n->job->hw_config ? n->job->hw_config : "what vzhwcalc wrote";
	int r;

	if (n->job->hw_config && read_config_file(n, &config, e) < 0)
		return -1;
	if (into_ssh_open(&n->ssh, n->where, &n->job->link, e) < 0 ||
	    ask_source(n, e) < 0)
		return -1;
	r = measure_source(n, &measured, e);
	if (r < 0)
		return -1;
	if (r > 0 && !config) {
		err_set(e, ERR_UNSUPPORTED, "vzhwcalc of this server does not run on %s (%s)",
			n->source, n->machine);
		return err_hint(e, "run a vzhwcalc built for it there, and give its file with -c");
	}
	if (r > 0) {
		event_warning(n->ev, "%s could not be examined: vzhwcalc does not run there",
			      n->source);
		n->scan = xstrdup("");
	}
	take_numbers(n);
	if (into_plan_make(&n->plan, config ? config : measured, what, n->job, e) < 0)
		return -1;
	if (!n->need_kib) {
		n->need_kib = n->plan.disk_kib;
		n->need_inodes = n->plan.inodes;
	}
	return 0;
}

/* --- the checks -------------------------------------------------------------------- */

static void check_machine(struct into *n, struct findings *f)
{
	struct utsname u;

	if (uname(&u) < 0 || !n->machine[0] || !strcmp(u.machine, n->machine) ||
	    (is_x86_32(n->machine) && !strcmp(u.machine, "x86_64"))) {
		findings_note(f, FINDING_PASS, "technologies", "its programs (%s) run here",
			      n->machine[0] ? n->machine : "of an unknown kind");
		return;
	}
	findings_fail(f, n->job, NODEPS_TECHNOLOGIES, false, "technologies", ERR_TECH,
		      "take a server of the same kind", "%s is a %s, this server a %s",
		      n->source, n->machine, u.machine);
}

/* The area, or what is above it so far. */
static char *area_or_above(const struct into *n)
{
	char *dir = xstrdup(n->ct.private_area), *slash;

	while (access(dir, F_OK) < 0 && (slash = strrchr(dir, '/')) && slash != dir)
		*slash = '\0';
	return dir;
}

static void check_space(struct into *n, struct findings *f)
{
	own_free char *dir = area_or_above(n);
	struct statvfs v = { 0 };
	uint64_t free_kib;

	statvfs(dir, &v);
	free_kib = (uint64_t)v.f_bavail * v.f_frsize / 1024;
	if (n->kept) {
		findings_note(f, FINDING_NOTE, "disk_space",
			      "an earlier try's files are in %s: %s", n->ct.private_area,
			      n->image ? "they are replaced" : "only the rest is sent");
	} else if (free_kib < n->need_kib ||
		   (v.f_files && v.f_favail < n->need_inodes && v.f_favail)) {
		findings_fail(f, n->job, NODEPS_DISK_SPACE, true, "disk_space", ERR_DISK,
			      "make room, or exclude more (--exclude)",
			      "%s has %" PRIu64 " KiB and %" PRIu64 " inodes free, %" PRIu64
			      " KiB and %" PRIu64 " are needed",
			      dir, free_kib, (uint64_t)v.f_favail, n->need_kib, n->need_inodes);
	} else {
		findings_note(f, FINDING_PASS, "disk_space", "%" PRIu64 " KiB of %" PRIu64
			      " KiB free are needed", n->need_kib, free_kib);
	}
}

/* A server cannot become a Container on itself, whatever name it was called by. */
static void check_other(struct into *n, struct findings *f)
{
	if (n->image || !into_ssh_is_here(&n->ssh))
		return;
	findings_fail(f, n->job, 0, false, "place", ERR_SAME, "run this on the server that shall have the Container",
		      "%s is this server", n->source);
}

static void check_dist(struct into *n, struct findings *f)
{
	if (n->dist.fallback && n->job->dist && strcmp(n->job->dist, "unknown"))
		findings_fail(f, n->job, 0, false, "dist", ERR_USAGE,
			      "see /etc/vz/conf/dists, write a file there, or say -d unknown",
			      "there is no distribution file for %s", n->job->dist);
	else if (n->dist.fallback)
		findings_note(f, FINDING_NOTE, "dist",
			      "there is no distribution file for %s: nothing inside is fitted",
			      n->plan.dist);
	else
		findings_note(f, FINDING_PASS, "dist", "%s: by the distribution file %s",
			      n->plan.dist, n->dist.name);
}

/* "quota\tDIR\t" must be among what the scan found. */
static void check_quota(struct into *n, struct findings *f)
{
	own_free char *line = NULL;

	if (!n->job->quota_part || !n->scan[0])
		return;
	line = xasprintf("quota\t%s\t", n->job->quota_part);
	if (!strstr(n->scan, line))
		findings_fail(f, n->job, 0, false, "quota", ERR_USAGE,
			      "name the directory where a partition with quotas is mounted",
			      "%s of %s has no user or group quotas", n->job->quota_part,
			      n->source);
}

static void tell_services(struct into *n)
{
	own_strv struct strv rest = STRV_INIT;
	own_free char *text = NULL;

	for (size_t i = 0; i < n->services.n; i++) {
		const char *s = n->services.item[i];

		if (!strv_has(&n->job->srvstop, s) && strncmp(s, "ssh", 3) != 0 &&
		    strncmp(s, "systemd-", 8) != 0 && strncmp(s, "getty@", 6) != 0 &&
		    strcmp(s, "dbus") != 0)
			strv_add(&rest, s);
	}
	if (!rest.n)
		return;
	text = strv_join(&rest, " ");
	event_warning(n->ev, "these services go on writing during the copy (-S stops them for it): %s",
		      text);
}

int into_check(struct into *n, struct err *e)
{
	own_findings struct findings f = FINDINGS_INIT;
	struct restrict_can can = { .lost = &n->lost };
	own_free char *dir = NULL;

	if (into_services_check(n, e) < 0 || into_template_check(n, e) < 0 ||
	    dist_find(dist_dirs, n->plan.dist, &n->dist, e) < 0 || into_plan_home(n, e) < 0)
		return -1;
	check_machine(n, &f);
	check_other(n, &f);
	check_dist(n, &f);
	check_space(n, &f);
	check_quota(n, &f);
	into_take_check(n, &f);
	dir = area_or_above(n);
	into_traits_try(n, dir);
	can.xattrs = n->xattrs;
	can.where = dir;
	restrict_scan(&f, n->scan, n->job, &can, &n->services);
	for (size_t i = 0; i < f.n; i++)
		event_finding(n->ev, &f.item[i]);
	tell_services(n);
	return findings_verdict(&f, e);
}
