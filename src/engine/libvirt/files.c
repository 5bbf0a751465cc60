// SPDX-License-Identifier: MIT
/* The files of a machine's disks, beside each other: see libvirt.h. */
#include "engine/libvirt/libvirt.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "base/path.h"
#include "base/spawn.h"

enum { INFO_MS = 60000, INFO_MAX = 4 << 20, FILES_MAX = 256, NAME_MAX_LEN = 200, FORMAT_MAX = 32 };

static void file_fini(struct libvirt_file *f)
{
	free(f->path);
	free(f->name);
	free(f->format);
	free(f->backing);
}

void libvirt_files_fini(struct libvirt_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		file_fini(&f->file[i]);
	free(f->file);
	free(f->xml);
	memset(f, 0, sizeof(*f));
}

static bool is_word(const char *s, size_t max)
{
	if (!*s || *s == '.' || *s == '-' || strlen(s) > max)
		return false;
	for (; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr("-_.", *s))
			return false;
	}
	return true;
}

/* --- finding them ------------------------------------------------------------------ */

static struct libvirt_file *by_path(const struct libvirt_files *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->file[i].path && !strcmp(l->file[i].path, path))
			return &l->file[i];
	}
	return NULL;
}

static bool name_taken(const struct libvirt_files *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!strcmp(l->file[i].name, name))
			return true;
	}
	return false;
}

/* The file's own name as far as it can be had; each once. */
static char *new_name(const struct libvirt_files *l, const char *path)
{
	own_free char *base = xstrndup(strrchr(path, '/') + 1, NAME_MAX_LEN - 8);
	char *name;

	for (char *p = base; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
			*p = '_';
	}
	if (base[0] == '.' || base[0] == '-')
		base[0] = '_';
	name = xstrdup(base);
	for (unsigned n = 1; name_taken(l, name); n++) {
		free(name);
		name = xasprintf("%u-%s", n, base);
	}
	return name;
}

static int add_file(struct libvirt_files *l, const char *path, const char *format, uint64_t size,
		    struct err *e)
{
	struct stat st;

	if (path[0] != '/' || stat(path, &st) < 0)
		return err_sys(e, "cannot look at the disk %s", path);
	if (!S_ISREG(st.st_mode)) {
		err_set(e, ERR_UNSUPPORTED, "the disk %s is no file", path);
		return err_hint(e, "move its contents by the means of what it is on");
	}
	if (l->n == FILES_MAX || !is_word(format, FORMAT_MAX))
		return err_set(e, ERR_UNSUPPORTED, "the disk %s cannot be moved", path);
	l->file = xrealloc(l->file, (l->n + 1) * sizeof(*l->file));
	l->file[l->n] = (struct libvirt_file){ .path = xstrdup(path),
					       .name = new_name(l, path),
					       .format = xstrdup(format),
					       .size = size ? size : (uint64_t)st.st_size };
	l->n++;
	return 0;
}

static const char *text_of(const cJSON *object, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(v) ? v->valuestring : NULL;
}

static uint64_t number_of(const cJSON *object, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(v) && v->valuedouble > 0 && v->valuedouble < 1e18 ?
		       (uint64_t)v->valuedouble :
		       0;
}

/* qemu-img's answer: the file, then what it builds on, and so on. */
static int take_chain(struct libvirt_files *l, const cJSON *chain, const char *disk, struct err *e)
{
	const cJSON *one;
	char *above = NULL; /* the name of the file before */

	cJSON_ArrayForEach(one, chain) {
		const char *path = text_of(one, "filename"), *format = text_of(one, "format");
		struct libvirt_file *known;

		if (!path || !format)
			return err_set(e, ERR_UNSUPPORTED, "qemu-img does not say what %s is", disk);
		known = by_path(l, path);
		if (!known) {
			if (add_file(l, path, format, number_of(one, "virtual-size"), e) < 0)
				return -1;
			known = &l->file[l->n - 1];
		}
		for (size_t i = 0; above && i < l->n; i++) {
			if (!strcmp(l->file[i].name, above) && !l->file[i].backing)
				l->file[i].backing = xstrdup(known->name);
		}
		above = known->name;
	}
	return 0;
}

static int find_chain(struct libvirt_files *l, const struct domxml_disk *disk, struct err *e)
{
	own_free char *text = NULL;
	cJSON *chain;
	int ret;

	if (disk->format && !strcmp(disk->format, "raw"))
		return by_path(l, disk->file) ? 0 : add_file(l, disk->file, "raw", 0, e);
	if (spawn_read(spawn_argv("qemu-img", "info", "-U", "--backing-chain", "--output=json",
				  disk->file),
		       NULL, INFO_MAX, INFO_MS, &text, NULL, e) < 0)
		return err_wrap(e, "the disk %s", disk->file);
	chain = cJSON_Parse(text);
	ret = cJSON_IsArray(chain) ? take_chain(l, chain, disk->file, e) :
				     err_set(e, ERR_UNSUPPORTED, "qemu-img does not say what %s is",
					     disk->file);
	cJSON_Delete(chain);
	return ret;
}

int libvirt_files_find(const char *xml, const struct domxml *d, struct libvirt_files *out,
		       struct err *e)
{
	char **at = xcalloc(d->n_disks + 1, sizeof(*at));
	own_free char *nvram = NULL;
	int ret = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; ret == 0 && i < d->n_disks; i++) {
		const struct domxml_disk *disk = &d->disk[i];

		if (!domxml_moves(disk))
			continue;
		ret = find_chain(out, disk, e);
		if (ret == 0 && by_path(out, disk->file))
			at[i] = xasprintf("@/%s", by_path(out, disk->file)->name);
		else if (ret == 0)
			ret = err_set(e, ERR_UNSUPPORTED, "qemu-img does not know %s by its name",
				      disk->file);
	}
	if (ret == 0 && d->nvram && access(d->nvram, F_OK) == 0) {
		ret = add_file(out, d->nvram, "raw", 0, e);
		if (ret == 0)
			nvram = xasprintf("@/%s", out->file[out->n - 1].name);
	}
	if (ret == 0)
		out->xml = domxml_place(xml, d, NULL, NULL, (const char *const *)at, nvram);
	for (size_t i = 0; i < d->n_disks; i++)
		free(at[i]);
	free(at);
	if (ret < 0)
		libvirt_files_fini(out);
	return ret;
}

/* --- as text ----------------------------------------------------------------------- */

char *libvirt_files_text(const struct libvirt_files *f)
{
	own_buf struct buf b = BUF_INIT;

	for (size_t i = 0; i < f->n; i++) {
		own_free char *line = xasprintf("file %s %s %" PRIu64 " %s\n", f->file[i].name,
						f->file[i].format, f->file[i].size,
						f->file[i].backing ? f->file[i].backing : "-");

		buf_put(&b, line, strlen(line));
	}
	if (f->autostart)
		buf_put(&b, "autostart\n", 10);
	buf_put_u8(&b, '\n');
	buf_put(&b, f->xml, strlen(f->xml) + 1);
	return xstrdup((const char *)b.data);
}

static bool take_line(struct libvirt_files *f, const char *line)
{
	char name[256], format[64], backing[256];
	uint64_t size;
	int end = 0;

	if (!strcmp(line, "autostart")) {
		f->autostart = true;
		return true;
	}
	if (sscanf(line, "file %255s %63s %18" SCNu64 " %255s%n", name, format, &size, backing,
		   &end) != 4 ||
	    line[end] || f->n == FILES_MAX || !is_word(name, NAME_MAX_LEN) ||
	    !is_word(format, FORMAT_MAX) || name_taken(f, name) ||
	    (strcmp(backing, "-") != 0 && !is_word(backing, NAME_MAX_LEN)))
		return false;
	f->file = xrealloc(f->file, (f->n + 1) * sizeof(*f->file));
	f->file[f->n++] =
		(struct libvirt_file){ .name = xstrdup(name),
				       .format = xstrdup(format),
				       .size = size,
				       .backing = strcmp(backing, "-") ? xstrdup(backing) : NULL };
	return true;
}

int libvirt_files_parse(const char *text, struct libvirt_files *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	while (*text && *text != '\n') {
		size_t n = strcspn(text, "\n");
		own_free char *line = xstrndup(text, n);

		if (!take_line(out, line))
			goto bad;
		text += n + (text[n] == '\n');
	}
	if (*text != '\n')
		goto bad;
	out->xml = xstrdup(text + 1);
	for (size_t i = 0; i < out->n; i++) {
		if (out->file[i].backing && !name_taken(out, out->file[i].backing))
			goto bad;
	}
	return 0;
bad:
	libvirt_files_fini(out);
	return err_set(e, ERR_PROTO, "the description of the virtual machine is damaged");
}

/* "@/NAME" -> AREA/NAME.  NULL with *bad: it is none of the files. */
static char *placed(const struct libvirt_files *f, const char *path, const char *area, bool *bad)
{
	if (!path || strncmp(path, "@/", 2) != 0)
		return NULL;
	if (name_taken(f, path + 2))
		return xasprintf("%s/%s", area, path + 2);
	*bad = true;
	return NULL;
}

char *libvirt_files_place(const struct libvirt_files *f, const char *name, const char *area,
			  struct err *e)
{
	own_domxml struct domxml d = { 0 };
	own_free char *nvram = NULL;
	char **at, *xml = NULL;
	bool bad = false;

	if (domxml_parse(f->xml, &d, e) < 0)
		return NULL;
	at = xcalloc(d.n_disks + 1, sizeof(*at));
	for (size_t i = 0; i < d.n_disks; i++)
		at[i] = placed(f, d.disk[i].file, area, &bad);
	nvram = placed(f, d.nvram, area, &bad);
	if (bad)
		err_set(e, ERR_PROTO, "the description of the virtual machine names unknown disks");
	else
		xml = domxml_place(f->xml, &d, name, NULL, (const char *const *)at, nvram);
	for (size_t i = 0; i < d.n_disks; i++)
		free(at[i]);
	free(at);
	return xml;
}

/* --- the source's area ------------------------------------------------------------- */

/* Once: our own mounts, and a place in them that nobody else sees. */
static int stage_make(struct err *e)
{
	static bool made;

	if (made)
		return 0;
	if (path_mkdirs(LIBVIRT_AREAS, 0711, e) < 0)
		return -1;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount("disks", LIBVIRT_AREAS, "tmpfs", MS_NOSUID | MS_NODEV, "mode=711,size=1m") < 0)
		return err_sys(e, "cannot have mounts of our own");
	made = true;
	return 0;
}

int libvirt_files_stage(const struct libvirt_files *f, const char *area, struct err *e)
{
	if (stage_make(e) < 0)
		return -1;
	if (mkdir(area, 0711) < 0)
		return err_sys(e, "cannot make %s", area);
	for (size_t i = 0; i < f->n; i++) {
		own_free char *at = xasprintf("%s/%s", area, f->file[i].name);
		own_fd int fd = open(at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (fd < 0 || mount(f->file[i].path, at, NULL, MS_BIND, NULL) < 0)
			return err_sys(e, "cannot show %s as %s", f->file[i].path, at);
	}
	return 0;
}
