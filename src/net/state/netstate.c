// SPDX-License-Identifier: MIT
#include "net/state/netstate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/spawn.h"
#include "net/state/filtertext.h"
#include "net/sysctl.h"

enum {
	SETTINGS_MAX = 65536,
	VALUE_MAX = 4096,
	PATH_LEN_MAX = 512,
	DEPTH_MAX = 8,
	RULES_MAX = 8 << 20, /* bytes of one kind of packet filter */
	TOOL_MS = 20000,
};

void netstate_fini(struct netstate *s)
{
	links_fini(&s->links);
	netroutes_fini(&s->routes);
	for (size_t i = 0; i < s->n_set; i++) {
		free(s->set[i].path);
		free(s->set[i].value);
	}
	free(s->set);
	free(s->nft);
	free(s->ipt4);
	free(s->ipt6);
	*s = (struct netstate)NETSTATE_INIT;
}

static int open_ns(const char *netns, struct err *e)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "cannot open %s", netns) : fd;
}

/* ---- settings ---- */

static void add_setting(struct netstate *s, const char *path, const char *value)
{
	s->set = xrealloc(s->set, (s->n_set + 1) * sizeof(*s->set));
	s->set[s->n_set++] = (struct netstate_setting){ xstrdup(path), xstrdup(value) };
}

/* Every setting below a directory that can be read and written. */
static void walk_settings(struct netstate *s, const char *path, int depth)
{
	own_free char *full = xasprintf("/proc/sys/net/%s", path);
	own_dir DIR *d = opendir(full);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		own_free char *below = xasprintf("%s%s%s", path, *path ? "/" : "", de->d_name);
		own_free char *value = NULL;
		struct stat st;

		if (de->d_name[0] == '.' || fstatat(dirfd(d), de->d_name, &st, 0) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			walk_settings(s, below, depth + 1);
		if (!S_ISREG(st.st_mode) || (st.st_mode & 0600) != 0600 ||
		    s->n_set >= SETTINGS_MAX ||
		    file_read(dirfd(d), de->d_name, VALUE_MAX, &value, NULL, NULL) < 0)
			continue;
		value[strcspn(value, "\n")] = '\0';
		add_setting(s, below, value);
	}
}

static int read_settings(void *arg)
{
	walk_settings(arg, "", 0);
	return 0;
}

/* Settings that change others come first. */
static int setting_rank(const char *path)
{
	if (!strcmp(path, "ipv4/ip_forward"))
		return 0;
	return strstr(path, "/conf/all/") ? 1 : 2;
}

static int write_settings(void *arg)
{
	const struct netstate *s = arg;

	for (int rank = 0; rank <= 2; rank++) {
		for (size_t i = 0; i < s->n_set; i++) {
			own_free char *path = xasprintf("net/%s", s->set[i].path);

			/* another kernel may have others */
			if (setting_rank(s->set[i].path) == rank)
				sysctl_try(path, s->set[i].value);
		}
	}
	return 0;
}

/* ---- packet filters ---- */

/* Runs a program in the namespace; input may be NULL.  *out (may be NULL) is the caller's. */
static int run_inside(const char *netns, const char *const *argv, const char *input, char **out,
		      struct err *e)
{
	struct spawn s = SPAWN_INIT(argv);
	own_child struct child c = CHILD_INIT;
	own_fd int in = memfd_create("rules", MFD_CLOEXEC);
	own_fd int to = memfd_create("rules", MFD_CLOEXEC);
	own_free char *written = NULL;
	int status;

	if (in < 0 || to < 0)
		return err_sys(e, "cannot make a memory file");
	if (input && (write_all(in, input, strlen(input)) < 0 || lseek(in, 0, SEEK_SET) < 0))
		return err_sys(e, "cannot write a memory file");
	s.netns = netns;
	s.in = in;
	s.out = to;
	if (child_start(&c, &s, e) < 0)
		return err_hint(e, "install the program %s here: the container has packet filters",
				argv[0]);
	if (child_wait(&c, TOOL_MS, &status, e) < 0)
		return -1;
	if (status)
		return child_err(&c, status, e);
	written = xasprintf("/proc/self/fd/%d", to);
	return out ? file_read(AT_FDCWD, written, RULES_MAX, out, NULL, e) : 0;
}

static int on_table(void *arg, const struct nlmsghdr *h)
{
	*(bool *)arg = h != NULL;
	return 0;
}

static int has_tables(int ns_fd, bool *yes, struct err *e)
{
	own_nl struct nl nl = NL_INIT;
	struct nfgenmsg g = { .nfgen_family = 0 };
	struct nl_msg m;

	*yes = false;
	if (nl_open_other(&nl, ns_fd, NETLINK_NETFILTER, 0, e) < 0)
		return -1;
	nl_begin(&m, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, 0, &g, sizeof(g));
	/* a kernel without nftables has none */
	if (nl_dump(&nl, &m, on_table, yes) < 0 && errno != EINVAL && errno != EOPNOTSUPP)
		return err_sys(e, "cannot list the packet filters of a network namespace");
	return 0;
}

static bool has_names(const char *file)
{
	own_free char *path = xasprintf("/proc/thread-self/net/%s", file);
	own_free char *text = NULL;

	return file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) == 0 && *text;
}

/* Are there filters of the older kind? */
struct legacy {
	bool v4, v6;
};

static int has_legacy(void *arg)
{
	struct legacy *l = arg;

	*l = (struct legacy){ has_names("ip_tables_names"), has_names("ip6_tables_names") };
	return 0;
}

/* At both ends: named before, and not believed. */
static int filters_are_fine(const struct netstate *s, struct err *e)
{
	if ((!s->nft || filtertext_nft_is_fine(s->nft)) && (!s->ipt4 || filtertext_ipt_is_fine(s->ipt4)) &&
	    (!s->ipt6 || filtertext_ipt_is_fine(s->ipt6)))
		return 0;
	err_set(e, ERR_UNSUPPORTED, "a name or a comment in the packet filters would be taken for an order");
	return err_hint(e, "look at it in the container (nft list ruleset, iptables-legacy-save) and remove it");
}

static int take_filters(struct netstate *s, int ns_fd, const char *netns, struct err *e)
{
	struct legacy old = { false, false };
	bool tables;

	if (has_tables(ns_fd, &tables, e) < 0 || netns_call(ns_fd, has_legacy, &old, e) < 0)
		return -1;
	if (tables && run_inside(netns, spawn_argv("nft", "list", "ruleset"), NULL, &s->nft, e) < 0)
		return -1;
	if (old.v4 && run_inside(netns, spawn_argv("iptables-legacy-save", "-c"), NULL, &s->ipt4, e) < 0)
		return -1;
	if (old.v6 && run_inside(netns, spawn_argv("ip6tables-legacy-save", "-c"), NULL, &s->ipt6, e) < 0)
		return -1;
	return filters_are_fine(s, e);
}

int netstate_programs(struct strv *out, const char *netns, struct err *e)
{
	own_fd int fd = open_ns(netns, e);
	struct legacy old = { false, false };
	bool tables;

	if (fd < 0 || has_tables(fd, &tables, e) < 0 || netns_call(fd, has_legacy, &old, e) < 0)
		return -1;
	if (tables)
		strv_add(out, "nft");
	if (old.v4)
		strv_add(out, "iptables-legacy-restore");
	if (old.v6)
		strv_add(out, "ip6tables-legacy-restore");
	return 0;
}

static int put_filters(const struct netstate *s, int ns_fd, const char *netns, struct err *e)
{
	bool tables;

	if (filters_are_fine(s, e) < 0 || has_tables(ns_fd, &tables, e) < 0)
		return -1;
	if (tables || (s->nft && *s->nft)) {
		own_free char *text = xasprintf("flush ruleset\n%s", s->nft ? s->nft : "");

		if (run_inside(netns, spawn_argv("nft", "-f", "-"), text, NULL, e) < 0)
			return -1;
	}
	if (s->ipt4 && *s->ipt4 &&
	    run_inside(netns, spawn_argv("iptables-legacy-restore", "-c"), s->ipt4, NULL, e) < 0)
		return -1;
	return s->ipt6 && *s->ipt6
		       ? run_inside(netns, spawn_argv("ip6tables-legacy-restore", "-c"), s->ipt6, NULL,
				    e)
		       : 0;
}

/* ---- all of it ---- */

int netstate_take(struct netstate *out, const char *netns, struct err *e)
{
	own_fd int fd = open_ns(netns, e);

	*out = (struct netstate)NETSTATE_INIT;
	if (fd >= 0 && links_read(&out->links, fd, e) == 0 && netroutes_read(&out->routes, fd, NULL, e) == 0 &&
	    netns_call(fd, read_settings, out, e) == 0 && take_filters(out, fd, netns, e) == 0)
		return 0;
	netstate_fini(out);
	return err_wrap(e, "the network of the container");
}

int netstate_apply(const struct netstate *s, const char *netns, struct err *e)
{
	own_fd int fd = open_ns(netns, e);

	/* The settings of IPv6 depend on the MTU. */
	return fd < 0 || links_apply(&s->links, fd, e) < 0 || netns_call(fd, write_settings, (void *)(uintptr_t)s, e) < 0 ||
			       netroutes_apply(&s->routes, fd, e) < 0 ||
			       put_filters(s, fd, netns, e) < 0
		       ? err_wrap(e, "the network of the container")
		       : 0;
}

int netstate_strangers(struct strv *out, const char *netns, const struct strv *known, struct err *e)
{
	static const char *const own[] = { "lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0",
					   "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0", "teql0" };
	own_netroutes struct netroutes r = NETROUTES_INIT;
	own_fd int fd = open_ns(netns, e);

	if (fd < 0 || netroutes_read(&r, fd, NULL, e) < 0)
		return -1;
	for (size_t i = 0; i < r.names.n; i++) {
		bool fine = strv_has(known, r.names.item[i]);

		for (size_t k = 0; k < array_len(own); k++)
			fine |= !strcmp(own[k], r.names.item[i]);
		if (!fine)
			strv_add(out, r.names.item[i]);
	}
	return 0;
}

/* ---- the wire ---- */

void netstate_put(struct buf *b, const struct netstate *s)
{
	links_put(b, &s->links);
	netroutes_put(b, &s->routes);
	buf_put_u32(b, (uint32_t)s->n_set);
	for (size_t i = 0; i < s->n_set; i++) {
		buf_put_str(b, s->set[i].path);
		buf_put_str(b, s->set[i].value);
	}
	buf_put_str(b, s->nft);
	buf_put_str(b, s->ipt4);
	buf_put_str(b, s->ipt6);
}

/* A path that stays below /proc/sys/net. */
static bool is_setting(const char *path)
{
	return *path && *path != '/' && !strstr(path, "..") && !strstr(path, "//");
}

int netstate_get(struct reader *r, struct netstate *out, struct err *e)
{
	uint32_t n;

	*out = (struct netstate)NETSTATE_INIT;
	links_get(r, &out->links);
	if (r->bad || netroutes_get(r, &out->routes, e) < 0) {
		netstate_fini(out);
		return err_set(e, ERR_PROTO, "the state of a network cannot be understood");
	}
	n = get_u32(r);
	r->bad |= n > SETTINGS_MAX;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		own_free char *path = get_str(r, PATH_LEN_MAX);
		own_free char *value = get_str(r, VALUE_MAX);

		r->bad |= !is_setting(path);
		if (!r->bad)
			add_setting(out, path, value);
	}
	out->nft = get_str(r, RULES_MAX);
	out->ipt4 = get_str(r, RULES_MAX);
	out->ipt6 = get_str(r, RULES_MAX);
	if (!r->bad)
		return 0;
	netstate_fini(out);
	return err_set(e, ERR_PROTO, "the state of a network cannot be understood");
}

/* ---- watching ---- */

int netwatch_open(struct netwatch *w, const char *netns, struct err *e)
{
	static const uint32_t routes = RTMGRP_LINK | RTMGRP_TC | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE |
				       RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE |
				       1u << (RTNLGRP_IPV6_RULE - 1);
	own_fd int fd = open_ns(netns, e);

	*w = (struct netwatch)NETWATCH_INIT;
	if (fd >= 0 && nl_open_other(&w->route, fd, NETLINK_ROUTE, routes, e) == 0 &&
	    nl_open_other(&w->filter, fd, NETLINK_NETFILTER, 1u << (NFNLGRP_NFTABLES - 1), e) == 0)
		return 0;
	netwatch_close(w);
	return -1;
}

static int count(void *arg, const struct nlmsghdr *h)
{
	(void)h;
	++*(size_t *)arg;
	return 0;
}

bool netwatch_changed(struct netwatch *w)
{
	size_t n = 0;

	/* what was lost is a change, too */
	return nl_drain(&w->route, count, &n) < 0 || nl_drain(&w->filter, count, &n) < 0 || n;
}

void netwatch_close(struct netwatch *w)
{
	nl_close(&w->route);
	nl_close(&w->filter);
}
