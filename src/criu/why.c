// SPDX-License-Identifier: MIT
#include "criu/why.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"

enum {
	LOG_MAX = 16 << 20,
	LINE_MAX_BYTES = 300,
};

struct reason {
	const char *pattern; /* words that follow each other in the line; '*' is anything */
	const char *cause;
	const char *remedy;
};

/* Texts of CRIU 4.2; the more special ones first. */
static const struct reason reasons[] = {
	{ "nested uts namespace", "a service has a UTS namespace of its own (ProtectHostname=)",
	  "pctl set ID --live-ready makes services start without it; or set ProtectHostname=no in the unit and restart it" },
	{ "nested ipc namespace", "a service has an IPC namespace of its own (PrivateIPC=)",
	  "set PrivateIPC=no in the unit and restart it" },
	{ "more than one netns", "a service has a network namespace of its own (PrivateNetwork=)",
	  "set PrivateNetwork=no in the unit and restart it" },
	{ "nested time namespace", "a process has a time namespace of its own", "stop that process" },
	{ "io_uring", "a process uses io_uring, which cannot be moved",
	  "turn it off in the program, or by sysctl kernel.io_uring_disabled=2" },
	{ "anon_inode:[io_uring]", "a process uses io_uring, which cannot be moved",
	  "turn it off in the program, or by sysctl kernel.io_uring_disabled=2" },
	{ "Unsupported proto 262", "a program uses MPTCP sockets",
	  "set net.mptcp.enabled=0 in the container, for Go programs GODEBUG=multipathtcp=0, and restart the program" },
	{ "Unsupported proto", "a socket's protocol cannot be moved", "stop the program that has it" },
	{ "bpf-prog", "a process holds a BPF program",
	  "for systemd: pctl set ID --live-ready; else stop the program" },
	{ "[userfaultfd]", "a process uses userfaultfd", "stop that program" },
	{ "[perf_event]", "a process uses perf events", "stop that program" },
	{ "External socket is used", "a process talks over a unix socket to a process outside the container",
	  "stop that process or close the connection" },
	{ "Can't dump half of stream unix connection", "a process talks over a unix socket to a process outside the container",
	  "stop that process or close the connection" },
	{ "Can't dump ghost file * of * size", "a large deleted file is still open",
	  "restart the program that holds it" },
	{ "mqueue isn't empty", "a POSIX message queue holds messages", "let the program read them first" },
	{ "doesn't have a proper root mount", "a mount shows only a part of a file system whose root is not in the container",
	  "units with DynamicUser=, RootDirectory= or BindPaths= do that: set PrivateTmp=yes, or stop the unit" },
	{ "Can't lookup mount=", "a process holds a file of a mount that is gone",
	  "restart that process, or run the container with its output not on a file of the server" },
	{ "fsnotify: * Unable to open", "a watched file (inotify) cannot be found again",
	  "restart the program that watches it" },
	{ "Can't get rlimit", "the limits of a process cannot be read: this server lacks CAP_SYS_RESOURCE",
	  "give pmigrate CAP_SYS_RESOURCE" },
	{ "Unable to stat device", "a device that a process has open is not there", "" },
	{ "doesn't have write permissions", "a file that is open for writing is read-only there", "" },
	{ "bad size * expected", "a file on the destination differs from the one on the source",
	  "nothing else may write to the copy; try again" },
	{ "has bad build-ID", "a program on the destination differs from the one on the source",
	  "try again without --keep-dst" },
	{ "Can't bind inet socket", "an address of the container is not there, or is in use",
	  "look for another process with the same address and port" },
	{ "Connected TCP socket", "a TCP connection is open and was not asked to be kept", "" },
	{ "Pid * do not match expected", "a process number of the container was taken",
	  "try again" },
	{ "Task * with SysVIPC shmem map outside ipcns", "a process outside the container's IPC namespace shares its memory", "" },
	{ "Unexpected process in the freezer cgroup", "a process entered the container from outside (exec)",
	  "end the exec session and try again" },
	{ "cpu capabilities", "the destination's CPU lacks features that the processes may use",
	  "move to a server with the same or newer CPU" },
	{ "Bad ns file", "a namespace of the container could not be entered", "" },
};

/* Do the parts of `pattern` between '*' stand in the line, in this order? */
static bool matches(const char *line, const char *pattern)
{
	while (*pattern) {
		size_t n = strcspn(pattern, "*");
		const char *at;
		char part[96];

		while (n && pattern[n - 1] == ' ' && pattern[n] == '*')
			n--;
		if (n >= sizeof(part))
			return false;
		memcpy(part, pattern, n);
		part[n] = '\0';
		at = strstr(line, part);
		if (!at)
			return false;
		line = at + n;
		pattern += n;
		pattern += strspn(pattern, " *");
	}
	return true;
}

static const struct reason *reason_of(const char *line)
{
	for (size_t i = 0; i < array_len(reasons); i++) {
		if (*reasons[i].cause && matches(line, reasons[i].pattern))
			return &reasons[i];
	}
	return NULL;
}

/* Said as errors, but nothing fails by them. */
static bool is_noise(const char *text)
{
	return strncmp(text, "rlimit: Can't setup RLIMIT_NOFILE", 33) == 0;
}

/* The text behind "Error (file.c:12): " of one line, into out; false when it is none. */
static bool error_text(const char *line, size_t len, char out[static LINE_MAX_BYTES])
{
	own_free char *copy = xstrndup(line, len);
	const char *at = strstr(copy, "Error (");
	const char *text = at ? strstr(at, "): ") : NULL;

	if (!text)
		return false;
	text += 3;
	while (*text == ' ')
		text++;
	out[0] = '\0';
	strncat(out, text, LINE_MAX_BYTES - 1);
	return true;
}

/* The text of the last line, whatever it is: "(00.123) pid: Warn  (file.c:12): text". */
static void last_words(const char *log, char out[static LINE_MAX_BYTES])
{
	size_t len = strlen(log);
	const char *at, *text;

	while (len && log[len - 1] == '\n')
		len--;
	for (at = log + len; at > log && at[-1] != '\n';)
		at--;
	text = strstr(at, "): ");
	at = text && text < log + len ? text + 3 : at;
	snprintf(out, LINE_MAX_BYTES, "%.*s", (int)(log + len - at), at);
}

/* No line of the log is an error. */
static int unexplained(struct err *e, const char *what, const char *log, const char *fallback)
{
	char last[LINE_MAX_BYTES];

	last_words(log, last);
	return err_set(e, ERR_CHILD, "%s: %s; %s%s", what, fallback ? fallback : "CRIU gave no reason",
		       *last ? "the last line of its log is: " : "its log is empty", last);
}

int why_set(struct err *e, const char *what, const char *log, const char *fallback)
{
	char first[LINE_MAX_BYTES] = "", text[LINE_MAX_BYTES];
	const struct reason *known = NULL;

	for (const char *line = log; *line && !known;) {
		const char *end = strchrnul(line, '\n');

		if (error_text(line, (size_t)(end - line), text) && !is_noise(text)) {
			log_debug("criu: %s", text);
			known = reason_of(text);
			if (!*first || known)
				strcpy(first, text);
		}
		line = *end ? end + 1 : end;
	}
	if (known) {
		err_set(e, ERR_UNSUPPORTED, "%s: %s (CRIU: %s)", what, known->cause, first);
		return err_hint(e, "%s", known->remedy);
	}
	return *first ? err_set(e, ERR_CHILD, "%s: %s", what, first) : unexplained(e, what, log, fallback);
}

int why_from_log(struct err *e, const char *what, int dir, const char *file,
		 const char *fallback)
{
	own_free char *text = NULL;

	if (file_read(dir, file, LOG_MAX, &text, NULL, NULL) < 0)
		return why_set(e, what, "", fallback);
	return why_set(e, what, text, fallback);
}
