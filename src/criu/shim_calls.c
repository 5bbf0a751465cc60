// SPDX-License-Identifier: MIT
#include "criu/shim_calls.h"

#include <linux/futex.h>

/* By signal(7).  What ends with EINTR in any case has ended with the freeze. */
int shim_call_ends(uint64_t nr, const uint64_t arg[static 4])
{
	switch (nr) {
	case 0:	  /* read */
	case 1:	  /* write */
	case 2:	  /* open: a FIFO */
	case 19:  /* readv */
	case 20:  /* writev */
	case 42:  /* connect */
	case 43:  /* accept */
	case 44:  /* sendto */
	case 45:  /* recvfrom */
	case 46:  /* sendmsg */
	case 47:  /* recvmsg */
	case 61:  /* wait4 */
	case 72:  /* fcntl: F_SETLKW */
	case 73:  /* flock */
	case 242: /* mq_timedsend */
	case 243: /* mq_timedreceive */
	case 247: /* waitid */
	case 257: /* openat */
	case 288: /* accept4 */
	case 299: /* recvmmsg */
		return CALL_AGAIN;
	case 7:	  /* poll */
	case 23:  /* select */
	case 34:  /* pause */
	case 35:  /* nanosleep */
	case 69:  /* msgsnd */
	case 70:  /* msgrcv */
	case 130: /* rt_sigsuspend */
	case 230: /* clock_nanosleep */
	case 270: /* pselect6 */
	case 271: /* ppoll */
		return CALL_AGAIN_NO_HANDLER;
	case 202: /* futex: with a limit it is not made again */
		if ((arg[1] & FUTEX_CMD_MASK) != FUTEX_WAIT && (arg[1] & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET)
			return 0;
		return arg[3] ? CALL_AGAIN_NO_HANDLER : CALL_AGAIN;
	default:
		return 0;
	}
}
