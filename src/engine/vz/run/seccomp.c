// SPDX-License-Identifier: MIT
#include "engine/vz/run/seccomp.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>

#include "base/own.h"
#include "base/strv.h"

enum match { ALWAYS, ARG_EQUALS, ARG_HAS_BITS };

struct rule {
	const char *calls; /* separated by blanks */
	int error;
	enum match match;
	uint32_t value; /* of argument 0 */
};

/* Always: what would reach the host.  (Loading modules, the clock, swap, raw I/O.) */
static const struct rule base_rules[] = {
	{ "kexec_load kexec_file_load init_module finit_module delete_module open_by_handle_at "
	  "swapon swapoff acct settimeofday clock_settime adjtimex stime iopl ioperm",
	  EPERM, ALWAYS, 0 },
};

/*
 * The live profile: what CRIU cannot carry over is refused in a way that systemd and
 * others are prepared for.
 */
static const struct rule live_rules[] = {
	/* Nested UTS, IPC and network namespaces: systemd logs it and goes on. Cost: services
	 * can set the hostname (ProtectHostname=); PrivateNetwork= and PrivateIPC= isolate
	 * nothing; no containers inside. clone3's flags cannot be seen by a filter: ENOSYS makes
	 * the C library use clone. */
	{ "unshare clone", EPERM, ARG_HAS_BITS, CLONE_NEWUTS },
	{ "unshare clone", EPERM, ARG_HAS_BITS, CLONE_NEWIPC },
	{ "unshare clone", EPERM, ARG_HAS_BITS, CLONE_NEWNET },
	{ "clone3", ENOSYS, ALWAYS, 0 },
	/* Descriptors that cannot be dumped. Cost: IPAddressDeny=, DevicePolicy= and
	 * RestrictFileSystems= of units do nothing. */
	{ "bpf perf_event_open userfaultfd", EPERM, ALWAYS, 0 },
	/* Cost: programs fall back to epoll, to no sandbox, to plain memory. */
	{ "io_uring_setup io_uring_enter io_uring_register memfd_secret landlock_create_ruleset "
	  "landlock_add_rule landlock_restrict_self",
	  ENOSYS, ALWAYS, 0 },
	/* systemd 257 compares inode numbers of pidfds, which a restore changes, and then
	 * ignores WATCHDOG=1 of every service. Cost: a race in pid reuse is back. */
	{ "pidfd_open", ENOSYS, ALWAYS, 0 },
	/* PR_SET_MDWE is lost by CRIU without a word; systemd falls back to a seccomp rule, which
	 * is kept. No cost. */
	{ "prctl", EINVAL, ARG_EQUALS, 65 },
};

static cJSON *args_of(const struct rule *r)
{
	cJSON *args = cJSON_CreateArray(), *arg = cJSON_CreateObject();

	cJSON_AddNumberToObject(arg, "index", 0);
	cJSON_AddNumberToObject(arg, "value", r->value);
	if (r->match == ARG_HAS_BITS)
		cJSON_AddNumberToObject(arg, "valueTwo", r->value);
	cJSON_AddStringToObject(arg, "op",
				r->match == ARG_HAS_BITS ? "SCMP_CMP_MASKED_EQ" : "SCMP_CMP_EQ");
	cJSON_AddItemToArray(args, arg);
	return args;
}

static void add_rules(cJSON *calls, const struct rule *rule, size_t n)
{
	for (const struct rule *r = rule; r < rule + n; r++) {
		own_strv struct strv names = STRV_INIT;
		cJSON *item = cJSON_CreateObject();

		strv_split(&names, r->calls, " ");
		cJSON_AddItemToObject(item, "names",
				      cJSON_CreateStringArray((const char *const *)names.item,
							      (int)names.n));
		cJSON_AddStringToObject(item, "action", "SCMP_ACT_ERRNO");
		cJSON_AddNumberToObject(item, "errnoRet", r->error);
		if (r->match != ALWAYS)
			cJSON_AddItemToObject(item, "args", args_of(r));
		cJSON_AddItemToArray(calls, item);
	}
}

cJSON *vz_seccomp(bool live)
{
	static const char *const architectures[] = {
#ifdef __x86_64__
		"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32",
#elif defined(__aarch64__)
		"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
#endif
	};
	cJSON *seccomp = cJSON_CreateObject();
	cJSON *calls = cJSON_CreateArray();

	cJSON_AddStringToObject(seccomp, "defaultAction", "SCMP_ACT_ALLOW");
	cJSON_AddItemToObject(seccomp, "architectures",
			      cJSON_CreateStringArray(architectures, (int)array_len(architectures)));
	add_rules(calls, base_rules, array_len(base_rules));
	if (live)
		add_rules(calls, live_rules, array_len(live_rules));
	cJSON_AddItemToObject(seccomp, "syscalls", calls);
	return seccomp;
}
