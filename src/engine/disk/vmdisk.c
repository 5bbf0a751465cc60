// SPDX-License-Identifier: MIT
#include "engine/disk/vmdisk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/own.h"

enum { MOUNTS_MAX = 256, LIST_MAX = 1024 };

void vmdisk_fini(struct vmdisk *d)
{
	for (size_t i = 0; i < d->n_mounts; i++) {
		free(d->mount[i].device);
		free(d->mount[i].dir);
	}
	free(d->mount);
	free(d->distro);
	free(d->hostname);
	free(d->arch);
	free(d->product);
	strv_fini(&d->addresses);
	strv_fini(&d->nameservers);
	strv_fini(&d->filesystems);
	strv_fini(&d->swapfiles);
	strv_fini(&d->stamps);
	memset(d, 0, sizeof(*d));
}

void vmdisk_args(struct strv *out, const struct vmdisk_image *images, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (images[i].format)
			strv_addf(out, "--format=%s", images[i].format);
		else
			strv_add(out, "--format");
		strv_add(out, "-a");
		strv_add(out, images[i].path);
	}
}

void vmdisk_tar_argv(struct strv *out, const struct vmdisk_image *images, size_t n,
		     const struct vmdisk *d)
{
	strv_add(out, "guestfish");
	strv_add(out, "--ro");
	vmdisk_args(out, images, n);
	strv_add(out, "run");
	for (size_t i = 0; i < d->n_mounts; i++) {
		/* not -m: a subvolume's name has a colon */
		strv_add(out, ":");
		strv_add(out, "mount-ro");
		strv_add(out, d->mount[i].device);
		strv_add(out, d->mount[i].dir);
	}
	strv_add(out, ":");
	strv_add(out, "tar-out");
	strv_add(out, "/");
	strv_add(out, "-");
	strv_add(out, "numericowner:true");
	strv_add(out, "xattrs:true");
	strv_add(out, "acls:true");
}

/* --- the answers ------------------------------------------------------------------- */

struct answers {
	struct vmdisk *d;
	unsigned roots;
	bool linux_root, windows, failed;
	char ntfs[128], encrypted[128], dirty[128], unmountable[128], busy[128];
	struct strv dns;    /* of the network configuration */
	struct strv wanted; /* DEVICE, DIR of what the guest's fstab mounts */
};

static void keep(char **slot, const char *value)
{
	free(*slot);
	*slot = *value && strcmp(value, "unknown") != 0 ? xstrdup(value) : NULL;
}

static void keep_first(char slot[static 128], const char *value)
{
	if (!slot[0])
		snprintf(slot, 128, "%s", value);
}

/* Takes the texts. */
static void append(struct vmdisk *d, char *device, char *dir)
{
	d->mount = xrealloc(d->mount, (d->n_mounts + 1) * sizeof(*d->mount));
	d->mount[d->n_mounts] = (struct vmdisk_mount){ .device = device, .dir = dir };
	d->n_mounts++;
}

static void take_mount(struct vmdisk *d, const char *dir, const char *device)
{
	if (dir[0] != '/' || !device || d->n_mounts == MOUNTS_MAX ||
	    (device[0] != '/' && strncmp(device, "btrfsvol:/", 10) != 0))
		return;
	append(d, xstrdup(device), xstrdup(dir));
}

/* Must be there when the guest starts: a file system of a disk, not only its kernel's. */
static bool is_needed(const char *dir, const char *type, const char *options)
{
	static const char *const types[] = { "ext2", "ext3",	 "ext4", "xfs", "btrfs",
					     "jfs",  "reiserfs", "f2fs" };
	bool disk = false;

	for (size_t i = 0; i < array_len(types); i++)
		disk = disk || !strcmp(type, types[i]);
	return disk && dir[0] == '/' && strncmp(dir, "/boot", 5) != 0 &&
	       !strstr(options, "noauto") && !strstr(options, "nofail");
}

/* "/swapfile none swap sw 0 0", "UUID=… /home ext4 defaults 0 2" */
static void take_fstab(struct answers *a, const char *line)
{
	char device[256], dir[256], type[32], options[256] = "";

	if (sscanf(line, "%255s %255s %31s %255s", device, dir, type, options) < 3 ||
	    device[0] == '#')
		return;
	if (!strcmp(type, "swap") && device[0] == '/' && strncmp(device, "/dev/", 5) != 0 &&
	    a->d->swapfiles.n < LIST_MAX)
		strv_add(&a->d->swapfiles, device);
	if (is_needed(dir, type, options) && a->wanted.n < (size_t)2 * LIST_MAX) {
		strv_add(&a->wanted, device);
		strv_add(&a->wanted, dir);
	}
}

static void take_resolv(struct vmdisk *d, const char *line)
{
	char server[64];

	if (sscanf(line, "nameserver %63s", server) == 1 && strncmp(server, "127.", 4) != 0 &&
	    strcmp(server, "::1") != 0 && d->nameservers.n < LIST_MAX &&
	    !strv_has(&d->nameservers, server))
		strv_add(&d->nameservers, server);
}

static void take_fs(struct answers *a, const char *device, const char *type)
{
	if (a->d->filesystems.n < LIST_MAX)
		strv_addf(&a->d->filesystems, "%s %s", device, type);
	if (!strncmp(type, "crypto_LUKS", 11) || !strcasecmp(type, "BitLocker"))
		keep_first(a->encrypted, device);
	if (!strcmp(type, "ntfs"))
		keep_first(a->ntfs, device);
}

static void take_answer(struct answers *a, const char *key, char *v1, char *v2)
{
	struct vmdisk *d = a->d;

	if (!strcmp(key, "fs") && v2)
		take_fs(a, v1, v2);
	else if (!strcmp(key, "failed"))
		a->failed = true;
	else if (!strcmp(key, "root"))
		a->roots++;
	else if (!strcmp(key, "type")) {
		a->linux_root = a->linux_root || !strcmp(v1, "linux");
		a->windows = a->windows || !strcmp(v1, "windows");
	} else if (!strcmp(key, "distro"))
		keep(&d->distro, v1);
	else if (!strcmp(key, "hostname"))
		keep(&d->hostname, v1);
	else if (!strcmp(key, "arch"))
		keep(&d->arch, v1);
	else if (!strcmp(key, "product-name"))
		keep(&d->product, v1);
	else if (!strcmp(key, "major-version"))
		sscanf(v1, "%9u", &d->major);
	else if (!strcmp(key, "minor-version"))
		sscanf(v1, "%9u", &d->minor);
	else if (!strcmp(key, "mount") && v2)
		take_mount(d, v1, v2);
	else if (!strcmp(key, "used") && v2) {
		uint64_t kib = 0, inodes = 0;

		sscanf(v1, "%19" SCNu64, &kib);
		sscanf(v2, "%19" SCNu64, &inodes);
		d->kib += kib;
		d->inodes += inodes;
	} else if (!strcmp(key, "dirty"))
		keep_first(a->dirty, v1);
	else if (!strcmp(key, "unmountable"))
		keep_first(a->unmountable, v1);
	else if (!strcmp(key, "busy"))
		keep_first(a->busy, v1);
	else if (!strcmp(key, "stamp") && d->stamps.n < LIST_MAX)
		strv_add(&d->stamps, v1);
	else if (!strcmp(key, "fstab"))
		take_fstab(a, v1);
	else if (!strcmp(key, "resolv"))
		take_resolv(d, v1);
	else if (!strcmp(key, "net")) {
		vmdisk_addresses(v1, &d->addresses);
		vmdisk_nameservers(v1, &a->dns);
	}
}

/* A file system that the guest has and these disks have not would silently be missing. */
static int refuse_missing(const struct answers *a, const char *what, struct err *e)
{
	for (size_t i = 0; i + 1 < a->wanted.n; i += 2) {
		const char *device = a->wanted.item[i], *dir = a->wanted.item[i + 1];
		bool found = false;

		for (size_t k = 0; k < a->d->n_mounts; k++)
			found = found || !strcmp(a->d->mount[k].dir, dir);
		if (found)
			continue;
		err_set(e, ERR_UNSUPPORTED, "%s: %s, which its fstab mounts on %s, cannot be found",
			what, device, dir);
		return err_hint(e, "is it encrypted, or on another disk? Name the machine as libvirt "
				   "knows it, or move it while it runs: pmigrate h …");
	}
	return 0;
}

/* Is there such a file system at all?  libguestfs names what fstab does. */
static bool is_there(const struct answers *a, const char *device)
{
	size_t n = strlen(device);

	for (size_t i = 0; i < a->d->filesystems.n; i++) {
		if (!strncmp(a->d->filesystems.item[i], device, n) && a->d->filesystems.item[i][n] == ' ')
			return true;
	}
	return false;
}

static int refuse(const struct answers *a, const char *what, struct err *e)
{
	if (a->busy[0]) {
		err_set(e, ERR_LOCKED, "%s is in use by a virtual machine that runs", a->busy);
		return err_hint(e, "shut it down, or move it while it runs: pmigrate h …");
	}
	if (a->encrypted[0]) {
		err_set(e, ERR_UNSUPPORTED, "%s: %s is encrypted", what, a->encrypted);
		return err_hint(e, "start it, and move it as a running server: pmigrate h …");
	}
	/* A damaged Windows cannot be inspected. */
	if (a->windows || (!a->roots && a->ntfs[0])) {
		err_set(e, ERR_UNSUPPORTED, "%s holds %s, which cannot become a Container here",
			what, a->d->product ? a->d->product : "Windows");
		return err_hint(e, "a Container shares the kernel of its host, which is Linux; "
				   "Windows servers of 2003 and 2008 could only go to hosts of their "
				   "own release and word size, from NTFS volumes");
	}
	if (a->failed)
		return err_set(e, ERR_CHILD, "libguestfs cannot say what is on %s", what);
	if (!a->roots) {
		err_set(e, ERR_ABSENT, "%s holds no system that is known", what);
		return err_hint(e, "the disk with its root file system is wanted");
	}
	if (a->roots > 1) {
		err_set(e, ERR_UNSUPPORTED, "%s holds %u systems: it is not clear which one", what,
			a->roots);
		return err_hint(e, "start the one that is meant, and move it while it runs: "
				   "pmigrate h …");
	}
	if (a->dirty[0]) {
		err_set(e, ERR_UNSUPPORTED, "%s: the file system on %s was not unmounted", what,
			a->dirty);
		return err_hint(e, "start the virtual machine and shut it down cleanly");
	}
	if (a->unmountable[0] && !is_there(a, a->unmountable) && refuse_missing(a, what, e) < 0)
		return -1;
	if (a->unmountable[0]) {
		err_set(e, ERR_UNSUPPORTED, "%s: %s cannot be mounted", what, a->unmountable);
		return err_hint(e, "start the virtual machine, check the file system there, and shut "
				   "it down cleanly");
	}
	if (!a->linux_root || !a->d->n_mounts || strcmp(a->d->mount[0].dir, "/") != 0)
		return err_set(e, ERR_UNSUPPORTED, "%s holds no Linux", what);
	return refuse_missing(a, what, e);
}

int vmdisk_parse(const char *text, const char *what, struct vmdisk *out, struct err *e)
{
	struct answers a = { .d = out };
	own_free char *copy = xstrdup(text);
	char *rest = copy, *line;
	int ret;

	memset(out, 0, sizeof(*out));
	while ((line = strsep(&rest, "\n"))) {
		char *key = strsep(&line, "\t"), *v1 = strsep(&line, "\t");

		if (v1)
			take_answer(&a, key, v1, line);
	}
	if (!out->nameservers.n) {
		out->nameservers = a.dns;
		a.dns = (struct strv)STRV_INIT;
	}
	ret = refuse(&a, what, e);
	if (ret < 0)
		vmdisk_fini(out);
	strv_fini(&a.dns);
	strv_fini(&a.wanted);
	return ret;
}

int vmdisk_is_idle(const struct vmdisk *d, const char *text, struct err *e)
{
	own_free char *copy = xstrdup(text);
	char *rest = copy, *line;
	size_t seen = 0;
	bool same = true;

	while ((line = strsep(&rest, "\n"))) {
		char *key = strsep(&line, "\t");

		if (!line)
			continue;
		if (!strcmp(key, "busy")) {
			err_set(e, ERR_LOCKED, "%s is in use by a virtual machine that runs", line);
			return err_hint(e, "it was started meanwhile: shut it down");
		}
		if (strcmp(key, "stamp") != 0)
			continue;
		same = same && seen < d->stamps.n && !strcmp(d->stamps.item[seen], line);
		seen++;
	}
	if (same && seen == d->stamps.n)
		return 0;
	err_set(e, ERR_COPY, "the disks were written to meanwhile");
	return err_hint(e, "let the machine be shut off until it is done, and repeat the command");
}

/* --- formats and libvirt ----------------------------------------------------------- */

const char *vmdisk_format(const uint8_t head[static 512])
{
	if (!memcmp(head, "QFI\xfb", 4))
		return "qcow2";
	if (!memcmp(head, "KDMV", 4) || !memcmp(head, "COWD", 4) ||
	    !memcmp(head, "# Disk DescriptorFile", 21))
		return "vmdk";
	if (!memcmp(head + 64, "\x7f\x10\xda\xbe", 4))
		return "vdi";
	return "raw";
}

static void put_line(struct buf *b, const char *key, const char *value)
{
	own_free char *line = xasprintf("%s=\"%s\"\n", key, value);

	for (char *p = line + strlen(key) + 2; p < line + strlen(line) - 2; p++) {
		if ((unsigned char)*p < ' ' || strchr("\"`$\\", *p))
			*p = '?';
	}
	buf_put(b, line, strlen(line));
}

static void put_number(struct buf *b, const char *key, const char *fmt_prefix, uint64_t v)
{
	own_free char *text = xasprintf("%s%" PRIu64, fmt_prefix, v);

	put_line(b, key, text);
}

static void put_distribution(struct buf *b, const struct vmdisk *d)
{
	own_free char *name = NULL;

	if (!d->distro)
		return;
	if (!strcmp(d->distro, "ubuntu") || !strcmp(d->distro, "alpinelinux"))
		name = xasprintf("%s-%u.%02u", d->distro[0] == 'u' ? "ubuntu" : "alpine", d->major,
				 d->minor);
	else if (!strcmp(d->distro, "archlinux") || !strcmp(d->distro, "gentoo"))
		name = xstrdup(d->distro[0] == 'a' ? "arch" : "gentoo");
	else
		name = xasprintf("%s-%u", d->distro, d->major);
	put_line(b, "DISTRIBUTION", name);
}

char *vmdisk_config(const struct vmdisk *d, uint64_t mem_kib, unsigned cpus)
{
	/* The files, half as much again, and never less than a system wants to run. */
	uint64_t disk = d->kib + d->kib / 2 > 1 << 20 ? d->kib + d->kib / 2 : 1 << 20;
	uint64_t inodes = d->inodes * 2 > 100000 ? d->inodes * 2 : 100000;
	own_buf struct buf b = BUF_INIT;
	own_strv struct strv excludes = STRV_INIT;
	own_free char *list = NULL, *space = NULL, *nodes = NULL, *where = NULL, *names = NULL;

	put_line(&b, "VERSION", "2");
	put_line(&b, "ONBOOT", "no");
	if (cpus) {
		put_number(&b, "CPUS", "", cpus);
		put_number(&b, "CPULIMIT", "", cpus * 100);
	}
	if (mem_kib)
		put_number(&b, "PHYSPAGES", "0:", mem_kib / 4);
	space = xasprintf("%" PRIu64 ":%" PRIu64, disk, disk + disk / 10);
	nodes = xasprintf("%" PRIu64 ":%" PRIu64, inodes, inodes + inodes / 10);
	put_line(&b, "DISKSPACE", space);
	put_line(&b, "DISKINODES", nodes);
	if (d->hostname)
		put_line(&b, "HOSTNAME", d->hostname);
	where = d->addresses.n ? strv_join(&d->addresses, " ") : NULL;
	if (where)
		put_line(&b, "IP_ADDRESS", where);
	names = d->nameservers.n ? strv_join(&d->nameservers, " ") : NULL;
	if (names)
		put_line(&b, "NAMESERVER", names);
	put_distribution(&b, d);
	strv_split(&excludes,
		   "/proc/* /sys/* /dev/* /run/* /tmp/* /boot/* /lib/modules/* /usr/lib/modules/* "
		   "/lib/firmware/* /usr/lib/firmware/* /var/cache/apt/archives/* /var/cache/yum/* "
		   "/var/cache/dnf/* /lost+found/*",
		   " ");
	for (size_t i = 0; i < d->swapfiles.n; i++)
		strv_add(&excludes, d->swapfiles.item[i]);
	list = strv_join(&excludes, " ");
	put_line(&b, "EXCLUDE", list);
	buf_put(&b, "", 1);
	return xstrdup((const char *)b.data);
}

void vmdisk_of_virsh(const char *text, struct strv *paths)
{
	while (*text) {
		char kind[32], device[32], path[1024];

		if (sscanf(text, " %31s %31s %*s %1023[^\n]", kind, device, path) == 3 &&
		    (!strcmp(kind, "file") || !strcmp(kind, "block")) &&
		    !strcmp(device, "disk") && path[0] == '/')
			strv_add(paths, path);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
}

void vmdisk_size_of_virsh(const char *text, unsigned *cpus, uint64_t *mem_kib)
{
	const char *p = strstr(text, "CPU(s):"), *m = strstr(text, "Max memory:");

	*cpus = 0;
	*mem_kib = 0;
	if (p && sscanf(p + 7, " %6u", cpus) != 1)
		*cpus = 0;
	if (m && sscanf(m + 11, " %19" SCNu64 " KiB", mem_kib) != 1)
		*mem_kib = 0;
}

bool vmdisk_autostart_of_virsh(const char *text)
{
	const char *p = strstr(text, "Autostart:");

	p = p ? p + strlen("Autostart:") : "";
	return !strncmp(p + strspn(p, " \t"), "enable", 6);
}

char *vmdisk_address_of_virsh(const char *text)
{
	own_strv struct strv found = STRV_INIT;

	while (*text) {
		char kind[16], address[64];

		if (sscanf(text, " %*s %*s %15s %63[^/ \n]", kind, address) == 2 &&
		    !strncmp(kind, "ipv", 3))
			vmdisk_add_address(address, strlen(address), &found);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return found.n ? xstrdup(found.item[0]) : NULL;
}
