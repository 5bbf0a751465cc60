// SPDX-License-Identifier: MIT
#include "criu/runcstate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/own.h"

enum { STATE_MAX = 4 << 20 };

uint64_t stat_start_ticks(const char *stat)
{
	const char *at = strrchr(stat, ')');
	unsigned long long ticks;

	/* starttime is the 22nd field; behind the name comes the third. */
	for (int field = 3; at && field <= 22; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	return at && sscanf(at, "%llu", &ticks) == 1 ? ticks : 0;
}

/* The number behind `"key":`, where it begins and ends; false when it is not there once. */
static bool find_number(const char *text, const char *key, const char **from, const char **to)
{
	own_free char *quoted = xasprintf("\"%s\":", key);
	const char *at = strstr(text, quoted);

	if (!at || strstr(at + 1, quoted))
		return false;
	*from = at + strlen(quoted);
	*to = *from + strspn(*from, "0123456789");
	return *to > *from;
}

/* runc's own text is kept byte for byte where it is not about the process: its numbers go
 * beyond what a JSON library in doubles would keep. */
char *runcstate_text(const char *state, pid_t init, uint64_t start_ticks, struct err *e)
{
	own_buf struct buf out = BUF_INIT;
	const char *pid_at, *pid_end, *start_at, *start_end;
	own_free char *old = NULL;
	own_free char *new_ns = xasprintf("\"/proc/%d/ns/", (int)init);
	own_free char *new_pid = xasprintf("%d", (int)init);
	own_free char *new_start = xasprintf("%llu", (unsigned long long)start_ticks);

	if (!find_number(state, "init_process_pid", &pid_at, &pid_end) ||
	    !find_number(state, "init_process_start", &start_at, &start_end)) {
		err_set(e, ERR_UNSUPPORTED, "runc's state cannot be understood");
		err_hint(e, "this program knows runc 1.1 to 1.3");
		return NULL;
	}
	old = xasprintf("\"/proc/%.*s/ns/", (int)(pid_end - pid_at), pid_at);
	for (const char *s = state; *s;) {
		const char *put = NULL;

		if (s == pid_at) {
			put = new_pid;
			s = pid_end;
		} else if (s == start_at) {
			put = new_start;
			s = start_end;
		} else if (strncmp(s, old, strlen(old)) == 0) {
			put = new_ns;
			s += strlen(old);
		}
		if (put)
			buf_put(&out, put, strlen(put));
		else
			buf_put_u8(&out, (uint8_t)*s++);
	}
	buf_put_u8(&out, 0);
	return (char *)take_ptr(&out.data);
}

int runcstate_adopt(const char *dir, pid_t init, struct err *e)
{
	own_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_free char *stat_path = xasprintf("/proc/%d/stat", (int)init);
	own_free char *stat = NULL;
	own_free char *state = NULL;
	own_free char *text = NULL;
	uint64_t start;

	if (fd < 0)
		return err_sys(e, "cannot open runc's directory %s", dir);
	if (file_read(AT_FDCWD, stat_path, 4096, &stat, NULL, e) < 0 ||
	    file_read(fd, "state.json", STATE_MAX, &state, NULL, e) < 0)
		return -1;
	start = stat_start_ticks(stat);
	text = runcstate_text(state, init, start, e);
	if (!text)
		return err_wrap(e, "%s", dir);
	if (file_replace(fd, "state.json", text, strlen(text), 0600, e) < 0)
		return -1;
	/* What a container that was created and not started waits at. */
	if (unlinkat(fd, "exec.fifo", 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s/exec.fifo", dir);
	return 0;
}
