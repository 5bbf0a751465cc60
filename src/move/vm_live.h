/* SPDX-License-Identifier: MIT */
/*
 * move/vm_live.h - a running virtual machine moves by libvirt's own live migration.
 *
 *	expect	the agent makes empty disks and a directory of sockets; ours leads there by ssh
 *	commit	the journal says so, then virsh moves it; the agent is asked whether it came.
 *		A dead link leaves that open: libvirt keeps at most one running, and
 *		recover asks both
 */
#ifndef MOVE_VM_LIVE_H
#define MOVE_VM_LIVE_H

#include <stdbool.h>

#include "move/source.h"

/* /run/pmigrate/vm-ID, on both servers.  The caller's. */
char *vm_sockets(const char *id);

/* The steps' functions; ctx is the struct source. */
bool vm_live_wanted(const void *ctx);
int vm_step_expect(void *ctx, struct err *e);
void vm_undo_expect(void *ctx);

/* Returns when libvirt has ended it, in whichever way; *e is what it said. */
int vm_migrate(struct source *s, struct err *e);
void vm_account(const struct source *s, struct account *a);
void vm_fini(struct source *s);

#endif
