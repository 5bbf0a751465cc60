// SPDX-License-Identifier: MIT
/*
 * live: one end of a hand-made live move, to try criu/ by itself.
 *
 *	live obstacles INIT                    what CRIU would refuse
 *	live dump INIT ROOTFS NETNS            frozen state -> stdout; a line on stdin ends
 *	                                       it: "commit" kills the source, else it runs on
 *	live restore ROOTFS NETNS CGROUP       stdin -> held; a line on stdin: it runs
 *
 * Times go to stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/spawn.h"
#include "base/strv.h"
#include "criu/check/obstacles.h"
#include "criu/dump.h"
#include "criu/image/imgdir.h"
#include "criu/park.h"
#include "criu/restore.h"
#include "criu/runcstate.h"

static uint64_t start_ns;

static void say(const char *what)
{
	fprintf(stderr, "%8.1f ms %s\n", (double)(clock_ns() - start_ns) / 1e6, what);
}

static int die(const struct err *e)
{
	fprintf(stderr, "live: %s\n      %s\n", e->msg, e->hint);
	return 1;
}

static void to_stderr(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "  %s\n", line);
}

static void put_u64(uint64_t v)
{
	uint8_t b[8];

	put_be64(b, v);
	write_all(1, b, 8);
}

static int write_piece(void *arg, const void *piece, size_t len, struct err *e)
{
	(void)arg;
	(void)e;
	put_u64(len);
	return write_all(1, piece, len);
}

static int dump_main(char **arg)
{
	struct err e = ERR_INIT;
	pid_t init = atoi(arg[0]);
	own_free char *mi_path = xasprintf("/proc/%d/mountinfo", (int)init);
	own_free char *mi = NULL;
	own_ext_mounts struct ext_mounts mounts = EXT_MOUNTS_INIT;
	own_freezer struct freezer fz = FREEZER_INIT;
	own_free char *dir = freezer_find(init, NULL, &e);
	own_fd int images = imgdir_open(&e);
	own_buf struct buf out = BUF_INIT;
	struct criu *c = NULL;
	own_strv struct strv env = STRV_INIT;
	int shim = getenv("LIVE_SHIM") ? imgdir_open(&e) : -1;
	char line[64] = "";

	if (shim >= 0) {
		own_free char *sp = xasprintf("/proc/%d/smaps", (int)init);
		own_free char *to = xasprintf("smaps-%d", (int)init);
		own_free char *text = NULL;
		size_t n;

		file_read(AT_FDCWD, sp, 16 << 20, &text, &n, &e);
		imgdir_put(shim, to, text, n, &e);
		strv_addf(&env, "PMIGRATE_SHIM=/proc/%d/fd/%d", (int)getpid(), shim);
		strv_add(&env, "CRIU_PMC_OFF=1");
	}
	const struct criu_opts co = { .netns = arg[2], .preload = getenv("LIVE_SHIM"),
		.env = (const char *const *)env.item };

	if (!dir || images < 0 || file_read(AT_FDCWD, mi_path, 1 << 20, &mi, NULL, &e) < 0 ||
	    ext_mounts_read(&mounts, mi, &e) < 0 || criu_start(&c, &co, &e) < 0 ||
	    freezer_open(&fz, dir, true, &e) < 0)
		return die(&e);
	clock_sleep_ms(100);
	start_ns = clock_ns();
	if (freezer_freeze(&fz, 2000, &e) < 0)
		return die(&e);
	say("frozen");
	const struct dump_opts d = { .init = init, .rootfs = arg[1], .freezer_dir = dir,
		.mounts = &mounts, .images = images, .timeout_ms = 60000 };
	if (criu_dump(c, &d, &e) < 0)
		return die(&e);
	say("dumped");
	if (shim >= 0) {
		own_free char *to = xasprintf("hidden-%d", (int)init);
		own_free char *text = NULL;

		file_read(shim, to, 16 << 20, &text, NULL, &e);
		fprintf(stderr, "hidden: %s\n", text ? text : e.msg);
	}
	ext_mounts_put(&out, &mounts);
	put_u64(out.len);
	write_all(1, out.data, out.len);
	if (imgdir_send(images, write_piece, NULL, &e) < 0)
		return die(&e);
	say("sent");
	criu_free(c);
	if (!fgets(line, sizeof(line), stdin) || strcmp(line, "commit\n") != 0) {
		say("thaw");
		return 0;
	}
	freezer_disarm(&fz, &e);
	kill(init, SIGKILL);
	freezer_thaw(&fz, &e);
	say("source killed");
	return 0;
}

/* A tmpfs with the right options, filled by tar on stdin's side beforehand: /run/live/KEY. */
static char *place(const struct ext_mounts *l, size_t i, const char *cgroup)
{
	const struct ext_mount *m = &l->m[i];
	struct stat st;

	if (m->kind == MOUNT_CGROUP) {
		char *dir = xasprintf("/sys/fs/cgroup/%s%s", strncmp(m->options, "name=", 5) == 0 ?
				      m->options + 5 : m->options, cgroup);
		return dir;
	}
	if (m->kind == MOUNT_SERVER)
		return xasprintf("/dev%s", m->root);
	for (size_t k = 0; k < l->n; k++) {
		if (l->m[k].dev == m->dev && strcmp(l->m[k].root, "/") == 0) {
			char *dir = xasprintf("/run/live/%s%s", l->m[k].key,
					      strcmp(m->root, "/") ? m->root : "");
			if (k == i && stat(dir, &st) < 0) {
				mkdir("/run/live", 0700);
				mkdir(dir, 0700);
				if (mount("tmpfs", dir, "tmpfs", 0, m->options) < 0)
					perror(dir);
			}
			return dir;
		}
	}
	return NULL;
}

static void enter_cgroups(pid_t pid, const char *cgroup)
{
	glob_t g;
	own_free char *pat = xasprintf("/sys/fs/cgroup/*%s/cgroup.procs", cgroup);
	own_free char *text = xasprintf("%d", (int)pid);

	if (glob(pat, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			file_poke(AT_FDCWD, g.gl_pathv[i], text, NULL);
	globfree(&g);
}

static int restore_main(char **arg)
{
	struct err e = ERR_INIT;
	own_ext_mounts struct ext_mounts mounts = EXT_MOUNTS_INIT;
	own_freezer struct freezer fz = FREEZER_INIT;
	own_fd int images = imgdir_open(&e);
	own_free char *dir = freezer_find(0, arg[2], &e);
	own_free char *parking = freezer_find(getpid(), NULL, &e);
	struct criu *c = NULL;
	struct park *park = NULL;
	const struct criu_opts co = { .netns = arg[1] };
	uint8_t head[8];
	pid_t init = 0;
	char go;

	if (criu_start(&c, &co, &e) < 0 || freezer_open(&fz, dir, false, &e) < 0)
		return die(&e);
	enter_cgroups(criu_pid(c), arg[2]);
	if (park_start(&park, parking ? parking : "/sys/fs/cgroup/freezer", &e) < 0)
		return die(&e);
	if (read_all(0, head, 8) < 0)
		return 1;
	size_t n = be64_at(head);
	own_free char *data = xmalloc(n);
	if (read_all(0, data, n) < 0)
		return 1;
	start_ns = clock_ns();
	struct reader r = reader_of(data, n);
	if (ext_mounts_get(&r, &mounts, &e) < 0)
		return die(&e);
	for (;;) {
		uint64_t budget = 8ull << 30;
		own_free char *piece = NULL;

		if (read_all(0, head, 8) < 0)
			return 1;
		n = be64_at(head);
		piece = xmalloc(n + 1);
		if (read_all(0, piece, n) < 0 || imgdir_apply(images, piece, n, &budget, &e) < 0)
			return die(&e);
		if (n == 0)
			break;
	}
	say("images are here");
	char **places = xcalloc(mounts.n + 1, sizeof(*places));
	for (size_t i = 0; i < mounts.n; i++)
		places[i] = place(&mounts, i, arg[2]);
	say("places");
	const struct restore_opts o = { .rootfs = arg[0], .images = images, .mounts = &mounts,
		.places = places, .hold = &fz, .park = park, .timeout_ms = 60000 };
	if (criu_restore(c, &o, &init, &e) < 0) {
		own_free char *log = NULL;
		file_read(images, "restore.log", 1 << 20, &log, NULL, NULL);
		fprintf(stderr, "%s\n", log ? log : "no log");
		return die(&e);
	}
	say("restored, held");
	if (getenv("LIVE_RUNC")) {
		if (runcstate_adopt(getenv("LIVE_RUNC"), init, &e) < 0)
			return die(&e);
		say("runc's");
	}
	fprintf(stderr, "init %d\n", (int)init);
	printf("held %d\n", (int)init);
	fflush(stdout);
	if (read(0, &go, 1) != 1) {
		kill(init, SIGKILL);
		freezer_thaw(&fz, NULL);
		return 1;
	}
	start_ns = clock_ns();
	freezer_thaw(&fz, &e);
	say("runs");
	criu_free(c);
	park_free(park);
	return 0;
}

static int obstacles_main(char **arg)
{
	own_obstacles struct obstacles o = OBSTACLES_INIT;
	struct err e = ERR_INIT;
	own_free char *dir = freezer_find(atoi(arg[0]), NULL, &e);

	start_ns = clock_ns();
	if (!dir || obstacles_find(&o, atoi(arg[0]), dir, &e) < 0)
		return die(&e);
	say("looked");
	for (size_t i = 0; i < o.n; i++) {
		own_free char *text = obstacle_text(&o.v[i]);

		printf("%s: %s\n    %s\n", o.v[i].blocks ? "blocks" : "lost", text, o.v[i].remedy);
	}
	printf("%zu tasks, ghost %llu\n", o.nr_tasks, (unsigned long long)o.ghost_max);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	log_init(LOG_LVL_DEBUG, to_stderr, NULL);
	if (argc == 5 && strcmp(argv[1], "dump") == 0)
		return dump_main(argv + 2);
	if (argc == 5 && strcmp(argv[1], "restore") == 0)
		return restore_main(argv + 2);
	if (argc == 3 && strcmp(argv[1], "obstacles") == 0)
		return obstacles_main(argv + 2);
	return 2;
}
