// SPDX-License-Identifier: MIT
#include "vzhwcalc/probe.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/own.h"
#include "vzhwcalc/distro.h"
#include "vzhwcalc/net.h"
#include "vzhwcalc/text.h"

enum { TEXT_MAX = 4 << 20 };

/* "" for a file that is not there. */
static char *read_or_empty(const char *path)
{
	char *text = NULL;

	return file_read(AT_FDCWD, path, TEXT_MAX, &text, NULL, NULL) < 0 ? xstrdup("") : text;
}

static uint64_t count_threads(DIR *proc)
{
	struct dirent *de;
	uint64_t sum = 0;

	while ((de = readdir(proc))) {
		own_free char *path = xasprintf("/proc/%s/stat", de->d_name), *text = NULL;

		if (isdigit((unsigned char)de->d_name[0]) &&
		    file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) == 0)
			sum += threads_parse(text);
	}
	return sum;
}

int probe_sample(struct sample *out, struct err *e)
{
	own_free char *stat = NULL, *meminfo = NULL;
	own_dir DIR *proc = opendir("/proc");

	if (!proc)
		return err_sys(e, "cannot read /proc");
	if (file_read(AT_FDCWD, "/proc/stat", TEXT_MAX, &stat, NULL, e) < 0 ||
	    file_read(AT_FDCWD, "/proc/meminfo", TEXT_MAX, &meminfo, NULL, e) < 0)
		return -1;
	if (!cpu_parse(stat, &out->cpu))
		return err_set(e, ERR_UNSUPPORTED, "/proc/stat tells no CPU times");
	if (!memory_parse(meminfo, &out->mem))
		return err_set(e, ERR_UNSUPPORTED, "/proc/meminfo tells no memory sizes");
	out->threads = count_threads(proc);
	return 0;
}

static bool is_dir(void *arg, const char *path)
{
	own_free char *real = realpath(path, NULL);
	struct stat st;

	(void)arg;
	return real && !strcmp(real, path) && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* /dev/sdb1 -> is the disk sdb a removable one? */
static bool is_removable(void *arg, const char *device)
{
	const char *name = strrchr(device, '/');
	char disk[64];
	size_t n;

	(void)arg;
	if (strncmp(device, "/dev/", 5) != 0 || strlen(name + 1) >= sizeof(disk))
		return false;
	strcpy(disk, name + 1);
	for (n = strlen(disk); n > 2; n--) {
		own_free char *path = NULL, *text = NULL;

		disk[n] = '\0';
		path = xasprintf("/sys/block/%s/removable", disk);
		if (file_read(AT_FDCWD, path, 64, &text, NULL, NULL) == 0)
			return text[0] == '1';
	}
	return false;
}

/* The size of an excluded place inside a file system that is copied. */
static uint64_t file_kib(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_blocks / 2 : 0;
}

static bool seen_before(const struct mounts *m, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (m->item[k].class == MOUNT_LOCAL &&
		    !strcmp(m->item[k].source, m->item[i].source))
			return true;
	}
	return false;
}

static void sum_disks(struct hw *hw)
{
	for (size_t i = 0; i < hw->mounts.n; i++) {
		const struct mount *m = &hw->mounts.item[i];
		struct statvfs v;
		uint64_t kib;

		if (m->class != MOUNT_LOCAL || excludes_cover(&hw->excludes, m->dir) ||
		    seen_before(&hw->mounts, i) || statvfs(m->dir, &v) < 0 ||
		    v.f_blocks < v.f_bfree)
			continue;
		kib = (uint64_t)(v.f_blocks - v.f_bfree) * v.f_frsize / 1024;
		hw->disk_kib += kib;
		/* btrfs and others have no inode table: guess one for 16 KiB. */
		hw->inodes += v.f_files > v.f_ffree ? v.f_files - v.f_ffree : kib / 16;
	}
	for (size_t i = 0; i < hw->excludes.n; i++) {
		uint64_t kib = file_kib(hw->excludes.item[i].path);

		hw->disk_kib -= kib < hw->disk_kib ? kib : hw->disk_kib;
	}
}

static void find_mounts(struct hw *hw)
{
	static const struct exclude_probe probe = { is_dir, is_removable, NULL };
	own_free char *text = read_or_empty("/proc/mounts");
	own_free char *swaps = read_or_empty("/proc/swaps");

	mounts_parse(&hw->mounts, text);
	excludes_build(&hw->excludes, &hw->mounts, swaps, &probe);
}

/* A script of the user: it is sourced by a shell, and sets DISTRIBUTION.  Not by
 * base/spawn, whose kernel interfaces are younger than the servers this runs on. */
static char *ask_scripts(const struct strv *detect)
{
	own_strv struct strv lines = STRV_INIT;
	char out[DISTRO_MAX + 2] = "";
	own_free char *command = NULL;
	FILE *f;

	for (size_t i = 0; i < detect->n; i++) {
		own_free char *quoted = xmalloc(strlen(detect->item[i]) * 4 + 5);
		char *w = quoted;

		*w++ = '\'';
		if (!strchr(detect->item[i], '/'))
			w = stpcpy(w, "./"); /* not looked up in PATH */
		for (const char *p = detect->item[i]; *p; p++) {
			if (*p == '\'')
				w = stpcpy(w, "'\\''");
			else
				*w++ = *p;
		}
		strcpy(w, "'");
		strv_addf(&lines, ". %s >&2", quoted);
	}
	strv_add(&lines, "echo \"$DISTRIBUTION\"");
	command = strv_join(&lines, "; ");
	f = popen(command, "re");
	if (!f)
		return NULL;
	if (!fgets(out, sizeof(out), f))
		out[0] = '\0';
	if (pclose(f) != 0)
		return NULL;
	out[strcspn(out, "\n")] = '\0';
	return distro_is_name(out) ? xstrdup(out) : NULL;
}

static char *find_distribution(void)
{
	char out[DISTRO_MAX];

	for (const struct distro_file *f = distro_files; f->path; f++) {
		own_free char *text = NULL;

		if (file_read(AT_FDCWD, f->path, 65536, &text, NULL, NULL) == 0 &&
		    f->read(text, out))
			return xstrdup(out);
	}
	return NULL;
}

static void find_resolver(struct hw *hw)
{
	/* The second is where systemd-resolved keeps what it was told itself. */
	static const char *const files[] = { "/etc/resolv.conf",
					     "/run/systemd/resolve/resolv.conf" };

	for (size_t i = 0; i < array_len(files) && !hw->nameservers.n; i++) {
		own_free char *text = read_or_empty(files[i]);

		net_resolv_parse(text, &hw->nameservers, &hw->searchdomains);
	}
}

static unsigned count_lines(const char *path)
{
	own_free char *text = read_or_empty(path);
	unsigned n = 0;

	for (const char *p = text; *p; p++)
		n += *p == '\n';
	return n;
}

int probe_server(struct hw *hw, const struct strv *detect, struct err *e)
{
	struct utsname u;

	if (uname(&u) < 0)
		return err_sys(e, "cannot ask the kernel for its name");
	hw->hostname = xstrdup(u.nodename);
	hw->machine = xstrdup(u.machine);
	hw->kernel = xstrdup(u.release);
	find_mounts(hw);
	sum_disks(hw);
	if (net_addresses(&hw->addresses, e) < 0)
		return -1;
	find_resolver(hw);
	hw->distribution = detect->n ? ask_scripts(detect) : find_distribution();
	if (detect->n && !hw->distribution) {
		err_set(e, ERR_USAGE, "the scripts of -d set no DISTRIBUTION");
		return err_hint(e, "they are sourced by /bin/sh; a name is small letters, "
				   "digits, '.', '_' and '-'");
	}
	hw->n_ids = count_lines("/etc/passwd") + count_lines("/etc/group");
	return 0;
}
