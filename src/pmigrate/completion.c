// SPDX-License-Identifier: MIT
/*
 * Run when the program is built: prints the completion for bash, from the same
 * tables as --help.
 */
#include <stdio.h>
#include <string.h>

#include "pmigrate/options.h"

static void words_of_pair(enum pair p)
{
	const struct option_row *row;

	for (size_t i = 0; (row = options_row(p, i)); i++) {
		if (row->letter)
			printf(" -%c", row->letter);
		if (row->name)
			printf(" --%s%s", row->name, row->arg == OPTION_VALUE ? "=" : "");
	}
}

/* The value of one option: a list of words, or files. */
static void value_case(const struct option_row *row)
{
	if (!row->values)
		return;
	if (row->name && row->letter && row->arg == OPTION_VALUE)
		printf("\t\t-%c | --%s)", row->letter, row->name);
	else if (row->name)
		printf("\t\t--%s)", row->name);
	else
		printf("\t\t-%c)", row->letter);
	if (!strcmp(row->values, "@file"))
		printf(" compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
	else if (!strcmp(row->values, "@dir"))
		printf(" compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n");
	else
		printf(" COMPREPLY=($(compgen -W '%s' -- \"${cur##*,}\")); return ;;\n",
		       row->values);
}

static void pair_function(enum pair p, const char *name)
{
	const struct option_row *row;

	printf("_pmigrate_%s() {\n\tcase $prev in\n", name);
	for (size_t i = 0; (row = options_row(p, i)); i++)
		value_case(row);
	printf("\tesac\n\toptions='");
	words_of_pair(p);
	printf("'\n}\n\n");
}

static const char head[] =
	"# SPDX-License-Identifier: MIT\n"
	"# Completion of pmigrate for bash; generated from the program's option tables.\n"
	"\n";

static const char tail[] =
	"# IDs and names; those may have blanks inside.\n"
	"_pmigrate_containers() {\n"
	"\tlocal one\n"
	"\twhile IFS= read -r one; do\n"
	"\t\tone=${one%\"${one##*[! ]}\"}\n"
	"\t\t[[ -z $one || $one = - || $one != \"$cur\"* ]] || COMPREPLY+=(\"$(printf %q \"$one\")\")\n"
	"\tdone < <(pctl list -a -H -o ctid 2>/dev/null; pctl list -a -H -o name 2>/dev/null)\n"
	"}\n"
	"\n"
	"_pmigrate() {\n"
	"\tlocal cur prev words cword options= types=\n"
	"\tCOMPREPLY=()\n"
	"\tif declare -F _init_completion >/dev/null; then\n"
	"\t\t_init_completion -s || return\n"
	"\telse\n"
	"\t\tcur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\t\twords=(\"${COMP_WORDS[@]}\") cword=$COMP_CWORD\n"
	"\t\t[ \"$cur\" != = ] || cur=\n"
	"\t\t[ \"$prev\" != = ] || prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"\tfi\n"
	"\tcase ${words[1]} in\n"
	"\t\trecover) COMPREPLY=($(compgen -W \"--commit --undo --quiet --verbose $(pmigrate status 2>/dev/null |\n"
	"\t\t\tsed 's/ .*//')\" -- \"$cur\")); return ;;\n"
	"\t\tstatus) COMPREPLY=($(compgen -W '--all --batch' -- \"$cur\")); return ;;\n"
	"\tesac\n"
	"\tlocal i\n"
	"\tfor ((i = 1; i < cword; i++)); do\n"
	"\t\tcase ${words[i]} in [hcv]) types+=${words[i]} ;; esac\n"
	"\tdone\n"
	"\tcase $types in\n"
	"\t\thc | vc) _pmigrate_into ;;\n"
	"\t\tvv) _pmigrate_vv ;;\n"
	"\t\t*) _pmigrate_cc ;;\n"
	"\tesac\n"
	"\t[ ${#COMPREPLY[@]} = 0 ] || return\n"
	"\tcase $cur in\n"
	"\t\t-*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
	"\t\t\t[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace ;;\n"
	"\t\t*)\n"
	"\t\t\tif [ \"$cword\" = 1 ]; then\n"
	"\t\t\t\tCOMPREPLY=($(compgen -W 'c h v recover status' -- \"$cur\"))\n"
	"\t\t\telif [ \"$prev$types\" = cc ] && [[ $cur != *[@/]* ]]; then\n"
	"\t\t\t\t_pmigrate_containers\n"
	"\t\t\telif [[ $prev$types == h[h] || $prev$types == [cv]?[cv] ]]; then\n"
	"\t\t\t\t! declare -F _known_hosts_real >/dev/null || _known_hosts_real -- \"$cur\"\n"
	"\t\t\telif [ ${#types} = 1 ]; then\n"
	"\t\t\t\tCOMPREPLY=($(compgen -W 'c v' -- \"$cur\"))\n"
	"\t\t\tfi ;;\n"
	"\tesac\n"
	"}\n"
	"complete -F _pmigrate pmigrate\n";

int main(void)
{
	fputs(head, stdout);
	pair_function(PAIR_CC, "cc");
	pair_function(PAIR_INTO, "into");
	pair_function(PAIR_VV, "vv");
	fputs(tail, stdout);
	return ferror(stdout) != 0;
}
