// SPDX-License-Identifier: MIT
/* pctl/vzpkg.c - the program vzpkg: `vzpkg list`, the OS templates of this server. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/exit.h"
#include "base/own.h"
#include "engine/template.h"
#include "pctl/pctl.h"

/* The classic program's code for a template that is not there. */
enum { EXIT_NO_TEMPLATE = 24 };

static void help(FILE *out)
{
	fprintf(out, "usage: vzpkg list [-c] [-q] [TEMPLATE...]\n\n"
		     "OS templates of this server, those with a cache with its date.\n\n"
		     "  -c, --cached   only those with a cache: what containers can be made from\n"
		     "  -q, --quiet    without the date\n"
		     "  -h, --help     this text\n");
}

static void print(const struct template *t, bool quiet)
{
	char when[32] = "";
	struct tm tm;

	if (!quiet && t->cached && localtime_r(&t->when, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	if (*when)
		printf("%-32s %s\n", t->name, when);
	else
		printf("%s\n", t->name);
}

/* Of those asked for (all when none is), how many there are. */
static size_t list(const struct template *t, size_t n, const struct strv *names, bool cached, bool quiet)
{
	size_t shown = 0;

	for (size_t i = 0; i < n; i++) {
		if ((names->n && !strv_has(names, t[i].name)) || (cached && !t[i].cached))
			continue;
		print(&t[i], quiet);
		shown++;
	}
	return shown;
}

static int run(const struct strv *names, bool cached, bool quiet)
{
	own_conf struct conf global = CONF_INIT;
	struct err e = ERR_INIT;
	struct template *t;
	const char *dir;
	size_t n, shown;

	if (vz_global_load(&global, &e) < 0)
		return pctl_fail("vzpkg", &e);
	dir = conf_get(&global, "TEMPLATE");
	if (template_list(dir ? dir : "/vz/template", &t, &n, &e) < 0)
		return pctl_fail("vzpkg", &e);
	shown = list(t, n, names, cached, quiet);
	template_list_free(t, n);
	if (shown || !names->n)
		return EXIT_OK;
	fprintf(stderr, "vzpkg: there is no such template\n");
	return EXIT_NO_TEMPLATE;
}

static bool is_word(const char *arg, const char *brief, const char *full)
{
	return strcmp(arg, brief) == 0 || strcmp(arg, full) == 0;
}

int main(int argc, char **argv)
{
	own_strv struct strv names = STRV_INIT;
	bool cached = false, quiet = false, asked = false, wrong = argc < 2;

	pctl_log_to_stderr("vzpkg");
	for (int i = 1; i < argc; i++) {
		if (is_word(argv[i], "-h", "--help"))
			asked = true;
		else if (i == 1)
			wrong = strcmp(argv[i], "list") != 0;
		else if (is_word(argv[i], "-c", "--cached"))
			cached = true;
		else if (is_word(argv[i], "-q", "--quiet"))
			quiet = true;
		else if (argv[i][0] == '-')
			wrong = true;
		else
			strv_add(&names, argv[i]);
	}
	if (asked || wrong) {
		help(asked ? stdout : stderr);
		return asked ? EXIT_OK : EXIT_USAGE;
	}
	return run(&names, cached, quiet);
}
