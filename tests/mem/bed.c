// SPDX-License-Identifier: MIT
#include "bed.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "mem/maps.h"
#include "mem/procs.h"

void bed_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* ---- the container ---- */

struct start {
	char *const *argv;
	const char *cgroup;
};

static int container_main(void *arg)
{
	const struct start *s = arg;
	own_fd int dirfd = s->cgroup ? open(s->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (s->cgroup && file_poke(dirfd, "cgroup.procs", "0", NULL) < 0)
		_exit(126);
	execv(s->argv[0], s->argv);
	_exit(127);
}

pid_t bed_container(char *const *argv, const char *cgroup)
{
	static char stack[64 << 10];
	struct start s = { argv, cgroup };
	pid_t pid = clone(container_main, stack + sizeof(stack), CLONE_NEWPID | CLONE_NEWIPC | SIGCHLD,
			  &s);

	if (pid < 0)
		bed_die("cannot start a container: %s", strerror(errno));
	return pid;
}

void bed_end(pid_t init)
{
	kill(init, SIGKILL);
	waitpid(init, NULL, 0);
}

char *bed_cgroup(void)
{
	bool v1 = access("/sys/fs/cgroup/freezer", F_OK) == 0;
	own_free char *dir = xasprintf("/sys/fs/cgroup/%spmigrate-mem-%d", v1 ? "freezer/" : "",
				       (int)getpid());

	return mkdir(dir, 0755) < 0 ? NULL : take_ptr(&dir);
}

void bed_cgroup_end(char *cgroup)
{
	for (int i = 0; cgroup && rmdir(cgroup) < 0 && errno == EBUSY && i < 200; i++)
		clock_sleep_ms(10);
	free(cgroup);
}

static void freezer(const char *cgroup, bool frozen)
{
	own_fd int dirfd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool v1 = faccessat(dirfd, "freezer.state", F_OK, 0) == 0;
	const char *state = frozen ? "FROZEN" : "THAWED";
	struct err e = ERR_INIT;

	if (v1 ? file_poke(dirfd, "freezer.state", state, &e) < 0 :
		 file_poke(dirfd, "cgroup.freeze", frozen ? "1" : "0", &e) < 0)
		bed_die("%s", e.msg);
	for (int i = 0; i < 5000; i++) {
		own_free char *now = NULL;

		if (file_read(dirfd, v1 ? "freezer.state" : "cgroup.events", 256, &now, NULL, NULL) == 0 &&
		    strstr(now, v1 ? state : frozen ? "frozen 1" : "frozen 0"))
			return;
		clock_sleep_ms(1);
		if (v1 && i % 100 == 99) /* it may miss a fork that raced with it: say it again */
			file_poke(dirfd, "freezer.state", state, NULL);
	}
	bed_die("the container does not become %s", state);
}

/* True when no thread of the process can run. */
static bool stands_still(pid_t pid)
{
	char path[64];
	own_dir DIR *d = NULL;
	struct dirent *de;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	while (d && (de = readdir(d))) {
		own_free char *text = NULL;
		char name[300];
		const char *p;

		snprintf(name, sizeof(name), "%s/stat", de->d_name);
		if (de->d_name[0] == '.' || file_read(dirfd(d), name, 4096, &text, NULL, NULL) < 0)
			continue;
		p = strrchr(text, ')');
		/* D: the parent of a vfork whose child is stopped. */
		if (!p || !strchr("TtZXD", p[2]))
			return false;
	}
	return true;
}

void bed_freeze(pid_t init, const char *cgroup)
{
	own_procs struct procs p = PROCS_INIT;
	int calm = 0;
	size_t n = 0;

	if (cgroup) {
		freezer(cgroup, true);
		return;
	}
	if (procs_init(&p, init, NULL, NULL) < 0)
		bed_die("the container is gone");
	for (int i = 0; calm < 3; i++) {
		bool still = true;

		procs_refresh(&p, NULL);
		for (size_t k = 0; k < p.n; k++) {
			kill(p.v[k].pid, SIGSTOP);
			still &= stands_still(p.v[k].pid);
		}
		calm = still && p.n == n ? calm + 1 : 0;
		n = p.n;
		clock_sleep_ms(1);
		if (i > 5000)
			bed_die("the container does not stop");
	}
}

void bed_thaw(pid_t init, const char *cgroup)
{
	own_procs struct procs p = PROCS_INIT;

	if (cgroup) {
		freezer(cgroup, false);
		return;
	}
	procs_init(&p, init, NULL, NULL);
	procs_refresh(&p, NULL);
	for (size_t k = 0; k < p.n; k++)
		kill(p.v[k].pid, SIGCONT);
}

unsigned long bed_memory_kib(pid_t init)
{
	own_procs struct procs p = PROCS_INIT;
	unsigned long sum = 0;

	procs_init(&p, init, NULL, NULL);
	procs_refresh(&p, NULL);
	for (size_t k = 0; k < p.n; k++) {
		own_free char *path = xasprintf("/proc/%d/smaps_rollup", (int)p.v[k].pid), *text = NULL;
		const char *pss;

		if (file_read(AT_FDCWD, path, 1 << 16, &text, NULL, NULL) < 0)
			continue;
		pss = strstr(text, "\nPss:");
		sum += pss ? strtoul(pss + 5, NULL, 10) : 0;
	}
	return sum;
}

/* ---- the link ---- */

static void *receive(void *arg)
{
	struct bed_arg *a = arg;
	struct peer *p = a->bed->dest[a->i];
	struct err e = ERR_INIT;

	for (;;) {
		own_frame struct frame f = FRAME_INIT;

		if (peer_recv(p, &f, &e) < 0)
			return NULL;
		if (store_frame(a->bed->store, p, &f, &e) < 0) {
			fprintf(stderr, "store: %s\n", e.msg);
			peer_abort(p, &e);
			return NULL;
		}
	}
}

void bed_link(struct bed *b, unsigned streams, bool zstd)
{
	struct peer_opts opts = { .name = "there" };
	struct sender_opts so = { .streams = b->source, .nr_streams = streams, .zstd = zstd };
	struct store_opts st = { 0 };

	b->store = store_new(&st);
	b->nr_streams = streams;
	for (unsigned i = 0; i < streams; i++) {
		int sv[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0 ||
		    peer_new(&b->source[i], sv[0], sv[0], &opts, NULL) < 0 ||
		    peer_new(&b->dest[i], sv[1], sv[1], &opts, NULL) < 0)
			bed_die("cannot make a link");
		b->args[i] = (struct bed_arg){ b, i };
		pthread_create(&b->threads[i], NULL, receive, &b->args[i]);
	}
	if (sender_new(&b->sender, &so, NULL) < 0)
		bed_die("cannot start the sender");
}

void bed_unlink(struct bed *b)
{
	sender_free(b->sender);
	for (unsigned i = 0; i < b->nr_streams; i++) {
		peer_free(b->source[i]);
		pthread_join(b->threads[i], NULL);
		peer_free(b->dest[i]);
	}
	store_free(b->store);
}

/* ---- the comparison ---- */

struct verdict {
	unsigned long bad, pages;
};

static void differs(struct verdict *v, const char *what, const struct track_space *s,
		    const struct map *m, uint64_t at)
{
	if (v->bad++ < 10)
		fprintf(stderr, "pid %d (%d inside) page %#" PRIx64 " of %#" PRIx64 "-%#" PRIx64 " %s: %s\n",
			(int)s->pid, (int)s->vpid, at, m->start, m->end, m->name, what);
}

/* A page the list names: the same bytes here and there? */
static void compare_page(struct verdict *v, struct store *st, const struct track_space *s,
			 const struct map *m, uint64_t at, int mem)
{
	char here[MEM_PAGE], there[MEM_PAGE];

	v->pages++;
	if (pread(mem, here, MEM_PAGE, (off_t)at) != MEM_PAGE)
		differs(v, "cannot be read", s, m, at);
	else if (store_read(st, s->nr, at, 1, there, NULL) < 0)
		differs(v, "did not arrive", s, m, at);
	else if (memcmp(here, there, MEM_PAGE))
		differs(v, "is stale", s, m, at);
}

/* A page it does not name: would the restored process see the same? */
static void compare_absent(struct verdict *v, const struct track_space *s, const struct map *m,
			   uint64_t at, uint64_t entry, int mem, int file)
{
	char here[MEM_PAGE], other[MEM_PAGE] = { 0 };
	bool present = entry >> 63;

	if (!present && (!(entry >> 62 & 1) || (entry & 31) == 31))
		return;
	if (pread(mem, here, MEM_PAGE, (off_t)at) != MEM_PAGE)
		return;
	if (m->kind == MAP_KIND_FILE &&
	    (file < 0 || pread(file, other, MEM_PAGE, (off_t)(at - m->start + m->offset)) < 0))
		return;
	if (memcmp(here, other, MEM_PAGE))
		differs(v, "is not in the list", s, m, at);
}

static void compare_map(struct verdict *v, struct store *st, const struct track_space *s,
			const struct map *m, int mem, int pagemap)
{
	char path[100];
	own_fd int file = -1;
	uint64_t entries[512];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)s->pid, m->start,
		 m->end);
	file = open(path, O_RDONLY | O_CLOEXEC);
	for (uint64_t at = m->start; at < m->end;) {
		uint64_t n = map_pages(m) - ((at - m->start) >> MEM_PAGE_SHIFT);

		n = n < 512 ? n : 512;
		if (pread(pagemap, entries, n * 8, (off_t)(at >> MEM_PAGE_SHIFT) * 8) != (ssize_t)n * 8)
			bed_die("cannot read the pagemap of %d", (int)s->pid);
		for (uint64_t i = 0; i < n; i++, at += MEM_PAGE)
			if (pageset_has(s->present, at))
				compare_page(v, st, s, m, at, mem);
			else
				compare_absent(v, s, m, at, entries[i], mem, file);
	}
}

static void compare_space(struct verdict *v, struct store *st,
			  const struct track_space *s)
{
	own_maps struct maps now = MAPS_INIT;
	own_fd int mem = -1, pagemap = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)s->pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)s->pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	/* With VmFlags: glibc 2.41's random numbers are in droppable memory, which is not ours. */
	if (mem < 0 || pagemap < 0 || maps_read_pid(&now, s->pid, true, NULL) < 0)
		bed_die("process %d is gone", (int)s->pid);
	for (size_t i = 0; i < now.n; i++)
		if (track_covers(&now.v[i]))
			compare_map(v, st, s, &now.v[i], mem, pagemap);
}

static void compare_shm(struct verdict *v, struct store *st, const struct shm *o)
{
	uint32_t nr = store_find_shared(st, o->dev, o->ino);
	own_free char *here = xmalloc(1 << 20), *there = xmalloc(1 << 20);
	struct stat a, b;
	int fd = store_shared_fd(st, nr);

	if (fd < 0 || fstat(fd, &b) < 0 || fstat(o->fd, &a) < 0 || a.st_size != b.st_size) {
		fprintf(stderr, "shared object %s (%" PRIu64 ") is not there or of other size\n", o->name,
			o->ino);
		v->bad++;
		return;
	}
	for (off_t at = 0; at < a.st_size; at += 1 << 20) {
		ssize_t n = pread(o->fd, here, 1 << 20, at);

		if (n != pread(fd, there, 1 << 20, at))
			bed_die("shared object %s reads differently", o->name);
		for (ssize_t k = 0; k < n; k += MEM_PAGE) {
			v->pages++;
			if (!memcmp(here + k, there + k, (size_t)(n - k < MEM_PAGE ? n - k : MEM_PAGE)))
				continue;
			if (v->bad++ < 10)
				fprintf(stderr, "shared object %s offset %#" PRIx64 " is stale\n", o->name,
					(uint64_t)(at + k));
		}
	}
}

/* Every memfd and shared mapping that any process has must be known. */
static void compare_known(struct verdict *v, const struct track *t, const struct track_space *s)
{
	for (size_t i = 0; i < s->maps->n; i++) {
		const struct map *m = &s->maps->v[i];
		bool known = m->kind != MAP_KIND_SHM;

		for (size_t k = 0; !known && k < track_nr_shms(t); k++)
			known = track_get_shm(t, k)->ino == m->ino;
		if (!known)
			differs(v, "is of an unknown shared object", s, m, m->start);
	}
}

unsigned long bed_compare(const struct track *t, struct store *st, unsigned long *pages)
{
	struct verdict v = { 0, 0 };
	struct track_space s;

	for (size_t i = 0; i < track_nr_spaces(t); i++) {
		track_get_space(t, i, &s);
		compare_space(&v, st, &s);
		compare_known(&v, t, &s);
	}
	for (size_t i = 0; i < track_nr_shms(t); i++)
		compare_shm(&v, st, track_get_shm(t, i));
	*pages = v.pages;
	return v.bad;
}
