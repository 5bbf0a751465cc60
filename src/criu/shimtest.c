// SPDX-License-Identifier: MIT
#include "criu/shimtest.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "criu/dump.h"
#include "criu/image/imgdir.h"
#include "criu/shimdir.h"

#define NOTE_DIR "/run/pmigrate"
#define NOTE	 NOTE_DIR "/criu-shim"

enum { REGION = 8 << 20, IMAGES_MOST = 4 << 20, DUMP_MS = 20000, NOTE_MAX = 4096 };

/* ---- what was tested ---- */

static bool stat_in_path(const char *name, struct stat *st)
{
	const char *list = getenv("PATH");
	own_free char *dirs = xstrdup(list ? list : "");
	char *save = NULL;

	for (char *d = strtok_r(dirs, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
		own_free char *path = xasprintf("%s/%s", d, name);

		if (access(path, X_OK) == 0 && stat(path, st) == 0)
			return true;
	}
	return false;
}

/* Changes when one of the three does; NULL: cannot tell. */
static char *key_of_now(void)
{
	struct stat criu, lib;
	struct utsname u;

	if (!stat_in_path("criu", &criu) || stat(shim_library(), &lib) < 0 || uname(&u) < 0)
		return NULL;
	return xasprintf("criu %llu:%lld:%lld library %s %llu:%lld:%lld kernel %s\n",
			 (unsigned long long)criu.st_ino, (long long)criu.st_size,
			 (long long)criu.st_mtim.tv_sec, shim_library(), (unsigned long long)lib.st_ino,
			 (long long)lib.st_size, (long long)lib.st_mtim.tv_sec, u.release);
}

static bool known_good(const char *key)
{
	own_free char *text = NULL;

	return key && file_read(AT_FDCWD, NOTE, NOTE_MAX, &text, NULL, NULL) == 0 && strcmp(text, key) == 0;
}

static void note_good(const char *key)
{
	if (key && path_mkdirs(NOTE_DIR, 0700, NULL) == 0)
		file_replace(AT_FDCWD, NOTE, key, strlen(key), 0600, NULL);
}

/* ---- a process to save ---- */

struct subject {
	pid_t pid;
	int memfd;
	uint8_t *region; /* at the same place here and there */
};

/* Async-signal-safe: the child of a process with threads. */
static void subject_main(const struct subject *s, int ready)
{
	int null = open("/dev/null", O_RDWR);
	uint8_t *shared;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	if (null < 0 || chdir("/") < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(1);
	shared = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED, s->memfd, 0);
	if (shared == MAP_FAILED)
		_exit(1);
	memset(s->region, 0x55, REGION);
	memset(shared, 0xaa, REGION);
	if (write(ready, "", 1) != 1 || syscall(SYS_close_range, 3, ~0u, 0) < 0)
		_exit(1);
	for (;;)
		pause();
}

static int subject_start(struct subject *s, struct err *e)
{
	own_fd int hear = -1, say = -1;
	char byte;
	int p[2];

	s->memfd = memfd_create("pmigrate-test", MFD_CLOEXEC);
	s->region = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->memfd < 0 || ftruncate(s->memfd, REGION) < 0 || s->region == MAP_FAILED || pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make memory to test CRIU with");
	hear = p[0];
	say = p[1];
	s->pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (s->pid == 0)
		subject_main(s, say);
	close_fd(&say);
	/* The second read is the end: all its descriptors are closed. */
	if (s->pid < 0 || read(hear, &byte, 1) != 1 || read(hear, &byte, 1) != 0)
		return err_set(e, ERR_SYS, "cannot start a process to test CRIU with");
	return 0;
}

static void subject_end(struct subject *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close_fd(&s->memfd);
	if (s->region != MAP_FAILED)
		munmap(s->region, REGION);
}

/* ---- the test ---- */

static int save_it(const struct subject *s, int shim, int images, const struct strv *env, struct err *e)
{
	static const struct ext_mounts no_mounts = EXT_MOUNTS_INIT;
	const struct criu_opts co = { .preload = shim_library(), .env = (const char *const *)env->item };
	const struct dump_opts o = { .init = s->pid, .rootfs = "/", .mounts = &no_mounts, .images = images,
				     .timeout_ms = DUMP_MS };
	own_maps struct maps maps = MAPS_INIT;
	struct dumping d = DUMPING_INIT;
	struct criu *criu = NULL;
	struct stat st;
	int ret;

	if (fstat(s->memfd, &st) < 0 || maps_read_pid(&maps, s->pid, true, e) < 0 ||
	    shimdir_put(shim, s->pid, &maps, true, e) < 0 ||
	    shimdir_put_shm(shim, &(struct shim_object){ .dev = st.st_dev, .ino = st.st_ino }, 1, e) < 0 ||
	    criu_start(&criu, &co, e) < 0)
		return -1;
	ret = dumping_begin(&d, criu, &o, shim, e) < 0 || dumping_go(&d, e) < 0 ? -1 : dumping_end(&d, e);
	dumping_stop(&d);
	criu_free(criu);
	return ret;
}

static uint64_t bytes_of_pages(int images)
{
	char **names = NULL;
	uint64_t bytes = 0;
	size_t n = 0;

	if (imgdir_list(images, &names, &n, NULL) < 0)
		return UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		struct stat st;

		if (strncmp(names[i], "pages-", 6) == 0 && fstatat(images, names[i], &st, 0) == 0)
			bytes += (uint64_t)st.st_size;
		free(names[i]);
	}
	free(names);
	return bytes;
}

static int look_at_it(const struct subject *s, int shim, int images, struct err *e)
{
	own_pageset struct pageset hidden = PAGESET_INIT, locked = PAGESET_INIT;
	uint64_t bytes = bytes_of_pages(images);

	if (shimdir_hidden(shim, s->pid, &hidden, &locked, e) < 0)
		return -1;
	for (uint64_t at = 0; at < REGION; at += MEM_PAGE)
		if (!pageset_has(&hidden, (uintptr_t)s->region + at))
			return err_set(e, ERR_UNSUPPORTED, "CRIU looks at memory in another way");
	if (bytes > IMAGES_MOST)
		return err_set(e, ERR_UNSUPPORTED, "CRIU saved %llu KiB that were hidden from it",
			       (unsigned long long)bytes >> 10);
	return 0;
}

int shim_test(struct err *e)
{
	struct subject s = { .memfd = -1, .region = MAP_FAILED };
	own_free char *key = key_of_now();
	own_fd int shim = -1, images = -1;
	own_strv struct strv env = STRV_INIT;
	uint64_t begun = clock_ns();
	int ret = -1;

	if (known_good(key))
		return 0;
	shim = shimdir_open(&env, e);
	images = shim < 0 ? -1 : imgdir_open(e);
	if (images >= 0 && subject_start(&s, e) == 0 && save_it(&s, shim, images, &env, e) == 0)
		ret = look_at_it(&s, shim, images, e);
	subject_end(&s);
	log_debug("the preload library was tested in %.0f ms", (double)(clock_ns() - begun) / 1e6);
	if (ret == 0)
		note_good(key);
	else if (e)
		err_wrap(e, "the preload library does not work with this CRIU");
	return ret;
}
