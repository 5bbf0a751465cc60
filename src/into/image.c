// SPDX-License-Identifier: MIT
/*
 * A virtual machine as the source.  Shut off: its disks are read by libguestfs where
 * they are, here or on the server that ssh leads to.  Running: it is a server with an
 * address, like any other.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "engine/disk/vmdisk.h"
#include "into/into.h"
#include "plan/restrict.h"

enum { ASK_MS = 60000, INSPECT_MS = 900000, TEXT_MAX = 4 << 20, COPY_BYTES = 1 << 20, LOOK_MS = 250 };

struct into_image {
	bool by_ssh;
	struct vmdisk_image *image;
	size_t n_images;
	struct vmdisk disk;
	uint64_t mem_kib;
	unsigned cpus;
	bool autostart; /* libvirt starts it with its server */
};

void into_image_free(struct into_image *i)
{
	if (!i)
		return;
	for (size_t k = 0; k < i->n_images; k++) {
		free(i->image[k].path);
		free(i->image[k].format);
	}
	free(i->image);
	vmdisk_fini(&i->disk);
	free(i);
}

/* Runs a program for sh where the disks are. */
static int run_there(struct into *n, const char *script, const struct strv *args, int timeout_ms,
		     char **out, int *code, struct err *e)
{
	own_strv struct strv argv = STRV_INIT;

	if (n->image->by_ssh)
		return into_ssh_run(&n->ssh, script, (const char *const *)args->item, SPAWN_NULL,
				    TEXT_MAX, timeout_ms, out, code, e);
	strv_add(&argv, "sh");
	strv_add(&argv, "-c");
	strv_add(&argv, script);
	strv_add(&argv, "sh");
	strv_addv(&argv, (const char *const *)args->item);
	return spawn_read((const char *const *)argv.item, NULL, TEXT_MAX, timeout_ms, out, code,
			  e);
}

/* By the first bytes, when the file is on this server; else libguestfs looks itself. */
static char *format_of(const struct into *n, const char *path)
{
	own_fd int fd = n->image->by_ssh ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	uint8_t head[512] = { 0 };

	if (fd < 0 || pread(fd, head, sizeof(head), 0) < 1)
		return NULL;
	return xstrdup(vmdisk_format(head));
}

/* Takes the texts. */
static void append(struct into_image *i, char *path, char *format)
{
	i->image = xrealloc(i->image, (i->n_images + 1) * sizeof(*i->image));
	i->image[i->n_images] = (struct vmdisk_image){ .path = path, .format = format };
	i->n_images++;
}

static void add_image(struct into *n, const char *path)
{
	append(n->image, xstrdup(path), format_of(n, path));
}

/* What libvirt says of the machine, with marks between the parts. */
static const char ask_libvirt[] = "command -v virsh >/dev/null || exit 127\n"
				  "v() { virsh -q -c qemu:///system \"$@\" 2>/dev/null; }\n"
				  "v domstate \"$1\" || exit 1\n"
				  "echo ==disks; virsh -c qemu:///system domblklist --details \"$1\"\n"
				  "echo ==info; v dominfo \"$1\"\n"
				  "echo ==address\n"
				  "for s in agent lease arp; do v domifaddr --source $s \"$1\"; done\n"
				  "exit 0\n";

static const char *part(const char *text, const char *mark)
{
	const char *p = strstr(text, mark);

	return p ? p + strlen(mark) : "";
}

/* It runs: from here on it is a server. */
static int as_server(struct into *n, const char *text, struct err *e)
{
	own_free char *address = vmdisk_address_of_virsh(part(text, "==address\n"));

	if (!address) {
		err_set(e, ERR_UNSUPPORTED, "%s runs, and its address is not known", n->source);
		return err_hint(e, "move it as a server: pmigrate h root@ADDRESS c …; or shut it down");
	}
	event_decision(n->ev, "%s runs: it is moved as the server %s", n->source, address);
	into_ssh_close(&n->ssh);
	n->vm_where.host = xstrdup(address);
	n->vm_where.user = xstrdup("root");
	n->where = &n->vm_where;
	into_image_free(take_ptr(&n->image));
	return into_look(n, e);
}

/* 1: it was moved on as a server. */
static int find_domain(struct into *n, struct err *e)
{
	own_strv struct strv args = STRV_INIT, paths = STRV_INIT;
	own_free char *text = NULL, *disks = NULL;
	const char *name = n->job->src.name;
	int code = 0;

	strv_add(&args, name);
	if (run_there(n, ask_libvirt, &args, ASK_MS, &text, &code, e) < 0)
		return -1;
	if (code == 127) {
		err_set(e, ERR_ABSENT, "there is no libvirt to ask for the virtual machine %s",
			name);
		return err_hint(e, "name its disk: pmigrate v /DIR/FILE c …");
	}
	if (code != 0)
		return err_set(e, ERR_ABSENT, "there is no virtual machine %s", name);
	if (!strncmp(text, "running", 7))
		return as_server(n, text, e) < 0 ? -1 : 1;
	if (strncmp(text, "shut off", 8) != 0 || strstr(text, "Managed save:   yes")) {
		err_set(e, ERR_UNSUPPORTED, "the virtual machine %s is neither running nor shut off",
			name);
		return err_hint(e, "shut it down, or let it run");
	}
	vmdisk_size_of_virsh(part(text, "==info\n"), &n->image->cpus, &n->image->mem_kib);
	n->image->autostart = vmdisk_autostart_of_virsh(part(text, "==info\n"));
	disks = xstrdup(part(text, "==disks\n"));
	*strchrnul(disks, '=') = '\0';
	vmdisk_of_virsh(disks, &paths);
	for (size_t i = 0; i < paths.n; i++)
		add_image(n, paths.item[i]);
	return paths.n ? 0 : err_set(e, ERR_ABSENT, "the virtual machine %s has no disk", name);
}

/*
 * A raw disk of Windows is recognised by its boot sectors, without libguestfs: the disk's
 * own, and those of the partitions of an MBR.
 */
static int refuse_windows(struct into *n, const struct vmdisk_image *i, struct err *e)
{
	own_fd int fd = n->image->by_ssh ? -1 : open(i->path, O_RDONLY | O_CLOEXEC);
	uint8_t mbr[512], sector[512];
	struct windows w = { 0 };
	bool found;

	if (fd < 0 || !i->format || strcmp(i->format, "raw") != 0 ||
	    pread(fd, mbr, sizeof(mbr), 0) != sizeof(mbr))
		return 0;
	found = windows_of_boot_sector(&w, mbr);
	for (int k = 0; k < 4; k++) {
		const uint8_t *p = mbr + 446 + 16 * k + 8; /* first sector, little-endian */
		off_t lba = (off_t)p[0] | (off_t)p[1] << 8 | (off_t)p[2] << 16 |
			    (off_t)p[3] << 24;

		if (lba && pread(fd, sector, sizeof(sector), lba * 512) == sizeof(sector))
			found = windows_of_boot_sector(&w, sector) || found;
	}
	/* One with a Linux beside it is left to the inspection. */
	return found && w.release >= WINDOWS_2003 && w.release != WINDOWS_OTHER ?
		       windows_refuse(&w, n->source, e) :
		       0;
}

static int inspect(struct into *n, struct err *e)
{
	struct into_image *i = n->image;
	own_strv struct strv args = STRV_INIT;
	own_free char *text = NULL;
	int code = 0;

	for (size_t k = 0; k < i->n_images; k++) {
		if (refuse_windows(n, &i->image[k], e) < 0)
			return -1;
	}
	vmdisk_args(&args, i->image, i->n_images);
	if (run_there(n, vmdisk_inspect, &args, INSPECT_MS, &text, &code, e) < 0)
		return -1;
	if (code == 127) {
		err_set(e, ERR_ABSENT, "libguestfs is not installed where the disk is");
		return err_hint(e, "install guestfish there (package guestfish, libguestfs-tools or "
				   "guestfs-tools)");
	}
	if (code != 0) {
		err_set(e, ERR_CHILD, "libguestfs cannot read %s", n->source);
		return err_hint(e, "try: guestfish --ro -a %s run : list-filesystems",
				i->image[0].path);
	}
	return vmdisk_parse(text, n->source, &i->disk, e);
}

static int make_plan(struct into *n, struct err *e)
{
	struct into_image *i = n->image;
	own_free char *config = NULL;

	if (n->job->hw_config) {
		if (file_read(AT_FDCWD, n->job->hw_config, TEXT_MAX, &config, NULL, e) < 0)
			return -1;
	} else {
		config = vmdisk_config(&i->disk, i->mem_kib, i->cpus);
	}
	if (into_plan_make(&n->plan, config, n->job->hw_config ? n->job->hw_config : n->source,
			   n->job, e) < 0)
		return -1;
	n->need_kib = i->disk.kib;
	n->need_inodes = i->disk.inodes;
	/* libguestfs's name of it */
	n->machine = xstrdup(!i->disk.arch			? "" :
			     !strcmp(i->disk.arch, "i386") ? "i686" :
								     i->disk.arch);
	n->scan = xstrdup("");
	n->quotas = xstrdup("");
	n->xattrs = true;
	return 0;
}

static void tell_disk(struct into *n)
{
	const struct vmdisk *d = &n->image->disk;
	own_strv struct strv mounts = STRV_INIT;
	own_free char *text = NULL;

	for (size_t i = 0; i < d->n_mounts; i++)
		strv_addf(&mounts, "%s on %s", d->mount[i].device, d->mount[i].dir);
	text = strv_join(&mounts, ", ");
	event_decision(n->ev, "%s holds %s %u: %s", n->source, d->distro ? d->distro : "a Linux",
		       d->major, text);
	if (!n->plan.addresses.n)
		event_warning(n->ev, "no address is set in %s: give the Container one "
				     "(pctl set %s --ipadd …)", n->source, n->job->dst.name);
}

int into_image_look(struct into *n, struct err *e)
{
	const char *name = n->job->src.name;
	int r;

	n->image = xcalloc(1, sizeof(*n->image));
	if (n->job->src.where.host) {
		n->image->by_ssh = true;
		if (into_ssh_open(&n->ssh, n->where, &n->job->link, e) < 0)
			return -1;
	}
	if (name[0] == '/') {
		if (!n->image->by_ssh && access(name, R_OK) < 0) {
			err_sys(e, "cannot read %s", name);
			if (e && errno == ENOENT)
				e->code = ERR_ABSENT;
			return -1;
		}
		add_image(n, name);
	} else {
		r = find_domain(n, e);
		if (r != 0)
			return r < 0 ? -1 : 0;
	}
	if (n->job->srvstop.n || n->job->quota_part)
		event_warning(n->ev, "-S and -q mean nothing for a machine that is shut off");
	if (inspect(n, e) < 0 || make_plan(n, e) < 0)
		return -1;
	tell_disk(n);
	return 0;
}

int into_image_idle(struct into *n, struct err *e)
{
	own_strv struct strv args = STRV_INIT;
	own_free char *text = NULL;
	int code = 0;

	vmdisk_args(&args, n->image->image, n->image->n_images);
	if (run_there(n, vmdisk_idle, &args, ASK_MS, &text, &code, e) < 0)
		return -1;
	return vmdisk_is_idle(&n->image->disk, text, e);
}

bool into_image_autostart(const struct into *n)
{
	return n->image && n->image->autostart;
}

/* --- the copy ---------------------------------------------------------------------- */

/*
 * One of rsync's patterns for tar: "/" at the beginning is the tree's root, "*" stops at a
 * slash and "**" does not, "/" at the end means a directory (here: whatever has the name).
 */
static void exclude(struct strv *argv, const char *pattern)
{
	own_free char *text = xstrdup(pattern);
	char *end = strrchr(text, '/');

	if (end && end != text && (!end[1] || !strcmp(end, "/***")))
		*end = '\0';
	strv_add(argv, text[0] == '/' ? "--anchored" : "--no-anchored");
	strv_add(argv, strstr(text, "**") ? "--wildcards-match-slash" : "--no-wildcards-match-slash");
	strv_addf(argv, "--exclude=%s%s", text[0] == '/' ? "." : "", text);
}

static void tar_argv(const struct into *n, struct strv *argv)
{
	static const char *const words[] = { "tar",	      "-x",	     "-p",
					     "--same-owner",  "--numeric-owner",
					     "--xattrs",      "--xattrs-include=*",
					     "--xattrs-exclude=security.selinux",
					     "--acls",	      "--wildcards", NULL };

	strv_addv(argv, words);
	for (size_t i = 0; i < n->plan.excludes.n; i++)
		exclude(argv, n->plan.excludes.item[i]);
	strv_add(argv, "-C");
	strv_add(argv, n->ct.private_area);
	strv_add(argv, "-f");
	strv_add(argv, "-");
}

static int start_reader(struct into *n, struct child *c, struct err *e)
{
	const struct into_image *i = n->image;
	own_strv struct strv words = STRV_INIT, argv = STRV_INIT;
	struct spawn s;

	vmdisk_tar_argv(&words, i->image, i->n_images, &i->disk);
	if (i->by_ssh)
		link_argv(&argv, n->where, &n->ssh.opts, false, (const char *const *)words.item);
	else
		strv_addv(&argv, (const char *const *)words.item);
	s = (struct spawn)SPAWN_INIT((const char *const *)argv.item);
	s.out = SPAWN_PIPE;
	s.new_session = true;
	return child_start(c, &s, e);
}

/* Bytes from one to the other, counted; ends at the first one's end. */
static int pump(struct into *n, struct child *from, struct child *to, struct err *e)
{
	own_free char *bytes = xmalloc(COPY_BYTES);
	struct progress *p = &n->ev->progress;
	int status;

	atomic_store(&p->bytes_total, n->need_kib * 1024);
	for (;;) {
		struct pollfd pfd[2] = { { .fd = from->out, .events = POLLIN },
					 { .fd = cancel_fd(), .events = POLLIN } };
		int k = poll(pfd, 2, LOOK_MS);
		ssize_t got;

		if (cancel_requested())
			return cancel_err(e);
		if (k <= 0 || !pfd[0].revents)
			continue;
		got = read(from->out, bytes, COPY_BYTES);
		if (got <= 0)
			break;
		if (write_all(to->in, bytes, (size_t)got) < 0) {
			if (child_wait(to, -1, &status, e) == 0)
				child_err(to, status, e);
			return err_wrap(e, "writing to %s", n->ct.private_area);
		}
		atomic_fetch_add(&p->bytes, (uint64_t)got);
		n->account.file_bytes += (uint64_t)got;
	}
	close_fd(&to->in);
	return 0;
}

static int finish(struct child *c, struct err *e)
{
	int status;

	if (child_wait(c, -1, &status, e) < 0)
		return -1;
	if (status == 0)
		return 0;
	child_err(c, status, e);
	if (e)
		e->code = ERR_COPY;
	return -1;
}

int into_image_copy(struct into *n, struct err *e)
{
	own_child struct child reader = CHILD_INIT, writer = CHILD_INIT;
	own_strv struct strv argv = STRV_INIT;
	uint64_t begun = clock_ns();
	struct event_round round = { .phase = PHASE_COPY, .number = 1 };
	struct spawn s;

	tar_argv(n, &argv);
	s = (struct spawn)SPAWN_INIT((const char *const *)argv.item);
	s.in = SPAWN_PIPE;
	s.new_session = true;
	if (child_start(&writer, &s, e) < 0 || start_reader(n, &reader, e) < 0 ||
	    pump(n, &reader, &writer, e) < 0 || finish(&reader, e) < 0 || finish(&writer, e) < 0)
		return err_wrap(e, "copying from %s", n->source);
	round.ms = (double)(clock_ns() - begun) / 1e6;
	round.bytes = n->account.file_bytes;
	event_round(n->ev, &round);
	return into_image_idle(n, e) < 0 ? err_wrap(e, "the copy of %s", n->source) : 0;
}
