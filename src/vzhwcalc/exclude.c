// SPDX-License-Identifier: MIT
#include "vzhwcalc/exclude.h"

#include <string.h>

#include "base/mountinfo.h"
#include "base/own.h"
#include "vzhwcalc/text.h"

void excludes_fini(struct excludes *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->item[i].pattern);
		free(x->item[i].path);
		free(x->item[i].reason);
	}
	free(x->item);
	*x = (struct excludes)EXCLUDES_INIT;
}

static char *pattern_of(const char *path, bool content)
{
	char *p = xasprintf("%s%s", path, content ? "/*" : "");
	size_t n = strlen(path);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c <= ' ' || c == 127 || strchr("\"'`$\\*?[]#;", c))
			p[i] = '?';
	}
	return p;
}

bool excludes_cover(const struct excludes *x, const char *path)
{
	for (size_t i = 0; i < x->n; i++) {
		if (path_within(path, x->item[i].path))
			return true;
	}
	return false;
}

/* Takes the texts. */
static void append(struct excludes *x, char *pattern, char *path, char *reason)
{
	x->item = xrealloc(x->item, (x->n + 1) * sizeof(*x->item));
	x->item[x->n] = (struct exclude){ .pattern = pattern, .path = path, .reason = reason };
	x->n++;
}

static void add(struct excludes *x, const char *path, bool content, const char *reason)
{
	if (!strcmp(path, "/") || excludes_cover(x, path))
		return;
	append(x, pattern_of(path, content), xstrdup(path), xstrdup(reason));
}

/* Places whose content has no use in a Container, or grows again by itself. */
static const struct {
	const char *dir, *reason;
} places[] = {
	{ "/proc", "pseudo file system of the kernel" },
	{ "/sys", "pseudo file system of the kernel" },
	{ "/dev", "device nodes: the Container gets its own" },
	{ "/run", "state of this boot" },
	{ "/boot", "kernel and boot loader: a Container has none" },
	{ "/lib/modules", "modules of this server's kernel" },
	{ "/usr/lib/modules", "modules of this server's kernel" },
	{ "/lib/firmware", "firmware of this server's hardware" },
	{ "/usr/lib/firmware", "firmware of this server's hardware" },
	{ "/var/cache/apt/archives", "downloaded packages" },
	{ "/var/cache/yum", "downloaded packages" },
	{ "/var/cache/dnf", "downloaded packages" },
	{ "/var/cache/zypp", "downloaded packages" },
	{ "/var/cache/pacman/pkg", "downloaded packages" },
	{ "/var/cache/apk", "downloaded packages" },
	{ "/var/cache/man", "cache that is made anew" },
	{ "/var/cache/fontconfig", "cache that is made anew" },
	{ "/usr/portage/distfiles", "downloaded packages" },
	{ "/var/cache/distfiles", "downloaded packages" },
	{ "/var/lib/systemd/coredump", "memory dumps of crashed programs" },
	{ "/var/crash", "memory dumps of crashed programs" },
};

static void add_swap_files(struct excludes *x, const char *swaps)
{
	char line[4096], file[4096], type[64];

	while (text_line(&swaps, line, sizeof(line))) {
		const char *p = line;

		if (line[0] == '/' && text_field(&p, file, sizeof(file)) &&
		    text_field(&p, type, sizeof(type)) && !strcmp(type, "file")) {
			mountinfo_unescape(file);
			add(x, file, false, "swap file");
		}
	}
}

void excludes_build(struct excludes *x, struct mounts *m, const char *swaps,
		    const struct exclude_probe *probe)
{
	for (size_t i = 0; i < array_len(places); i++) {
		if (probe->is_dir(probe->arg, places[i].dir))
			add(x, places[i].dir, true, places[i].reason);
	}
	for (size_t i = 0; i < m->n; i++) {
		struct mount *mt = &m->item[i];
		own_free char *reason = NULL;

		if (mt->class == MOUNT_LOCAL && strcmp(mt->dir, "/") != 0 &&
		    probe->is_removable(probe->arg, mt->source))
			mt->class = MOUNT_REMOVABLE;
		if (mt->class == MOUNT_LOCAL) {
			bool top = !strcmp(mt->dir, "/");
			own_free char *lost = xasprintf("%s/lost+found", top ? "" : mt->dir);

			if (probe->is_dir(probe->arg, lost))
				add(x, lost, true, "left-overs of file system checks");
			continue;
		}
		reason = xasprintf("%s (%s)", mount_class_text(mt->class), mt->type);
		/* Not even read: it may be dead, or refuse root. */
		add(x, mt->dir, mt->class != MOUNT_NETWORK && mt->class != MOUNT_VIEW, reason);
	}
	add_swap_files(x, swaps);
}
