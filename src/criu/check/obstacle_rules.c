// SPDX-License-Identifier: MIT
/* The rules of criu/check/obstacles.h: what CRIU 4.2 cannot do, in tables. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/packet_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "criu/check/obstacles.h"
#include "criu/save/watches.h"
#include "criu/version.h"

struct named_rule {
	const char *name; /* "x*" begins with, "*x" ends with, else equal */
	struct obstacle_rule rule;
};

static bool name_fits(const char *pattern, const char *name)
{
	size_t n = strlen(pattern), len = strlen(name);

	if (n && pattern[n - 1] == '*')
		return strncmp(name, pattern, n - 1) == 0;
	if (pattern[0] == '*')
		return len >= n - 1 && strcmp(name + len - (n - 1), pattern + 1) == 0;
	return strcmp(pattern, name) == 0;
}

static const struct obstacle_rule *look_up(const struct named_rule *rules, size_t n,
					   const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (name_fits(rules[i].name, name))
			return rules[i].rule.why ? &rules[i].rule : NULL;
	}
	return NULL;
}

#define STOP_IT "stop or restart the program without it"

/* The first that fits decides; without a `why` it is fine. */
static const struct named_rule links[] = {
	{ "anon_inode:[eventfd]", { NULL, NULL, false } },
	{ "anon_inode:[eventpoll]", { NULL, NULL, false } },
	{ "anon_inode:[signalfd]", { NULL, NULL, false } },
	{ "anon_inode:[timerfd]", { NULL, NULL, false } },
	{ "anon_inode:inotify", { NULL, NULL, false } },
	{ "anon_inode:[fanotify]", { NULL, NULL, false } },
	{ "anon_inode:[pidfd]", { NULL, NULL, false } },
	{ "anon_inode:[io_uring]",
	  { "io_uring cannot be moved",
	    "turn it off in the program (for example --io-uring=no), or by sysctl "
	    "kernel.io_uring_disabled=2, and restart it",
	    true } },
	{ "anon_inode:bpf-prog",
	  { "a BPF program cannot be moved",
	    "for systemd's own (IPAddressDeny=, DevicePolicy=): pctl set ID --live-ready and "
	    "restart the container; else stop the program",
	    true } },
	{ "anon_inode:bpf*", { "a BPF object cannot be moved", STOP_IT, true } },
	{ "anon_inode:[userfaultfd]", { "userfaultfd cannot be moved", STOP_IT, true } },
	{ "anon_inode:[perf_event]", { "perf events cannot be moved", STOP_IT, true } },
	{ "anon_inode:*", { "this kind of kernel object cannot be moved", STOP_IT, true } },
	{ "/proc/pressure/*",
	  { "pressure notifications do not survive a move",
	    "pctl set ID --live-ready turns them off for systemd; restart the container",
	    true } },
	{ "*.pressure",
	  { "pressure notifications do not survive a move",
	    "pctl set ID --live-ready turns them off for systemd; restart the container",
	    true } },
	{ "/secretmem*", { "secret memory cannot be read", STOP_IT, true } },
	{ "/dev/kvm", { "a virtual machine inside cannot be moved this way", STOP_IT, true } },
	{ "/dev/fuse", { "a FUSE server inside cannot be moved", "unmount it", true } },
	{ "/dev/dri/*", { "a graphics device's state cannot be moved", STOP_IT, true } },
	{ "/dev/nvidia*", { "a GPU's state cannot be moved", STOP_IT, true } },
	{ "/dev/snd/*", { "a sound device's state cannot be moved", STOP_IT, true } },
};

/* Open while a mailbox is selected (IMAP IDLE): "/home/u/Maildir/dovecot.index.log". */
static bool is_mailbox_log(const char *link)
{
	const char *slash = strrchr(link, '/');

	return slash && link[0] == '/' && !strncmp(slash + 1, "dovecot.", 8) && strstr(slash, ".index.log");
}

const struct obstacle_rule *obstacle_of_link(const char *link)
{
	/* Dovecot takes the same log under another number for a second one of its kind ("duplicate transaction log
	 * sequence"). */
	static const struct obstacle_rule mailbox = {
		.why = "it knows its log by inode number, which is another one after the move: open sessions go on, but tell of "
		       "no new mail until the client connects again (doveadm kick makes it)",
	};

	if (is_mailbox_log(link))
		return &mailbox;
	return look_up(links, array_len(links), link);
}


const struct obstacle_rule *obstacle_of_fdinfo(const char *link, const char *info)
{
	static const struct obstacle_rule packets = {
		"a pipe in packet mode (O_DIRECT) cannot be moved", STOP_IT, true
	};
	static const struct obstacle_rule semaphore = {
		"an eventfd would not be a semaphore any more", STOP_IT, true
	};
	static const struct obstacle_rule of_thread = {
		"a pidfd of a thread (PIDFD_THREAD) cannot be moved", STOP_IT, true
	};
	const char *flags = strstr(info, "flags:"), *mode = strstr(info, "eventfd-semaphore:");

	if (strncmp(link, "pipe:", 5) == 0 && flags && strtoul(flags + 6, NULL, 8) & O_DIRECT)
		return &packets;
	if (strcmp(link, "anon_inode:[pidfd]") == 0 && flags && strtoul(flags + 6, NULL, 8) & O_EXCL)
		return &of_thread;
	if (strstr(link, "[eventfd]") && mode && strtoul(mode + 18, NULL, 10))
		return &semaphore;
	return NULL;
}

bool obstacle_next_item(const char **info, uint64_t *ino)
{
	const char *tfd = strstr(*info, "tfd:"), *at = tfd ? strstr(tfd, " ino:") : NULL;

	if (!at)
		return false;
	*ino = strtoull(at + 5, NULL, 16);
	*info = at;
	return true;
}

/* "ID: 0", "signal: 34/0000…", "notify: signal/tid.152", "ClockID: 1"; of the process: "signal/pid.152". */
bool obstacle_next_timer(const char **timers, int *id, pid_t *tid)
{
	const char *at = *timers;

	while ((at = strncmp(at, "ID: ", 4) == 0 ? at : strstr(at, "\nID: "))) {
		const char *line = strstr(at, "\nnotify: ");
		const char *target = line ? strstr(line, "/tid.") : NULL;

		if (!line)
			return false;
		sscanf(at, " ID: %d", id);
		at = line + 1 + strcspn(line + 1, "\n");
		if (!target || target > at)
			continue;
		*tid = atoi(target + 5);
		*timers = at;
		return true;
	}
	return false;
}

/* "flags:\t0100001", then "lock:\t1: LEASE  ACTIVE    WRITE 4711 08:01:131 0 EOF". */
bool obstacle_leases_unread(const char *info)
{
	const char *flags = strstr(info, "flags:"), *lock = strstr(info, "\nlock:");

	return flags && lock && strstr(lock, " LEASE ") && (strtoul(flags + 6, NULL, 8) & O_ACCMODE) == O_WRONLY;
}

static const struct named_rule sockets[] = {
	{ "TCP", { NULL, NULL, false } },	{ "TCPv6", { NULL, NULL, false } },
	{ "UDP", { NULL, NULL, false } },	{ "UDPv6", { NULL, NULL, false } },
	{ "UDP-Lite", { NULL, NULL, false } },	{ "UDPLITEv6", { NULL, NULL, false } },
	{ "UNIX*", { NULL, NULL, false } },	{ "NETLINK", { NULL, NULL, false } },
	{ "PACKET", { NULL, NULL, false } },	{ "RAW", { NULL, NULL, false } },
	{ "RAWv6", { NULL, NULL, false } },	{ "PING", { NULL, NULL, false } },
	{ "PINGv6", { NULL, NULL, false } },
	{ "MPTCP*",
	  { "MPTCP sockets cannot be moved",
	    "set net.mptcp.enabled=0 in the container (Go: GODEBUG=multipathtcp=0) and restart "
	    "the program",
	    true } },
	{ "*", { "sockets of this protocol cannot be moved", STOP_IT, true } },
};

const struct obstacle_rule *obstacle_of_socket(const char *protocol, unsigned lacks)
{
	static const struct obstacle_rule of_ping = {
		"CRIU older than 4.2 cannot move sockets of ping",
		"stop the program, or run pmigrate-criu on the servers with the older one", true
	};

	if (lacks & CRIU_LACKS_PING && strncmp(protocol, "PING", 4) == 0)
		return &of_ping;
	return look_up(sockets, array_len(sockets), protocol);
}

/* CRIU 4.2 keeps one word of groups, or two when the second is empty (sk-netlink.c). */
const struct obstacle_rule *obstacle_of_netlink(uint32_t port, const void *groups, size_t size)
{
	static const struct obstacle_rule beyond = {
		"it is in a netlink group beyond the 32nd, and cannot be moved", STOP_IT, true
	};
	static const struct obstacle_rule nameless = {
		"it is in a netlink group but bound to no port, and cannot be moved", STOP_IT, true
	};
	size_t words = size / sizeof(uint32_t);
	uint32_t last;

	if (!groups || !words)
		return NULL;
	memcpy(&last, (const uint8_t *)groups + (words - 1) * sizeof(last), sizeof(last));
	if (words - !last > 1)
		return &beyond;
	return port ? NULL : &nameless;
}

const struct obstacle_rule *obstacle_of_packet(const void *members, size_t size)
{
	static const struct obstacle_rule twice = {
		"it has joined the same twice (PACKET_ADD_MEMBERSHIP), and cannot be moved", STOP_IT, true
	};
	struct packet_diag_mclist m;

	for (size_t at = 0; members && at + sizeof(m) <= size; at += sizeof(m)) {
		memcpy(&m, (const uint8_t *)members + at, sizeof(m));
		if (m.pdmc_count != 1)
			return &twice;
	}
	return NULL;
}

static const struct named_rule namespaces[] = {
	{ "uts",
	  { "it has a host name namespace of its own (ProtectHostname=)",
	    "pctl set ID --live-ready and restart the container, or ProtectHostname=no in the unit",
	    true } },
	{ "ipc",
	  { "it has an IPC namespace of its own (PrivateIPC=)",
	    "pctl set ID --live-ready and restart the container, or PrivateIPC=no in the unit",
	    true } },
	{ "net",
	  { "it has a network namespace of its own (PrivateNetwork=)",
	    "pctl set ID --live-ready and restart the container, or PrivateNetwork=no in the unit",
	    true } },
	{ "pid",
	  { "it has a process namespace of its own",
	    "pctl set ID --live-ready and restart the container, or PrivatePIDs=no in the unit",
	    true } },
	{ "user",
	  { "it has a user namespace of its own",
	    "pctl set ID --live-ready and restart the container, or PrivateUsers=no in the unit",
	    true } },
	{ "time", { "it has a time namespace of its own", "stop it", true } },
	{ "time_for_children", { "its children would have a time namespace of their own", "stop it", true } },
	{ "cgroup", { "it has a cgroup namespace of its own", "stop it", true } },
};

const struct obstacle_rule *obstacle_of_namespace(const char *name)
{
	return look_up(namespaces, array_len(namespaces), name);
}

static const struct named_rule filesystems[] = {
	{ "hugetlbfs", { "the files of a hugetlbfs are lost", "empty it", false } },
	{ "fusectl", { NULL, NULL, false } },
	{ "fuse*", { "a FUSE file system cannot be moved", "unmount it", true } },
	{ "nfs*", { "an NFS mount cannot be moved", "unmount it", true } },
	{ "cifs", { "a CIFS mount cannot be moved", "unmount it", true } },
	{ "smb3", { "a CIFS mount cannot be moved", "unmount it", true } },
	{ "ceph", { "a Ceph mount cannot be moved", "unmount it", true } },
	{ "9p", { "a 9p mount cannot be moved", "unmount it", true } },
	{ "squashfs", { "a mounted image cannot be moved", "unmount it", true } },
	{ "iso9660", { "a mounted image cannot be moved", "unmount it", true } },
};

/* CRIU dumps them in the freeze, whole, and knows them only while the server has a free one. */
const struct obstacle_rule *obstacle_of_mapping(const char *name, bool hugetlb)
{
	static const struct obstacle_rule rule = {
		"huge pages (hugetlb) cannot move online",
		"let the program do without them (PostgreSQL: huge_pages = off), or move without --online", true
	};

	return hugetlb || strncmp(name, "/anon_hugepage", 14) == 0 ? &rule : NULL;
}

const struct obstacle_rule *obstacle_of_fs(const char *type)
{
	return look_up(filesystems, array_len(filesystems), type);
}

char *obstacle_unit(const char *cgroup)
{
	static const char *const kinds[] = { ".service", ".scope" };
	const char *best = NULL;
	size_t best_len = 0;

	for (const char *at = cgroup; *at; at++) {
		const char *end = at + strcspn(at, "/\n");
		size_t len = (size_t)(end - at);

		for (size_t k = 0; k < array_len(kinds); k++) {
			size_t n = strlen(kinds[k]);

			if (len > n && strncmp(end - n, kinds[k], n) == 0) {
				best = at;
				best_len = len;
			}
		}
		if (!*end)
			break;
		at = end;
	}
	return best ? xstrndup(best, best_len) : NULL;
}
