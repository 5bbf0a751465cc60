// SPDX-License-Identifier: MIT
#include "vzhwcalc/scan.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/own.h"
#include "vzhwcalc/blocks.h"
#include "vzhwcalc/text.h"
#include "vzhwcalc/walk.h"

void notices_fini(struct notices *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->item[i].object);
		free(f->item[i].text);
	}
	free(f->item);
	*f = (struct notices)NOTICES_INIT;
}

/* Takes object and text. */
static void append(struct notices *f, const char *kind, char *object, char *text)
{
	f->item = xrealloc(f->item, (f->n + 1) * sizeof(*f->item));
	f->item[f->n] = (struct notice){ .kind = kind, .object = object, .text = text };
	f->n++;
}

void notices_add(struct notices *f, const char *kind, const char *object, const char *fmt,
		  ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xmust(NULL);
	va_end(ap);
	append(f, kind, xstrdup(object), text);
}

bool licence_is_name(const char *name)
{
	static const char *const names[] = { "license.dat", "licence.dat", "license.lic",
					     "license.txt", "license.key", "licenses.dat" };
	size_t n = strlen(name);

	if (n > 4 && !strcasecmp(name + n - 4, ".lic"))
		return true;
	for (size_t i = 0; i < array_len(names); i++) {
		if (!strcasecmp(name, names[i]))
			return true;
	}
	return false;
}

bool licence_names_mac(const char *text, const struct strv *macs)
{
	/* The text with the separators of hardware addresses taken out. */
	own_free char *flat = xmalloc(strlen(text) + 1);
	char *w = flat;

	for (; *text; text++) {
		if (!strchr(":-.", *text))
			*w++ = (char)tolower((unsigned char)*text);
	}
	*w = '\0';
	for (size_t i = 0; i < macs->n; i++) {
		const char *hit = strstr(flat, macs->item[i]);

		for (; hit; hit = strstr(hit + 1, macs->item[i])) {
			/* Not a part of a longer number. */
			if ((hit == flat || !isxdigit((unsigned char)hit[-1])) &&
			    !isxdigit((unsigned char)hit[strlen(macs->item[i])]))
				return true;
		}
	}
	return false;
}

bool service_of_cgroup(const char *text, char *out, size_t out_size)
{
	char line[1024];

	while (text_line(&text, line, sizeof(line))) {
		char *end = strstr(line, ".service"), *slash;

		if (!end || !strstr(line, "/system.slice/"))
			continue;
		*end = '\0';
		slash = strrchr(line, '/');
		if (!slash || !slash[1] || strlen(slash + 1) >= out_size)
			continue;
		strcpy(out, slash + 1);
		return true;
	}
	return false;
}

static void find_selinux(struct notices *f)
{
	static const char *const files[] = { "/sys/fs/selinux/enforce", "/selinux/enforce" };

	for (size_t i = 0; i < array_len(files); i++) {
		own_free char *text = NULL;

		if (file_read(AT_FDCWD, files[i], 64, &text, NULL, NULL) < 0)
			continue;
		notices_add(f, "selinux", text[0] == '1' ? "enforcing" : "permissive",
			     "SELinux is on");
		return;
	}
}

static void find_in_mounts(struct notices *f, const struct hw *hw)
{
	for (size_t i = 0; i < hw->mounts.n; i++) {
		const struct mount *m = &hw->mounts.item[i];

		if (m->class == MOUNT_NETWORK)
			notices_add(f, "network-fs", m->dir, "%s of %s", m->type, m->source);
		else if (m->class == MOUNT_REMOVABLE)
			notices_add(f, "removable", m->dir, "%s on %s", m->type, m->source);
		else if (m->class == MOUNT_LOCAL && strcmp(m->dir, "/") != 0 &&
			 !excludes_cover(&hw->excludes, m->dir))
			notices_add(f, "joined", m->dir, "%s on %s", m->type, m->source);
		if (m->class == MOUNT_NETWORK || m->class == MOUNT_VIEW)
			notices_add(f, "mount-point", m->dir, "%s", m->type);
		if (mount_has_quota(m))
			notices_add(f, "quota", m->dir, "user or group quotas (%s)", m->type);
	}
}

/* Services of systemd by the cgroups of running processes. */
static void find_services(struct notices *f, struct strv *seen)
{
	own_dir DIR *proc = opendir("/proc");
	struct dirent *de;
	char name[256];

	while (proc && (de = readdir(proc))) {
		own_free char *path = xasprintf("/proc/%s/cgroup", de->d_name), *text = NULL;

		if (isdigit((unsigned char)de->d_name[0]) &&
		    file_read(AT_FDCWD, path, 65536, &text, NULL, NULL) == 0 &&
		    service_of_cgroup(text, name, sizeof(name)) && !strv_has(seen, name)) {
			strv_add(seen, name);
			notices_add(f, "service", name, "runs under systemd");
		}
	}
}

/* Services of System V init by the start links of the usual run levels. */
static void find_sysv_services(struct notices *f, struct strv *seen)
{
	static const char *const dirs[] = { "/etc/rc3.d", "/etc/rc.d/rc3.d", "/etc/rc2.d",
					    "/etc/init.d/rc3.d" };

	for (size_t i = 0; i < array_len(dirs); i++) {
		own_dir DIR *d = opendir(dirs[i]);
		struct dirent *de;

		while (d && (de = readdir(d))) {
			const char *name = de->d_name + 3;

			if (de->d_name[0] == 'S' && isdigit((unsigned char)de->d_name[1]) &&
			    isdigit((unsigned char)de->d_name[2]) && *name &&
			    !strv_has(seen, name)) {
				strv_add(seen, name);
				notices_add(f, "service", name, "started by init");
			}
		}
	}
}

void scan_server(struct notices *f, const struct hw *hw, unsigned walk_seconds)
{
	own_strv struct strv seen = STRV_INIT;
	char kib[24], inodes[24];
	struct stat st;

	snprintf(kib, sizeof(kib), "%" PRIu64, hw->disk_kib);
	snprintf(inodes, sizeof(inodes), "%" PRIu64, hw->inodes);
	notices_add(f, "size", kib, "%s", inodes);
	for (size_t i = 0; i < hw->addresses.n; i++)
		notices_add(f, "address", hw->addresses.item[i], "an address of this server");
	find_in_mounts(f, hw);
	find_selinux(f);
	blocks_scan(f, hw);
	walk_scan(f, hw, walk_seconds);
	find_services(f, &seen);
	if (stat("/run/systemd/system", &st) < 0)
		find_sysv_services(f, &seen);
}
