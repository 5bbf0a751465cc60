// SPDX-License-Identifier: MIT
/* Clocks, timers and sleepers. */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <ucontext.h>

#include "zoo.h"

#define MS 1000000L

static struct itimerspec every(long ns)
{
	return (struct itimerspec){ { 0, ns }, { 0, ns } };
}

/* ---- timerfd: periodic, one shot, on the wall clock ---- */

static int ticking, once, wall;
static int64_t once_left;

static int timerfd_make(void)
{
	struct itimerspec e = every(50 * MS), o = { { 0, 0 }, { 5000, 0 } };
	struct itimerspec w = { { 0, 0 }, { time(NULL) + 5000, 0 } };

	ticking = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	once = timerfd_create(CLOCK_BOOTTIME, 0);
	wall = timerfd_create(CLOCK_REALTIME, 0);
	NEED(timerfd_settime(ticking, 0, &e, NULL) == 0 && timerfd_settime(once, 0, &o, NULL) == 0 &&
	     timerfd_settime(wall, TFD_TIMER_ABSTIME, &w, NULL) == 0, "timerfd_settime");
	once_left = 5000;
	return 0;
}

static int timerfd_check(void)
{
	struct itimerspec t;
	uint64_t n;

	NEED(readable(ticking, 3000) && read(ticking, &n, 8) == 8 && n > 0, "no tick waits");
	NEED(readable(ticking, 3000) && read(ticking, &n, 8) == 8 && n > 0, "it does not tick");
	NEED(timerfd_gettime(ticking, &t) == 0 && t.it_interval.tv_nsec == 50 * MS,
	     "its period is %ld ns", t.it_interval.tv_nsec);
	NEED(timerfd_gettime(once, &t) == 0 && t.it_value.tv_sec > 0 && t.it_value.tv_sec <= once_left &&
	     t.it_value.tv_sec > once_left - 600, "%ld s are left of %ld", t.it_value.tv_sec,
	     (long)once_left);
	once_left = t.it_value.tv_sec;
	NEED(timerfd_gettime(wall, &t) == 0 && t.it_value.tv_sec > 3000 && t.it_value.tv_sec <= 5000,
	     "the wall clock's: %ld s are left", t.it_value.tv_sec);
	return 0;
}

/* ---- setitimer ---- */

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static int itimer_make(void)
{
	struct sigaction a = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval real = { { 0, 50000 }, { 0, 50000 } }, virtual = { { 9, 0 }, { 7000, 0 } };

	NEED(sigaction(SIGALRM, &a, NULL) == 0 && setitimer(ITIMER_REAL, &real, NULL) == 0 &&
	     setitimer(ITIMER_VIRTUAL, &virtual, NULL) == 0, "setitimer");
	return 0;
}

static int itimer_check(void)
{
	struct itimerval v;
	int before = alarms;

	for (int i = 0; i < 300 && alarms < before + 2; i++)
		usleep(10000);
	NEED(alarms >= before + 2, "SIGALRM does not come any more");
	NEED(getitimer(ITIMER_VIRTUAL, &v) == 0 && v.it_interval.tv_sec == 9 &&
	     v.it_value.tv_sec > 6000 && v.it_value.tv_sec <= 7000, "ITIMER_VIRTUAL is %ld/%ld",
	     v.it_value.tv_sec, v.it_interval.tv_sec);
	return 0;
}

/* ---- POSIX timers: a signal with a value, and a silent one ---- */

static timer_t loud, silent;
static volatile sig_atomic_t value_seen, values_wrong;

static void on_value(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	value_seen++;
	if (info->si_code != SI_TIMER || info->si_value.sival_int != 4711)
		values_wrong++;
}

static int posix_timer_make(void)
{
	struct sigaction a = { .sa_sigaction = on_value, .sa_flags = SA_RESTART | SA_SIGINFO };
	struct sigevent loudly = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 5,
				   .sigev_value.sival_int = 4711 };
	struct sigevent silently = { .sigev_notify = SIGEV_NONE };
	struct itimerspec e = every(50 * MS), far = { { 0, 0 }, { 5000, 0 } };

	NEED(sigaction(SIGRTMIN + 5, &a, NULL) == 0 &&
	     timer_create(CLOCK_MONOTONIC, &loudly, &loud) == 0 &&
	     timer_create(CLOCK_REALTIME, &silently, &silent) == 0 &&
	     timer_settime(loud, 0, &e, NULL) == 0 && timer_settime(silent, 0, &far, NULL) == 0,
	     "timer_create");
	return 0;
}

static int posix_timer_check(void)
{
	struct itimerspec t;
	int before = value_seen;

	for (int i = 0; i < 300 && value_seen < before + 2; i++)
		usleep(10000);
	NEED(value_seen >= before + 2, "the timer's signal does not come any more");
	NEED(!values_wrong, "%d signals with another value", values_wrong);
	NEED(timer_gettime(silent, &t) == 0 && t.it_value.tv_sec > 3000 && t.it_value.tv_sec <= 5000,
	     "the silent one: %ld s are left", t.it_value.tv_sec);
	return 0;
}

/* ---- clocks do not jump ---- */

static int64_t mono, boot, thread_cpu;

static int clocks_make(void)
{
	mono = now_ns(CLOCK_MONOTONIC);
	boot = now_ns(CLOCK_BOOTTIME);
	thread_cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
	return 0;
}

static int clocks_check(void)
{
	int64_t m = now_ns(CLOCK_MONOTONIC), b = now_ns(CLOCK_BOOTTIME);

	NEED(m > mono && m - mono < 600 * 1000 * MS, "CLOCK_MONOTONIC went by %ld ms",
	     (long)((m - mono) / MS));
	NEED(b > boot && b - boot < 600 * 1000 * MS, "CLOCK_BOOTTIME went by %ld ms",
	     (long)((b - boot) / MS));
	mono = m;
	boot = b;
	return 0;
}

/* ---- threads that sleep in every way, in the middle of which they are moved ---- */

/* In shared memory: one of them is a process. */
enum { SLEEPING_THREADS = 6, SLEEPERS };
static struct {
	int woke_early, interrupted, slept[SLEEPERS];
} *sleeps;

static void count(int *what)
{
	__atomic_add_fetch(what, 1, __ATOMIC_RELAXED);
}

static void *sleep_relative(void *arg)
{
	for (;;) {
		struct timespec t = { 1, 500 * MS };
		int64_t begun = now_ns(CLOCK_MONOTONIC);

		while (nanosleep(&t, &t) < 0)
			;
		if (now_ns(CLOCK_MONOTONIC) - begun < 1499 * MS)
			count(&sleeps->woke_early);
		count((int *)arg);
	}
	return NULL;
}

static void *sleep_absolute(void *arg)
{
	for (;;) {
		int64_t until = now_ns(CLOCK_MONOTONIC) + 1500 * MS;
		struct timespec t = { until / (1000 * MS), until % (1000 * MS) };

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
			;
		if (now_ns(CLOCK_MONOTONIC) < until)
			count(&sleeps->woke_early);
		count((int *)arg);
	}
	return NULL;
}

static void *sleep_in_cond(void *arg)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t c = PTHREAD_COND_INITIALIZER;

	pthread_mutex_lock(&m);
	for (;;) {
		int64_t until = now_ns(CLOCK_REALTIME) + 1500 * MS;
		struct timespec t = { until / (1000 * MS), until % (1000 * MS) };

		while (pthread_cond_timedwait(&c, &m, &t) != ETIMEDOUT)
			;
		if (now_ns(CLOCK_REALTIME) < until)
			count(&sleeps->woke_early);
		count((int *)arg);
	}
	return NULL;
}

/* No signal comes, so these must not end with EINTR. */
static void *sleep_whole(void *arg)
{
	for (;;) {
		struct timespec t = { 1, 500 * MS };
		int64_t begun = now_ns(CLOCK_MONOTONIC);

		if (nanosleep(&t, NULL) < 0)
			count(&sleeps->interrupted);
		if (now_ns(CLOCK_MONOTONIC) - begun < 1499 * MS)
			count(&sleeps->woke_early);
		count((int *)arg);
	}
	return NULL;
}

static void *sleep_in_semaphore(void *arg)
{
	sem_t sem;

	sem_init(&sem, 0, 0);
	for (;;) {
		int64_t until = now_ns(CLOCK_REALTIME) + 1500 * MS;
		struct timespec t = { until / (1000 * MS), until % (1000 * MS) };

		if (sem_timedwait(&sem, &t) != -1 || errno != ETIMEDOUT)
			count(&sleeps->interrupted);
		count((int *)arg);
	}
	return NULL;
}

static void *sleep_in_poll(void *arg)
{
	const struct itimerspec e = { { 1, 500 * MS }, { 1, 500 * MS } };
	struct pollfd p = { timerfd_create(CLOCK_MONOTONIC, 0), POLLIN, 0 };
	uint64_t ticks;

	timerfd_settime(p.fd, 0, &e, NULL);
	for (;;) {
		if (poll(&p, 1, -1) != 1 || read(p.fd, &ticks, sizeof(ticks)) != sizeof(ticks))
			count(&sleeps->interrupted);
		count((int *)arg);
	}
	return NULL;
}

static int sleepers_make(void)
{
	void *(*const ways[SLEEPING_THREADS])(void *) = { sleep_relative, sleep_absolute, sleep_in_cond, sleep_whole,
							  sleep_in_semaphore, sleep_in_poll };
	pthread_t t;

	sleeps = mmap(NULL, sizeof(*sleeps), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(sleeps != MAP_FAILED, "mmap");
	if (fork() == 0)
		sleep_whole(&sleeps->slept[SLEEPING_THREADS]);
	for (size_t i = 0; i < SLEEPING_THREADS; i++)
		NEED(pthread_create(&t, NULL, ways[i], &sleeps->slept[i]) == 0, "pthread_create");
	return 0;
}

static int sleepers_check(void)
{
	int before[SLEEPERS];

	memcpy(before, sleeps->slept, sizeof(before));
	for (int k = 0; k < SLEEPERS; k++) {
		for (int i = 0; i < 1000 && __atomic_load_n(&sleeps->slept[k], __ATOMIC_RELAXED) == before[k]; i++)
			usleep(10000);
		NEED(sleeps->slept[k] != before[k], "the sleeper %d does not wake", k);
	}
	NEED(!sleeps->woke_early, "%d sleeps were too short", sleeps->woke_early);
	NEED(!sleeps->interrupted, "%d sleeps were interrupted", sleeps->interrupted);
	return 0;
}

/* ---- calls that a signal ends, each time by a timer of its own, the freeze or not ---- */

enum { ENDED_BY_SIGNAL = 3 };

static int a_pipe[2];
static volatile int ended[ENDED_BY_SIGNAL], not_ended;

static __thread timer_t my_timer;
static const struct itimerspec soon = { { 0, 0 }, { 0, 20 * MS } };

/*
 * Ends the call with EINTR.  Before the call it would be lost, which is this program's own fault: again then.
 * But right in front of it is where nobody is for long, unless that is where a move has put it back.
 */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((const ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *code = (const uint8_t *)r[REG_RIP];

	(void)sig;
	(void)info;
	if (r[REG_RAX] != -EINTR && !(code[0] == 0x0f && code[1] == 0x05))
		timer_settime(my_timer, 0, &soon, NULL);
}

static int wait_in_pause(void)
{
	return pause();
}

static int wait_in_read(void)
{
	char c;

	return (int)read(a_pipe[0], &c, 1);
}

static int wait_in_select(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(a_pipe[0], &in);
	return select(a_pipe[0] + 1, &in, NULL, NULL, NULL);
}

static int (*const waits[ENDED_BY_SIGNAL])(void) = { wait_in_pause, wait_in_read, wait_in_select };

static void *wait_for_signals(void *arg)
{
	const size_t i = (size_t)arg;
	struct sigevent to_me = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 6 };
	to_me._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &to_me, &my_timer) < 0)
		return NULL;
	for (;;) {
		timer_settime(my_timer, 0, &soon, NULL);
		if (waits[i]() != -1 || errno != EINTR)
			not_ended++;
		ended[i]++;
	}
	return NULL;
}

static int signals_make(void)
{
	struct sigaction a = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	pthread_t t;

	NEED(pipe(a_pipe) == 0 && sigaction(SIGRTMIN + 6, &a, NULL) == 0, "pipe, sigaction");
	for (size_t i = 0; i < ENDED_BY_SIGNAL; i++)
		NEED(pthread_create(&t, NULL, wait_for_signals, (void *)i) == 0, "pthread_create");
	return 0;
}

static int signals_check(void)
{
	static const char *const names[ENDED_BY_SIGNAL] = { "pause", "read", "select" };

	for (int k = 0; k < ENDED_BY_SIGNAL; k++) {
		int before = ended[k];

		for (int i = 0; i < 1000 && ended[k] < before + 2; i++)
			usleep(10000);
		NEED(ended[k] >= before + 2, "%s() waits for a signal that was lost", names[k]);
	}
	NEED(!not_ended, "%d calls ended in another way", not_ended);
	return 0;
}

const struct animal zoo_time[] = {
	{ "timerfd", timerfd_make, timerfd_check },
	{ "itimer", itimer_make, itimer_check },
	{ "posix-timer", posix_timer_make, posix_timer_check },
	{ "clocks", clocks_make, clocks_check },
	{ "sleepers", sleepers_make, sleepers_check },
	{ "signals-end-calls", signals_make, signals_check },
	{ NULL, NULL, NULL },
};
