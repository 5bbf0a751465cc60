// SPDX-License-Identifier: MIT
#include "plan/cpu.h"

#include <string.h>

#include "base/own.h"

/*
 * x86: instructions of user space and the state they have (Intel SDM vol. 1,
 * chapter 5; linux arch/x86/include/asm/cpufeatures.h for the spelling).
 * erms and fsrm are left out: they change only how fast a copy is.
 */
static const char *const exact[] = {
	"fpu",	   "mmx",	"mmxext",    "fxsr",	  "cmov",      "cx8",	    "cx16",
	"sse",	   "sse2",	"pni",	     "ssse3",	  "sse4_1",    "sse4_2",    "sse4a",
	"xop",	   "fma",	"fma4",	     "tbm",	  "3dnow",     "3dnowext",  "f16c",
	"popcnt",  "abm",	"bmi1",	     "bmi2",	  "movbe",     "lahf_lm",   "aes",
	"vaes",	   "pclmulqdq", "vpclmulqdq", "gfni",	  "sha_ni",    "sha512",    "sm3",
	"sm4",	   "rdrand",	"rdseed",    "adx",	  "rdtscp",    "rdpid",	    "fsgsbase",
	"xsave",   "xsaveopt",	"xsavec",    "xgetbv1",	  "pku",       "ospke",	    "clflushopt",
	"clwb",	   "clzero",	"movdiri",   "movdir64b", "waitpkg",   "serialize", "cldemote",
	"enqcmd",  "mwaitx",	"monitorx",  "rtm",	  "hle",       "lwp",	    "user_shstk",
	"prefetchi", "prefetchwt1", "syscall", "lm",
	/* arm64 (Features): those without a family of their own */
	"fp",	   "asimd",	"crc32",     "atomics",	  "fphp",      "asimdhp",
	"asimdrdm", "jscvt",	"fcma",	     "lrcpc",	  "dcpop",     "asimddp",   "asimdfhm",
	"dit",	   "uscat",	"ilrcpc",    "flagm",	  "ssbs",      "sb",	    "paca",
	"pacg",	   "dcpodp",	"flagm2",    "frint",	  "i8mm",      "bf16",	    "rng",
	"bti",	   "mte",	"pmull",     "sha1",	  "sha2",      "sha3",
};

static const char *const families[] = { "avx", "amx_", "sve", "sme" };

bool cpu_flag_counts(const char *flag)
{
	for (size_t i = 0; i < array_len(exact); i++) {
		if (!strcmp(flag, exact[i]))
			return true;
	}
	for (size_t i = 0; i < array_len(families); i++) {
		if (!strncmp(flag, families[i], strlen(families[i])))
			return true;
	}
	return false;
}

void cpu_missing(const struct strv *have, const struct strv *there, struct strv *out)
{
	for (size_t i = 0; i < have->n; i++) {
		const char *flag = have->item[i];

		if (cpu_flag_counts(flag) && !strv_has(there, flag) && !strv_has(out, flag))
			strv_add(out, flag);
	}
}
