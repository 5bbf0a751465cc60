// SPDX-License-Identifier: MIT
/* Processes and threads: what they are, and how they stand to each other. */
#include <dirent.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "zoo.h"

/* ---- attributes of a process ---- */

static char cwd[256];

static int attributes_make(void)
{
	gid_t groups[] = { 7, 77, 777 };
	struct rlimit signals = { 123, 456 }, files = { 333, 444 };

	umask(027);
	mkdir("cwd", 0755);
	NEED(chdir("cwd") == 0 && getcwd(cwd, sizeof(cwd)), "chdir");
	NEED(setpriority(PRIO_PROCESS, 0, 7) == 0, "setpriority");
	NEED(setrlimit(RLIMIT_SIGPENDING, &signals) == 0 && setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
	NEED(setgroups(3, groups) == 0 && setresgid(11, 12, 13) == 0 && setresuid(0, 12, 0) == 0 &&
	     setresuid((uid_t)-1, 0, (uid_t)-1) == 0, "setresuid");
	/* a change of ids takes these away */
	NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && prctl(PR_SET_PDEATHSIG, SIGUSR2) == 0, "prctl");
	return 0;
}

static int attributes_check(void)
{
	gid_t groups[8], g[3];
	uid_t u[3];
	struct rlimit signals, files;
	char now[256];
	mode_t mask = umask(0);
	int reaper = 0, death = 0;

	umask(mask);
	NEED(mask == 027, "umask is %o", mask);
	NEED(getcwd(now, sizeof(now)) && strcmp(now, cwd) == 0, "the directory is %s", now);
	NEED(getpriority(PRIO_PROCESS, 0) == 7, "nice is %d", getpriority(PRIO_PROCESS, 0));
	NEED(getrlimit(RLIMIT_SIGPENDING, &signals) == 0 && signals.rlim_cur == 123 && signals.rlim_max == 456 &&
	     getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur == 333 && files.rlim_max == 444,
	     "limits are %lu %lu, %lu %lu", signals.rlim_cur, signals.rlim_max, files.rlim_cur, files.rlim_max);
	NEED(prctl(PR_GET_CHILD_SUBREAPER, &reaper) == 0 && reaper == 1, "it is no subreaper");
	NEED(prctl(PR_GET_PDEATHSIG, &death) == 0 && death == SIGUSR2, "PDEATHSIG is %d", death);
	NEED(getgroups(8, groups) == 3 && groups[2] == 777, "groups");
	NEED(getresuid(&u[0], &u[1], &u[2]) == 0 && u[0] == 0 && u[1] == 0 && u[2] == 0 &&
	     getresgid(&g[0], &g[1], &g[2]) == 0 && g[0] == 11 && g[1] == 12 && g[2] == 13,
	     "ids are %u %u %u, %u %u %u", u[0], u[1], u[2], g[0], g[1], g[2]);
	return 0;
}

/* ---- threads: names, priorities, signals, mutexes and a barrier they wait in ---- */

enum { THREADS = 12 };

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static int round_nr, answers, names_wrong;
static __thread int own = 0;

static void *one_thread(void *arg)
{
	char name[16], now[16];
	int seen = 0;

	own = (int)(intptr_t)arg;
	snprintf(name, sizeof(name), "thread %d", own);
	prctl(PR_SET_NAME, name);
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), own);
	pthread_mutex_lock(&held);
	for (;;) {
		while (seen == round_nr)
			pthread_cond_wait(&wake, &held);
		seen = round_nr;
		prctl(PR_GET_NAME, now);
		if (strcmp(now, name) != 0 || own != (int)(intptr_t)arg ||
		    getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid)) != own)
			names_wrong++;
		answers++;
	}
	return NULL;
}

static int threads_make(void)
{
	pthread_t t;

	for (intptr_t i = 0; i < THREADS; i++)
		NEED(pthread_create(&t, NULL, one_thread, (void *)i) == 0, "pthread_create");
	return 0;
}

static int threads_check(void)
{
	int n = 0;

	pthread_mutex_lock(&held);
	round_nr++;
	answers = 0;
	pthread_cond_broadcast(&wake);
	pthread_mutex_unlock(&held);
	for (int i = 0; i < 500 && n < THREADS; i++) {
		usleep(10000);
		pthread_mutex_lock(&held);
		n = answers;
		pthread_mutex_unlock(&held);
	}
	NEED(n == THREADS, "%d of %d threads answer", n, THREADS);
	NEED(names_wrong == 0, "%d threads have another name, priority or local variable", names_wrong);
	return 0;
}

/* ---- signals: pending and blocked, handlers, an alternative stack ---- */

static volatile int pending_count;

static void on_pending(int sig)
{
	(void)sig;
	pending_count++;
}

static char stack[32 << 10];

static int signals_make(void)
{
	struct sigaction a = { .sa_handler = on_pending, .sa_flags = SA_ONSTACK };
	stack_t s = { .ss_sp = stack, .ss_size = sizeof(stack) };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	NEED(sigaltstack(&s, NULL) == 0 && sigaction(SIGUSR1, &a, NULL) == 0 &&
	     sigprocmask(SIG_BLOCK, &set, NULL) == 0 && raise(SIGUSR1) == 0, "signals");
	signal(SIGHUP, SIG_IGN);
	return 0;
}

static int signals_check(void)
{
	struct sigaction hup;
	sigset_t set;
	stack_t s;
	int before = pending_count;

	NEED(sigpending(&set) == 0 && sigismember(&set, SIGUSR1) == 1, "no signal is pending");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	NEED(pending_count == before + 1, "the pending signal came %d times", pending_count - before);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	NEED(sigaltstack(NULL, &s) == 0 && s.ss_sp == stack, "the alternative stack");
	NEED(sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler == SIG_IGN, "SIGHUP is not ignored");
	return 0;
}

/* ---- children: a stopped one, a dead one, groups and sessions, an orphan ---- */

static pid_t stopped, dead, leader, member;

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid;
}

static int children_make(void)
{
	int status;

	stopped = sleeper();
	leader = fork();
	if (leader == 0) {
		setsid();
		for (;;)
			pause();
	}
	usleep(50000);
	member = sleeper();
	NEED(setpgid(member, member) == 0, "setpgid");
	NEED(kill(stopped, SIGSTOP) == 0 && waitpid(stopped, &status, WUNTRACED) == stopped, "SIGSTOP");
	dead = fork();
	if (dead == 0)
		_exit(42);
	return 0;
}

static char state_of(pid_t pid)
{
	char path[64], text[256] = "";
	int fd;
	char *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return '?';
	close(fd);
	at = strrchr(text, ')');
	return at ? at[2] : '?';
}

static int children_check(void)
{
	int status = 0;

	for (int i = 0; i < 100 && state_of(dead) != 'Z'; i++)
		usleep(10000);
	NEED(state_of(dead) == 'Z', "the dead child is '%c'", state_of(dead));
	NEED(state_of(stopped) == 'T', "the stopped child is '%c'", state_of(stopped));
	NEED(getsid(leader) == leader && getpgid(member) == member, "session %d, group %d",
	     (int)getsid(leader), (int)getpgid(member));
	NEED(waitpid(dead, &status, 0) == dead && WEXITSTATUS(status) == 42, "its end was %x", status);
	NEED(kill(stopped, SIGCONT) == 0, "kill");
	for (int i = 0; i < 100 && state_of(stopped) != 'S'; i++)
		usleep(10000);
	NEED(state_of(stopped) == 'S', "after SIGCONT it is '%c'", state_of(stopped));
	NEED(kill(stopped, SIGSTOP) == 0 && waitpid(stopped, &status, WUNTRACED) == stopped, "SIGSTOP");
	dead = fork();
	if (dead == 0)
		_exit(42);
	return 0;
}

/* ---- a seccomp filter and no_new_privs ---- */

static int filter_make(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 99),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { 4, f };

	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
	NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) == 0, "PR_SET_SECCOMP");
	return 0;
}

static int filter_check(void)
{
	NEED(syscall(SYS_getppid) == -1 && errno == 99, "the filter is gone");
	NEED(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no_new_privs is lost");
	return 0;
}

/* ---- a scheduler's class, a CPU, a priority out of memory ---- */

static int scheduled_make(void)
{
	struct sched_param p = { 0 };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	NEED(sched_setscheduler(0, SCHED_BATCH, &p) == 0, "SCHED_BATCH");
	NEED(sched_setaffinity(0, sizeof(cpus), &cpus) == 0, "sched_setaffinity");
	close(file_with("/proc/self/oom_score_adj", "321"));
	return 0;
}

static int scheduled_check(void)
{
	char text[8] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDONLY);

	NEED(sched_getscheduler(0) == SCHED_BATCH, "the class is %d", sched_getscheduler(0));
	NEED(read(fd, text, 7) >= 3 && strncmp(text, "321", 3) == 0, "oom_score_adj is %s", text);
	close(fd);
	return 0;
}

/* ---- no groups at all: nobody's may be added ---- */

static int nogroups_make(void)
{
	close(file_with("roots-only", "secret"));
	NEED(chmod("roots-only", 0640) == 0, "chmod");
	NEED(setgroups(0, NULL) == 0 && setgid(1000) == 0 && setuid(1000) == 0, "setuid");
	return 0;
}

static int nogroups_check(void)
{
	gid_t groups[64];
	int n = getgroups(64, groups);

	NEED(n == 0, "%d groups, the first is %d", n, n > 0 ? (int)groups[0] : -1);
	NEED(open("roots-only", O_RDONLY) < 0 && errno == EACCES, "it may read root's file");
	errno = 0;
	return 0;
}

/* ---- what a program has from whoever started it, all of it odd: of the process, and of a thread ---- */

struct odd {
	unsigned long cpus;
	int ioprio;
	long slack;
	int policy;
};

static struct odd odd_now(void)
{
	struct odd o = { 0 };

	syscall(SYS_sched_getaffinity, 0, sizeof(o.cpus), &o.cpus);
	o.ioprio = (int)syscall(SYS_ioprio_get, 1, 0);
	o.slack = prctl(PR_GET_TIMERSLACK);
	o.policy = sched_getscheduler(0);
	return o;
}

static int odd_make(unsigned long cpus, int ioprio, unsigned long slack)
{
	struct sched_param p = { 0 };

	NEED(syscall(SYS_sched_setaffinity, 0, sizeof(cpus), &cpus) == 0, "sched_setaffinity");
	NEED(syscall(SYS_ioprio_set, 1, 0, ioprio) == 0, "ioprio_set");
	NEED(prctl(PR_SET_TIMERSLACK, slack) == 0, "PR_SET_TIMERSLACK");
	NEED(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &p) == 0, "sched_setscheduler");
	return 0;
}

static struct odd odd_main, odd_thread;
static volatile int odd_asked, odd_answered;
static struct odd odd_seen;

static void *odd_one(void *arg)
{
	(void)arg;
	odd_make(1, 2 << 13 | 5, 77777);
	odd_thread = odd_now();
	for (odd_answered = 1;; usleep(1000)) {
		if (odd_answered == odd_asked)
			continue;
		odd_seen = odd_now();
		odd_answered = odd_asked;
	}
	return NULL;
}

static int text_of(const char *file, char *text, size_t size)
{
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? 0 : -1;
}

static int inherited_make(void)
{
	pthread_t t;

	odd_asked = 1;
	NEED(odd_make(2, 3 << 13, 1234567) == 0, "odd");
	odd_main = odd_now();
	close(file_with("/proc/self/coredump_filter", "0x7f"));
	NEED(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0, "PR_SET_THP_DISABLE");
	NEED(pthread_create(&t, NULL, odd_one, NULL) == 0, "pthread_create");
	while (!odd_answered)
		usleep(1000);
	return 0;
}

static int odd_same(const struct odd *was, const struct odd *is, const char *who)
{
	NEED(memcmp(was, is, sizeof(*was)) == 0, "%s: CPUs %lx, were %lx; I/O %x, %x; slack %ld, %ld; class %x, %x", who, is->cpus,
	     was->cpus, is->ioprio, was->ioprio, is->slack, was->slack, is->policy, was->policy);
	return 0;
}

static int inherited_check(void)
{
	struct odd now = odd_now();
	char text[32];

	odd_asked++;
	for (int i = 0; i < 5000 && odd_answered != odd_asked; i++)
		usleep(1000);
	NEED(odd_answered == odd_asked, "the thread does not answer");
	if (odd_same(&odd_main, &now, "the process") < 0 || odd_same(&odd_thread, &odd_seen, "the thread") < 0)
		return -1;
	NEED(text_of("/proc/self/coredump_filter", text, sizeof(text)) == 0 && strtol(text, NULL, 16) == 0x7f,
	     "coredump_filter is %s", text);
	NEED(text_of("/proc/self/oom_score_adj", text, sizeof(text)) == 0 && atoi(text) == 0, "oom_score_adj is %s", text);
	NEED(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1, "huge pages are allowed");
	return 0;
}

/* ---- a mount namespace of its own, and another root directory ---- */

static int mounts_make(void)
{
	NEED(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0,
	     "unshare");
	mkdir("own-mount", 0755);
	NEED(mount("zoo", "own-mount", "tmpfs", 0, "size=1m") == 0, "mount");
	close(file_with("own-mount/inside", "only here"));
	return 0;
}

static int mounts_check(void)
{
	int fd = open("own-mount/inside", O_RDONLY), ret;

	NEED(fd >= 0, "the own mount is empty");
	ret = expect_text(fd, "only here", "a file on the own mount");
	close(fd);
	return ret;
}

/* A part of a memory file system, mounted once more: both forbid the same. */
static int forbidding_make(void)
{
	mkdir("forbids", 0755);
	mkdir("forbids-too", 0755);
	NEED(mount("zoo", "forbids", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m") == 0, "mount");
	mkdir("forbids/part", 0755);
	NEED(mount("forbids/part", "forbids-too", NULL, MS_BIND, NULL) == 0, "bind");
	return 0;
}

static int forbidding_check(void)
{
	struct statvfs v;

	NEED(statvfs("forbids", &v) == 0 && (v.f_flag & (ST_NOSUID | ST_NODEV)) == (ST_NOSUID | ST_NODEV), "%lx", v.f_flag);
	NEED(statvfs("forbids-too", &v) == 0 && (v.f_flag & (ST_NOSUID | ST_NODEV)) == (ST_NOSUID | ST_NODEV),
	     "the part: %lx", v.f_flag);
	return 0;
}

/* ---- whoever looks at the migration's own process in here finds nothing of the server in it ---- */

static char peeped[128];

static void peep(const char *pid)
{
	char path[64], text[4096];
	struct stat its, ours;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	if (text_of(path, text, sizeof(text)) < 0 || strncmp(text, "pmigrate", 8) != 0)
		return;
	snprintf(path, sizeof(path), "/proc/%.16s/root/", pid);
	if (stat(path, &its) == 0 && stat("/", &ours) == 0 && (its.st_dev != ours.st_dev || its.st_ino != ours.st_ino))
		snprintf(peeped, sizeof(peeped), "its root is another");
	snprintf(path, sizeof(path), "/proc/%.16s/exe", pid);
	n = readlink(path, text, sizeof(text) - 1);
	if (n > 0 && strncmp(text, "/memfd:", 7) != 0)
		snprintf(peeped, sizeof(peeped), "its program is %.*s", (int)(n < 80 ? n : 80), text);
	snprintf(path, sizeof(path), "/proc/%.16s/status", pid);
	if (text_of(path, text, sizeof(text)) == 0 && !strstr(text, "\nCapBnd:\t0000000000000000"))
		snprintf(peeped, sizeof(peeped), "it has capabilities");
	snprintf(path, sizeof(path), "/proc/%.16s/environ", pid);
	if (text_of(path, text, sizeof(text)) == 0 && strchr(text, '='))
		snprintf(peeped, sizeof(peeped), "its environment is told");
	close(open("peeped", O_CREAT | O_WRONLY, 0644));
}

static void *peeper_main(void *arg)
{
	for (;; usleep(2000)) {
		DIR *d = opendir("/proc");
		struct dirent *entry;

		while (d && (entry = readdir(d))) {
			if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
				peep(entry->d_name);
		}
		if (d)
			closedir(d);
	}
	return arg;
}

static int peeper_make(void)
{
	pthread_t t;

	NEED(pthread_create(&t, NULL, peeper_main, NULL) == 0, "pthread_create");
	return 0;
}

static int peeper_check(void)
{
	NEED(!peeped[0], "%s", peeped);
	return 0;
}

/* ---- in a control group deeper than anybody looks, of the hierarchy by which all are killed ---- */

enum { DEEP = 40 };

static char deep_groups[4096];

static int deep_make(void)
{
	char path[256] = "/sys/fs/cgroup", pid[16];
	int fd;

	mkdir("freezer", 0755);
	if (mount("zoo", "freezer", "cgroup", 0, "freezer") == 0)
		NEED(getcwd(path, sizeof(path) - 16) && strcat(path, "/freezer"), "getcwd");
	NEED(chdir(path) == 0, "chdir");
	for (int i = 0; i < DEEP; i++)
		NEED((mkdir("d", 0755) == 0 || errno == EEXIST) && chdir("d") == 0, "group %d", i);
	fd = open("cgroup.procs", O_WRONLY);
	snprintf(pid, sizeof(pid), "%d", getpid());
	NEED(fd >= 0 && write(fd, pid, strlen(pid)) > 0, "cgroup.procs");
	close(fd);
	NEED(chdir("/") == 0 && text_of("/proc/self/cgroup", deep_groups, sizeof(deep_groups)) == 0, "/proc/self/cgroup");
	errno = 0;
	return 0;
}

/* That it is there; what a group of a v1 freezer is worth inside a container is another question. */
static int deep_check(void)
{
	char now[4096];

	NEED(text_of("/proc/self/cgroup", now, sizeof(now)) == 0, "/proc/self/cgroup");
	NEED(strcmp(strstr(now, "0::"), strstr(deep_groups, "0::")) == 0, "its group is %s", strstr(now, "0::"));
	return 0;
}

static int chroot_make(void)
{
	mkdir("root", 0755);
	close(file_with("root/here", "in here"));
	NEED(chroot("root") == 0 && chdir("/") == 0, "chroot");
	return 0;
}

static int chroot_check(void)
{
	int fd = open("/here", O_RDONLY), ret;

	NEED(fd >= 0, "the root directory is another");
	ret = expect_text(fd, "in here", "a file in the root");
	close(fd);
	return ret;
}

const struct animal zoo_tasks[] = {
	{ "attributes", attributes_make, attributes_check },
	{ "threads", threads_make, threads_check },
	{ "signals", signals_make, signals_check },
	{ "children", children_make, children_check },
	{ "filter", filter_make, filter_check },
	{ "scheduled", scheduled_make, scheduled_check },
	{ "nogroups", nogroups_make, nogroups_check },
	{ "inherited", inherited_make, inherited_check },
	{ "own-mounts", mounts_make, mounts_check },
	{ "forbidding-mounts", forbidding_make, forbidding_check },
	{ "peeper", peeper_make, peeper_check },
	{ "deep-group", deep_make, deep_check },
	{ "own-root", chroot_make, chroot_check },
	{ NULL, NULL, NULL },
};
