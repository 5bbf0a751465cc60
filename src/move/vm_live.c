// SPDX-License-Identifier: MIT
#include "move/vm_live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/libvirt/libvirt.h"
#include "wire/proto.h"

#define WAYS_GREETING "pmigrate-ways"

enum { LOOK_MS = 500, SOCKET_MAX = 100, TEXT_MAX = 4096 };

struct vm_live {
	char *sockets;
	struct child ways; /* ssh, which carries them */
	struct libvirt_job done;
};

char *vm_sockets(const char *id)
{
	return xasprintf("/run/pmigrate/vm-%s", id);
}

bool vm_live_wanted(const void *ctx)
{
	const struct source *s = ctx;

	return source_is_vm(s) && s->was == CT_RUNNING && s->need.start;
}

/* ssh listens on our sockets and ends at those there. */
static int open_ways(struct source *s, const char *libvirt, struct err *e)
{
	static const char *const names[] = { "memory", "disks" };
	const char *const remote[] = { "sh", "-c", "echo " WAYS_GREETING "; exec cat", NULL };
	struct link_opts lo = { .timeout_ms = s->job->link.timeout_ms };
	struct vm_live *v = s->vm;
	int ret;

	strv_addv(&lo.ssh, (const char *const *)s->job->link.ssh.item);
	strv_add(&lo.ssh, "-oExitOnForwardFailure=yes");
	strv_add(&lo.ssh, "-oStreamLocalBindMask=0111");
	strv_add(&lo.ssh, "-L");
	strv_addf(&lo.ssh, "%s/libvirt:%s", v->sockets, libvirt);
	for (size_t i = 0; i < array_len(names); i++) {
		strv_add(&lo.ssh, "-L");
		strv_addf(&lo.ssh, "%s/%s:%s/%s", v->sockets, names[i], v->sockets, names[i]);
	}
	ret = link_open(&v->ways, &s->job->dst.where, &lo, remote, WAYS_GREETING, e);
	strv_fini(&lo.ssh);
	return ret;
}

int vm_step_expect(void *ctx, struct err *e)
{
	struct source *s = ctx;
	own_frame struct frame f = FRAME_INIT;
	own_free char *libvirt = NULL;
	struct reader r;

	s->vm = xcalloc(1, sizeof(*s->vm));
	s->vm->ways = (struct child)CHILD_INIT;
	s->vm->sockets = vm_sockets(s->id);
	if (strlen(s->vm->sockets) > SOCKET_MAX - 10)
		return err_set(e, ERR_UNSUPPORTED, "the name of virtual machine %s is too long",
			       s->ct.id);
	if (origin_leave(&s->origin, e) < 0 ||
	    peer_call(s->remote.peer, PROTO_VM_EXPECT, NULL, &f, e) < 0)
		return -1;
	r = reader_of(f.data, f.len);
	libvirt = get_str(&r, TEXT_MAX);
	if (!reader_done(&r) || libvirt[0] != '/' || strpbrk(libvirt, ": \t\n"))
		return err_set(e, ERR_PROTO, "%s does not say where its libvirt is",
			       s->remote.hello.host);
	if (path_mkdirs(s->vm->sockets, 0711, e) < 0)
		return -1;
	return open_ways(s, libvirt, e);
}

static void close_ways(struct vm_live *v)
{
	struct err e = ERR_INIT;

	child_fini(&v->ways);
	if (path_remove_tree(AT_FDCWD, v->sockets, &e) < 0)
		log_warn("%s", e.msg);
}

void vm_undo_expect(void *ctx)
{
	struct source *s = ctx;

	if (s->vm)
		close_ways(s->vm);
}

void vm_fini(struct source *s)
{
	if (!s->vm)
		return;
	close_ways(s->vm);
	free(s->vm->sockets);
	free(s->vm);
	s->vm = NULL;
}

static void look(struct source *s)
{
	struct libvirt_job now;
	struct err e = ERR_INIT;

	if (libvirt_job(s->ct.id, false, &now, &e) < 0 || !now.total)
		return;
	s->vm->done = now;
	atomic_store(&s->ev->progress.bytes_total, now.total);
	atomic_store(&s->ev->progress.bytes, now.done);
}

/* Ctrl-C: libvirt ends it, and the machine stays here. */
static void abort_job(struct source *s)
{
	struct err e = ERR_INIT;

	if (libvirt_do(&e, "domjobabort", s->ct.id) < 0)
		log_debug("%s", e.msg);
}

static int follow(struct source *s, struct child *virsh, struct err *e)
{
	bool asked = false;
	int status;

	for (;;) {
		struct err wait = ERR_INIT;

		if (child_wait(virsh, LOOK_MS, &status, &wait) == 0)
			return status == 0 ? 0 : child_err(virsh, status, e);
		if (wait.code != ERR_TIMEOUT) {
			*e = wait;
			return -1;
		}
		if (cancel_requested() && !asked) {
			asked = true;
			abort_job(s);
		}
		look(s);
	}
}

static void tell_round(struct source *s, double ms)
{
	const struct libvirt_job *j = &s->vm->done;
	struct event_round r = { .phase = PHASE_MEMORY,
				 .number = (unsigned)(j->rounds ? j->rounds : 1),
				 .ms = ms,
				 .bytes = j->done,
				 .dirty_bps = (double)j->dirty_bps };

	event_round(s->ev, &r);
}

int vm_migrate(struct source *s, struct err *e)
{
	const struct libvirt_trip trip = {
		.name = s->ct.id,
		.new_name = s->desc.id,
		.area = s->opened.facts.private_area,
		.sockets = s->vm->sockets,
		.config = s->desc.config,
		.limit_bps = s->job->limit_bps,
	};
	own_strv struct strv argv = STRV_INIT;
	own_child struct child virsh = CHILD_INIT;
	uint64_t begun = clock_ns();
	struct libvirt_job last;
	struct spawn sp;
	int ret;

	if (libvirt_migrate_argv(&argv, &trip, e) < 0)
		return -1;
	sp = (struct spawn)SPAWN_INIT((const char *const *)argv.item);
	sp.new_session = true;
	if (child_start(&virsh, &sp, e) < 0)
		return -1;
	cancel_allow(true); /* the long part; libvirt decides whether it is too late */
	ret = follow(s, &virsh, e);
	if (ret < 0 && cancel_requested())
		cancel_err(e);
	cancel_allow(false);
	if (ret < 0)
		return err_wrap(e, "libvirt could not move it");
	if (libvirt_job(s->ct.id, true, &last, NULL) == 0 && last.total)
		s->vm->done = last;
	tell_round(s, (double)(clock_ns() - begun) / 1e6);
	return 0;
}

void vm_account(const struct source *s, struct account *a)
{
	const struct libvirt_job *j;

	a->mode = "iterative";
	if (!s->vm)
		return;
	j = &s->vm->done;
	a->file_bytes = j->disk_done;
	a->memory_bytes = j->memory_done;
	a->wire_bytes += j->done;
	a->rounds = (unsigned)j->rounds;
	a->dirty_bps = (double)j->dirty_bps;
	a->has_downtime = s->up_ns && j->downtime_ms;
	a->downtime_ms = (double)j->downtime_ms;
	if (a->has_downtime)
		account_add_part(a, "libvirt", a->downtime_ms);
}
