// SPDX-License-Identifier: MIT
/* pmigrate recover, status and agent. */
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/exit.h"
#include "base/own.h"
#include "commit/guard.h"
#include "commit/witness.h"
#include "move/agent.h"
#include "move/move.h"
#include "move/streams.h"
#include "pmigrate/command.h"
#include "pmigrate/out.h"

/* A flag that is not there, or nothing. */
struct flag {
	const char *name;
	bool *set;
};

/*
 * Words that are no flag go to *word, of which one at most is allowed (none when
 * word is NULL).  -1 after having said what is wrong.
 */
static int take_words(int argc, char **argv, const struct flag *flags, size_t n,
		      const char **word)
{
	for (int i = 1; i < argc; i++) {
		size_t k;

		for (k = 0; k < n && strcmp(argv[i], flags[k].name) != 0; k++)
			;
		if (k < n) {
			*flags[k].set = true;
		} else if (argv[i][0] != '-' && word && !*word) {
			*word = argv[i];
		} else {
			fprintf(stderr, "pmigrate: '%s' is not understood by pmigrate %s\n",
				argv[i], argv[0]);
			return -1;
		}
	}
	return 0;
}

static void say(void *arg, const char *line)
{
	const bool *quiet = arg;

	if (!*quiet)
		puts(line);
}

int command_recover(int argc, char **argv)
{
	bool commit = false, undo = false, quiet = false, verbose = false;
	const struct flag flags[] = { { "--commit", &commit },
				      { "--undo", &undo },
				      { "--quiet", &quiet },
				      { "-q", &quiet },
				      { "--verbose", &verbose },
				      { "-v", &verbose } };
	struct out_opts opts = { .to = stdout, .errors = stderr };
	struct out *out;
	const char *id = NULL;
	struct err e = ERR_INIT;
	int r;

	if (take_words(argc, argv, flags, array_len(flags), &id) < 0)
		return EXIT_USAGE;
	if ((commit || undo) && (!id || commit == undo)) {
		fprintf(stderr, "pmigrate: --commit or --undo, and the ID of one migration\n");
		return EXIT_USAGE;
	}
	opts.verbose = verbose;
	out = out_new(&opts);
	cancel_install();
	r = recover_run(id, commit ? WORD_COMMIT : undo ? WORD_UNDO : WORD_NONE, say, &quiet, &e);
	if (r < 0)
		out_error(out, &e);
	out_close(out);
	return r < 0 ? (int)exit_code_of(e.code) : EXIT_OK;
}

int command_status(int argc, char **argv)
{
	bool all = false, batch = false, quiet = false;
	const struct flag flags[] = { { "--all", &all }, { "--batch", &batch }, { "-b", &batch } };
	struct err e = ERR_INIT;
	size_t open;

	if (take_words(argc, argv, flags, array_len(flags), NULL) < 0)
		return EXIT_USAGE;
	if (status_run(all, batch, say, &quiet, &open, &e) == 0)
		return open ? (int)exit_code_of(ERR_RECOVER) : EXIT_OK;
	fprintf(stderr, "pmigrate: %s\n", e.msg);
	return (int)exit_code_of(e.code);
}

int command_agent(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--join"))
		return streams_join_main(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "--witness"))
		return witness_main(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "--guard"))
		guard_main();
	if (argc == 1)
		return agent_main();
	fprintf(stderr, "pmigrate: agent is started by pmigrate on another server\n");
	return EXIT_USAGE;
}
