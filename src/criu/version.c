// SPDX-License-Identifier: MIT
#include "criu/version.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/own.h"

/*
 * Found in CRIU's history, whose commits are named here; 4.1.1 was tried on Debian 13's kernel 6.12 (e2e/live-criu13).  The
 * first that refuses is told.
 *
 *	31900  0e88a91ff: RPC has no leave_stopped, which holds a restore until the switch; c97cc6a6c: no NETWORK_LOCK skip
 *	40100  6f8efad30: ambient capabilities are not saved; 1ce408ffa: pidfds are refused
 *	40101  570621a48: propagation is restored in the wrong mount namespace
 *	40200  4b7398595: SO_PASSCRED is read from every socket, which Linux 6.16 refuses (7d8d93fdde50) for internet sockets
 *	       cc047d595: MADV_GUARD_INSTALL (Linux 6.13) is not known: pages with a guard come back as readable ones
 *	       a80c54484: IPPROTO_ICMP: "Unsupported proto 1 for socket"
 *	       af5412a43, b90cfc1a8: the VmFlags wf and dp are not read
 */
static const struct row {
	uint32_t before;  /* CRIU's versions below this one … */
	unsigned kernel;  /* … on kernels from this one on: 616 is 6.16; 0: on all of them */
	unsigned lack;	  /* one of enum criu_lack; 0: it may not be used there */
	const char *what; /* NULL: nobody notices */
} rows[] = {
	{ 31900, 0, 0, "it cannot hold restored processes until the switch" },
	{ 40100, 0, 0, "it loses ambient capabilities" },
	{ 40101, 0, 0, "it restores mounts with another propagation" },
	{ 40200, 616, 0, "it cannot save network sockets on kernels from 6.16 on" },
	{ 40200, 613, 0, "it loses guard regions of memory, which kernels from 6.13 on have" },
	{ 40200, 0, CRIU_LACKS_PING, "sockets of ping cannot be moved" },
	{ 40200, 0, CRIU_LACKS_WIPE, NULL },
};

/* A release that cannot be read is taken for a new one. */
static unsigned kernel_number(const char *release)
{
	unsigned major, minor;

	return release && sscanf(release, "%3u.%3u", &major, &minor) == 2 ? major * 100 + minor : UINT32_MAX;
}

static bool row_holds(const struct row *r, uint32_t version, const char *kernel)
{
	return version < r->before && kernel_number(kernel) >= r->kernel;
}

const char *criu_refusal(uint32_t version, const char *kernel)
{
	for (size_t i = 0; i < array_len(rows); i++) {
		if (!rows[i].lack && row_holds(&rows[i], version, kernel))
			return rows[i].what;
	}
	return NULL;
}

unsigned criu_lacks(uint32_t version, const char *kernel)
{
	unsigned lacks = 0;

	for (size_t i = 0; i < array_len(rows); i++)
		lacks |= row_holds(&rows[i], version, kernel) ? rows[i].lack : 0;
	return lacks;
}

const char *criu_difference(unsigned lacks)
{
	for (size_t i = 0; i < array_len(rows); i++) {
		if (rows[i].lack & lacks && rows[i].what)
			return rows[i].what;
	}
	return NULL;
}

char *criu_version_text(uint32_t v)
{
	return v % 100 ? xasprintf("%u.%u.%u", v / 10000, v / 100 % 100, v % 100) :
			 xasprintf("%u.%u", v / 10000, v / 100 % 100);
}
