/* SPDX-License-Identifier: MIT */
/* criu/check/priv.h - between obstacles*.c only. */
#ifndef CRIU_CHECK_PRIV_H
#define CRIU_CHECK_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "criu/carry/mountnotes.h"
#include "criu/check/obstacles.h"
#include "criu/check/peers.h"

enum {
	OBSTACLES_TEXT_MAX = 4 << 20,
	/* What may be so for a moment is looked at so often. */
	OBSTACLES_LOOKS = 20,
	OBSTACLES_LOOK_MS = 10,
};

struct mnt_ns {
	uint64_t ino;
	pid_t pid; /* somebody in it */
};

/* A socket that is a member of what cannot be moved. */
struct member {
	uint64_t ino;
	const struct obstacle_rule *rule;
};

/* One look: what is known of the container while its processes are walked. */
struct look {
	struct obstacles *out;
	pid_t init;
	unsigned lacks; /* enum criu_lack */
	pid_t *pids;
	size_t n, cap;
	struct unix_peers peers;
	char *mounts;	    /* mountinfo texts of all mount namespaces met, one after the other */
	struct mountnote all; /* the same, read */
	struct mnt_ns *mnt_seen;
	size_t n_mnt;
	struct member *member;
	size_t n_member;
};

/* Notes it; pid 0: of no process. */
void obstacles_found(struct look *l, pid_t pid, const struct obstacle_rule *r, const char *object);
/* /proc/PID/NAME, the caller's; NULL when it is gone. */
char *obstacles_proc_text(pid_t pid, const char *name, size_t max);
/* Of its namespace of that kind; 0: it is gone. */
uint64_t obstacles_ns_inode(pid_t pid, const char *name);

/* As far as it is known here: a server of a network file system that is dead is not waited for. */
int obstacles_stat(int dir, const char *path, struct stat *st);
/* Is this the device of a mounted file system that cannot be moved anyway, such as NFS? */
bool obstacles_is_remote(const struct look *l, dev_t dev);

/* Is something mounted over this path of that mount? */
bool obstacles_is_covered(const struct look *l, unsigned mnt_id, const char *path);

/* Each mount namespace once; its text is kept. */
void obstacles_take_mounts(struct look *l, pid_t pid);
/* Of all that were taken. */
void obstacles_look_at_mounts(struct look *l);

/* All of the first process's network namespace; and is this socket one of them? */
void obstacles_take_members(struct look *l);
void obstacles_look_at_member(struct look *l, pid_t pid, uint64_t ino, const char *object);

/* Its descriptor `number`, of UDP: does it hold something back?  Waits a little for it to be sent. */
void obstacles_look_at_datagram(struct look *l, pid_t pid, int number, const char *object);

/* Its descriptor `fd`, an epoll; `dir`: its /proc/PID/fd. */
void obstacles_look_at_epoll(struct look *l, pid_t pid, int dir, const char *fd, const char *object);

/* Its threads: their timers and signals, and whether the first is there. */
void obstacles_look_at_threads(struct look *l, pid_t pid);
/* Of all processes. */
void obstacles_look_at_sessions(struct look *l);

/* The fdinfo of an inotify: does CRIU find what it watches? */
void obstacles_look_at_watches(struct look *l, pid_t pid, const char *info, const char *object);

#endif
