/* SPDX-License-Identifier: MIT */
/*
 * pctl/pctl.h - the manager of native containers: one command, one function, one file or
 * a small group of kin in one.
 *
 *	pctl COMMAND ID [options, anywhere]
 *
 * One table of options (pctl_options.c) gives the parser, --help and the check that the
 * manual names every option; most of them are just another name of a config parameter.
 */
#ifndef PCTL_PCTL_H
#define PCTL_PCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/strv.h"
#include "engine/vz/vz.h"

enum pctl_command {
	PCTL_CREATE = 1u << 0,
	PCTL_START = 1u << 1,
	PCTL_STOP = 1u << 2,
	PCTL_RESTART = 1u << 3,
	PCTL_DESTROY = 1u << 4,
	PCTL_LIST = 1u << 5,
	PCTL_STATUS = 1u << 6,
	PCTL_EXEC = 1u << 7,
	PCTL_ENTER = 1u << 8,
	PCTL_SET = 1u << 9,
	PCTL_MOUNT = 1u << 10,
	PCTL_UMOUNT = 1u << 11,
	PCTL_BOOT = 1u << 12,
	PCTL_SHUTDOWN = 1u << 13,
	PCTL_ALL = (1u << 14) - 1,
};

/* What a parameter's option does with the value that the config has. */
enum pctl_how {
	PCTL_OPTION = 0, /* is no parameter */
	PCTL_PUT,	 /* replaces it; "" takes it out */
	PCTL_ADD,	 /* adds words */
	PCTL_DEL,	 /* takes words out; "all" */
	PCTL_PAGES,	 /* bytes, written as pages barrier:limit */
};

struct pctl_option {
	char letter; /* 0: has none */
	const char *name;
	const char *arg; /* for people; NULL: takes none */
	unsigned commands;
	enum pctl_how how;
	const char *param;
	const char *help;
};

extern const struct pctl_option pctl_options[]; /* ends with a NULL name */

struct pctl_args {
	enum pctl_command command;
	struct strv words; /* without the command */
	struct pctl_given {
		const struct pctl_option *option;
		const char *value; /* borrowed from argv */
	} *given;
	size_t n_given;
};

/* argv[0] is the command's name.  With exec, options end before the second word.  ERR_USAGE. */
int pctl_parse(enum pctl_command command, int argc, char **argv, struct pctl_args *out,
	       struct err *e);
void pctl_args_fini(struct pctl_args *a);
/* The last value given, "" for a flag; NULL when it was not given. */
const char *pctl_arg(const struct pctl_args *a, const char *name);
void pctl_help(FILE *out, enum pctl_command command);

/* Puts what the options say into a config; ERR_USAGE names the option. */
int pctl_apply(const struct pctl_args *a, struct conf *c, struct err *e);

/* May the option be given this value (not "")?  ERR_USAGE says what is allowed. */
int pctl_value_check(const char *option, const char *value, struct err *e);

/* Are its network and limits such that it can start?  ERR_USAGE. */
int pctl_understood(const struct vz *v, struct err *e);

/* Starts a container that is stopped, unless it is disabled or somebody has its addresses.  The caller has the
 * lock. */
int pctl_start_one(const struct ct *ct, struct err *e);

/* Says what the config asks for and the engine does not do. */
void pctl_tell_left_out(const struct conf *c);

/* The container that the first word names. */
int pctl_find(const struct pctl_args *a, struct ct *out, struct err *e);

/* Each does its command; 0 or -1, or for exec the command's own exit code. */
int pctl_create(const struct pctl_args *a, struct err *e);
int pctl_start(const struct pctl_args *a, struct err *e);
int pctl_stop(const struct pctl_args *a, struct err *e);
int pctl_restart(const struct pctl_args *a, struct err *e);
int pctl_mount(const struct pctl_args *a, struct err *e);
int pctl_umount(const struct pctl_args *a, struct err *e);
int pctl_destroy(const struct pctl_args *a, struct err *e);
int pctl_list(const struct pctl_args *a, struct err *e);
int pctl_status(const struct pctl_args *a, struct err *e);
int pctl_exec(const struct pctl_args *a, struct err *e);
int pctl_enter(const struct pctl_args *a, struct err *e);
int pctl_set(const struct pctl_args *a, struct err *e);
int pctl_boot(const struct pctl_args *a, struct err *e);
int pctl_shutdown(const struct pctl_args *a, struct err *e);

/* Says so when this server's init would not run `pctl boot`. */
void pctl_check_onboot_unit(void);

/* For the small programs: warnings to stderr with the program's name before them. */
void pctl_log_to_stderr(const char *program);
/* Prints the error with its hint; returns the exit code. */
int pctl_fail(const char *program, const struct err *e);

#endif
