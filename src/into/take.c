// SPDX-License-Identifier: MIT
/*
 * --take-addresses: the administrator has said that the server's addresses may move.
 *
 * Everything that can fail is tried while the source still has them.  Then the source
 * gives them up (it cannot be asked any more, so it does so by itself), nobody answers at
 * them, and the Container starts.  A machine that is shut off has given them up already, if
 * nobody else has them.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "engine/vz/run/boot.h"
#include "into/into.h"

enum { CONNECT_MS = 1000, SILENT_MS = 15000, PAUSE_US = 100000, BOOT_MS = 120000 };

/* Does anybody take or refuse a connection there?  Silence and "unreachable" are no. */
static bool answers(const char *address, uint16_t port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	struct addrinfo *a = NULL;
	struct pollfd pfd = { .events = POLLOUT };
	own_fd int fd = -1;
	char text[8];
	int error = 0;
	socklen_t len = sizeof(error);

	snprintf(text, sizeof(text), "%u", port ? port : 22u);
	if (getaddrinfo(address, text, &hints, &a) != 0)
		return false;
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0)
		error = errno;
	freeaddrinfo(a);
	pfd.fd = fd;
	if (error == EINPROGRESS) {
		if (poll(&pfd, 1, CONNECT_MS) <= 0 ||
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			return false;
	}
	return fd >= 0 && (error == 0 || error == ECONNREFUSED);
}

static int wait_silent(struct into *n, struct err *e)
{
	uint64_t deadline = clock_deadline(SILENT_MS);

	for (size_t i = 0; i < n->plan.addresses.n; i++) {
		const char *a = n->plan.addresses.item[i];

		while (answers(a, n->image ? 0 : n->where->port)) {
			if (clock_left_ms(deadline) <= 0) {
				err_set(e, ERR_START, "%s still answers at %s", n->source, a);
				return err_hint(e, "take it away there, then: pctl start %s",
						n->desc.id);
			}
			usleep(PAUSE_US);
		}
	}
	return 0;
}

/* All but running, and back: its addresses lead nowhere on this server meanwhile, so the
 * source is not heard for that moment. */
static int rehearse(struct into *n, struct err *e)
{
	if (n->ops->hold(&n->ct, e) == 0)
		return n->ops->unhold(&n->ct, e);
	n->ops->unhold(&n->ct, NULL);
	return err_wrap(e, "Container %s cannot start", n->desc.id);
}

void into_take_check(struct into *n, struct findings *f)
{
	if (!n->image || !n->job->take_addresses)
		return;
	for (size_t i = 0; i < n->plan.addresses.n; i++) {
		if (!answers(n->plan.addresses.item[i], 0))
			continue;
		findings_fail(f, n->job, 0, false, "ip", ERR_IP_USED,
			      "without --take-addresses it is copied and not started",
			      "%s is shut off, but somebody answers at its address %s", n->source,
			      n->plan.addresses.item[i]);
	}
}

int into_take(struct into *n, struct err *e)
{
	if (n->image && into_image_idle(n, e) < 0)
		return err_wrap(e, "Container %s is not started", n->desc.id);
	if (rehearse(n, e) < 0)
		return -1;
	if (!n->image) {
		if (into_services_give(n, e) < 0)
			return -1;
		n->given = true;
	}
	if (wait_silent(n, e) < 0 || n->ops->start(&n->ct, e) < 0)
		return -1;
	n->started = true;
	n->done_ns = clock_ns();
	return 0;
}

static void tell_units(struct into *n, const struct vz_boot *b, const char *what)
{
	for (size_t i = 0; i < b->n; i++)
		into_note(n, "unit", "%s %s%s%s", b->unit[i].name, what, b->unit[i].why[0] ? ": " : "",
			  b->unit[i].why);
	if (b->left_out)
		into_note(n, "unit", "and %zu more", b->left_out);
}

void into_boot(struct into *n)
{
	own_vz_boot struct vz_boot b = VZ_BOOT_INIT;
	struct err why = ERR_INIT;

	if (vz_boot_wait(&n->ct, BOOT_MS, &b, &why) < 0) {
		event_warning(n->ev, "how Container %s started is not known: %s", n->desc.id, why.msg);
	} else if (vz_boot_goes_on(&b)) {
		event_warning(n->ev, "the start of Container %s is not complete after %d s: %s", n->desc.id,
			      BOOT_MS / 1000, b.state);
		tell_units(n, &b, "is waited for");
	} else if (b.n) {
		into_note(n, "boot", "in Container %s %zu services or mounts do not start: it is %s",
			  n->desc.id, b.n + b.left_out, b.state);
		tell_units(n, &b, "failed");
	} else if (!b.state[0]) {
		into_note(n, "boot", "Container %s runs; its init does not tell how its services started",
			  n->desc.id);
	} else if (strcmp(b.state, "running") != 0) {
		event_warning(n->ev, "Container %s runs, but its init says %s", n->desc.id, b.state);
	} else {
		into_note(n, "boot", "all of Container %s has started: it is %s", n->desc.id, b.state);
	}
}
