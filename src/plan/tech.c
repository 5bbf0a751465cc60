// SPDX-License-Identifier: MIT
#include "plan/tech.h"

#include <stdio.h>
#include <string.h>

#include "base/own.h"

#define VERSION(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (c))

static const struct {
	const char *word;
	const char *arch;  /* NULL: any */
	uint32_t since;	   /* kernel */
	const char *fs;	   /* must be known, or NULL */
} technologies[] = {
	{ "x86", "x86_64", 0, NULL },
	{ "x86", "i686", 0, NULL },
	{ "x86_64", "x86_64", 0, NULL },
	{ "ia64", "ia64", 0, NULL },
	{ "i64", "ia64", 0, NULL },
	{ "nptl", NULL, VERSION(2, 6, 0), NULL },
	{ "sysfs", NULL, VERSION(2, 6, 8), NULL },
	{ "nfs", NULL, VERSION(2, 6, 18), "nfs" },
	{ "hashdir", NULL, VERSION(2, 6, 9), NULL },
	{ "cowdir", NULL, VERSION(2, 6, 9), NULL },
	{ "mfiles", NULL, VERSION(2, 6, 9), NULL },
	{ "simfs", NULL, VERSION(2, 4, 0), NULL },
	{ "ext4", NULL, VERSION(2, 6, 32), "ext4" },
};

void tech_provided(const char *arch, const char *release, const struct strv *filesystems,
		   struct strv *out)
{
	unsigned a = 0, b = 0, c = 0;
	uint32_t version;

	sscanf(release, "%u.%u.%u", &a, &b, &c);
	version = VERSION(a & 0xff, b & 0xff, c > 255 ? 255 : c);
	for (size_t i = 0; i < array_len(technologies); i++) {
		if (technologies[i].arch && strcmp(technologies[i].arch, arch))
			continue;
		if (version < technologies[i].since)
			continue;
		if (technologies[i].fs && !strv_has(filesystems, technologies[i].fs))
			continue;
		strv_add(out, technologies[i].word);
	}
}

bool tech_known(const char *word)
{
	for (size_t i = 0; i < array_len(technologies); i++) {
		if (!strcmp(technologies[i].word, word))
			return true;
	}
	return false;
}

uint32_t tech_rate_classes(const char *text)
{
	uint32_t classes = 0;

	while (*text) {
		size_t n = strcspn(text, "\n");
		char line[256], net[128];
		unsigned class;

		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		line[strcspn(line, "#")] = '\0';
		if (sscanf(line, " %u %127s", &class, net) == 2 && class < 16)
			classes |= 1u << class;
		text += n + (text[n] == '\n');
	}
	return classes;
}
