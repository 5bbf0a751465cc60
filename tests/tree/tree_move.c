// SPDX-License-Identifier: MIT
/*
 * tree-move: the tree mover alone, for tests and measurements.
 *
 *	tree-move [OPTION...] local SRC DST	both ends here, over socket pairs
 *	tree-move [OPTION...] send SRC COMMAND...	the far end is COMMAND's stdin and stdout
 *	tree-move [OPTION...] recv DST			the far end, on stdin and stdout
 *
 * Commands come on stdin, one a line: first | next [PID...] | last [PID...] |
 * measure MS | progress | quit; each is answered with one line of key=value.  Exit code 0, or 1 with
 * the error on stderr.
 *
 * Options: -e RULE exclude (repeatable)  -j no journal  -m N journal_max  -n N streams
 * (local only)  -t N threads  -z auto|off|on  -l BYTES/S limit  -c N corrupt: flip a bit of
 * the N-th byte that the source sends on stream 0 (local only)
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "base/spawn.h"
#include "tree/recv/recv.h"
#include "tree/send/send.h"
#include "wire/peer.h"
#include "wire/proto.h"

enum { MAX_STREAMS_HERE = 16 };

static struct {
	struct tree_opts tree;
	unsigned n_streams;
	uint64_t limit;
	long corrupt;
} opt = { .n_streams = 1 };

static void log_out(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	fprintf(stderr, "log %d: %s\n", level, line);
}

static int fail(const struct err *e)
{
	fprintf(stderr, "tree-move: [%s] %s\n", err_code_word(e->code), e->msg);
	return 1;
}

static long max_rss_kb(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_maxrss;
}

static void print_stats(FILE *f, const char *what, const struct tree_stats *st, double ms,
			uint64_t left)
{
	fprintf(f,
		"%s files=%llu others=%llu dirs=%llu removed=%llu bytes=%llu same=%llu "
		"wire=%llu vanished=%llu mounts=%llu excluded=%llu walked=%d left=%llu "
		"ms=%.1f rss_kb=%ld\n",
		what, (unsigned long long)st->files, (unsigned long long)st->others,
		(unsigned long long)st->dirs, (unsigned long long)st->removed,
		(unsigned long long)st->bytes, (unsigned long long)st->same_bytes,
		(unsigned long long)st->wire_bytes, (unsigned long long)st->vanished,
		(unsigned long long)st->mounts, (unsigned long long)st->excluded, st->walked,
		(unsigned long long)left, ms, max_rss_kb());
	fflush(f);
}

/* The far end: answers PROTO_PASS until PROTO_BYE. */
static int serve(struct peer **peer, unsigned n, const char *path)
{
	struct tree_dest_opts o = { .threads = opt.tree.threads };
	struct tree_dest *d;
	struct err e = ERR_INIT;
	struct tree_stats st;

	if (tree_dest_open(&d, AT_FDCWD, path, &o, &e) < 0) {
		peer_abort(peer[0], &e);
		return fail(&e);
	}
	for (;;) {
		own_frame struct frame f = FRAME_INIT;

		if (peer_recv(peer[0], &f, &e) < 0)
			break;
		if (f.type == PROTO_BYE) {
			/* Before the answer: then nobody may listen any more. */
			fprintf(stderr, "recv rss_kb=%ld\n", max_rss_kb());
			peer_reply(peer[0], f.id, NULL, NULL);
			tree_dest_close(d);
			return 0;
		}
		if (tree_dest_pass(d, peer, n, &st, &e) < 0 ||
		    peer_reply(peer[0], f.id, NULL, &e) < 0) {
			peer_abort(peer[0], &e);
			break;
		}
	}
	tree_dest_close(d);
	return fail(&e);
}

static struct peer *new_peer(int rfd, int wfd, struct bucket *limit)
{
	struct peer_opts o = { .name = "far", .limit = limit, .on_log = log_out,
			       .silence_ms = 20000 };
	struct err e = ERR_INIT;
	struct peer *p;

	if (peer_new(&p, rfd, wfd, &o, &e) < 0)
		exit(fail(&e));
	return p;
}

/* Copies from a to b, damaging one byte on the way from a. */
struct cable {
	int from, to;
	long corrupt;
};

static void *cable_main(void *arg)
{
	struct cable *c = arg;
	static __thread unsigned char data[65536];
	long done = 0;
	ssize_t n;

	while ((n = read(c->from, data, sizeof(data))) > 0) {
		if (c->corrupt > done && c->corrupt <= done + n)
			data[c->corrupt - done - 1] ^= 4;
		done += n;
		for (ssize_t at = 0; at < n;) {
			ssize_t w = write(c->to, data + at, (size_t)(n - at));

			if (w <= 0)
				break;
			at += w;
		}
	}
	shutdown(c->to, SHUT_WR);
	return NULL;
}

static int through_cable(int fd, long corrupt)
{
	static struct cable ab, ba;
	int pair[2];
	pthread_t t;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		exit(1);
	ab = (struct cable){ pair[1], fd, corrupt };
	ba = (struct cable){ fd, pair[1], 0 };
	pthread_create(&t, NULL, cable_main, &ab);
	pthread_detach(t);
	pthread_create(&t, NULL, cable_main, &ba);
	pthread_detach(t);
	return pair[0];
}

static int call_pass(struct peer *peer, struct err *e)
{
	return peer_send(peer, PROTO_PASS, 1, NULL, 0, e);
}

static int await_reply(struct peer *peer, struct err *e)
{
	own_frame struct frame f = FRAME_INIT;

	if (peer_recv(peer, &f, e) < 0)
		return -1;
	return f.type == PROTO_REPLY ? 0 : err_set(e, ERR_PROTO, "no reply but %u", f.type);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int run_pass(struct tree_source *s, struct peer **peer, unsigned n, const char *cmd,
		    char *args)
{
	double start = now_ms();
	struct err e = ERR_INIT;
	struct tree_stats st;
	uint64_t left = 0;
	own_held struct held held = HELD_INIT;
	char *save = NULL;
	int ret = -1;

	for (char *w = strtok_r(args, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		pid_t pid = atoi(w);

		if (held_look(&held, &pid, 1, &e) < 0)
			return fail(&e);
	}
	if (call_pass(peer[0], &e) == 0) {
		if (!strcmp(cmd, "first"))
			ret = tree_source_first(s, peer, n, &st, &e);
		else if (!strcmp(cmd, "next"))
			ret = tree_source_next(s, peer, n, &held, &st, &left, &e);
		else
			ret = tree_source_last(s, peer, n, &held, &st, &e);
	}
	if (ret < 0 || await_reply(peer[0], &e) < 0)
		return fail(&e);
	print_stats(stdout, cmd, &st, now_ms() - start, left);
	return 0;
}

static int measure(struct tree_source *s, const char *args)
{
	struct tree_measure m;
	struct err e = ERR_INIT;

	if (tree_source_measure(s, (unsigned)atoi(args), &m, &e) < 0)
		return fail(&e);
	printf("measure files=%llu dirs=%llu bytes=%llu max_file=%llu names_per_s=%.1f "
	       "bytes_per_s=%.1f\n",
	       (unsigned long long)m.files, (unsigned long long)m.dirs,
	       (unsigned long long)m.bytes, (unsigned long long)m.max_file,
	       m.changed_names_per_s, m.changed_bytes_per_s);
	fflush(stdout);
	return 0;
}

static int converse(const char *root, struct peer **peer, unsigned n)
{
	own_free char *line = NULL;
	struct err e = ERR_INIT;
	struct tree_source *s;
	size_t cap = 0;
	int ret = 0;

	if (tree_source_open(&s, root, &opt.tree, &e) < 0)
		return fail(&e);
	printf("open journal=%s\n",
	       tree_source_no_journal(s) ? tree_source_no_journal(s) : "yes");
	fflush(stdout);
	while (ret == 0 && getline(&line, &cap, stdin) > 0) {
		char *args;

		line[strcspn(line, "\n")] = '\0';
		args = strchr(line, ' ');
		if (args)
			*args++ = '\0';
		if (!strcmp(line, "quit"))
			break;
		ret = !strcmp(line, "measure") ? measure(s, args ? args : "0") :
						 run_pass(s, peer, n, line, args ? args : line + strlen(line));
	}
	tree_source_close(s);
	if (ret == 0 && peer_send(peer[0], PROTO_BYE, 2, NULL, 0, &e) == 0)
		await_reply(peer[0], &e);
	return ret;
}

static int local(const char *src, const char *dst)
{
	struct bucket *limit = opt.limit ? bucket_new(opt.limit) : NULL;
	int pair[MAX_STREAMS_HERE][2], status = 0, ret;
	struct peer *peer[MAX_STREAMS_HERE];
	unsigned n = opt.n_streams;
	pid_t pid;

	for (unsigned i = 0; i < n; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair[i]) < 0)
			return 1;
	pid = fork();
	if (pid == 0) {
		for (unsigned i = 0; i < n; i++) {
			close(pair[i][0]);
			peer[i] = new_peer(pair[i][1], pair[i][1], NULL);
		}
		ret = serve(peer, n, dst);
		for (unsigned i = 0; i < n; i++)
			peer_free(peer[i]);
		exit(ret);
	}
	for (unsigned i = 0; i < n; i++) {
		int fd = pair[i][0];

		close(pair[i][1]);
		if (i == 0 && opt.corrupt)
			fd = through_cable(fd, opt.corrupt);
		peer[i] = new_peer(fd, fd, limit);
	}
	ret = converse(src, peer, n);
	for (unsigned i = 0; i < n; i++)
		peer_free(peer[i]);
	waitpid(pid, &status, 0);
	bucket_free(limit);
	return ret;
}

static int send_to(const char *src, const char *const *command)
{
	struct bucket *limit = opt.limit ? bucket_new(opt.limit) : NULL;
	struct spawn sp = SPAWN_INIT(command);
	own_child struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	struct peer *peer;
	int ret;

	sp.in = sp.out = SPAWN_PIPE;
	sp.err = SPAWN_INHERIT;
	if (child_start(&c, &sp, &e) < 0)
		return fail(&e);
	peer = new_peer(take_fd(&c.out), take_fd(&c.in), limit);
	ret = converse(src, &peer, 1);
	peer_free(peer);
	bucket_free(limit);
	return ret;
}

int main(int argc, char **argv)
{
	struct exclude *x = exclude_new();
	struct err e = ERR_INIT;
	int c;

	signal(SIGPIPE, SIG_IGN);
	log_init(LOG_LVL_INFO, log_out, NULL);
	while ((c = getopt(argc, argv, "+e:jm:n:t:z:l:c:")) >= 0) {
		if (c == 'e' && exclude_add(x, optarg, &e) < 0)
			return fail(&e);
		if (c == 'j')
			opt.tree.no_journal = true;
		if (c == 'm')
			opt.tree.journal_max = (unsigned)atoi(optarg);
		if (c == 'n')
			opt.n_streams = (unsigned)atoi(optarg);
		if (c == 't')
			opt.tree.threads = (unsigned)atoi(optarg);
		if (c == 'z')
			opt.tree.zip = *optarg == 'a' ? TREE_ZIP_AUTO :
				       optarg[1] == 'n' ? TREE_ZIP_ON :
							  TREE_ZIP_OFF;
		if (c == 'l')
			opt.limit = strtoull(optarg, NULL, 0);
		if (c == 'c')
			opt.corrupt = atol(optarg);
		if (c == '?')
			return 2;
	}
	opt.tree.exclude = x;
	argv += optind;
	argc -= optind;
	if (argc == 3 && !strcmp(argv[0], "local"))
		c = local(argv[1], argv[2]);
	else if (argc >= 3 && !strcmp(argv[0], "send"))
		c = send_to(argv[1], (const char *const *)argv + 2);
	else if (argc == 2 && !strcmp(argv[0], "recv")) {
		struct peer *peer = new_peer(0, 1, NULL);

		c = serve(&peer, 1, argv[1]);
		peer_free(peer);
	} else {
		fprintf(stderr, "usage: see the top of tree_move.c\n");
		c = 2;
	}
	exclude_free(x);
	return c;
}
