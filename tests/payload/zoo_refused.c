// SPDX-License-Identifier: MIT
/* What cannot be moved live: made, and used no further. */
#include <linux/bpf.h>
#include <linux/if_alg.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/rtnetlink.h>
#include <linux/userfaultfd.h>
#include <arpa/inet.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "zoo.h"

static int fine(void)
{
	return 0;
}

static int io_uring(void)
{
	struct io_uring_params p = { 0 };

	NEED(syscall(SYS_io_uring_setup, 4, &p) >= 0, "io_uring_setup");
	return 0;
}

static int uffd(void)
{
	NEED(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY) >= 0, "userfaultfd");
	return 0;
}

static int bpf_prog(void)
{
	struct bpf_insn code[] = { { .code = 0xb7, .dst_reg = 0, .imm = 1 }, { .code = 0x95 } };
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2 };

	a.insns = (uintptr_t)code;
	a.license = (uintptr_t)"GPL";
	NEED(syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a)) >= 0, "bpf");
	return 0;
}

static int perf(void)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(a),
				     .config = PERF_COUNT_SW_PAGE_FAULTS, .exclude_kernel = 1 };

	NEED(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0) >= 0, "perf_event_open");
	return 0;
}

static int secret(void)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);

	NEED(fd >= 0 && ftruncate(fd, 4096) == 0, "memfd_secret");
	NEED(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED, "mmap");
	close(fd);
	return 0;
}

static int mptcp(void)
{
	NEED(socket(AF_INET, SOCK_STREAM, 262) >= 0, "socket");
	return 0;
}

static int alg(void)
{
	struct sockaddr_alg a = { .salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256" };
	int fd = socket(AF_ALG, SOCK_SEQPACKET, 0);

	NEED(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "AF_ALG");
	return 0;
}

static int vsock(void)
{
	NEED(socket(AF_VSOCK, SOCK_STREAM, 0) >= 0, "AF_VSOCK");
	return 0;
}

static int queue(void)
{
	mqd_t q = mq_open("/zoo", O_RDWR | O_CREAT, 0600, NULL);

	NEED(q >= 0 && mq_send(q, "x", 1, 0) == 0, "mq_open");
	return 0;
}

/* A unix connection that nobody has accepted, with something said. */
static int unaccepted(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock-deaf" };
	int server = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);

	unlink("sock-deaf");
	NEED(bind(server, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(server, 1) == 0 &&
	     connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && send(fd, "knock", 5, 0) == 5, "connect");
	return 0;
}

/* A TCP connection that nobody accepts. */
static int deaf(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(5012),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int server = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	NEED(bind(server, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(server, 1) == 0 &&
	     connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
	return 0;
}

/* An open file whose name is gone while it has another. */
static int renamed(void)
{
	int fd = file_with("two-names", "x");

	unlink("second-name");
	NEED(fd >= 0 && link("two-names", "second-name") == 0 && unlink("two-names") == 0, "link");
	return 0;
}

/* The same, only mapped. */
static int mapped(void)
{
	int fd = file_with("two-names-mapped", "x");

	unlink("second-name-mapped");
	NEED(fd >= 0 && link("two-names-mapped", "second-name-mapped") == 0 &&
	     unlink("two-names-mapped") == 0, "link");
	NEED(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED, "mmap");
	close(fd);
	return 0;
}

static int semaphore(void)
{
	NEED(eventfd(3, EFD_SEMAPHORE) >= 0, "eventfd");
	return 0;
}

/* A pipe in packet mode. */
static int packets(void)
{
	int p[2];

	NEED(pipe2(p, O_DIRECT) == 0, "pipe2");
	return 0;
}

/* An open file over which something was mounted later. */
static int covered(void)
{
	mkdir("covered-dir", 0700);
	NEED(file_with("covered-dir/file", "x") >= 0, "open");
	NEED(mount("none", "covered-dir", "tmpfs", 0, "size=1m") == 0, "mount");
	return 0;
}

/* A file system in memory, and another at the same place. */
static int twice(void)
{
	mkdir("twice", 0700);
	NEED(mount("none", "twice", "tmpfs", 0, "size=1m") == 0 && mount("none", "twice", "tmpfs", 0, "size=1m") == 0,
	     "mount");
	return 0;
}

/* A thread that waits in vfork for a child that never starts a program. */
static void *starting_main(void *arg)
{
	(void)arg;
	if (vfork() == 0) {
		for (;;)
			pause();
	}
	return NULL;
}

static int starting(void)
{
	pthread_t t;

	NEED(pthread_create(&t, NULL, starting_main, NULL) == 0, "pthread_create");
	return 0;
}

/* An epoll waits for a pipe that only a child has. */
static int epoll_elsewhere(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0), p[2];

	NEED(ep >= 0 && pipe(p) == 0 && epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev) == 0, "epoll");
	if (fork() == 0) {
		for (;;)
			pause();
	}
	close(p[0]);
	close(p[1]);
	return 0;
}

/* A timer that signals this thread, the first. */
static int timer_first(void)
{
	struct sigevent to_me = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG };
	timer_t timer;

	to_me._sigev_un._tid = gettid();
	NEED(timer_create(CLOCK_MONOTONIC, &to_me, &timer) == 0, "timer_create");
	return 0;
}

/* One that signals a thread which has ended. */
static void *timer_main(void *arg)
{
	struct sigevent to_me = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG };

	to_me._sigev_un._tid = gettid();
	return timer_create(CLOCK_MONOTONIC, &to_me, arg) == 0 ? arg : NULL;
}

static int timer_ended(void)
{
	void *made = NULL;
	timer_t timer;
	pthread_t t;

	NEED(pthread_create(&t, NULL, timer_main, &timer) == 0 && pthread_join(t, &made) == 0 && made, "timer_create");
	return 0;
}

static int trap(void)
{
	sigset_t only;

	NEED(sigemptyset(&only) == 0 && sigaddset(&only, SIGTRAP) == 0 && sigprocmask(SIG_BLOCK, &only, NULL) == 0 &&
	     raise(SIGTRAP) == 0, "SIGTRAP");
	return 0;
}

static int time_of_children(void)
{
	NEED(unshare(0x80) == 0, "unshare");
	return 0;
}

/* A process of which only its second thread goes on. */
static void *second_main(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int second_thread(void)
{
	pthread_t t;

	if (fork() == 0) {
		pthread_create(&t, NULL, second_main, NULL);
		syscall(SYS_exit, 0);
	}
	return 0;
}

/* Came below us when the leader of its session ended. */
static int strayed(void)
{
	pid_t leader;

	NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "prctl");
	leader = fork();
	if (leader == 0) {
		setsid();
		if (fork() == 0) {
			for (;;)
				pause();
		}
		_exit(0);
	}
	NEED(leader > 0 && waitpid(leader, NULL, 0) == leader, "waitpid");
	return 0;
}

/* Below the first process, of a session whose leader is gone: a process that begins another, and then a session. */
static int early_child(void)
{
	int ready[2];
	pid_t leader;
	char c;

	NEED(pipe(ready) == 0, "pipe");
	leader = fork();
	if (leader == 0) {
		setsid();
		if (fork() == 0) {
			if (fork() == 0 && fork() > 0) {
				setsid();
				c = write(ready[1], "", 1) == 1;
			}
			for (;;)
				pause();
		}
		_exit(0);
	}
	NEED(leader > 0 && waitpid(leader, NULL, 0) == leader && read(ready[0], &c, 1) == 1, "waitpid");
	return 0;
}

static int apart(int flag)
{
	pid_t pid;

	NEED(unshare(flag) == 0, "unshare");
	pid = fork(); /* time and pid namespaces are entered by children */
	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid > 0 ? 0 : bad("fork");
}

static int uts(void) { return apart(CLONE_NEWUTS); }
static int ipc(void) { return apart(CLONE_NEWIPC); }
static int net(void) { return apart(CLONE_NEWNET); }
static int pidns(void) { return apart(CLONE_NEWPID); }
static int user(void) { return apart(CLONE_NEWUSER); }
static int timens(void) { return apart(0x80); }
static int cgroupns(void) { return apart(CLONE_NEWCGROUP); }

static int traced(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	NEED(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0, "PTRACE_SEIZE");
	return 0;
}

/* A netlink socket with something to read that nobody reads. */
static int news(void)
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
	} q = { .h = { .nlmsg_len = sizeof(q), .nlmsg_type = RTM_GETLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.g = { AF_UNSPEC } };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	NEED(fd >= 0 && send(fd, &q, sizeof(q), 0) == (ssize_t)sizeof(q), "netlink");
	return 0;
}

static int in_group(bool bound, int group)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	NEED(fd >= 0 && (!bound || bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0) &&
	     setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0, "group %d", group);
	return 0;
}

static int high_group(void) { return in_group(true, RTNLGRP_BRVLAN); }
static int unbound(void) { return in_group(false, RTNLGRP_LINK); }

/* A packet socket that wants all of an interface's twice. */
static int promiscuous(void)
{
	struct packet_mreq m = { .mr_ifindex = (int)if_nametoindex("lo"), .mr_type = PACKET_MR_PROMISC };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	for (int i = 0; i < 2; i++)
		NEED(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)) == 0, "PACKET_ADD_MEMBERSHIP");
	return 0;
}

/* TCP with the kernel's TLS on it. */
static int ktls(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(5010),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int server = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	NEED(bind(server, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(server, 1) == 0 &&
	     connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && accept(server, NULL, NULL) >= 0, "connect");
	NEED(setsockopt(fd, SOL_TCP, TCP_ULP, "tls", 4) == 0, "TCP_ULP");
	return 0;
}

/* Nobody else may read it without a word to us, and we cannot. */
static int lease_writer(void)
{
	int fd = file_with("lease-written", "it has contents");

	close(fd);
	fd = open("lease-written", O_WRONLY);
	NEED(fd >= 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0, "F_SETLEASE");
	return 0;
}

/* Who waited to be accepted has gone. */
static int hung_up(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock-hung-up" };
	int server = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);

	NEED(bind(server, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(server, 1) == 0 &&
	     connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
	close(fd);
	return 0;
}

/* A datagram of which the rest is still to come. */
static int held_back(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(5011), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;

	NEED(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && setsockopt(fd, IPPROTO_UDP, 1 /* UDP_CORK */, &one, sizeof(one)) == 0 &&
	     send(fd, "half", 4, 0) == 4, "UDP_CORK");
	return 0;
}

/* The link itself, not what it leads to. */
static int link_watched(void)
{
	int fd = inotify_init1(IN_CLOEXEC);

	NEED(symlink("nowhere", "/zoo/watched-link") == 0, "symlink");
	NEED(fd >= 0 && inotify_add_watch(fd, "/zoo/watched-link", IN_ALL_EVENTS | IN_DONT_FOLLOW) >= 0, "inotify");
	return 0;
}

const struct animal zoo_refused[] = {
	{ "held-back", held_back, fine },
	{ "hung-up", hung_up, fine },
	{ "lease-writer", lease_writer, fine },
	{ "link-watched", link_watched, fine },
	{ "io-uring", io_uring, fine },
	{ "userfaultfd", uffd, fine },
	{ "bpf-program", bpf_prog, fine },
	{ "perf-event", perf, fine },
	{ "secret-memory", secret, fine },
	{ "mptcp", mptcp, fine },
	{ "af-alg", alg, fine },
	{ "vsock", vsock, fine },
	{ "packet-pipe", packets, fine },
	{ "deaf-server", deaf, fine },
	{ "other-name", renamed, fine },
	{ "mapped-name", mapped, fine },
	{ "event-semaphore", semaphore, fine },
	{ "unaccepted", unaccepted, fine },
	{ "posix-queue", queue, fine },
	{ "covered-file", covered, fine },
	{ "mounted-twice", twice, fine },
	{ "never-starts", starting, fine },
	{ "epoll-elsewhere", epoll_elsewhere, fine },
	{ "timer-of-first", timer_first, fine },
	{ "timer-of-ended", timer_ended, fine },
	{ "pending-trap", trap, fine },
	{ "time-children", time_of_children, fine },
	{ "second-thread", second_thread, fine },
	{ "strayed", strayed, fine },
	{ "early-child", early_child, fine },
	{ "uts-namespace", uts, fine },
	{ "ipc-namespace", ipc, fine },
	{ "net-namespace", net, fine },
	{ "pid-namespace", pidns, fine },
	{ "user-namespace", user, fine },
	{ "time-namespace", timens, fine },
	{ "cgroup-namespace", cgroupns, fine },
	{ "traced", traced, fine },
	{ "unread-netlink", news, fine },
	{ "netlink-groups", high_group, fine },
	{ "netlink-unbound", unbound, fine },
	{ "promiscuous", promiscuous, fine },
	{ "kernel-tls", ktls, fine },
	{ NULL, NULL, NULL },
};
