// SPDX-License-Identifier: MIT
#include "net/state/filtertext.h"

#include <string.h>

#define BLANKS " \t\r\v\f"

/* Wherever it stands, but as a part of a longer word: a rule that is called so has no reason to be. */
bool filtertext_nft_is_fine(const char *text)
{
	static const char order[] = "include";

	for (const char *at = text; (at = strstr(at, order)); at += strlen(order)) {
		const char *from = at, *to = at + strlen(order);

		while (from > text && strchr(BLANKS, from[-1]))
			from--;
		to += strspn(to, BLANKS);
		/* It begins something, and a quoted name follows. */
		if ((from == text || strchr("\n;{}", from[-1])) && (*to == '"' || *to == '\''))
			return false;
	}
	return true;
}

/* One word of a line, without quotes: where it ends. */
static const char *next_word(const char *at, const char **word, size_t *len)
{
	at += strspn(at, BLANKS "\"'\\");
	*word = at;
	*len = strcspn(at, BLANKS "\"'\\\n");
	return at + *len;
}

static bool takes_module(const char *word, size_t len)
{
	static const char *const all[] = { "-m", "--match", "-j", "--jump", "-g", "--goto" };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (strlen(all[i]) == len && strncmp(all[i], word, len) == 0)
			return true;
	}
	return false;
}

bool filtertext_ipt_is_fine(const char *text)
{
	bool module = false;

	for (const char *at = text; *at;) {
		const char *word;
		size_t len;

		at = next_word(at, &word, &len);
		/* "-m/x", "--match=/x" are one word */
		if (memchr(word, '/', len) &&
		    (module || strncmp(word, "-m", 2) == 0 || strncmp(word, "-j", 2) == 0 || strncmp(word, "-g", 2) == 0 ||
		     strncmp(word, "--match", 7) == 0 || strncmp(word, "--jump", 6) == 0 || strncmp(word, "--goto", 6) == 0))
			return false;
		module = takes_module(word, len);
		if (*at == '\n') {
			module = false;
			at++;
		}
	}
	return true;
}
