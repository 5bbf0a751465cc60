// SPDX-License-Identifier: MIT
/* Asking libvirt, and the machine's life: see libvirt.h. */
#include "engine/libvirt/libvirt.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "base/spawn.h"
#include "engine/lockfile.h"

enum { VIRSH_MS = 120000, OUTPUT_MAX = 4 << 20, LOOK_MS = 100, ASK_AGAIN_MS = 10000 };

/* --- virsh ------------------------------------------------------------------------- */

int libvirt_ask(const char *const *words, const char *input, char **out, struct err *e)
{
	static const char *const head[] = { "env", "LC_ALL=C",	 "virsh",
					    "-q",  "-c", "qemu:///system", NULL };
	own_strv struct strv argv = STRV_INIT;
	own_free char *text = NULL;

	strv_addv(&argv, head);
	strv_addv(&argv, words);
	if (spawn_read((const char *const *)argv.item, input, OUTPUT_MAX, VIRSH_MS, &text, NULL,
		       e) < 0)
		return err_wrap(e, "virsh %s", words[0]);
	if (out)
		*out = take_ptr(&text);
	return 0;
}

int libvirt_has_line(const char *word, const char *const *words, struct err *e)
{
	own_free char *text = NULL;
	own_strv struct strv lines = STRV_INIT;

	if (libvirt_ask(words, NULL, &text, e) < 0)
		return -1;
	strv_split(&lines, text, "\n");
	return strv_has(&lines, word);
}

char *libvirt_xml(const char *name, struct err *e)
{
	char *text = NULL;

	if (libvirt_ask(spawn_argv("dumpxml", "--inactive", "--security-info", name), NULL, &text,
			e) < 0)
		return NULL;
	return text;
}

/* --- finding ----------------------------------------------------------------------- */

static bool present(void)
{
	return access("/run/libvirt/libvirt-sock", F_OK) == 0 ||
	       access("/run/libvirt/virtqemud-sock", F_OK) == 0;
}

static bool all_digits(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

static int find(const char *name, struct ct *out, struct err *e)
{
	int there = libvirt_listed(name, e, "list", "--all", "--name");

	if (there < 0)
		return -1;
	if (!there || !*name) {
		err_set(e, ERR_ABSENT, "there is no virtual machine '%s' on this server", name);
		return err_hint(e, "`virsh list --all` shows those of this server");
	}
	if (all_digits(name)) {
		err_set(e, ERR_UNSUPPORTED, "the name of virtual machine %s cannot be told from a "
					    "number of libvirt", name);
		return err_hint(e, "give it another: virsh domrename");
	}
	out->engine = xstrdup("libvirt");
	out->id = xstrdup(name);
	out->name = NULL;
	out->private_area = xasprintf(LIBVIRT_AREAS "/%s", name);
	out->root = xstrdup(out->private_area);
	return 0;
}

/* Containers are counted and looked up in lists; machines are not. */
static int list(struct ct **out, size_t *n, struct err *e)
{
	(void)e;
	*out = NULL;
	*n = 0;
	return 0;
}

int libvirt_state(const struct ct *ct, enum ct_state *out, struct err *e)
{
	own_free char *text = NULL;

	if (libvirt_ask(spawn_argv("domstate", ct->id), NULL, &text, e) < 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	if (!strcmp(text, "shut off") || !strcmp(text, "crashed"))
		*out = CT_STOPPED;
	else if (!strcmp(text, "paused"))
		*out = CT_HELD;
	else
		*out = CT_RUNNING;
	return 0;
}

/* --- the lock ---------------------------------------------------------------------- */

char *libvirt_autostart_note(const char *name)
{
	return xasprintf(LIBVIRT_STATE "/%s.autostart", name);
}

char *libvirt_area_note(const char *name)
{
	return xasprintf(LIBVIRT_STATE "/%s.area", name);
}

static int autostart_suspend(const char *name, struct err *e)
{
	own_free char *note = libvirt_autostart_note(name);
	int on = libvirt_listed(name, e, "list", "--all", "--autostart", "--name");

	if (on <= 0)
		return on;
	if (file_replace(AT_FDCWD, note, "yes\n", 4, 0600, e) < 0)
		return -1;
	return libvirt_do(e, "autostart", "--disable", name);
}

static char *lock_file(const char *name)
{
	return xasprintf(LIBVIRT_STATE "/%s.lck", name);
}

static int lock(const char *id, const char *why, const char *ticket, int *lock_fd, struct err *e)
{
	own_free char *file = lock_file(id), *what = xasprintf("virtual machine %s", id);

	if (lockfile_take(file, what, why, ticket, lock_fd, e) < 0)
		return -1;
	if (!ticket || autostart_suspend(id, e) == 0)
		return 0;
	lockfile_release(what, lock_fd);
	return -1;
}

static char *ticket(const char *id)
{
	own_free char *file = lock_file(id);

	return lockfile_ticket(file);
}

static void unlock(const char *id, int *lock_fd)
{
	own_free char *note = libvirt_autostart_note(id);
	own_free char *what = xasprintf("virtual machine %s", id);
	struct err e = ERR_INIT;

	if (access(note, F_OK) == 0) {
		int there = libvirt_listed(id, &e, "list", "--all", "--name");

		if (there < 0 || (there && libvirt_do(&e, "autostart", id) < 0))
			log_warn("%s does not start by itself any more: %s", what, e.msg);
		unlink(note);
	}
	lockfile_release(what, lock_fd);
}

/* --- running ----------------------------------------------------------------------- */

static int start(const struct ct *ct, struct err *e)
{
	return libvirt_do(e, "start", ct->id);
}

/* It is asked like by its power button, again and again: a guest that boots does not hear. */
static int stop(const struct ct *ct, int timeout_ms, struct err *e)
{
	uint64_t deadline = clock_deadline(timeout_ms), ask = 0;
	enum ct_state state;

	for (;;) {
		if (libvirt_state(ct, &state, e) < 0)
			return -1;
		if (state == CT_STOPPED)
			return 0;
		if (!clock_left_ms(deadline))
			return libvirt_do(e, "destroy", ct->id);
		if (!ask || !clock_left_ms(ask)) {
			struct err ignored = ERR_INIT;

			if (libvirt_do(&ignored, "shutdown", ct->id) < 0)
				log_debug("%s", ignored.msg);
			ask = clock_deadline(ASK_AGAIN_MS);
		}
		clock_sleep_ms(LOOK_MS);
	}
}

static int hold(const struct ct *ct, struct err *e)
{
	return libvirt_do(e, "start", "--paused", ct->id);
}

static int let_run(const struct ct *ct, struct err *e)
{
	return libvirt_do(e, "resume", ct->id);
}

static int unhold(const struct ct *ct, struct err *e)
{
	enum ct_state state;
	int ours = libvirt_is_ours(ct, e);

	if (ours <= 0)
		return ours;
	if (libvirt_state(ct, &state, e) < 0)
		return -1;
	return state == CT_STOPPED ? 0 : libvirt_do(e, "destroy", ct->id);
}

static int rename_it(const struct ct *from, const struct ct *to, struct err *e)
{
	(void)to;
	err_set(e, ERR_UNSUPPORTED, "virtual machine %s is not moved within one server", from->id);
	return err_hint(e, "see virsh domrename");
}

const struct engine_ops libvirt_engine = {
	.name = "libvirt",
	.present = present,
	.find = find,
	.list = list,
	.state = libvirt_state,
	.lock = lock,
	.ticket = ticket,
	.unlock = unlock,
	.start = start,
	.stop = stop,
	.describe = libvirt_describe,
	.retire = libvirt_retire,
	.stay = libvirt_stay,
	.plan_home = libvirt_plan_home,
	.adopt = libvirt_adopt,
	.disown = libvirt_disown,
	.hold = hold,
	.let_run = let_run,
	.unhold = unhold,
	.expect = libvirt_expect,
	.arrived = libvirt_arrived,
	.rename = rename_it,
};
