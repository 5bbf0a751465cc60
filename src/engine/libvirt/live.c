// SPDX-License-Identifier: MIT
/*
 * libvirt's own live migration: see libvirt.h.
 *
 * virsh on the source drives it and talks to both libvirts.  All its ways are sockets in a
 * directory that ssh carries over: no port is opened, and nothing but ssh has to be set up.  When virsh
 * dies, both libvirts give it up: it runs on at the source, or has arrived.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "base/spawn.h"
#include "engine/libvirt/libvirt.h"

enum { CREATE_MS = 60000, SETTLE_MS = 10000, LOOK_MS = 100 };

const char *libvirt_socket(void)
{
	static const char *const paths[] = { "/run/libvirt/virtqemud-sock",
					     "/run/libvirt/libvirt-sock" };

	for (size_t i = 0; i < array_len(paths); i++) {
		if (access(paths[i], F_OK) == 0)
			return paths[i];
	}
	return NULL;
}

/* --- the destination --------------------------------------------------------------- */

/* qemu is not always root: its user makes the sockets. */
static int make_sockets_dir(const char *dir, struct err *e)
{
	static const char *const users[] = { "libvirt-qemu", "qemu" };

	if (path_mkdirs(dir, 0711, e) < 0)
		return -1;
	for (size_t i = 0; i < array_len(users); i++) {
		const struct passwd *pw = getpwnam(users[i]);

		if (pw && chown(dir, pw->pw_uid, pw->pw_gid) < 0)
			return err_sys(e, "cannot give %s to %s", dir, users[i]);
	}
	return 0;
}

static int create(const struct libvirt_file *f, const char *area, struct err *e)
{
	own_free char *path = xasprintf("%s/%s", area, f->name);
	own_free char *size = xasprintf("%" PRIu64, f->size);

	return spawn_run(spawn_argv("qemu-img", "create", "-q", "-f", f->format, path, size),
			 CREATE_MS, e);
}

int libvirt_expect(const struct ct *ct, const struct ct_desc *d, const char *sockets,
		   struct err *e)
{
	own_libvirt_files struct libvirt_files files = { 0 };
	own_domxml struct domxml x = { 0 };
	own_free char *note = libvirt_area_note(ct->id);
	own_free char *line = xasprintf("%s\n", ct->private_area);

	if (libvirt_files_parse(d->config, &files, e) < 0 || domxml_parse(files.xml, &x, e) < 0 ||
	    file_replace(AT_FDCWD, note, line, strlen(line), 0600, e) < 0)
		return -1;
	if (files.autostart) {
		free(note);
		note = libvirt_autostart_note(ct->id);
		if (file_replace(AT_FDCWD, note, "yes\n", 4, 0600, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < x.n_disks; i++) {
		const char *at = x.disk[i].file;

		for (size_t k = 0; at && k < files.n; k++) {
			if (!strncmp(at, "@/", 2) && !strcmp(at + 2, files.file[k].name) &&
			    create(&files.file[k], ct->private_area, e) < 0)
				return -1;
		}
	}
	/* qemu of another user has to get through */
	if (chmod(ct->private_area, 0711) < 0)
		return err_sys(e, "cannot open %s for qemu", ct->private_area);
	return make_sockets_dir(sockets, e);
}

/*
 * libvirt makes it persistent in the last moment before it runs; one that is still
 * paused after a while was left by a source that died.
 */
int libvirt_arrived(const struct ct *ct, struct err *e)
{
	uint64_t deadline = clock_deadline(SETTLE_MS);
	enum ct_state state;

	for (;;) {
		int ours = libvirt_is_ours(ct, e), kept;

		if (ours <= 0)
			return ours;
		if ((kept = libvirt_listed(ct->id, e, "list", "--all", "--persistent", "--name")) < 0 ||
		    libvirt_state(ct, &state, e) < 0)
			return -1;
		if (state == CT_RUNNING || (kept && state == CT_STOPPED))
			return 1;
		if (!clock_left_ms(deadline))
			return 0;
		clock_sleep_ms(LOOK_MS);
	}
}

/* --- the source -------------------------------------------------------------------- */

/* Its description there, by the one it has here; written to a file. */
static int write_there(const struct libvirt_trip *t, bool inactive, const char *path,
		       struct err *e)
{
	own_libvirt_files struct libvirt_files files = { 0 };
	own_domxml struct domxml here = { 0 }, wanted = { 0 };
	own_free char *xml = NULL, *there = NULL;
	own_free char **file = NULL;
	int ret = -1;

	if (libvirt_files_parse(t->config, &files, e) < 0 ||
	    domxml_parse(files.xml, &wanted, e) < 0 ||
	    libvirt_ask(spawn_argv("dumpxml", inactive ? "--inactive" : "--migratable",
				   "--security-info", t->name),
			NULL, &xml, e) < 0 ||
	    domxml_parse(xml, &here, e) < 0)
		return -1;
	file = xcalloc(here.n_disks + 1, sizeof(*file));
	for (size_t i = 0; i < here.n_disks; i++) {
		for (size_t k = 0; here.disk[i].target && k < wanted.n_disks; k++) {
			const struct domxml_disk *w = &wanted.disk[k];

			if (w->target && !strcmp(w->target, here.disk[i].target) && w->file &&
			    !strncmp(w->file, "@/", 2) && !file[i])
				file[i] = xasprintf("%s/%s", t->area, w->file + 2);
		}
	}
	if (here.nvram && wanted.nvram && !strncmp(wanted.nvram, "@/", 2))
		there = xasprintf("%s/%s", t->area, wanted.nvram + 2);
	else if (here.nvram)
		there = xstrdup(here.nvram);
	free(take_ptr(&files.xml));
	files.xml = domxml_place(xml, &here, inactive ? t->new_name : NULL, NULL,
				 (const char *const *)file, there);
	ret = file_replace(AT_FDCWD, path, files.xml, strlen(files.xml), 0600, e);
	for (size_t i = 0; i < here.n_disks; i++)
		free(file[i]);
	return ret;
}

int libvirt_migrate_argv(struct strv *out, const struct libvirt_trip *t, struct err *e)
{
	static const char *const head[] = { "env", "LC_ALL=C", "virsh", "-q", "-k", "5", "-K", "3",
					    "-c", "qemu:///system", "migrate", "--live",
					    "--persistent", "--copy-storage-all", "--auto-converge",
					    "--abort-on-error", NULL };
	own_free char *now = xasprintf("%s/now.xml", t->sockets);
	own_free char *later = xasprintf("%s/later.xml", t->sockets);

	if (write_there(t, false, now, e) < 0 || write_there(t, true, later, e) < 0)
		return -1;
	strv_addv(out, head);
	strv_add(out, "--xml");
	strv_add(out, now);
	strv_add(out, "--persistent-xml");
	strv_add(out, later);
	strv_add(out, "--dname");
	strv_add(out, t->new_name);
	strv_add(out, "--migrateuri");
	strv_addf(out, "unix://%s/memory", t->sockets);
	strv_add(out, "--disks-uri");
	strv_addf(out, "unix://%s/disks", t->sockets);
	if (t->limit_bps) {
		strv_add(out, "--bandwidth");
		strv_addf(out, "%" PRIu64, t->limit_bps >> 20 ? t->limit_bps >> 20 : 1);
	}
	strv_add(out, t->name);
	strv_addf(out, "qemu+unix:///system?socket=%s/libvirt", t->sockets);
	return 0;
}

static uint64_t value_of(const char *text, const char *key)
{
	size_t n = strlen(key);

	while (*text) {
		uint64_t v;

		text += strspn(text, " \t");
		if (!strncmp(text, key, n) && sscanf(text + n, ": %18" SCNu64, &v) == 1)
			return v;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return 0;
}

void libvirt_job_parse(const char *text, struct libvirt_job *out)
{
	*out = (struct libvirt_job){
		.total = value_of(text, "data_total"),
		.done = value_of(text, "data_processed"),
		.memory_done = value_of(text, "memory_processed"),
		.disk_done = value_of(text, "disk_processed"),
		.downtime_ms = value_of(text, "downtime"),
		.rounds = value_of(text, "memory_iteration"),
		.dirty_bps = value_of(text, "memory_dirty_rate") *
			     value_of(text, "memory_page_size"),
	};
}

int libvirt_job(const char *name, bool completed, struct libvirt_job *out, struct err *e)
{
	own_free char *text = NULL;
	const char *const running[] = { "domjobinfo", "--rawstats", name, NULL };
	const char *const last[] = { "domjobinfo", "--completed", "--rawstats", name, NULL };

	if (libvirt_ask(completed ? last : running, NULL, &text, e) < 0)
		return -1;
	libvirt_job_parse(text, out);
	return 0;
}
