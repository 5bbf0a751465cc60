// SPDX-License-Identifier: MIT
/*
 * pctl/boot.c - boot, shutdown: what the server's init asks for when the server comes up and
 * goes down (etc/pmigrate.service.in).
 *
 * boot starts each container with ONBOOT="yes" once while the server is up: which ones were dealt with is
 * noted in /run, so that it can be run again for those that could not be started the first time
 * (an unfinished migration held them) without starting what somebody has stopped by hand since.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/spawn.h"
#include "engine/vz/run/run.h"
#include "pctl/pctl.h"

#define DEALT_WITH_DIR "/run/pmigrate/boot"

/* PARALLEL: when VE_PARALLEL of vz.conf says nothing; a container that stops mostly waits. */
enum { STOP_TIMEOUT_S = 60, PARALLEL = 16, PARALLEL_MAX = 256 };

/* One container of this server; the higher its BOOTORDER, the earlier; those without one come last, by id
 * (ctid.conf(5)). */
struct member {
	struct ct ct;
	uint64_t order;
	size_t listed;
	bool onboot;
};

struct members {
	struct member *item;
	size_t n;
};

static void members_fini(struct members *m)
{
	for (size_t i = 0; i < m->n; i++)
		ct_fini(&m->item[i].ct);
	free(m->item);
}

#define own_members __attribute__((cleanup(members_fini)))

static int by_order(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->order != y->order)
		return x->order > y->order ? -1 : 1;
	return x->listed < y->listed ? -1 : 1;
}

static void read_wishes(struct member *m)
{
	own_vz struct vz v = VZ_INIT;
	own_free char *order = NULL;

	if (vz_open(&v, m->ct.id, NULL) < 0)
		return;
	m->onboot = vz_yes(&v, "ONBOOT", false) && !vz_yes(&v, "DISABLED", false);
	order = vz_value(&v, "BOOTORDER", "0");
	if (*order && parse_u64(order, "BOOTORDER", 0, UINT64_MAX, &m->order, NULL) < 0)
		log_warn("BOOTORDER '%s' of container %s is no number: it starts among the last", order, m->ct.id);
}

static int members_load(struct members *out, struct err *e)
{
	struct ct *all;
	size_t n;

	if (vz_list(&all, &n, e) < 0)
		return -1;
	out->item = xcalloc(n ? n : 1, sizeof(*out->item));
	out->n = n;
	for (size_t i = 0; i < n; i++) {
		out->item[i] = (struct member){ .ct = all[i], .listed = i };
		read_wishes(&out->item[i]);
	}
	free(all);
	qsort(out->item, n, sizeof(*out->item), by_order);
	return 0;
}

static char *note_of(const char *id)
{
	return xasprintf(DEALT_WITH_DIR "/%s", id);
}

static void note_dealt_with(const char *id)
{
	own_free char *note = note_of(id);
	struct err e = ERR_INIT;

	if (path_mkdirs(DEALT_WITH_DIR, 0755, &e) < 0 || file_replace(AT_FDCWD, note, "", 0, 0644, &e) < 0)
		log_warn("%s", e.msg);
}

/* 1: it runs now, and did not before. */
static int boot_one(const struct ct *ct, struct err *e)
{
	enum ct_state state;
	int lock = -1, ret;

	if (vz_lock(ct->id, "starting with the server", NULL, &lock, e) < 0)
		return -1;
	ret = vz_state(ct, &state, e);
	if (ret == 0 && state != CT_RUNNING)
		ret = pctl_start_one(ct, e) < 0 ? -1 : 1;
	vz_unlock(ct->id, &lock);
	return ret;
}

int pctl_boot(const struct pctl_args *a, struct err *e)
{
	own_members struct members m = { NULL, 0 };
	size_t left = 0, started = 0;

	(void)a;
	if (members_load(&m, e) < 0)
		return -1;
	for (size_t i = 0; i < m.n; i++) {
		const char *id = m.item[i].ct.id;
		own_free char *note = note_of(id);
		struct err why = ERR_INIT;
		int ret;

		if (!m.item[i].onboot || access(note, F_OK) == 0)
			continue;
		ret = boot_one(&m.item[i].ct, &why);
		if (ret < 0) {
			log_warn("container %s is NOT started: %s%s%s", id, why.msg, why.hint[0] ? ": " : "",
				 why.hint);
			if (!left++)
				*e = why;
			continue;
		}
		started += ret == 1;
		if (ret == 1)
			log_info("container %s is started", id);
		note_dealt_with(id);
	}
	if (!left)
		return 0;
	err_set(e, e->code, "%zu of the containers that start with the server, not started: %zu", started + left,
		left);
	return err_hint(e, "what is said above first; then: pctl boot");
}

/* ---- the way down ----------------------------------------------------------------- */

/* `pctl stop` (or umount) for each, as many at once as `slots` has. */
struct stops {
	struct child *slot;
	size_t slots, next, failed;
	const char *timeout;
};

static void wait_slot(struct stops *s, size_t i)
{
	struct err why = ERR_INIT;
	int status;

	if (!s->slot[i].pid)
		return;
	if (child_wait(&s->slot[i], -1, &status, &why) < 0 || status != 0)
		s->failed++;
	child_fini(&s->slot[i]);
	s->slot[i] = (struct child)CHILD_INIT;
}

static void stop_one(struct stops *s, const struct ct *ct, bool mounted)
{
	const char *const stop[] = { "/proc/self/exe", "stop", ct->id, "--timeout", s->timeout, NULL };
	const char *const umount[] = { "/proc/self/exe", "umount", ct->id, NULL };
	struct spawn how = SPAWN_INIT(mounted ? umount : stop);
	struct err why = ERR_INIT;
	size_t i = s->next++ % s->slots;

	how.out = how.err = SPAWN_INHERIT;
	wait_slot(s, i);
	if (child_start(&s->slot[i], &how, &why) == 0)
		return;
	log_warn("container %s is not stopped: %s", ct->id, why.msg);
	s->failed++;
}

static size_t parallel(void)
{
	own_conf struct conf global = CONF_INIT;
	const char *text;
	uint64_t n = PARALLEL;

	if (vz_global_load(&global, NULL) < 0)
		return PARALLEL;
	text = conf_get(&global, "VE_PARALLEL");
	if (text && *text && parse_u64(text, "VE_PARALLEL", 1, PARALLEL_MAX, &n, NULL) < 0)
		log_warn("VE_PARALLEL '%s' of vz.conf is no number from 1 to %d", text, PARALLEL_MAX);
	return n;
}

/* Last started, first stopped.  Who is stopped before its next start counts as not dealt with: a
 * restart of the service starts it again. */
int pctl_shutdown(const struct pctl_args *a, struct err *e)
{
	own_free char *standard = xasprintf("%d", STOP_TIMEOUT_S);
	const char *given = pctl_arg(a, "timeout");
	own_members struct members m = { NULL, 0 };
	struct stops s = { .timeout = given ? given : standard, .slots = parallel() };
	own_free struct child *slot = xcalloc(s.slots, sizeof(*slot));
	uint64_t seconds;

	if (parse_u64(s.timeout, "the timeout", 0, 86400, &seconds, e) < 0 || members_load(&m, e) < 0)
		return -1;
	s.slot = slot;
	for (size_t i = 0; i < s.slots; i++)
		slot[i] = (struct child)CHILD_INIT;
	for (size_t i = m.n; i-- > 0;) {
		own_free char *note = note_of(m.item[i].ct.id);
		enum ct_state state;

		unlink(note);
		if (vz_state(&m.item[i].ct, &state, NULL) == 0 && state != CT_STOPPED)
			stop_one(&s, &m.item[i].ct, state == CT_MOUNTED);
	}
	for (size_t i = 0; i < s.slots; i++)
		wait_slot(&s, i);
	if (!s.failed)
		return 0;
	err_set(e, ERR_STOP, "of the containers that were up, not stopped: %zu", s.failed);
	return err_hint(e, "`pctl list` shows what still runs");
}

/* ---- is there anybody who runs us? -------------------------------------------------- */

void pctl_check_onboot_unit(void)
{
	own_free char *out = NULL;
	int code = 0;

	/* sd_booted(3) */
	if (access("/run/systemd/system", F_OK) < 0)
		return;
	if (spawn_read(spawn_argv("systemctl", "is-enabled", "pmigrate.service"), NULL, 4096, 5000, &out, &code,
		       NULL) == 0 &&
	    code != 0)
		log_warn("nothing will be started with this server yet: systemctl enable --now pmigrate.service");
}
