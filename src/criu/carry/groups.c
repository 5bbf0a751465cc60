// SPDX-License-Identifier: MIT
#include "criu/carry/groups.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/strv.h"
#include "criu/image/imgdir.h"

static const char *const of_kernel6[] = {
	"ff010000000000000000000000000001", "ff020000000000000000000000000001",
	"ff010000000000000000000000000002", "ff020000000000000000000000000002",
	"ff050000000000000000000000000002",
};

/*
 * igmp: "\t\t\t\t070000E0     1 0:00000000\t\t0", the address as the machine has it in memory;
 * igmp6: "1    lo              ff020000…0001     1 0000000C 0".  All hosts, and in IPv6 also all
 * routers and the groups of own addresses, are the kernel's.
 */
char *groups_of_line(const char *line)
{
	char text[INET6_ADDRSTRLEN], hex[33];
	struct in6_addr six;
	unsigned users;
	uint32_t four;

	if (line[0] == '\t') {
		if (sscanf(line, " %8" SCNx32 " %u", &four, &users) != 2 || four == htonl(0xe0000001))
			return NULL;
		return xstrdup(inet_ntop(AF_INET, &four, text, sizeof(text)));
	}
	if (sscanf(line, "%*u %*s %32[0-9a-f] %u", hex, &users) != 2 || strlen(hex) != 32 ||
	    strncmp(hex, "ff0200000000000000000001ff", 26) == 0)
		return NULL;
	for (size_t i = 0; i < array_len(of_kernel6); i++) {
		if (strcmp(hex, of_kernel6[i]) == 0)
			return NULL;
	}
	for (size_t i = 0; i < sizeof(six.s6_addr); i++)
		sscanf(hex + 2 * i, "%2hhx", &six.s6_addr[i]);
	return xstrdup(inet_ntop(AF_INET6, &six, text, sizeof(text)));
}

enum { TEXT_MAX = 4 << 20, SOURCES_MAX = 1024 };

/* ---- which groups there are ---- */

struct group {
	unsigned index;
	char dev[IF_NAMESIZE];
	int family;
	char text[INET6_ADDRSTRLEN];
	bool held; /* by a socket that was seen */
};

struct groups {
	struct group *v;
	size_t n;
};

static void add_group(struct groups *g, const char *line, int family, unsigned index, const char *dev)
{
	own_free char *text = groups_of_line(line);
	struct group *new;

	if (!text)
		return;
	g->v = xrealloc(g->v, (g->n + 1) * sizeof(*g->v));
	new = &g->v[g->n++];
	*new = (struct group){ .index = index, .family = family };
	snprintf(new->dev, sizeof(new->dev), "%s", dev);
	snprintf(new->text, sizeof(new->text), "%s", text);
}

/* igmp has a line for each interface, and then its groups; igmp6 names the interface in each. */
static void read_groups(struct groups *g, pid_t init, const char *name, int family)
{
	own_free char *path = xasprintf("/proc/%d/net/%s", (int)init, name);
	own_free char *text = NULL;
	char *rest, *line, dev[IF_NAMESIZE] = "";
	unsigned index = 0;

	if (file_read(AT_FDCWD, path, TEXT_MAX, &text, NULL, NULL) < 0)
		return;
	for (rest = text; (line = strsep(&rest, "\n"));) {
		if (*line && *line != '\t' && sscanf(line, "%u %15s", &index, dev) != 2)
			continue; /* the heading */
		if (family == AF_INET6 || *line == '\t')
			add_group(g, line, family, index, dev);
	}
}

static void groups_read(struct groups *g, pid_t init)
{
	read_groups(g, init, "igmp", AF_INET);
	read_groups(g, init, "igmp6", AF_INET6);
}

/* ---- sockets ---- */

static int level_of(int family)
{
	return family == AF_INET6 ? SOL_IPV6 : SOL_IP;
}

static struct group_filter *filter_for(unsigned index, int family, const char *group)
{
	struct group_filter *f = xcalloc(1, GROUP_FILTER_SIZE(SOURCES_MAX));
	struct sockaddr_in *four = (struct sockaddr_in *)&f->gf_group;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&f->gf_group;

	f->gf_interface = index;
	f->gf_group.ss_family = (sa_family_t)family;
	if (inet_pton(family, group, family == AF_INET6 ? (void *)&six->sin6_addr : (void *)&four->sin_addr) != 1) {
		free(f);
		return NULL;
	}
	return f;
}

static const char *source_text(const struct sockaddr_storage *a, char text[INET6_ADDRSTRLEN])
{
	const void *addr = a->ss_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr :
						      (const void *)&((const struct sockaddr_in *)a)->sin_addr;

	return inet_ntop(a->ss_family, addr, text, INET6_ADDRSTRLEN);
}

/* "group venet0 224.0.0.251 exclude"; the caller's, or NULL: the socket is not in it. */
static char *membership(int sk, const struct group *g)
{
	own_free struct group_filter *f = filter_for(g->index, g->family, g->text);
	socklen_t len = GROUP_FILTER_SIZE(SOURCES_MAX);
	char *line, text[INET6_ADDRSTRLEN];

	if (!f)
		return NULL;
	f->gf_numsrc = SOURCES_MAX;
	if (getsockopt(sk, level_of(g->family), MCAST_MSFILTER, f, &len) < 0)
		return NULL;
	line = xasprintf("group %s %s %s", g->dev, g->text, f->gf_fmode == MCAST_INCLUDE ? "include" : "exclude");
	for (unsigned i = 0; i < f->gf_numsrc && i < SOURCES_MAX; i++) {
		char *more = xasprintf("%s %s", line, source_text(&f->gf_slist[i], text));

		free(line);
		line = more;
	}
	return line;
}

static int option(int sk, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(sk, level, name, &value, &len) < 0 ? 0 : value;
}

/* "4 255 1 1 -" */
static char *options_text(int sk, int family)
{
	struct ifreq r = { .ifr_ifindex = 0 };
	struct in_addr out = { 0 };
	socklen_t len = sizeof(out);
	char text[INET6_ADDRSTRLEN];

	if (family == AF_INET6) {
		r.ifr_ifindex = option(sk, SOL_IPV6, IPV6_MULTICAST_IF);
		return xasprintf("6 %d %d %d %s", option(sk, SOL_IPV6, IPV6_MULTICAST_HOPS),
				 option(sk, SOL_IPV6, IPV6_MULTICAST_LOOP), option(sk, SOL_IPV6, IPV6_MULTICAST_ALL),
				 r.ifr_ifindex && ioctl(sk, SIOCGIFNAME, &r) == 0 ? r.ifr_name : "-");
	}
	getsockopt(sk, SOL_IP, IP_MULTICAST_IF, &out, &len);
	return xasprintf("4 %d %d %d %s", option(sk, SOL_IP, IP_MULTICAST_TTL), option(sk, SOL_IP, IP_MULTICAST_LOOP),
			 option(sk, SOL_IP, IP_MULTICAST_ALL), out.s_addr ? inet_ntop(AF_INET, &out, text, sizeof(text)) : "-");
}

struct walk {
	struct groups groups;
	struct buf *out; /* or NULL: they are only marked */
};

static void put_line(struct buf *out, const char *line)
{
	buf_put(out, line, strlen(line));
	buf_put(out, "\n", 1);
}

/* A socket of IPv6 may be in groups of both. */
static void ask(struct walk *w, int sk, pid_t vpid, int fd)
{
	const int families[] = { AF_INET, AF_INET6 };

	for (size_t f = 0; f < array_len(families); f++) {
		own_free char *options = NULL;

		for (size_t i = 0; i < w->groups.n; i++) {
			struct group *g = &w->groups.v[i];
			own_free char *line = g->family == families[f] ? membership(sk, g) : NULL;

			if (!line)
				continue;
			g->held = true;
			if (w->out && !options) {
				own_free char *socket = NULL;

				options = options_text(sk, families[f]);
				socket = xasprintf("socket %d %d %s", (int)vpid, fd, options);
				put_line(w->out, socket);
			}
			if (w->out)
				put_line(w->out, line);
		}
	}
}

static int copy_fd(int pidfd, int fd)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

static void walk_process(struct walk *w, pid_t pid, pid_t vpid)
{
	own_free char *path = xasprintf("/proc/%d/fd", (int)pid);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	own_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct dirent *entry;

	while (pidfd >= 0 && d && (entry = readdir(d))) {
		own_fd int sk = -1;
		char link[64];
		ssize_t n = readlinkat(fd, entry->d_name, link, sizeof(link) - 1);
		int family;

		link[n > 0 ? n : 0] = '\0';
		if (strncmp(link, "socket:[", 8) != 0)
			continue;
		sk = copy_fd(pidfd, atoi(entry->d_name));
		family = sk < 0 ? 0 : option(sk, SOL_SOCKET, SO_DOMAIN);
		if (family == AF_INET || family == AF_INET6)
			ask(w, sk, vpid, atoi(entry->d_name));
	}
}

int groups_save(int images, pid_t init, const struct proc *procs, size_t n, struct err *e)
{
	own_buf struct buf out = BUF_INIT;
	struct walk w = { .out = &out };

	groups_read(&w.groups, init);
	for (size_t i = 0; w.groups.n && i < n; i++)
		walk_process(&w, procs[i].pid, procs[i].vpid);
	free(w.groups.v);
	return out.len ? imgdir_put(images, GROUPS_IMAGE, out.data, out.len, e) : 0;
}

void groups_without_socket(pid_t init, const pid_t *pids, size_t n, void (*fn)(void *arg, const char *group), void *arg)
{
	struct walk w = { .out = NULL };

	groups_read(&w.groups, init);
	for (size_t i = 0; w.groups.n && i < n; i++)
		walk_process(&w, pids[i], 0);
	for (size_t i = 0; i < w.groups.n; i++) {
		const struct group *g = &w.groups.v[i];
		own_free char *text = xasprintf("%s (%s)", g->text, g->dev);

		if (!g->held)
			fn(arg, text);
	}
	free(w.groups.v);
}

/* ---- joined again ---- */

static int broken(struct err *e)
{
	return err_set(e, ERR_PROTO, "the image " GROUPS_IMAGE " is broken");
}

static unsigned index_of(int sk, const char *dev)
{
	struct ifreq r = { .ifr_ifindex = 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%.15s", dev);
	return ioctl(sk, SIOCGIFINDEX, &r) < 0 ? 0 : (unsigned)r.ifr_ifindex;
}

static void set(int sk, int level, int name, const void *value, socklen_t len)
{
	if (setsockopt(sk, level, name, value, len) < 0)
		log_warn("option %d of a multicast socket cannot be set", name);
}

static void give_options(int sk, const struct strv *w)
{
	const int ttl = atoi(w->item[4]), loop = atoi(w->item[5]), all = atoi(w->item[6]);
	const char *out = w->item[7];
	int index = 0;
	struct in_addr a;

	if (strcmp(w->item[3], "6") == 0) {
		set(sk, SOL_IPV6, IPV6_MULTICAST_HOPS, &ttl, sizeof(ttl));
		set(sk, SOL_IPV6, IPV6_MULTICAST_LOOP, &loop, sizeof(loop));
		set(sk, SOL_IPV6, IPV6_MULTICAST_ALL, &all, sizeof(all));
		index = strcmp(out, "-") ? (int)index_of(sk, out) : 0;
		if (index)
			set(sk, SOL_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index));
		return;
	}
	set(sk, SOL_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl));
	set(sk, SOL_IP, IP_MULTICAST_LOOP, &loop, sizeof(loop));
	set(sk, SOL_IP, IP_MULTICAST_ALL, &all, sizeof(all));
	if (inet_pton(AF_INET, out, &a) == 1)
		set(sk, SOL_IP, IP_MULTICAST_IF, &a, sizeof(a));
}

/* The address that is given beside the interface is by what a program leaves that joined by it (ip_mc_leave_group). */
static int join(int sk, int family, unsigned index, const char *dev, const struct group_filter *f)
{
	struct ipv6_mreq six = { .ipv6mr_interface = (int)index };
	struct ip_mreqn four = { .imr_ifindex = (int)index };
	struct ifreq r = { .ifr_ifindex = 0 };

	if (family == AF_INET6) {
		six.ipv6mr_multiaddr = ((const struct sockaddr_in6 *)&f->gf_group)->sin6_addr;
		return setsockopt(sk, SOL_IPV6, IPV6_ADD_MEMBERSHIP, &six, sizeof(six));
	}
	four.imr_multiaddr = ((const struct sockaddr_in *)&f->gf_group)->sin_addr;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%.15s", dev);
	r.ifr_addr.sa_family = AF_INET;
	if (ioctl(sk, SIOCGIFADDR, &r) == 0)
		four.imr_address = ((const struct sockaddr_in *)&r.ifr_addr)->sin_addr;
	return setsockopt(sk, SOL_IP, IP_ADD_MEMBERSHIP, &four, sizeof(four));
}

static int set_sources(int sk, int family, struct group_filter *f, const struct strv *w)
{
	f->gf_fmode = strcmp(w->item[3], "include") == 0 ? MCAST_INCLUDE : MCAST_EXCLUDE;
	for (size_t i = 4; i < w->n && f->gf_numsrc < SOURCES_MAX; i++) {
		struct sockaddr_storage *a = &f->gf_slist[f->gf_numsrc++];

		a->ss_family = (sa_family_t)family;
		inet_pton(family, w->item[i],
			  family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)a)->sin6_addr :
					       (void *)&((struct sockaddr_in *)a)->sin_addr);
	}
	if (f->gf_fmode == MCAST_EXCLUDE && !f->gf_numsrc)
		return 0;
	return setsockopt(sk, level_of(family), MCAST_MSFILTER, f, (socklen_t)GROUP_FILTER_SIZE(f->gf_numsrc));
}

/* w: group DEV GROUP MODE [SOURCE…] */
static int join_again(int sk, const struct strv *w, struct err *e)
{
	int family = strchr(w->item[2], ':') ? AF_INET6 : AF_INET;
	unsigned index = sk < 0 ? 0 : index_of(sk, w->item[1]);
	own_free struct group_filter *f = filter_for(index, family, w->item[2]);

	if (!f)
		return broken(e);
	if (!index)
		return err_set(e, ERR_CHILD, "the multicast group %s cannot be joined again: there is no interface %s", w->item[2],
			       w->item[1]);
	/* A socket that several descriptors hold is told of more than once. */
	if ((join(sk, family, index, w->item[1], f) < 0 && errno != EADDRINUSE) || set_sources(sk, family, f, w) < 0)
		return err_sys(e, "the multicast group %s cannot be joined again", w->item[2]);
	log_debug("joined %s on %s again", w->item[2], w->item[1]);
	return 0;
}

static int open_socket(const struct proc *procs, size_t n, pid_t vpid, int fd)
{
	for (size_t i = 0; i < n; i++) {
		if (procs[i].vpid == vpid)
			return copy_fd(procs[i].pidfd, fd);
	}
	return -1;
}

static int one_line(int *sk, const char *line, const struct proc *procs, size_t n, struct err *e)
{
	own_strv struct strv w = STRV_INIT;

	strv_split(&w, line, " ");
	if (w.n == 8 && strcmp(w.item[0], "socket") == 0) {
		close_fd(sk);
		*sk = open_socket(procs, n, atoi(w.item[1]), atoi(w.item[2]));
		if (*sk < 0)
			return err_sys(e, "a multicast socket of process %s was not restored", w.item[1]);
		give_options(*sk, &w);
		return 0;
	}
	return w.n >= 4 && strcmp(w.item[0], "group") == 0 ? join_again(*sk, &w, e) : broken(e);
}

int groups_join(int images, const struct proc *procs, size_t n, struct err *e)
{
	own_free char *text = NULL;
	own_fd int sk = -1;
	char *rest, *line;

	if (faccessat(images, GROUPS_IMAGE, F_OK, 0) < 0)
		return 0;
	if (file_read(images, GROUPS_IMAGE, TEXT_MAX, &text, NULL, e) < 0)
		return -1;
	for (rest = text; (line = strsep(&rest, "\n"));) {
		if (*line && one_line(&sk, line, procs, n, e) < 0)
			return -1;
	}
	return 0;
}
