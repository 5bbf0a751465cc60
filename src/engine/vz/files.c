// SPDX-License-Identifier: MIT
/*
 * engine/vz/files.c - hostname, hosts and resolv.conf inside the tree.
 *
 * A file is written only when the config says something and the file says something
 * else, so that a start changes nothing in a tree that is as it should be.  /etc is
 * opened inside the tree: its symlinks cannot lead out; a file that is a symlink is
 * replaced, not followed.
 */
#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/vz/run/run.h"

enum { FILE_MAX_BYTES = 1 << 20 };

static char *read_plain(int etc, const char *name)
{
	own_fd int fd = openat(etc, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	own_free char *path = xasprintf("/proc/self/fd/%d", fd);
	char *text = NULL;

	if (fd < 0 || file_read(AT_FDCWD, path, FILE_MAX_BYTES, &text, NULL, NULL) < 0)
		return NULL;
	return text;
}

static int write_changed(int etc, const char *name, const char *text, struct err *e)
{
	own_free char *now = read_plain(etc, name);

	if (now && strcmp(now, text) == 0)
		return 0;
	return file_replace(etc, name, text, strlen(text), 0644, e);
}

/* A server that asks itself (a stub such as systemd-resolved's) knows its real servers elsewhere. */
static const char *const resolvers[] = { "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf" };

/* The words behind `key` in the resolver's configuration `text`, without addresses of the server itself. */
static char *resolver_words(const char *text, const char *key)
{
	own_strv struct strv lines = STRV_INIT, out = STRV_INIT;

	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		own_strv struct strv words = STRV_INIT;

		strv_split(&words, lines.item[i], " \t\r");
		for (size_t k = 1; words.n && strcmp(words.item[0], key) == 0 && k < words.n; k++) {
			if (strncmp(words.item[k], "127.", 4) != 0 && strcmp(words.item[k], "::1") != 0)
				strv_add(&out, words.item[k]);
		}
	}
	return strv_join(&out, " ");
}

/* NAMESERVER, SEARCHDOMAIN; "inherit": as this server has it, "" when it has none. */
static char *resolver_value(const struct vz *v, const char *name, const char *key)
{
	own_free char *value = vz_value(v, name, "");

	if (strcmp(value, "inherit") != 0)
		return take_ptr(&value);
	for (size_t i = 0; i < array_len(resolvers); i++) {
		own_free char *text = NULL, *words = NULL;

		if (file_read(AT_FDCWD, resolvers[i], FILE_MAX_BYTES, &text, NULL, NULL) < 0)
			continue;
		words = resolver_words(text, key);
		if (*words)
			return take_ptr(&words);
	}
	return xstrdup("");
}

static int write_resolver(const struct vz *v, int etc, struct err *e)
{
	own_free char *servers = resolver_value(v, "NAMESERVER", "nameserver");
	own_free char *search = resolver_value(v, "SEARCHDOMAIN", "search");
	own_strv struct strv words = STRV_INIT;
	own_buf struct buf text = BUF_INIT;

	if (!*servers && !*search)
		return 0;
	if (*search) {
		own_free char *line = xasprintf("search %s\n", search);

		buf_put(&text, line, strlen(line));
	}
	strv_split(&words, servers, " \t");
	for (size_t i = 0; i < words.n; i++) {
		own_free char *line = xasprintf("nameserver %s\n", words.item[i]);

		buf_put(&text, line, strlen(line));
	}
	buf_put_u8(&text, 0);
	return write_changed(etc, "resolv.conf", (const char *)text.data, e);
}

/* Does a line of hosts(5) name it? */
static bool hosts_name(const char *hosts, const char *name)
{
	own_strv struct strv lines = STRV_INIT;

	strv_split(&lines, hosts, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		own_strv struct strv words = STRV_INIT;

		if (lines.item[i][0] != '#')
			strv_split(&words, lines.item[i], " \t");
		if (strv_has(&words, name))
			return true;
	}
	return false;
}

static int write_hosts(int etc, const char *hostname, struct err *e)
{
	static const char none[] = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n";
	own_free char *now = read_plain(etc, "hosts");
	own_free char *brief = xstrndup(hostname, strcspn(hostname, "."));
	own_free char *text = NULL;

	if (now && hosts_name(now, hostname))
		return 0;
	text = xasprintf("%s127.0.1.1\t%s%s%s\n", now ? now : none, hostname,
			 strcmp(brief, hostname) ? " " : "", strcmp(brief, hostname) ? brief : "");
	return write_changed(etc, "hosts", text, e);
}

int vz_files_write(const struct vz *v, struct err *e)
{
	own_fd int tree = open(v->ct.private_area, O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int etc = tree < 0 ? -1 : path_open_in_root(tree, "etc", O_RDONLY | O_DIRECTORY, 0);
	own_free char *hostname = vz_value(v, "HOSTNAME", "");

	if (tree < 0)
		return err_sys(e, "cannot open the private area %s", v->ct.private_area);
	if (etc < 0)
		return 0; /* a tree without /etc wants none of it */
	if (*hostname) {
		own_free char *line = xasprintf("%s\n", hostname);

		if (write_changed(etc, "hostname", line, e) < 0 || write_hosts(etc, hostname, e) < 0)
			return err_wrap(e, "container %s", v->ct.id);
	}
	if (write_resolver(v, etc, e) < 0)
		return err_wrap(e, "container %s", v->ct.id);
	return 0;
}
