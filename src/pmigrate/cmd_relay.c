// SPDX-License-Identifier: MIT
/* pmigrate relay: the working side.  stdin is the request and then the life line. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/own.h"
#include "pmigrate/command.h"
#include "pmigrate/out.h"
#include "pmigrate/relay.h"

enum { REQUEST_MAX = 1 << 20 };

static int read_request(struct relay_request *q, struct err *e)
{
	uint8_t head[4];
	own_free uint8_t *data = NULL;
	struct reader r;
	uint32_t len;
	int result;

	if (read_all(STDIN_FILENO, head, sizeof(head)) < 0)
		return err_set(e, ERR_LINK, "no request came");
	len = be32_at(head);
	if (len > REQUEST_MAX)
		return err_set(e, ERR_PROTO, "the request is too long");
	data = xmalloc(len + 1);
	if (read_all(STDIN_FILENO, data, len) < 0)
		return err_set(e, ERR_LINK, "the request is cut");
	r = reader_of(data, len);
	result = relay_request_get(&r, q, e);
	explicit_bzero(data, len);
	return result;
}

/* The asking server as an address: where ssh says that this session comes from. */
static char *caller_operand(const struct relay_request *q, bool server, const char *name,
			    struct err *e)
{
	const char *from = getenv("SSH_CONNECTION");
	own_free char *host = from ? xstrndup(from, strcspn(from, " ")) : NULL;
	bool v6;

	if (!host || !*host) {
		err_set(e, ERR_CONNECT, "it is not known where the request comes from");
		err_hint(e, "name the asking server's address instead of localhost");
		return NULL;
	}
	v6 = strchr(host, ':') != NULL;
	return xasprintf("%s%s%s%s%s%s%s", q->user, *q->user ? "@" : "", v6 ? "[" : "", host,
			 v6 ? "]" : "", server ? "" : "/", name);
}

/* argv as a person here would have typed it. */
static int words_of(const struct relay_request *q, struct strv *argv, struct err *e)
{
	strv_add(argv, "pmigrate");
	for (size_t i = 0; i < q->words.n; i++) {
		own_free char *other = NULL;

		if (q->caller && i == q->caller) {
			other = caller_operand(q, !strcmp(q->words.item[i - 1], "h"),
					       q->words.item[i], e);
			if (!other)
				return -1;
		}
		strv_add(argv, other ? other : q->words.item[i]);
	}
	return 0;
}

/* When the asking side goes away, this is as good as Ctrl-C. */
static void *watch_stdin(void *arg)
{
	char c[64];

	(void)arg;
	while (read(STDIN_FILENO, c, sizeof(c)) > 0)
		;
	kill(getpid(), SIGTERM);
	return NULL;
}

static void watch_start(void)
{
	sigset_t all, old;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&thread, NULL, watch_stdin, NULL) == 0)
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static int parse(const struct relay_request *q, struct options *o, struct err *e)
{
	own_strv struct strv argv = STRV_INIT;
	struct job *j = &o->job;

	if (words_of(q, &argv, e) < 0 || options_parse((int)argv.n, argv.item, o, e) < 0)
		return -1;
	if (o->mode != OPTIONS_RUN || relay_wanted(j))
		return err_set(e, ERR_PROTO, "the request is not for this server");
	if (q->source_password) {
		free(j->src.where.password);
		j->src.where.password = xstrdup(q->source_password);
	}
	if (q->destination_password) {
		free(j->dst.where.password);
		j->dst.where.password = xstrdup(q->destination_password);
	}
	return 0;
}

int command_relay(int argc, char **argv)
{
	static const char greeting[] = RELAY_GREETING "\n";
	struct out_opts opts = { .batch = true, .to = stdout, .errors = stderr };
	struct relay_request q = { .caller = 0 };
	own_options struct options o;
	struct out *out;
	struct err e = ERR_INIT;
	int result;

	(void)argv;
	if (argc != 1) {
		fprintf(stderr, "pmigrate: relay is started by pmigrate on another server\n");
		return EXIT_USAGE;
	}
	if (write_all(STDOUT_FILENO, greeting, sizeof(greeting) - 1) < 0)
		return EXIT_LINK;
	options_init(&o);
	result = read_request(&q, &e);
	if (result == 0)
		result = parse(&q, &o, &e);
	relay_request_fini(&q);
	opts.verbose = o.job.verbose;
	out = out_new(&opts);
	cancel_install();
	watch_start();
	if (result == 0)
		result = command_migrate_here(&o, out_events(out), &e);
	if (result < 0 && !out_told(out))
		out_error(out, &e);
	out_close(out);
	return result < 0 ? (int)exit_code_of(e.code) : EXIT_OK;
}
