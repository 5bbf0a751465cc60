# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# bash's completion of pctl: commands and options are what its own --help tells.
_pctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words
	if ((COMP_CWORD == 1)); then
		words=$(pctl --help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')
	elif [[ $cur == -* ]]; then
		words=$(pctl "$command" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]+')
	elif ((COMP_CWORD == 2)) && [ "$command" != create ]; then
		words=$(pctl list -a -H -o ctid 2>/dev/null)
	else
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _pctl pctl
