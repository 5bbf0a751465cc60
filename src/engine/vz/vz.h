/* SPDX-License-Identifier: MIT */
/*
 * engine/vz/vz.h - the native engine: its files, and the parts a container is made
 * of, for who makes one without runc (the online move).
 *
 *	/etc/vz/vz.conf				this server
 *	/etc/vz/conf/ID.conf			the container; CT over vz.conf over built-in
 *	/etc/vz/conf/ID.{mount,umount}		scripts, run on the host
 *	/etc/vz/conf/ID.{start,stop}		scripts, run inside
 *	/etc/vz/names/NAME -> ../conf/ID.conf
 *	VE_PRIVATE   /vz/private/ID		the container's root tree, nothing else
 *	VE_ROOT      /vz/root/ID		that tree, bind-mounted (a mount of its own)
 *	LOCKDIR      /vz/lock/ID.lck		flock'ed by who works on it
 *	/run/pmigrate/vz/ID/			exists from hold to stop:
 *		config.json			the OCI bundle
 *		criu.conf			CRIU options of this container
 *		runc.log			what runc said last
 *		held				held by other means than runc's (see below)
 *	/run/runc/ID/				runc's own: `runc list/exec/kill/delete ID` work
 *	/run/netns/vzID				its network namespace
 *	cgroup /vz/ID				limits; processes there, or in /vz/ID/ct where
 *						only cgroup v2 is (vz_cgroup_of_processes)
 *
 * What exists when:
 *
 *	STOPPED	config and private area
 *	MOUNTED	+ the mount on VE_ROOT, mount scripts were run
 *	HELD	+ cgroups with limits, netns with all interfaces and addresses (closed
 *		  to the outside: net/state/ctnet.h), the bundle, runc's state "created":
 *		  runc init waits, the tree is pivoted, /dev and /run are made
 *	RUNNING	+ the network is open, the init is what VE_INIT says, ID.start was run
 *
 * vz_stage makes everything of HELD except the processes; vz_hold = vz_stage +
 * `runc create`.  Who restores by CRIU calls vz_stage, restores, writes runc's
 * state, and creates the file `held` until the processes may run; then
 * ctnet_open(vz_net) at the switch.
 */
#ifndef ENGINE_VZ_VZ_H
#define ENGINE_VZ_VZ_H

#include "engine/conf.h"
#include "engine/engine.h"

extern const struct engine_ops vz_engine;

#define VZ_ETC	     "/etc/vz"
#define VZ_CONF_DIR  VZ_ETC "/conf"
#define VZ_NAMES_DIR VZ_ETC "/names"
#define VZ_RUN_DIR   "/run/pmigrate/vz"

/* The scripts that travel; NULL-terminated: "mount", "umount", "start", "stop". */
extern const char *const vz_scripts[];

/* A container with all that is known of it. */
struct vz {
	struct ct ct;
	struct conf global; /* vz.conf */
	struct conf conf;   /* ID.conf */
	char *conf_file;
	char *run_dir;
	char *netns; /* file */
};

#define VZ_INIT { .ct = CT_INIT }
#define own_vz __attribute__((cleanup(vz_fini)))

void vz_fini(struct vz *v);

/* Reads its config.  ERR_ABSENT when it has none. */
int vz_open(struct vz *v, const char *id, struct err *e);
/* The same for an id without a config yet: only vz.conf is read. */
int vz_open_new(struct vz *v, const char *id, struct err *e);
/* The value for this container (see conf_value), a fresh string or NULL. */
char *vz_value(const struct vz *v, const char *name, const char *builtin);
bool vz_yes(const struct vz *v, const char *name, bool builtin);

/* A number from 1 to 2147483644 without leading zeros, or a UUID. */
bool vz_id_ok(const char *id);
/* Letters, digits, blanks and -_. ; not a dot or dash first, not a number. */
int vz_name_check(const char *name, struct err *e);

/* /etc/vz/conf/ID.WHAT, the caller's. */
char *vz_conf_file(const char *id, const char *what);

/* vz.conf; one that is missing counts as empty. */
int vz_global_load(struct conf *c, struct err *e);

/* Registry of names.  owner: NULL when nobody has it, else a fresh id. */
char *vz_name_owner(const char *name);
int vz_name_add(const char *name, const char *id, struct err *e);
/* Only when it is that id's. */
void vz_name_remove(const char *name, const char *id);

int vz_find(const char *id_or_name, struct ct *out, struct err *e);
int vz_list(struct ct **out, size_t *n, struct err *e);
int vz_lock(const char *id, const char *why, const char *ticket, int *lock_fd, struct err *e);
char *vz_ticket(const char *id); /* of its lock, or NULL; the caller's */
void vz_unlock(const char *id, int *lock_fd);
/* Who has the lock: "process 812: moving", or for whom it is kept; NULL when nobody.  The
 * caller's. */
char *vz_locked_by(const char *id);
int vz_state(const struct ct *ct, enum ct_state *out, struct err *e);

int vz_describe(const struct ct *ct, struct ct_desc *out, struct err *e);
int vz_plan_home(const struct ct_desc *d, struct ct *out, struct err *e);
int vz_adopt(const struct ct *ct, const struct ct_desc *d, struct err *e);
int vz_disown(const struct ct *ct, struct err *e);
int vz_retire(const struct ct *ct, bool remove, struct err *e);
int vz_rename(const struct ct *from, const struct ct *to, struct err *e);

/* No other container's root or private area equals, holds or lies in one of *ct's;
 * ERR_EXISTS names it.  `but` (may be NULL) is the id of one that does not count. */
int vz_paths_free(const struct ct *ct, const char *but, struct err *e);

#endif
