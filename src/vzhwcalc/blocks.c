// SPDX-License-Identifier: MIT
#include "vzhwcalc/blocks.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/mountinfo.h"
#include "base/own.h"
#include "vzhwcalc/text.h"

enum { PROC_TEXT = 1 << 20, SMALLEST_KIB = 2048 /* less holds a boot loader at most */ };

/* Numbers of the devices that are known to serve something else. */
struct taken {
	dev_t *dev;
	size_t n;
};

static void take(struct taken *t, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return;
	t->dev = xrealloc(t->dev, (t->n + 1) * sizeof(*t->dev));
	t->dev[t->n++] = st.st_rdev;
}

static bool is_taken(const struct taken *t, dev_t dev)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->dev[i] == dev)
			return true;
	}
	return false;
}

static void collect_taken(struct taken *t, const struct hw *hw)
{
	own_free char *swaps = NULL;
	char line[4096], file[4096];
	const char *p;

	for (size_t i = 0; i < hw->mounts.n; i++) {
		struct stat st;

		take(t, hw->mounts.item[i].source);
		/* "/dev/root" and by-UUID names may not exist: ask the mount itself. */
		if (hw->mounts.item[i].class == MOUNT_LOCAL &&
		    stat(hw->mounts.item[i].dir, &st) == 0 && major(st.st_dev)) {
			t->dev = xrealloc(t->dev, (t->n + 1) * sizeof(*t->dev));
			t->dev[t->n++] = st.st_dev;
		}
	}
	if (file_read(AT_FDCWD, "/proc/swaps", PROC_TEXT, &swaps, NULL, NULL) < 0)
		return;
	for (p = swaps; text_line(&p, line, sizeof(line));) {
		const char *q = line;

		if (text_field(&q, file, sizeof(file)) && file[0] == '/') {
			mountinfo_unescape(file);
			take(t, file);
		}
	}
}

static void find_raw_nodes(struct notices *f)
{
	own_dir DIR *d = opendir("/dev/raw");
	struct dirent *de;

	while (d && (de = readdir(d))) {
		own_free char *path = xasprintf("/dev/raw/%s", de->d_name);

		if (!strncmp(de->d_name, "raw", 3) && isdigit((unsigned char)de->d_name[3]))
			notices_add(f, "raw-device", path, "a raw device is bound");
	}
}

static void look_at_process(struct notices *f, const char *pid, const struct taken *t,
			    struct strv *seen)
{
	own_free char *dir = xasprintf("/proc/%s/fd", pid);
	own_free char *comm_path = xasprintf("/proc/%s/comm", pid), *comm = NULL;
	own_dir DIR *d = opendir(dir);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		own_free char *path = xasprintf("%s/%s", dir, de->d_name);
		char device[512];
		struct stat st;
		ssize_t n;

		if (!isdigit((unsigned char)de->d_name[0]) || stat(path, &st) < 0 ||
		    !S_ISBLK(st.st_mode) || is_taken(t, st.st_rdev))
			continue;
		n = readlink(path, device, sizeof(device) - 1);
		device[n > 0 ? n : 0] = '\0';
		if (strv_has(seen, device))
			continue;
		strv_add(seen, device);
		if (!comm && file_read(AT_FDCWD, comm_path, 256, &comm, NULL, NULL) == 0)
			comm[strcspn(comm, "\n")] = '\0';
		notices_add(f, "raw-device", device, "open in process %s%s%s%s", pid,
			     comm ? " (" : "", comm ? comm : "", comm ? ")" : "");
	}
}

static void find_open_devices(struct notices *f, const struct taken *t, struct strv *seen)
{
	own_dir DIR *proc = opendir("/proc");
	struct dirent *de;

	while (proc && (de = readdir(proc))) {
		if (isdigit((unsigned char)de->d_name[0]))
			look_at_process(f, de->d_name, t, seen);
	}
}

static bool dir_has_entries(const char *path)
{
	own_dir DIR *d = opendir(path);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		if (de->d_name[0] != '.')
			return true;
	}
	return false;
}

/* Is it part of a volume group, RAID or encrypted device, or cut into partitions? */
static bool is_part_of_other(const char *name)
{
	own_free char *whole = xasprintf("/sys/block/%s", name);
	own_free char *held = xasprintf("/sys/block/%s/holders", name);
	own_dir DIR *disks = NULL;
	struct dirent *de;
	size_t n = strlen(name);

	if (access(whole, F_OK) == 0) {
		own_dir DIR *d = opendir(whole);

		if (dir_has_entries(held))
			return true;
		while (d && (de = readdir(d))) {
			if (!strncmp(de->d_name, name, n) && de->d_name[n])
				return true;
		}
		return false;
	}
	disks = opendir("/sys/block");
	while (disks && (de = readdir(disks))) {
		own_free char *part =
			xasprintf("/sys/block/%s/%s/holders", de->d_name, name);

		if (dir_has_entries(part))
			return true;
	}
	return false;
}

static void find_unused(struct notices *f, const struct taken *t, const struct strv *seen)
{
	static const char *const ignored[] = { "loop", "ram", "sr", "fd", "zram", "nbd" };
	own_free char *text = NULL;
	char line[512], field[4][256];
	const char *p;

	if (file_read(AT_FDCWD, "/proc/partitions", PROC_TEXT, &text, NULL, NULL) < 0)
		return;
	for (p = text; text_line(&p, line, sizeof(line));) {
		const char *q = line;
		own_free char *device = NULL;
		uint64_t v[3] = { 0 };
		bool skip = false;

		for (int i = 0; i < 4; i++) {
			const char *digits = field[i];

			if (!text_field(&q, field[i], sizeof(field[i])) ||
			    (i < 3 && !text_number(&digits, &v[i])))
				skip = true;
		}
		for (size_t i = 0; !skip && i < array_len(ignored); i++)
			skip = !strncmp(field[3], ignored[i], strlen(ignored[i])) &&
			       isdigit((unsigned char)field[3][strlen(ignored[i])]);
		if (skip || v[2] < SMALLEST_KIB ||
		    is_taken(t, makedev((unsigned)v[0], (unsigned)v[1])))
			continue;
		device = xasprintf("/dev/%s", field[3]);
		if (!strv_has(seen, device) && !is_part_of_other(field[3]))
			notices_add(f, "unused-device", device,
				     "%" PRIu64 " KiB, not mounted", v[2]);
	}
}

void blocks_scan(struct notices *f, const struct hw *hw)
{
	struct taken t = { NULL, 0 };
	own_strv struct strv seen = STRV_INIT;

	collect_taken(&t, hw);
	find_raw_nodes(f);
	find_open_devices(f, &t, &seen);
	find_unused(f, &t, &seen);
	free(t.dev);
}
