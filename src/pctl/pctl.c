// SPDX-License-Identifier: MIT
/* pctl/pctl.c - the program pctl: which command, and what became of it. */
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/log.h"
#include "base/own.h"
#include "config.h"
#include "pctl/pctl.h"

struct command {
	enum pctl_command bit;
	const char *name;
	const char *words; /* for people */
	size_t min, max;   /* of words */
	int (*run)(const struct pctl_args *a, struct err *e);
	const char *help;
};

static const struct command commands[] = {
	{ PCTL_CREATE, "create", "ID", 1, 1, pctl_create, "make a container" },
	{ PCTL_START, "start", "ID", 1, 1, pctl_start, "start it" },
	{ PCTL_STOP, "stop", "ID", 1, 1, pctl_stop, "stop it" },
	{ PCTL_RESTART, "restart", "ID", 1, 1, pctl_restart, "stop it, if it runs, and start it" },
	{ PCTL_DESTROY, "destroy", "ID", 1, 1, pctl_destroy, "remove a stopped one for good" },
	{ PCTL_LIST, "list", "[ID...]", 0, SIZE_MAX, pctl_list, "containers of this server" },
	{ PCTL_STATUS, "status", "ID", 1, 1, pctl_status, "what it does; the last word is the state" },
	{ PCTL_EXEC, "exec", "ID COMMAND [ARGUMENT...]", 2, SIZE_MAX, pctl_exec,
	  "run a command inside; its exit code is ours" },
	{ PCTL_ENTER, "enter", "ID", 1, 1, pctl_enter, "a shell inside" },
	{ PCTL_SET, "set", "ID", 1, 1, pctl_set, "change its settings, those of a running one at once" },
	{ PCTL_MOUNT, "mount", "ID", 1, 1, pctl_mount, "mount its tree without starting it" },
	{ PCTL_UMOUNT, "umount", "ID", 1, 1, pctl_umount, "unmount it" },
	{ PCTL_BOOT, "boot", "", 0, 0, pctl_boot, "start all with ONBOOT=yes, as when the server starts" },
	{ PCTL_SHUTDOWN, "shutdown", "", 0, 0, pctl_shutdown, "stop all, as when the server stops" },
};

static void help_all(FILE *out)
{
	fprintf(out, "usage: pctl COMMAND [ID] [options]\n\ncommands:\n");
	for (size_t i = 0; i < array_len(commands); i++) {
		own_free char *left = xasprintf("%s %s", commands[i].name, commands[i].words);

		fprintf(out, "  %-34s %s\n", left, commands[i].help);
	}
	fprintf(out, "\nID is a number or a name. `pctl COMMAND --help` tells the options.\n");
}

static void help_one(FILE *out, const struct command *c)
{
	fprintf(out, "usage: pctl %s %s%s[options]: %s\n\n", c->name, c->words, *c->words ? " " : "", c->help);
	pctl_help(out, c->bit);
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < array_len(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int run(const struct command *c, const struct pctl_args *a)
{
	struct err e = ERR_INIT;
	int ret;

	if (pctl_arg(a, "help")) {
		help_one(stdout, c);
		return EXIT_OK;
	}
	if (pctl_arg(a, "verbose"))
		pctl_log_to_stderr(NULL);
	if (a->words.n < c->min || a->words.n > c->max) {
		err_set(&e, ERR_USAGE, "pctl %s takes %s", c->name, *c->words ? c->words : "no ID");
		err_hint(&e, "pctl %s --help", c->name);
		return pctl_fail("pctl", &e);
	}
	if (geteuid() != 0) {
		err_set(&e, ERR_SYS, "pctl must be run by root");
		err_hint(&e, "sudo pctl %s …", c->name);
		return pctl_fail("pctl", &e);
	}
	ret = c->run(a, &e);
	return ret < 0 ? pctl_fail("pctl", &e) : ret;
}

int main(int argc, char **argv)
{
	const struct command *c = argc > 1 ? command_find(argv[1]) : NULL;
	struct pctl_args a;
	struct err e = ERR_INIT;
	int code;

	pctl_log_to_stderr("pctl");
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("pctl %s\n", PMIGRATE_VERSION);
		return EXIT_OK;
	}
	if (!c) {
		bool asked = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);

		if (argc > 1 && !asked)
			fprintf(stderr, "pctl: there is no command '%s'\n", argv[1]);
		help_all(asked ? stdout : stderr);
		return asked ? EXIT_OK : EXIT_USAGE;
	}
	if (pctl_parse(c->bit, argc - 1, argv + 1, &a, &e) < 0)
		return pctl_fail("pctl", &e);
	code = run(c, &a);
	pctl_args_fini(&a);
	return code;
}
