// SPDX-License-Identifier: MIT
#include "criu/shim/calls.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <time.h>

enum {
	POLL = 7,
	NANOSLEEP = 35,
	FUTEX = 202,
	RESTART_SYSCALL = 219,
	CLOCK_NANOSLEEP = 230,
	PSELECT = 270,
	PPOLL = 271,
};

static bool is_futex_wait(uint64_t op)
{
	return (op & FUTEX_CMD_MASK) == FUTEX_WAIT || (op & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
}

/* What ends with EINTR in any case has ended with the freeze.  With a signal mask of its own a call is left alone: what waits
 * for it is decided when it has that mask. */
int shim_call_ends(uint64_t nr, const uint64_t arg[static 6])
{
	switch (nr) {
	case 0:	  /* read */
	case 1:	  /* write */
	case 2:	  /* open: a FIFO */
	case 19:  /* readv */
	case 20:  /* writev */
	case 40:  /* sendfile */
	case 42:  /* connect */
	case 43:  /* accept */
	case 44:  /* sendto */
	case 45:  /* recvfrom */
	case 46:  /* sendmsg */
	case 47:  /* recvmsg */
	case 61:  /* wait4 */
	case 73:  /* flock */
	case 85:  /* creat */
	case 242: /* mq_timedsend */
	case 243: /* mq_timedreceive */
	case 247: /* waitid */
	case 257: /* openat */
	case 275: /* splice */
	case 276: /* tee */
	case 278: /* vmsplice */
	case 288: /* accept4 */
	case 295: /* preadv */
	case 296: /* pwritev */
	case 299: /* recvmmsg */
	case 307: /* sendmmsg */
	case 327: /* preadv2 */
	case 328: /* pwritev2 */
	case 437: /* openat2 */
		return CALL_AGAIN;
	case 72: /* fcntl */
		return arg[1] == F_SETLKW || arg[1] == F_OFD_SETLKW ? CALL_AGAIN : 0;
	case POLL:
	case 23: /* select */
	case 34: /* pause */
	case 69: /* msgsnd */
	case 70: /* msgrcv */
		return CALL_AGAIN_NO_HANDLER;
	case NANOSLEEP: /* who asks for the rest gets it from the call only */
		return shim_call_may_begin_again(nr, arg) ? CALL_AGAIN_NO_HANDLER : 0;
	case CLOCK_NANOSLEEP:
		return arg[1] & TIMER_ABSTIME || shim_call_may_begin_again(nr, arg) ? CALL_AGAIN_NO_HANDLER : 0;
	case PSELECT:
		return arg[5] ? 0 : CALL_AGAIN_NO_HANDLER;
	case PPOLL:
		return arg[3] ? 0 : CALL_AGAIN_NO_HANDLER;
	case FUTEX: /* with a limit it is not made again */
		return !is_futex_wait(arg[1]) ? 0 : arg[3] ? CALL_AGAIN_NO_HANDLER : CALL_AGAIN;
	default:
		return 0;
	}
}

bool shim_call_may_begin_again(uint64_t nr, const uint64_t arg[static 6])
{
	switch (nr) {
	case POLL:
		return (int32_t)arg[2] < 0;
	case NANOSLEEP: /* the kernel wrote the rest to the second, which may be the first */
		return !arg[1] || arg[1] == arg[0];
	case CLOCK_NANOSLEEP:
		return !arg[3] || arg[3] == arg[2];
	case FUTEX:
		return (arg[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET; /* until a moment */
	default:
		return false;
	}
}

bool shim_call_is_continued(uint64_t nr)
{
	return nr == POLL || nr == NANOSLEEP || nr == FUTEX || nr == CLOCK_NANOSLEEP || nr == RESTART_SYSCALL;
}
