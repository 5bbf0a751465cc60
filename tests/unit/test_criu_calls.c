// SPDX-License-Identifier: MIT
/* System calls and timers that the freeze met half-way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <cmocka.h>

#include "base/own.h"
#include "criu/image/cores.h"
#include "criu/image/image.h"
#include "criu/image/imgdir.h"
#include "criu/save/alarms.h"
#include "criu/save/calls.h"
#include "criu/shim/calls.h"

enum { IP = 0x401000, SP = 0x7ffd1000 };

static const struct call_notes no_notes = CALL_NOTES_INIT;

/* A thread inside a call, as CRIU has it in the images. */
struct thread {
	Img__Core core;
	Img__ThreadX86 x86;
	Img__Regs regs;
};

static void thread_make(struct thread *t, uint64_t nr, int64_t ax)
{
	*t = (struct thread){ IMG__CORE__INIT, IMG__THREAD_X86__INIT, IMG__REGS__INIT };
	t->core.mtype = 1;
	t->core.x86 = &t->x86;
	t->x86.regs = &t->regs;
	t->regs.orig_ax = nr;
	t->regs.ax = (uint64_t)ax;
	t->regs.ip = IP;
	t->regs.sp = SP;
}

static int same_state(void *arg, uint32_t fd)
{
	assert_int_equal(fd, 8);
	return *(int *)arg;
}

static void a_connection_that_was_made_is_made(void **state)
{
	static const struct {
		int state;
		bool mended;
	} cases[] = {
		{ TCP_ESTABLISHED, true }, { TCP_CLOSE_WAIT, true }, { TCP_FIN_WAIT1, true },
		{ TCP_SYN_SENT, false },   { TCP_SYN_RECV, false },  { TCP_CLOSE, false },
		{ TCP_LISTEN, false },	   { 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int tcp = cases[i].state;
		struct thread t;

		thread_make(&t, 42, 42);
		t.regs.di = 8;
		assert_int_equal(calls_mend_thread(&t.core, &no_notes, same_state, &tcp), cases[i].mended);
		assert_int_equal(t.regs.ax, cases[i].mended ? 0 : 42);
		assert_int_equal(t.regs.ip, cases[i].mended ? IP + 2 : IP);
	}
}

static int no_state(void *arg, uint32_t fd)
{
	(void)arg;
	(void)fd;
	fail();
	return 0;
}

static void sleeps_go_on(void **state)
{
	static const struct {
		uint64_t nr, di, si, dx, r10;
		int64_t ax;
		bool mended;
	} cases[] = {
		{ 35, 0x1000, 0x1000, 0, 0, -EINTR, true }, /* nanosleep(&t, &t) */
		{ 35, 0x1000, 0, 0, 0, -EINTR, true },
		{ 35, 0x1000, 0x2000, 0, 0, -EINTR, false },
		{ 35, 0x1000, 0x1000, 0, 0, 0, false },
		{ 230, 1, 0, 0x1000, 0x1000, -EINTR, true }, /* clock_nanosleep */
		{ 230, 1, 0, 0x1000, 0, -EINTR, true },
		{ 230, 1, 0, 0x1000, 0x2000, -EINTR, false },
		{ 7, 0x1000, 1, UINT32_MAX, 0, -EINTR, true }, /* poll */
		{ 7, 0x1000, 1, 1000, 0, -EINTR, false },
		{ 202, 0x1000, 9 | 128 | 256, 0, 0x1000, -EINTR, true }, /* FUTEX_WAIT_BITSET */
		{ 202, 0x1000, 0 | 128, 0, 0x1000, -EINTR, false },	   /* FUTEX_WAIT */
		{ 232, 5, 0x1000, 10, UINT32_MAX, -EINTR, false },	   /* epoll_wait: the kernel's own */
		{ 219, 0x1000, 0x1000, 0, 0, -EINTR, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct thread t;

		thread_make(&t, cases[i].nr, cases[i].ax);
		t.regs.di = cases[i].di;
		t.regs.si = cases[i].si;
		t.regs.dx = cases[i].dx;
		t.regs.r10 = cases[i].r10;
		assert_int_equal(calls_mend_thread(&t.core, &no_notes, no_state, NULL), cases[i].mended);
		assert_int_equal(t.regs.ax, cases[i].mended ? cases[i].nr : (uint64_t)cases[i].ax);
		assert_int_equal(t.regs.ip, cases[i].mended ? IP - 2 : IP);
	}
}

static void others_are_left_alone(void **state)
{
	struct thread t;

	(void)state;
	thread_make(&t, 35, -EINTR);
	t.core.mtype = 3; /* arm64 */
	assert_false(calls_mend_thread(&t.core, &no_notes, no_state, NULL));
	thread_make(&t, 35, -EINTR);
	t.regs.has_mode = true;
	t.regs.mode = 2; /* 32 bits */
	assert_false(calls_mend_thread(&t.core, &no_notes, no_state, NULL));
	thread_make(&t, 35, -EINTR);
	t.core.x86 = NULL; /* a zombie */
	assert_false(calls_mend_thread(&t.core, &no_notes, no_state, NULL));
}

static void a_continued_call_is_known_by_its_note(void **state)
{
	struct call_notes notes = CALL_NOTES_INIT;
	struct call_note n;
	struct thread t;

	(void)state;
	assert_false(call_note_read(&n, "running\n"));
	assert_false(call_note_read(&n, "-1 0x7ffd1000 0x401000\n"));
	assert_false(call_note_read(&n, "219 0x1000 0x1000 0x0 0x0 0x0 0x0 0x7ffd1000 0x401000\n"));
	assert_false(call_note_read(&n, ""));
	assert_true(call_note_read(&n, "1 0x1000 0x1000 0x0 0x0 0x0 0x0 0x7ffd1000 0x401000\n"));
	call_notes_add(&notes, &n);
	assert_true(call_note_read(&n, "35 0x1000 0x1000 0x0 0x0 0x9 0x9 0x7ffd1000 0x401000\n"));
	call_notes_add(&notes, &n);
	call_notes_add(&notes, &(struct call_note){ 0 });
	assert_int_equal(notes.n, 2); /* the newest counts */

	thread_make(&t, 219, -EINTR);
	t.regs.di = t.regs.si = 0x1000;
	assert_true(calls_mend_thread(&t.core, &notes, no_state, NULL));
	assert_int_equal(t.regs.ax, 35);
	assert_int_equal(t.regs.ip, IP - 2);
	thread_make(&t, 219, -EINTR);
	t.regs.di = t.regs.si = 0x1000;
	t.regs.sp++; /* another thread */
	assert_false(calls_mend_thread(&t.core, &notes, no_state, NULL));
	call_notes_fini(&notes);
}

static void put(int dir, const char *name, enum image_magic magic, const ProtobufCMessage *msg)
{
	own_buf struct buf b = BUF_INIT;

	image_put_head(&b, magic);
	image_put(&b, msg);
	assert_int_equal(imgdir_put(dir, name, b.data, b.len, NULL), 0);
}

/* The socket of descriptor 8 is found: thread 12, process 7, table 3, file 0x21. */
static void a_whole_dump_is_mended(void **state)
{
	own_fd int dir = imgdir_open(NULL);
	uint32_t threads[] = { 7, 12 };
	Img__Task task = IMG__TASK__INIT;
	Img__TaskIds ids = IMG__TASK_IDS__INIT;
	Img__Descriptor fd = IMG__DESCRIPTOR__INIT;
	Img__File file = IMG__FILE__INIT;
	Img__InetSocket inet = IMG__INET_SOCKET__INIT;
	own_core Img__Core *core = NULL;
	struct err e = ERR_INIT;
	struct thread t;

	(void)state;
	if (dir < 0)
		skip(); /* not root */
	task.pid = 7;
	task.threads = threads;
	task.n_threads = 2;
	put(dir, "pstree.img", IMAGE_PSTREE, &task.base);
	ids.files_id = 3;
	put(dir, "ids-7.img", IMAGE_IDS, &ids.base);
	fd.id = 0x21;
	fd.fd = 8;
	put(dir, "fdinfo-3.img", IMAGE_FDINFO, &fd.base);
	file.type = 4;
	file.id = 0x21;
	file.inet = &inet;
	inet.proto = IPPROTO_TCP;
	inet.state = TCP_ESTABLISHED;
	put(dir, "files.img", IMAGE_FILES, &file.base);
	thread_make(&t, 42, 42);
	t.regs.di = 8;
	put(dir, "core-12.img", IMAGE_CORE, &t.core.base);
	t.regs.di = 9; /* not there */
	put(dir, "core-7.img", IMAGE_CORE, &t.core.base);

	assert_int_equal(calls_mend(dir, &no_notes, &e), 0);
	core = core_load(dir, 12, &e);
	assert_non_null(core);
	assert_int_equal(core->x86->regs->ax, 0);
	assert_int_equal(core->x86->regs->ip, IP + 2);
	core_free(&core);
	core = core_load(dir, 7, &e);
	assert_non_null(core);
	assert_int_equal(core->x86->regs->ax, 42);
	core_free(&core);
	assert_int_equal(imgdir_put(dir, "core-9.img", "torn", 4, NULL), 0);
	assert_int_equal(calls_mend(dir, &no_notes, &e), -1);
	assert_int_equal(e.code, ERR_PROTO);
}

static struct shim_signal signal_of(int number, int code, int timer)
{
	siginfo_t info = { .si_signo = number, .si_code = code };
	struct shim_signal s = { 0 };

	info.si_timerid = timer;
	memcpy(s.info, &info, sizeof(s.info));
	return s;
}

static void free_queue(Img__SignalQueue **q)
{
	if (*q)
		img__signal_queue__free_unpacked(*q, NULL);
}

static int number_of(const Img__SignalQueue *q, size_t i)
{
	siginfo_t info;

	assert_true(i < q->n_signals && q->signals[i]->siginfo.len == sizeof(info));
	memcpy(&info, q->signals[i]->siginfo.data, sizeof(info));
	return info.si_signo;
}

static void signals_of_timers_are_added(void **state)
{
	__attribute__((cleanup(free_queue))) Img__SignalQueue *q = NULL;
	Img__TaskTimers timers = IMG__TASK_TIMERS__INIT;
	Img__Itimer real = IMG__ITIMER__INIT;
	Img__PosixTimer posix[4] = { IMG__POSIX_TIMER__INIT, IMG__POSIX_TIMER__INIT, IMG__POSIX_TIMER__INIT,
				     IMG__POSIX_TIMER__INIT };
	Img__PosixTimer *list[4] = { &posix[0], &posix[1], &posix[2], &posix[3] };
	const uint64_t dump_ns = 10000000;
	struct shim_signal now[8];

	(void)state;
	timers.real = &real;
	timers.posix = list;
	timers.n_posix = 4;
	for (uint32_t i = 0; i < 4; i++)
		posix[i].it_id = 10 + i;
	posix[1].vnsec = 500; /* will go off there */
	posix[2].isec = posix[3].isec = 1;
	posix[2].vnsec = 998000000; /* went off just before CRIU looked */
	posix[3].vnsec = 3000000;   /* and just after */
	now[0] = signal_of(40, SI_TIMER, 10);
	now[1] = signal_of(41, SI_TIMER, 11);
	now[2] = signal_of(42, SI_TIMER, 12);
	now[3] = signal_of(43, SI_TIMER, 13);
	now[4] = signal_of(44, SI_TIMER, 99); /* nobody's */
	now[5] = signal_of(SIGSTOP, SI_USER, 10);
	now[6] = signal_of(SIGALRM, SI_USER, 0);
	now[7] = signal_of(SIGALRM, SI_KERNEL, 0);

	assert_false(alarms_add(&q, NULL, now, 8, dump_ns));
	assert_false(alarms_add(&q, &timers, now, 0, dump_ns));
	assert_null(q);
	assert_true(alarms_add(&q, &timers, now, 8, dump_ns));
	assert_int_equal(q->n_signals, 3);
	assert_int_equal(number_of(q, 0), 40);
	assert_int_equal(number_of(q, 1), 42);
	assert_int_equal(number_of(q, 2), SIGALRM);
	/* What was there already is not added again. */
	assert_false(alarms_add(&q, &timers, now, 3, dump_ns));
	assert_int_equal(q->n_signals, 3);
	/* One whose interval is too short to tell has its next tick soon. */
	posix[2].isec = 0;
	posix[2].insec = 15000000;
	posix[2].vnsec = 14000000;
	free_queue(&q);
	q = NULL;
	assert_false(alarms_add(&q, &timers, now + 2, 1, dump_ns));
	real.isec = 1; /* begins anew when its signal is taken */
	assert_true(alarms_add(&q, &timers, now + 7, 1, dump_ns));
	real.vusec = 1;
	assert_false(alarms_add(&q, &timers, now + 4, 4, dump_ns));
}

static void calls_end_as_signal_7_says(void **state)
{
	static const uint64_t none[6], wait[6] = { 0x1000, 0 | 128 }, wait_until[6] = { 0x1000, 9 | 128, 0, 0x2000 },
				       lock_pi[6] = { 0x1000, 6 | 128 }, mask[6] = { 0, 0, 0, 0x1000, 0, 0x1000 },
				       rest[6] = { 0x1000, 0x2000 }, lock[6] = { 3, 7 /* F_SETLKW */ };

	(void)state;
	assert_int_equal(shim_call_ends(0, none), CALL_AGAIN);	  /* read */
	assert_int_equal(shim_call_ends(42, none), CALL_AGAIN); /* connect */
	assert_int_equal(shim_call_ends(34, none), CALL_AGAIN_NO_HANDLER); /* pause */
	assert_int_equal(shim_call_ends(35, none), CALL_AGAIN_NO_HANDLER); /* nanosleep(t, NULL) */
	assert_int_equal(shim_call_ends(35, rest), 0);
	assert_int_equal(shim_call_ends(72, none), 0); /* fcntl(F_DUPFD) */
	assert_int_equal(shim_call_ends(72, lock), CALL_AGAIN);
	assert_int_equal(shim_call_ends(202, wait), CALL_AGAIN);
	assert_int_equal(shim_call_ends(202, wait_until), CALL_AGAIN_NO_HANDLER);
	assert_int_equal(shim_call_ends(202, lock_pi), 0);
	assert_int_equal(shim_call_ends(57, none), 0); /* fork */
	assert_int_equal(shim_call_ends(270, none), CALL_AGAIN_NO_HANDLER); /* pselect6 */
	assert_int_equal(shim_call_ends(270, mask), 0);
	assert_int_equal(shim_call_ends(271, none), CALL_AGAIN_NO_HANDLER); /* ppoll */
	assert_int_equal(shim_call_ends(271, mask), 0);
	assert_int_equal(shim_call_ends(130, none), 0); /* rt_sigsuspend */
	assert_true(shim_call_is_continued(219));
	assert_false(shim_call_is_continued(0));
	assert_int_equal(shim_call_ends(UINT64_MAX, none), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_that_was_made_is_made),
		cmocka_unit_test(sleeps_go_on),
		cmocka_unit_test(others_are_left_alone),
		cmocka_unit_test(a_continued_call_is_known_by_its_note),
		cmocka_unit_test(a_whole_dump_is_mended),
		cmocka_unit_test(signals_of_timers_are_added),
		cmocka_unit_test(calls_end_as_signal_7_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
