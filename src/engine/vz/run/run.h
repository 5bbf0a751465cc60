/* SPDX-License-Identifier: MIT */
/*
 * engine/vz/run/run.h - making a native container run, in parts that can be used alone.
 * See engine/vz/vz.h for what exists in which state.
 */
#ifndef ENGINE_VZ_RUN_RUN_H
#define ENGINE_VZ_RUN_RUN_H

#include "engine/vz/vz.h"
#include "host/cgroup.h"
#include "net/state/ctnet.h"

/* What the container's first process is, which decides what it finds and how it is stopped. */
enum vz_init_kind {
	VZ_INIT_SYSTEMD,
	VZ_INIT_OTHER,	 /* another /sbin/init */
	VZ_INIT_SERVICE, /* VE_INIT="command" */
};

struct vz_init {
	enum vz_init_kind kind;
	struct strv argv;
};

void vz_init_fini(struct vz_init *i);
/* From VE_INIT (and VE_INIT_LOG), or the tree's /sbin/init.  ERR_START when it has none. */
int vz_init_find(const struct vz *v, struct vz_init *out, struct err *e);

/* LIVE_PROFILE, default yes: the settings with which everything can move live. */
bool vz_live_profile(const struct vz *v);

/* "/vz/101": has the limits, in every hierarchy.  And where the processes are: the same,
 * or "/vz/101/ct" on cgroup v2.  The caller's. */
char *vz_cgroup(const char *id);
char *vz_cgroup_of_processes(const char *id);

/* The config's limits; *out borrows from *cpus, which is the caller's. */
int vz_limits(const struct vz *v, struct cgroup_limits *out, char **cpus, struct err *e);
/* Makes /vz/ID and sets them; again while it runs, too. */
int vz_cgroup_prepare(const struct vz *v, struct err *e);
/* v2: what runc enabled below /vz/ID is taken away again, see host/cgroup.h. */
void vz_cgroup_settle(const char *id);

/* DISKSPACE and DISKINODES, as a project quota on the private area.  tell: one log line when the
 * file system has none. */
int vz_disk_limits(const struct vz *v, bool tell, struct err *e);
/* As vz_adopt of a container that is new: limits that only its sample has, and nobody keeps, are not told. */
int vz_adopt_new(const struct ct *ct, const struct ct_desc *d, struct err *e);

/* The usual directories of private areas and roots: nobody but root may look in, for programs of containers with the
 * set-user-id bit lie there, and files of users whose numbers somebody has here, too. */
void vz_shut_dirs(void);

/* Its network, from IP_ADDRESS, NETIF, RATE; *out is the caller's (ctnet_fini). */
int vz_net(const struct vz *v, struct ctnet *out, struct err *e);
/* Can a container have this address at all (no loopback, multicast, …)?  ERR_USAGE; `text` as it is written. */
int vz_address_check(const char *text, const struct ip *ip, struct err *e);
/* All its addresses as texts without prefix. */
void vz_addresses(const struct vz *v, struct strv *out);

/* Writes hostname, hosts and resolv.conf into the tree, where the config says something
 * else than they do. */
int vz_files_write(const struct vz *v, struct err *e);

bool vz_root_is_mounted(const struct ct *ct);
/* With the mount scripts; mounting a mounted one is fine. */
int vz_mount(const struct vz *v, struct err *e);
int vz_umount(const struct vz *v, struct err *e);

/* config.json, criu.conf and conf (the config it runs with) into run_dir. */
int vz_bundle_write(const struct vz *v, const struct vz_init *init, struct err *e);
/* What systemd must be told, in /run, the memory of a held container: its tree is not touched.
 * `root` is an open directory: the container's root as its processes see it. */
int vz_live_drop_in(int root, struct err *e);

/* STOPPED -> everything of HELD but the processes.  After a failure it is stopped. */
int vz_stage(struct vz *v, struct err *e);
/* Anything but RUNNING -> STOPPED: kills, unmounts, removes whatever is there.  Needs no
 * config and no complete set of parts. */
int vz_clear(const struct ct *ct, struct err *e);

/* See struct engine_ops. */
int vz_rehearse(const struct ct *home, const struct ct_desc *d, bool start, struct err *e);

int vz_hold(const struct ct *ct, struct err *e);
int vz_let_run(const struct ct *ct, struct err *e);
int vz_unhold(const struct ct *ct, struct err *e);
int vz_start(const struct ct *ct, struct err *e);
int vz_stop(const struct ct *ct, int timeout_ms, struct err *e);

/* Its addresses were changed while it runs: what it runs with is kept up to date, since
 * stop must find what to take away. */
int vz_note_running(const struct vz *now, struct err *e);

/* /run/pmigrate/vz/ID/held: the processes are there and may not run yet. */
int vz_mark_held(const char *id, bool held, struct err *e);

/* For the live move: see struct engine_ops. */
int vz_parts(const struct ct *ct, struct ct_parts *out, struct err *e);
int vz_cut(const struct ct *ct, struct err *e);
int vz_uncut(const struct ct *ct, struct err *e);
int vz_swap(const struct ct *ct, pid_t init, struct err *e);
/* HELD by vz_swap: its processes are there, frozen. */
bool vz_is_swapped(const char *id);
/* Lets the processes of a swapped or frozen one go on. */
int vz_thaw(const struct ct *ct, struct err *e);
/* As vz_open, with the config that it runs with, if it does; no config is fine. */
int vz_open_running(struct vz *v, const struct ct *ct, struct err *e);

/* Runs a script of ours: on the host with VEID and VE_CONFFILE, or inside, by its text.
 * Fine when there is none. */
int vz_script_on_host(const struct vz *v, const char *file, struct err *e);
int vz_script_inside(const struct vz *v, const char *what, struct err *e);

#endif
