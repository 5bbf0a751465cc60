// SPDX-License-Identifier: MIT
#include "base/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static struct {
	_Atomic int sig; /* first one seen */
	_Atomic bool off;
	int pipe[2];
	bool installed;
} state;

static void on_signal(int sig)
{
	int saved = errno, none = 0;

	if (atomic_compare_exchange_strong(&state.sig, &none, sig)) {
		while (write(state.pipe[1], "", 1) < 0 && errno == EINTR)
			;
	}
	errno = saved;
}

void cancel_install(void)
{
	static const int sigs[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	if (state.installed || pipe2(state.pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	state.installed = true;
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &sa, NULL);
}

bool cancel_requested(void)
{
	return state.sig && !state.off;
}

int cancel_fd(void)
{
	return state.installed && !state.off ? state.pipe[0] : -1;
}

void cancel_allow(bool on)
{
	state.off = !on;
}

bool cancel_seen(void)
{
	return state.sig != 0;
}

void cancel_allow_pause(bool on)
{
	signal(SIGTSTP, on ? SIG_DFL : SIG_IGN);
}

int cancel_sleep_ms(unsigned ms, struct err *e)
{
	struct pollfd p = { .fd = cancel_fd(), .events = POLLIN };
	uint64_t until = clock_ns() + ms * UINT64_C(1000000), now;

	while (!cancel_requested() && (now = clock_ns()) < until)
		poll(&p, 1, (int)((until - now) / 1000000 + 1));
	return cancel_requested() ? cancel_err(e) : 0;
}

int cancel_err(struct err *e)
{
	return err_set(e, ERR_CANCELLED, "interrupted (%s)",
		       state.sig ? strsignal(state.sig) : "cancelled");
}
