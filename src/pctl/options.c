// SPDX-License-Identifier: MIT
/* pctl/options.c - pctl's options: the table, the parser, --help. */
#include <inttypes.h>
#include <string.h>

#include "base/own.h"
#include "base/parse.h"
#include "pctl/pctl.h"

#define NEW (PCTL_CREATE | PCTL_SET)

const struct pctl_option pctl_options[] = {
	{ 0, "ostemplate", "NAME|FILE|DIR", PCTL_CREATE, PCTL_OPTION, NULL,
	  "make the tree from a template, a tar file or a directory" },
	{ 0, "empty", NULL, PCTL_CREATE, PCTL_OPTION, NULL, "make an empty tree" },
	{ 0, "keep-identity", NULL, PCTL_CREATE, PCTL_OPTION, NULL,
	  "keep machine-id and ssh host keys: it is a backup, not a template" },
	{ 0, "config", "SAMPLE", PCTL_CREATE, PCTL_OPTION, NULL,
	  "begin with ve-SAMPLE.conf-sample (default: CONFIGFILE of vz.conf)" },
	{ 0, "private", "DIR", PCTL_CREATE, PCTL_OPTION, NULL, "the private area" },
	{ 0, "root", "DIR", PCTL_CREATE, PCTL_OPTION, NULL, "where it is mounted" },
	{ 0, "name", "NAME", NEW, PCTL_OPTION, NULL, "a name for it" },
	{ 0, "hostname", "NAME", NEW, PCTL_PUT, "HOSTNAME", "its host name" },
	{ 0, "ipadd", "ADDRESS", NEW, PCTL_ADD, "IP_ADDRESS", "add a routed address (venet0)" },
	{ 0, "ipdel", "ADDRESS|all", PCTL_SET, PCTL_DEL, "IP_ADDRESS", "take one away" },
	{ 0, "netif", "ADAPTERS", NEW, PCTL_PUT, "NETIF",
	  "bridged adapters: ifname=eth0,bridge=br0,ip=A/N,gw=A,mac=M,host_ifname=I; …" },
	{ 0, "nameserver", "ADDRESSES", NEW, PCTL_PUT, "NAMESERVER", "name servers" },
	{ 0, "searchdomain", "DOMAINS", NEW, PCTL_PUT, "SEARCHDOMAIN", "search domains" },
	{ 0, "init", "COMMAND", NEW, PCTL_PUT, "VE_INIT", "run this instead of /sbin/init" },
	{ 0, "init-log", "FILE", NEW, PCTL_PUT, "VE_INIT_LOG", "its output, a file inside" },
	{ 0, "live-ready", "[yes|no]", NEW, PCTL_PUT, "LIVE_PROFILE",
	  "all of it can be moved live (default yes; counts at the next start)" },
	{ 0, "cpuunits", "N", NEW, PCTL_PUT, "CPUUNITS", "CPU weight, 8 to 500000; 1000 is usual" },
	{ 0, "cpulimit", "PERCENT", NEW, PCTL_PUT, "CPULIMIT", "CPU limit; 100 is one CPU" },
	{ 0, "cpus", "N", NEW, PCTL_PUT, "CPUS", "number of CPUs" },
	{ 0, "cpumask", "LIST", NEW, PCTL_PUT, "CPUMASK", "only on these CPUs, such as 0-3,6" },
	{ 0, "ram", "BYTES", NEW, PCTL_PAGES, "PHYSPAGES", "memory, such as 2G (without it the sample's: 512M)" },
	{ 0, "swap", "BYTES", NEW, PCTL_PAGES, "SWAPPAGES", "swap beside it" },
	{ 0, "physpages", "N[:N]", NEW, PCTL_PUT, "PHYSPAGES", "memory in pages, barrier:limit" },
	{ 0, "swappages", "N[:N]", NEW, PCTL_PUT, "SWAPPAGES", "swap in pages, barrier:limit" },
	{ 0, "numproc", "N[:N]", NEW, PCTL_PUT, "NUMPROC", "processes and threads" },
	{ 0, "diskspace", "N[:N]", NEW, PCTL_PUT, "DISKSPACE", "disk space in KiB, soft:hard" },
	{ 0, "diskinodes", "N[:N]", NEW, PCTL_PUT, "DISKINODES", "inodes, soft:hard" },
	{ 0, "rate", "DEV:CLASS:KBIT", NEW, PCTL_PUT, "RATE",
	  "network rate (where vz.conf says TRAFFIC_SHAPING=yes)" },
	{ 0, "onboot", "yes|no", NEW, PCTL_PUT, "ONBOOT", "start it when the server starts" },
	{ 0, "bootorder", "N", NEW, PCTL_PUT, "BOOTORDER", "the higher, the earlier it is started then" },
	{ 0, "disabled", "yes|no", NEW, PCTL_PUT, "DISABLED", "it cannot be started" },
	{ 0, "capability", "NAME:on|off…", NEW, PCTL_PUT, "CAPABILITY", "capabilities" },
	{ 0, "environment", "K=V…", NEW, PCTL_PUT, "VE_ENVIRONMENT", "for its first process" },
	{ 0, "description", "TEXT", NEW, PCTL_PUT, "DESCRIPTION", "a note" },
	{ 0, "save", NULL, PCTL_SET, PCTL_OPTION, NULL, "accepted; settings are always saved" },
	{ 0, "wait", NULL, PCTL_START | PCTL_RESTART, PCTL_OPTION, NULL,
	  "until its init says that the start is complete" },
	{ 0, "fast", NULL, PCTL_STOP | PCTL_RESTART, PCTL_OPTION, NULL, "kill it at once" },
	{ 't', "tty", NULL, PCTL_EXEC, PCTL_OPTION, NULL, "with a terminal, also when ours is none" },
	{ 't', "timeout", "SECONDS", PCTL_STOP | PCTL_RESTART | PCTL_START | PCTL_SHUTDOWN, PCTL_OPTION, NULL,
	  "kill it after that time (default 60)" },
	{ 'o', "output", "FIELDS", PCTL_LIST, PCTL_OPTION, NULL,
	  "which columns: ctid,status,name,hostname,ip,nproc,private,root,live,\n"
	  "                                   locked,description" },
	{ 'j', "json", NULL, PCTL_LIST | PCTL_STATUS, PCTL_OPTION, NULL, "as JSON" },
	{ 'H', "no-header", NULL, PCTL_LIST, PCTL_OPTION, NULL, "without the first line" },
	{ 'a', "all", NULL, PCTL_LIST | PCTL_STATUS, PCTL_OPTION, NULL,
	  "list: stopped ones, too; status: everything" },
	{ 'v', "verbose", NULL, PCTL_ALL, PCTL_OPTION, NULL, "tell what is done" },
	{ 'h', "help", NULL, PCTL_ALL, PCTL_OPTION, NULL, "this text" },
	{ 0, NULL, NULL, 0, PCTL_OPTION, NULL, NULL },
};

void pctl_args_fini(struct pctl_args *a)
{
	strv_fini(&a->words);
	free(a->given);
	memset(a, 0, sizeof(*a));
}

const char *pctl_arg(const struct pctl_args *a, const char *name)
{
	for (size_t i = a->n_given; i-- > 0;) {
		if (strcmp(a->given[i].option->name, name) == 0)
			return a->given[i].value;
	}
	return NULL;
}

static const struct pctl_option *option_find(enum pctl_command c, const char *word, size_t n)
{
	for (const struct pctl_option *o = pctl_options; o->name; o++) {
		if (!(o->commands & c))
			continue;
		if (word[0] == '-' && strlen(o->name) == n - 2 && strncmp(word, "--", 2) == 0 &&
		    strncmp(o->name, word + 2, n - 2) == 0)
			return o;
		if (n == 2 && o->letter && word[1] == o->letter)
			return o;
	}
	return NULL;
}

/* An argument that may be left out, then it is yes: the next word is one only if it can be nothing
 * else. */
static const char *yes_or_no(int argc, char **argv, int *i)
{
	if (*i + 1 < argc && (strcmp(argv[*i + 1], "yes") == 0 || strcmp(argv[*i + 1], "no") == 0))
		return argv[++*i];
	return "yes";
}

/* Takes the option at argv[*i] and its value. */
static int take_option(struct pctl_args *a, int argc, char **argv, int *i, struct err *e)
{
	char *word = argv[*i], *equal = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
	size_t n = equal ? (size_t)(equal - word) : strlen(word);
	const struct pctl_option *o = option_find(a->command, word, n);
	const char *value = "";

	if (!o) {
		err_set(e, ERR_USAGE, "%s has no option %.*s", argv[0], (int)n, word);
		return err_hint(e, "pctl %s --help", argv[0]);
	}
	if (!o->arg && equal)
		return err_set(e, ERR_USAGE, "--%s takes no value", o->name);
	if (o->arg && equal)
		value = equal + 1;
	else if (o->arg && o->arg[0] == '[')
		value = yes_or_no(argc, argv, i);
	else if (o->arg && *i + 1 < argc)
		value = argv[++*i];
	else if (o->arg)
		return err_set(e, ERR_USAGE, "--%s needs a value: %s", o->name, o->arg);
	a->given = xrealloc(a->given, (a->n_given + 1) * sizeof(*a->given));
	a->given[a->n_given++] = (struct pctl_given){ o, value };
	return 0;
}

int pctl_parse(enum pctl_command command, int argc, char **argv, struct pctl_args *out,
	       struct err *e)
{
	bool only_words = false;

	*out = (struct pctl_args){ .command = command };
	for (int i = 1; i < argc; i++) {
		/* `exec ID -- COMMAND` */
		if ((!only_words || (command == PCTL_EXEC && out->words.n == 1)) && strcmp(argv[i], "--") == 0) {
			only_words = true;
			continue;
		}
		if (only_words || argv[i][0] != '-' || !argv[i][1]) {
			strv_add(&out->words, argv[i]);
			/* what follows is somebody else's command line */
			only_words = only_words || command == PCTL_EXEC;
			continue;
		}
		if (take_option(out, argc, argv, &i, e) < 0) {
			pctl_args_fini(out);
			return -1;
		}
	}
	return 0;
}

void pctl_help(FILE *out, enum pctl_command command)
{
	for (const struct pctl_option *o = pctl_options; o->name; o++) {
		own_free char *left = NULL;

		if (!(o->commands & command))
			continue;
		left = xasprintf("%c%c%c --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
				 o->letter ? ',' : ' ', o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		fprintf(out, "  %-32s %s\n", left, o->help);
	}
}

static bool same_word(const char *a, const char *b)
{
	size_t n = strcspn(a, "/"), m = strcspn(b, "/");

	return n == m && strncmp(a, b, n) == 0;
}

/* The words of `old` without those that `words` has. */
static char *without(const char *old, const struct strv *words)
{
	own_strv struct strv have = STRV_INIT, kept = STRV_INIT;

	strv_split(&have, old, " \t");
	for (size_t i = 0; i < have.n; i++) {
		bool gone = strv_has(words, "all");

		for (size_t k = 0; k < words->n; k++)
			gone = gone || same_word(have.item[i], words->item[k]);
		if (!gone)
			strv_add(&kept, have.item[i]);
	}
	return strv_join(&kept, " ");
}

static int apply_words(const struct pctl_given *g, struct conf *c, struct err *e)
{
	const char *old = conf_get(c, g->option->param);
	own_strv struct strv words = STRV_INIT;
	own_free char *kept = NULL, *more = NULL, *value = NULL;

	strv_split(&words, g->value, " \t,");
	kept = without(old ? old : "", &words);
	if (g->option->how == PCTL_DEL)
		return conf_set(c, g->option->param, kept, e);
	more = strv_join(&words, " ");
	value = xasprintf("%s%s%s", kept, *kept ? " " : "", more);
	return conf_set(c, g->option->param, value, e);
}

static int apply_pages(const struct pctl_given *g, struct conf *c, struct err *e)
{
	own_free char *text = NULL;
	uint64_t bytes;

	if (strcmp(g->value, "unlimited") == 0)
		return conf_set(c, g->option->param, "unlimited", e);
	if (parse_bytes(g->value, g->option->name, &bytes, e) < 0)
		return -1;
	text = xasprintf("0:%" PRIu64, (bytes + 4095) / 4096);
	return conf_set(c, g->option->param, text, e);
}

int pctl_apply(const struct pctl_args *a, struct conf *c, struct err *e)
{
	for (size_t i = 0; i < a->n_given; i++) {
		const struct pctl_given *g = &a->given[i];
		int ret = *g->value ? pctl_value_check(g->option->name, g->value, e) : 0;

		switch (ret < 0 ? PCTL_OPTION : g->option->how) {
		case PCTL_PUT:
			if (*g->value)
				ret = conf_set(c, g->option->param, g->value, e);
			else
				conf_unset(c, g->option->param);
			break;
		case PCTL_ADD:
		case PCTL_DEL:
			ret = apply_words(g, c, e);
			break;
		case PCTL_PAGES:
			ret = apply_pages(g, c, e);
			break;
		case PCTL_OPTION:
		default:
			break;
		}
		if (ret < 0)
			return err_wrap(e, "--%s", g->option->name);
	}
	return 0;
}
