// SPDX-License-Identifier: MIT
/* What a machine is, leaves behind, and becomes elsewhere: see libvirt.h. */
#include "engine/libvirt/libvirt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "base/spawn.h"

enum { REBASE_MS = 60000 };

/* --- the source -------------------------------------------------------------------- */

/* What cannot go with it. */
static int refuse(const char *name, const struct domxml *d, struct err *e)
{
	own_free char *handed = d->obstacles.n ? strv_join(&d->obstacles, ", ") : NULL;

	if (handed) {
		err_set(e, ERR_UNSUPPORTED, "virtual machine %s uses what belongs to this server: %s",
			name, handed);
		return err_hint(e, "take it out: virsh edit %s", name);
	}
	for (size_t i = 0; i < d->n_disks; i++) {
		const struct domxml_disk *k = &d->disk[i];

		if (domxml_moves(k) || strcmp(k->device, "disk") != 0 || k->readonly ||
		    (k->shareable && !strcmp(k->type, "file")))
			continue;
		err_set(e, ERR_UNSUPPORTED, "the disk %s of virtual machine %s is no file (%s%s%s)",
			k->target ? k->target : "?", name, k->type, k->file ? " " : "",
			k->file ? k->file : "");
		return err_hint(e, "move its contents into a file, or reach it from both servers as a "
				   "shareable disk");
	}
	return 0;
}

/* States beside running and shut off that would be lost. */
static int refuse_states(const char *name, struct err *e)
{
	int there;

	if ((there = libvirt_listed(name, e, "list", "--all", "--persistent", "--name")) == 0)
		return err_set(e, ERR_UNSUPPORTED,
			       "virtual machine %s is transient: it has no description to move",
			       name);
	if (there < 0 ||
	    (there = libvirt_listed(name, e, "list", "--all", "--with-managed-save", "--name")) < 0)
		return -1;
	if (there) {
		err_set(e, ERR_UNSUPPORTED, "virtual machine %s is neither running nor shut off: its "
					    "memory was saved", name);
		return err_hint(e, "virsh start %s, or virsh managedsave-remove %s", name, name);
	}
	if ((there = libvirt_listed(name, e, "list", "--all", "--with-snapshot", "--name")) < 0)
		return -1;
	if (there) {
		err_set(e, ERR_UNSUPPORTED, "virtual machine %s has snapshots, which libvirt cannot "
					    "move", name);
		return err_hint(e, "virsh snapshot-list %s; virsh snapshot-delete %s SNAPSHOT", name,
				name);
	}
	return 0;
}

int libvirt_describe(const struct ct *ct, struct ct_desc *out, struct err *e)
{
	own_libvirt_files struct libvirt_files files = { 0 };
	own_domxml struct domxml d = { 0 };
	own_free char *xml = NULL, *note = libvirt_autostart_note(ct->id);
	int on;

	if (refuse_states(ct->id, e) < 0 || !(xml = libvirt_xml(ct->id, e)) ||
	    domxml_parse(xml, &d, e) < 0 || refuse(ct->id, &d, e) < 0 ||
	    libvirt_files_find(xml, &d, &files, e) < 0 ||
	    libvirt_files_stage(&files, ct->private_area, e) < 0)
		return -1;
	on = libvirt_listed(ct->id, e, "list", "--all", "--autostart", "--name");
	if (on < 0)
		return -1;
	files.autostart = on || access(note, F_OK) == 0;
	if (strlen(files.xml) > LIBVIRT_XML_MAX)
		return err_set(e, ERR_UNSUPPORTED,
			       "the description of virtual machine %s is too long", ct->id);
	out->engine = xstrdup("libvirt");
	out->id = xstrdup(ct->id);
	out->config = libvirt_files_text(&files);
	return 0;
}

/* A directory that was made for this machine by an earlier move to here; NULL: none. */
static char *own_area(const char *name)
{
	own_free char *note = libvirt_area_note(name);
	char *path = NULL;

	if (file_read(AT_FDCWD, note, PATH_MAX, &path, NULL, NULL) < 0)
		return NULL;
	path[strcspn(path, "\n")] = '\0';
	return path;
}

static int remove_files(const char *name, const struct domxml *d, struct err *e)
{
	own_free char *area = own_area(name);

	if (area && area[0] == '/' && path_remove_tree(AT_FDCWD, area, e) < 0)
		return -1;
	for (size_t i = 0; i < d->n_disks; i++) {
		if (domxml_moves(&d->disk[i]) && unlink(d->disk[i].file) < 0 && errno != ENOENT)
			return err_sys(e, "cannot remove %s", d->disk[i].file);
	}
	if (d->nvram && unlink(d->nvram) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", d->nvram);
	return 0;
}

/* With a UUID of its own, so that the machine itself can come back. */
static int rename_away(const char *name, const char *old, struct err *e)
{
	own_free char *xml = NULL, *uuid = NULL, *other = NULL;
	own_domxml struct domxml d = { 0 };
	int there = libvirt_listed(old, e, "list", "--all", "--name");

	if (there < 0 || (there && libvirt_do(e, "undefine", "--keep-nvram", old) < 0) ||
	    !(xml = libvirt_xml(name, e)) || domxml_parse(xml, &d, e) < 0 ||
	    file_read(AT_FDCWD, "/proc/sys/kernel/random/uuid", 64, &uuid, NULL, e) < 0)
		return -1;
	uuid[strcspn(uuid, "\n")] = '\0';
	other = domxml_place(xml, &d, old, uuid, NULL, NULL);
	if (libvirt_ask(spawn_argv("define", "/dev/stdin"), other, NULL, e) < 0)
		return -1;
	return libvirt_do(e, "undefine", "--keep-nvram", name);
}

/*
 * Files elsewhere that its disks build on stay: they may be a template of many machines.
 * The definition goes last: it knows the files.
 */
int libvirt_retire(const struct ct *ct, bool remove, struct err *e)
{
	own_free char *area_note = libvirt_area_note(ct->id);
	own_free char *old = xasprintf("%s.migrated", ct->id), *xml = NULL;
	own_domxml struct domxml d = { 0 };
	int there = libvirt_listed(ct->id, e, "list", "--all", "--name");

	if (there <= 0)
		return there;
	if (remove) {
		if (!(xml = libvirt_xml(ct->id, e)) || domxml_parse(xml, &d, e) < 0 ||
		    remove_files(ct->id, &d, e) < 0 ||
		    libvirt_do(e, "undefine", "--keep-nvram", ct->id) < 0)
			return -1;
		unlink(area_note);
		return 0;
	}
	unlink(area_note);
	return rename_away(ct->id, old, e);
}

int libvirt_stay(const struct ct *ct, struct err *e)
{
	own_free char *note = libvirt_autostart_note(ct->id);

	return unlink(note) < 0 && errno != ENOENT ? err_sys(e, "cannot remove %s", note) : 0;
}

/* --- the destination --------------------------------------------------------------- */

static int check_needs(const struct domxml *d, struct err *e)
{
	for (size_t i = 0; i < d->needs.n; i++) {
		if (access(d->needs.item[i], F_OK) < 0)
			return err_set(e, ERR_UNSUPPORTED, "%s is not there, and it needs it",
				       d->needs.item[i]);
	}
	for (size_t i = 0; i < d->n_disks; i++) {
		const char *file = d->disk[i].file;

		if (file && file[0] == '/' && access(file, F_OK) < 0) {
			err_set(e, ERR_UNSUPPORTED, "%s (%s of it) is not there", file,
				d->disk[i].device);
			return err_hint(e, "provide it there, or take it out: virsh change-media, "
					   "virsh detach-disk");
		}
	}
	if (!strcmp(d->kind, "kvm") && access("/dev/kvm", R_OK | W_OK) < 0)
		return err_set(e, ERR_UNSUPPORTED, "it runs by KVM, which is not there");
	for (size_t i = 0; i < d->bridges.n; i++) {
		own_free char *at = xasprintf("/sys/class/net/%s", d->bridges.item[i]);

		if (access(at, F_OK) < 0)
			return err_set(e, ERR_UNSUPPORTED,
				       "its network is on interface %s, which is not there",
				       d->bridges.item[i]);
	}
	for (size_t i = 0; i < d->networks.n; i++) {
		const char *net = d->networks.item[i];
		struct err why = ERR_INIT; /* libvirt may have no networks at all */

		if (libvirt_listed(net, &why, "net-list", "--name") <= 0) {
			err_set(e, ERR_UNSUPPORTED, "its network %s is not there", net);
			return err_hint(e, "define and start it: virsh net-define, virsh net-start");
		}
	}
	return 0;
}

static int check_free(const char *id, const struct domxml *d, const char *area, struct err *e)
{
	int there = libvirt_listed(id, e, "list", "--all", "--name");

	if (there == 0)
		there = 2 * libvirt_listed(d->uuid, e, "list", "--all", "--uuid");
	if (there < 0)
		return -1;
	if (there == 1)
		return err_set(e, ERR_EXISTS, "virtual machine %s exists already", id);
	if (there == 2) {
		err_set(e, ERR_EXISTS, "a virtual machine with its UUID %s exists already", d->uuid);
		return err_hint(e, "see virsh list --all --uuid --name there");
	}
	if (access(area, F_OK) == 0)
		return err_set(e, ERR_EXISTS, "%s exists already", area);
	return 0;
}

int libvirt_plan_home(const struct ct_desc *d, struct ct *out, struct err *e)
{
	own_libvirt_files struct libvirt_files files = { 0 };
	own_domxml struct domxml x = { 0 };
	own_free char *area = d->private_area ? xstrdup(d->private_area) :
						xasprintf(LIBVIRT_IMAGES "/%s", d->id);

	if (libvirt_files_parse(d->config, &files, e) < 0 || domxml_parse(files.xml, &x, e) < 0 ||
	    check_free(d->id, &x, area, e) < 0 || check_needs(&x, e) < 0)
		return -1;
	*out = (struct ct){ .engine = xstrdup("libvirt"),
			    .id = xstrdup(d->id),
			    .private_area = xstrdup(area),
			    .root = xstrdup(area) };
	return 0;
}

/* Headers name the files below them by the source's paths. */
static int rebase(const struct libvirt_files *l, const char *area, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct libvirt_file *f = &l->file[i], *below = NULL;
		own_free char *at = xasprintf("%s/%s", area, f->name), *base = NULL;

		for (size_t k = 0; f->backing && k < l->n; k++) {
			if (!strcmp(l->file[k].name, f->backing))
				below = &l->file[k];
		}
		if (!below)
			continue;
		base = xasprintf("%s/%s", area, below->name);
		if (spawn_run(spawn_argv("qemu-img", "rebase", "-u", "-f", f->format, "-F",
					 below->format, "-b", base, at),
			      REBASE_MS, e) < 0)
			return err_wrap(e, "%s on %s", f->name, below->name);
	}
	return 0;
}

static int write_line(const char *path, const char *text, struct err *e)
{
	own_free char *line = xasprintf("%s\n", text);

	return file_replace(AT_FDCWD, path, line, strlen(line), 0600, e);
}

int libvirt_adopt(const struct ct *ct, const struct ct_desc *d, struct err *e)
{
	own_libvirt_files struct libvirt_files files = { 0 };
	own_free char *xml = NULL, *note = libvirt_autostart_note(ct->id);
	own_free char *area_note = libvirt_area_note(ct->id);

	if (libvirt_files_parse(d->config, &files, e) < 0 ||
	    !(xml = libvirt_files_place(&files, ct->id, ct->private_area, e)) ||
	    rebase(&files, ct->private_area, e) < 0)
		return -1;
	if (write_line(area_note, ct->private_area, e) < 0)
		return -1;
	if (files.autostart && write_line(note, "yes", e) < 0)
		return -1;
	return libvirt_ask(spawn_argv("define", "/dev/stdin"), xml, NULL, e);
}

int libvirt_is_ours(const struct ct *ct, struct err *e)
{
	own_free char *xml = NULL;
	own_domxml struct domxml d = { 0 };
	size_t len = strlen(ct->private_area);
	bool any = false;
	int there = libvirt_listed(ct->id, e, "list", "--all", "--name");

	if (there <= 0)
		return there;
	if (!(xml = libvirt_xml(ct->id, e)) || domxml_parse(xml, &d, e) < 0)
		return -1;
	for (size_t i = 0; i < d.n_disks; i++) {
		const char *file = d.disk[i].file;

		any = any || domxml_moves(&d.disk[i]);
		if (file && !strncmp(file, ct->private_area, len) && file[len] == '/')
			return 1;
	}
	return !any; /* without disks it is known by its name alone */
}

int libvirt_disown(const struct ct *ct, struct err *e)
{
	own_free char *note = libvirt_autostart_note(ct->id);
	own_free char *area_note = libvirt_area_note(ct->id);
	int ours = libvirt_is_ours(ct, e);

	if (ours < 0 || (ours && libvirt_do(e, "undefine", "--keep-nvram", ct->id) < 0))
		return -1;
	unlink(note);
	unlink(area_note);
	return 0;
}
