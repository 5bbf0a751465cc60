// SPDX-License-Identifier: MIT
/*
 * engine/vz/rehearse.c - would a container start here?  Tried, not guessed: a throw-away one
 * with the config's limits and bridges, without addresses, and with a tree of one empty file
 * that is never run, is created by the same functions as the real one, and cleared away.
 *
 * Its id is always the same.  So the next rehearsal clears away what a killed one left, and
 * they take turns.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "base/spawn.h"
#include "engine/vz/run/run.h"
#include "engine/vz/run/runc.h"

#define ID	  "70726f62-652d-4000-8000-706d69677274"
#define TURN_FILE "/run/pmigrate/rehearsal.lock"

/* The directory that exists already and that `path` will be made in; the caller's. */
static char *nearest(const char *path)
{
	char *dir = xstrdup(path), *slash;

	while ((slash = strrchr(dir, '/')) && slash != dir) {
		*slash = '\0';
		if (access(dir, F_OK) == 0)
			return dir;
	}
	strcpy(dir, "/");
	return dir;
}

/* Can `path` be made?  Tried beside it, by a name that no tree of a rehearsal has. */
static int can_make(const char *path, struct err *e)
{
	own_free char *dir = nearest(path);
	own_free char *one = xasprintf("%s/.made-by-rehearsal", dir);

	if (mkdir(one, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create anything in %s", dir);
	return rmdir(one) == 0 ? 0 : err_sys(e, "cannot remove %s", one);
}

/* Until nobody else rehearses here. */
static int take_turn(struct err *e)
{
	int fd;

	if (path_mkdirs("/run/pmigrate", 0700, e) < 0)
		return -1;
	fd = open(TURN_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "cannot open " TURN_FILE);
	while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
		;
	return fd;
}

/* The tree: what runc looks for before it waits. */
static int make_tree(const char *root, struct err *e)
{
	own_free char *file = xasprintf("%s/init", root);
	own_fd int fd = -1;

	if (mkdir(root, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create %s", root);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	return fd < 0 ? err_sys(e, "cannot create %s", file) : 0;
}

/* The same interfaces without addresses; names on the server that nobody has. */
static int strip_net(struct ctnet *net, struct err *e)
{
	net->rehearsal = true;
	for (size_t i = 0; i < net->n; i++) {
		struct ctnet_if *one = &net->ifs[i];

		one->n_addr = 0;
		one->gw4.family = one->gw6.family = 0;
		if (snprintf(one->host_name, sizeof(one->host_name), "vzprobe.%zu", i) >=
		    (int)sizeof(one->host_name))
			return err_set(e, ERR_BROKEN, "NETIF has %zu adapters", net->n);
	}
	return 0;
}

static void clear(const struct vz *v, const struct ctnet *net)
{
	own_free char *group = vz_cgroup(ID);

	cgroup_kill(group, NULL);
	runc_delete(ID, NULL);
	ctnet_remove(net, NULL);
	cgroup_remove(group, NULL);
	path_remove_tree(AT_FDCWD, v->run_dir, NULL);
	path_remove_tree(AT_FDCWD, v->ct.root, NULL);
}

static int create(struct vz *v, struct ctnet *net, struct err *e)
{
	char program[] = "/init", *argv[] = { program, NULL };
	own_free char *service = vz_value(v, "VE_INIT", "");
	const struct vz_init init = { .kind = *service ? VZ_INIT_SERVICE : VZ_INIT_SYSTEMD,
				      .argv = { .item = argv, .n = 1 } };

	if (vz_net(v, net, e) < 0 || strip_net(net, e) < 0)
		return -1;
	clear(v, net);
	if (make_tree(v->ct.root, e) < 0 || vz_cgroup_prepare(v, e) < 0 || ctnet_prepare(net, e) < 0 ||
	    vz_bundle_write(v, &init, e) < 0)
		return -1;
	return runc_create(ID, v->run_dir, e);
}

static int try_start(const struct ct *home, const struct ct_desc *d, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	own_ctnet struct ctnet net = CTNET_INIT;
	own_free char *place = nearest(home->private_area);
	int ret;

	if (!spawn_has("runc")) {
		spawn_absent("runc", e);
		if (e)
			e->code = ERR_LAYOUT;
		return -1;
	}
	if (vz_open_new(&v, ID, e) < 0 || conf_parse(&v.conf, d->config, strlen(d->config), d->id, e) < 0)
		return -1;
	/* Those have a check of their own, which can be bypassed; it is not started then. */
	conf_unset(&v.conf, "BINDMOUNT");
	/* Where its tree will lie: a file system that programs cannot be run from shows here. */
	free(v.ct.root);
	v.ct.root = xasprintf("%s/.rehearsal-" ID, place);
	path_squeeze(v.ct.root); /* on a new server it lies in "/" */
	ret = create(&v, &net, e);
	clear(&v, &net);
	return ret < 0 ? err_wrap(e, "a container does not start here (tried)") : 0;
}

int vz_rehearse(const struct ct *home, const struct ct_desc *d, bool start, struct err *e)
{
	own_free char *conf = vz_conf_file(d->id, "conf");
	own_fd int turn = take_turn(e);

	if (turn < 0)
		return -1;
	if (can_make(conf, e) < 0 || can_make(home->private_area, e) < 0 || can_make(home->root, e) < 0 ||
	    (d->name && can_make(VZ_NAMES_DIR "/x", e) < 0))
		return -1;
	return start ? try_start(home, d, e) : 0;
}
