// SPDX-License-Identifier: MIT
#include "engine/vz/run/runc.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/own.h"
#include "base/spawn.h"

enum { RUNC_TIMEOUT_MS = 60000, OUTPUT_MAX = 1 << 20 };

static enum runc_status status_of(const char *word)
{
	static const char *const words[] = {
		[RUNC_CREATED] = "created",
		[RUNC_RUNNING] = "running",
		[RUNC_PAUSED] = "paused",
		[RUNC_STOPPED] = "stopped",
	};

	for (size_t i = RUNC_CREATED; i < array_len(words); i++) {
		if (word && strcmp(words[i], word) == 0)
			return (enum runc_status)i;
	}
	return RUNC_NONE;
}

int runc_state(const char *id, struct runc_state *out, struct err *e)
{
	own_free char *file = xasprintf(RUNC_ROOT "/%s/state.json", id);
	own_free char *text = NULL;
	cJSON *json;

	*out = (struct runc_state){ .status = RUNC_NONE };
	if (access(file, F_OK) < 0)
		return 0;
	if (spawn_read(spawn_argv("runc", "--root", RUNC_ROOT, "state", id), NULL, OUTPUT_MAX,
		       RUNC_TIMEOUT_MS, &text, NULL, e) < 0) {
		/* it may have gone meanwhile */
		return access(file, F_OK) < 0 ? 0 : -1;
	}
	json = cJSON_Parse(text);
	out->status = status_of(cJSON_GetStringValue(cJSON_GetObjectItem(json, "status")));
	if (out->status != RUNC_NONE && out->status != RUNC_STOPPED)
		out->pid = (pid_t)cJSON_GetNumberValue(cJSON_GetObjectItem(json, "pid"));
	cJSON_Delete(json);
	if (out->status == RUNC_NONE)
		return err_set(e, ERR_CHILD, "runc gives no state of container %s", id);
	return 0;
}

/* The message of the last error line in runc's log, or NULL. */
static char *log_error(const char *log)
{
	own_free char *text = NULL;
	char *found = NULL, *end;

	if (file_read(AT_FDCWD, log, OUTPUT_MAX, &text, NULL, NULL) < 0)
		return NULL;
	for (char *p = text; (p = strstr(p, "level=error msg=\"")); p++)
		found = p + strlen("level=error msg=\"");
	if (!found)
		return NULL;
	for (end = found; *end && *end != '\n' && !(*end == '"' && end[-1] != '\\'); end++)
		;
	return xstrndup(found, (size_t)(end - found));
}

/* With everything at /dev/null: the container's first process inherits it. */
static int run_silent(const char *const *argv, const char *log, struct err *e)
{
	struct spawn s = SPAWN_INIT(argv);
	own_child struct child c = CHILD_INIT;
	own_free char *said = NULL;
	int status;

	s.err = SPAWN_NULL;
	s.outlive = true; /* a death in the middle leaves what `stop` can clear, not half of it */
	unlink(log);
	if (child_start(&c, &s, e) < 0)
		return -1;
	if (child_wait(&c, RUNC_TIMEOUT_MS, &status, e) < 0)
		return -1;
	if (!status)
		return 0;
	said = log_error(log);
	return said ? err_set(e, ERR_CHILD, "runc: %s", said) : child_err(&c, status, e);
}

int runc_create(const char *id, const char *dir, struct err *e)
{
	own_free char *log = xasprintf("%s/runc.log", dir);

	return run_silent(spawn_argv("runc", "--root", RUNC_ROOT, "--log", log, "create", "--bundle",
				     dir, id),
			  log, e);
}

int runc_start(const char *id, const char *dir, struct err *e)
{
	own_free char *log = xasprintf("%s/runc.log", dir);

	return run_silent(spawn_argv("runc", "--root", RUNC_ROOT, "--log", log, "start", id), log, e);
}

int runc_kill(const char *id, int sig, struct err *e)
{
	own_free char *number = xasprintf("%d", sig);

	return spawn_run(spawn_argv("runc", "--root", RUNC_ROOT, "kill", id, number),
			 RUNC_TIMEOUT_MS, e);
}

int runc_delete(const char *id, struct err *e)
{
	own_free char *dir = xasprintf(RUNC_ROOT "/%s", id);

	if (access(dir, F_OK) < 0)
		return 0;
	return spawn_run(spawn_argv("runc", "--root", RUNC_ROOT, "delete", "--force", id),
			 RUNC_TIMEOUT_MS, e);
}

void runc_exec_argv(struct strv *argv, const char *id, const char *const *options)
{
	strv_addv(argv, spawn_argv("runc", "--root", RUNC_ROOT, "exec"));
	strv_addv(argv, options);
	strv_add(argv, id);
}
