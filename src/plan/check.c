// SPDX-License-Identifier: MIT
/*
 * The checks.  Each looks at one thing and leaves at least one finding when it
 * had something to look at; the order is that of the manual, because the
 * first failure gives the exit code.
 */
#include "plan/check.h"

#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "base/parse.h"
#include "criu/version.h"
#include "plan/address.h"
#include "plan/cpu.h"

/* Everything the checks look at. */
struct ask {
	const struct job *j;
	const struct need *n;
	const struct facts *here, *there;
	struct findings *out;
	bool one_machine; /* both ends are the same server */
};

typedef void check_fn(const struct ask *a);

/* The items of `want` that are not in `have`, as one text; NULL when all are. */
static char *missing(const struct strv *want, const struct strv *have)
{
	own_strv struct strv gone = STRV_INIT;

	for (size_t i = 0; i < want->n; i++) {
		if (!strv_has(have, want->item[i]) && !strv_has(&gone, want->item[i]))
			strv_add(&gone, want->item[i]);
	}
	return gone.n ? strv_join(&gone, ", ") : NULL;
}

static const char *there_name(const struct ask *a)
{
	return a->there->hostname;
}

/* Same engine at both ends, and it is set up there. */
static void check_engine(const struct ask *a)
{
	own_free char *wanted = NULL;
	own_free char *hint = NULL;

	if (a->j->dst.name)
		address_engine(a->j->dst.name, &wanted);
	if (wanted && strcmp(wanted, a->n->engine)) {
		findings_fail(a->out, a->j, 0, false, "engine", ERR_LAYOUT,
			      "leave the prefix out: the engine stays the same",
			      "%s is a %s Container and cannot become one of %s", a->n->id,
			      a->n->engine, wanted);
		return;
	}
	if (!strv_has(&a->there->engines, a->n->engine) && a->j->src_kind == KIND_VM) {
		findings_fail(a->out, a->j, 0, false, "engine", ERR_LAYOUT,
			      "install libvirt there, and start libvirtd or virtqemud",
			      "%s has no libvirt that runs", there_name(a));
		return;
	}
	if (!strv_has(&a->there->engines, a->n->engine)) {
		hint = xasprintf("install pmigrate there (it makes /etc/vz), or choose another server");
		findings_fail(a->out, a->j, 0, false, "engine", ERR_LAYOUT, hint,
			      "%s has no %s Containers", there_name(a), a->n->engine);
		return;
	}
	findings_note(a->out, FINDING_PASS, "engine", "%s at both ends", a->n->engine);
}

static void check_place(const struct ask *a)
{
	const struct facts *t = a->there;
	const char *id = a->j->new_id ? a->j->new_id : a->n->id;
	bool moves = a->j->new_private || a->j->new_root || a->j->new_name;

	if (a->one_machine && !strcmp(id, a->n->id) && !moves) {
		findings_fail(a->out, a->j, 0, false, "place", ERR_SAME,
			      "name another server, or give a new ID, name or path",
			      "%s is already there: source and destination are the same server",
			      id);
		return;
	}
	if (t->home_code == ERR_NONE) {
		findings_note(a->out, FINDING_PASS, "place", "ID %s and %s are free on %s", id,
			      t->private_area ? t->private_area : "its place", there_name(a));
		return;
	}
	findings_fail(a->out, a->j, 0, false, "place", t->home_code,
		      t->home_code != ERR_EXISTS     ? NULL :
		      a->j->src_kind == KIND_VM ? "choose another with --new-name or --dst" :
						  "choose another with --new-id or --new-private",
		      "%s: %s", there_name(a),
		      t->home_problem ? t->home_problem : "there is no place for it");
}

/* It was tried there. */
static void check_lacks(const struct ask *a)
{
	const struct facts *t = a->there;

	for (uint32_t i = 0; i < t->n_lacks; i++)
		findings_fail(a->out, a->j, 0, false, "tried", t->lack[i].code, t->lack[i].hint, "%s: %s",
			      there_name(a), t->lack[i].text);
	if (!t->n_lacks && t->home_code == ERR_NONE && a->n->start)
		findings_note(a->out, FINDING_PASS, "tried", "a container of nothing starts on %s",
			      there_name(a));
}

static void check_bind_mounts(const struct ask *a)
{
	own_free char *list = NULL;

	if (!a->n->bind_mounts.n)
		return;
	list = strv_join(&a->n->bind_mounts, ", ");
	findings_fail(a->out, a->j, NODEPS_BINDMOUNT, false, "bindmount", ERR_BINDMOUNT,
		      "provide the same directory there and use --nodeps=bindmount",
		      "the Container uses directories of its server, which do not move: %s",
		      list);
}

/* It is so where it is, too. */
static void check_left_out(const struct ask *a)
{
	for (size_t i = 0; i < a->n->left_out.n; i++)
		findings_note(a->out, FINDING_NOTE, "config", "%s", a->n->left_out.item[i]);
}

static void check_licence(const struct ask *a)
{
	const struct facts *t = a->there;
	char hint[] = "install a licence there, or use --nodeps=license";

	if (!a->n->start || a->one_machine || a->j->src_kind == KIND_VM)
		return;
	switch (t->licence) {
	case LICENCE_NONE:
		findings_note(a->out, FINDING_PASS, "license", "no limit on %s", there_name(a));
		return;
	case LICENCE_EXPIRED:
	case LICENCE_BROKEN:
		findings_fail(a->out, a->j, NODEPS_LICENSE, false, "license", ERR_LICENSE, hint,
			      "the licence of %s cannot be used: %s", there_name(a),
			      t->licence_text ? t->licence_text : "unknown reason");
		return;
	case LICENCE_VALID:
		break;
	}
	if (t->running >= t->licence_max)
		findings_fail(a->out, a->j, NODEPS_LICENSE, false, "license", ERR_LICENSE, hint,
			      "%s may run %llu Containers and %llu run there now", there_name(a),
			      (unsigned long long)t->licence_max,
			      (unsigned long long)t->running);
	else
		findings_note(a->out, FINDING_PASS, "license", "%llu of %llu run on %s",
			      (unsigned long long)t->running,
			      (unsigned long long)t->licence_max, there_name(a));
}

static void check_modules(const struct ask *a)
{
	own_free char *types = missing(&a->n->filesystems, &a->there->filesystems);
	own_free char *modules =
		a->n->online ? missing(&a->n->modules, &a->there->modules) : NULL;

	if (types)
		findings_fail(a->out, a->j, NODEPS_KERNEL_MODULES, false, "kernel_modules",
			      ERR_SYS, "load their modules there, or unmount them",
			      "%s does not know file systems that the Container has mounted: %s",
			      there_name(a), types);
	if (modules)
		findings_fail(a->out, a->j, NODEPS_KERNEL_MODULES, false, "kernel_modules",
			      ERR_SYS, "load them there with modprobe",
			      "%s lacks kernel modules that the Container uses: %s",
			      there_name(a), modules);
	if (!types && !modules && (a->n->filesystems.n || a->n->modules.n))
		findings_note(a->out, FINDING_PASS, "kernel_modules",
			      "file systems and modules in use are there");
}

/* The version first: what an old one says of this kernel helps nobody.  May it be used? */
static bool check_criu_end(const struct ask *a, const struct facts *f)
{
	own_free char *hint = xasprintf(CRIU_HINT ", or leave --online out", f->hostname);
	own_free char *missing = xasprintf(CRIU_MISSING_HINT ", or leave --online out", f->hostname, f->hostname);
	own_free char *version = criu_version_text(f->criu_version);
	const char *refusal = criu_refusal(f->criu_version, f->kernel);
	const char *less = criu_difference(criu_lacks(f->criu_version, f->kernel));
	bool unwell = f->criu_problem && *f->criu_problem;

	if (!f->criu_version && unwell)
		findings_fail(a->out, a->j, 0, false, "criu", ERR_UNSUPPORTED, hint,
			      "CRIU on %s does not start: %s", f->hostname, f->criu_problem);
	else if (!f->criu_version)
		findings_fail(a->out, a->j, 0, false, "criu", ERR_UNSUPPORTED, missing, "%s has no CRIU",
			      f->hostname);
	else if (refusal)
		findings_fail(a->out, a->j, 0, false, "criu", ERR_UNSUPPORTED, hint,
			      "CRIU %s on %s (kernel %s) is too old: %s", version, f->hostname, f->kernel, refusal);
	else if (unwell)
		findings_fail(a->out, a->j, NODEPS_CAPABILITIES, false, "criu",
			      ERR_UNSUPPORTED, "see `criu check` there", "CRIU %s on %s: %s", version,
			      f->hostname, f->criu_problem);
	else if (less)
		findings_note(a->out, FINDING_NOTE, "criu", "with CRIU %s on %s, other than with 4.2, %s", version, f->hostname, less);
	else
		findings_note(a->out, FINDING_PASS, "criu", "CRIU %s on %s", version, f->hostname);
	return f->criu_version && !refusal;
}

static void check_criu(const struct ask *a)
{
	uint32_t here = a->here->criu_version, there = a->there->criu_version;
	own_free char *ours = criu_version_text(here), *theirs = criu_version_text(there);

	if (!a->n->online)
		return;
	if (check_criu_end(a, a->here) + check_criu_end(a, a->there) < 2)
		return;
	if (there < here)
		findings_fail(a->out, a->j, NODEPS_CPT_IMAGE_VERSION, false,
			      "cpt_image_version", ERR_CPT_VERSION, "install the same CRIU there",
			      "%s has CRIU %s, older than %s here", there_name(a), theirs, ours);
	else
		findings_note(a->out, FINDING_PASS, "cpt_image_version", "CRIU %s and %s", ours, theirs);
}

static void check_cpu(const struct ask *a)
{
	own_strv struct strv gone = STRV_INIT;
	own_free char *list = NULL;

	cpu_missing(&a->n->cpu_flags, &a->there->cpu_flags, &gone);
	if (!gone.n) {
		if (a->n->online)
			findings_note(a->out, FINDING_PASS, "cpu_check",
				      "every CPU feature of here is there");
		return;
	}
	list = strv_join(&gone, ", ");
	if (a->n->online)
		findings_fail(a->out, a->j, NODEPS_CPU_CHECK, true, "cpu_check", ERR_CPU,
			      "move it without --online, or to a newer CPU",
			      "the CPU of %s lacks features that running programs may use: %s",
			      there_name(a), list);
	else
		findings_note(a->out, FINDING_NOTE, "cpu_check", "the CPU of %s lacks: %s",
			      there_name(a), list);
}

static void check_cgroup(const struct ask *a)
{
	bool v2_here = a->here->cgroup == CGROUP_V2, v2_there = a->there->cgroup == CGROUP_V2;

	if (v2_here == v2_there)
		return;
	if (a->n->online)
		findings_fail(a->out, a->j, NODEPS_CAPABILITIES, false, "cgroup",
			      ERR_UNSUPPORTED, "boot both with the same cgroup version",
			      "cgroups are %s here and %s on %s", cgroup_mode_word(a->here->cgroup),
			      cgroup_mode_word(a->there->cgroup), there_name(a));
	else
		findings_note(a->out, FINDING_NOTE, "cgroup", "cgroups are %s here and %s on %s",
			      cgroup_mode_word(a->here->cgroup),
			      cgroup_mode_word(a->there->cgroup), there_name(a));
}

static void check_technologies(const struct ask *a)
{
	own_free char *gone = missing(&a->n->technologies, &a->there->technologies);
	bool arch = !a->n->arch[0] || !strcmp(a->n->arch, a->there->arch) ||
		    strv_has(&a->there->technologies, a->n->arch);

	if (!arch)
		findings_fail(a->out, a->j, NODEPS_TECHNOLOGIES, false, "technologies", ERR_TECH,
			      NULL, "%s is %s and cannot run %s programs", there_name(a),
			      a->there->arch, a->n->arch);
	if (gone)
		findings_fail(a->out, a->j, NODEPS_TECHNOLOGIES, false, "technologies", ERR_TECH,
			      "see TECHNOLOGIES in its configuration",
			      "the kernel %s of %s does not provide: %s", a->there->kernel,
			      there_name(a), gone);
	if (arch && !gone)
		findings_note(a->out, FINDING_PASS, "technologies", "%s, kernel %s",
			      a->there->arch, a->there->kernel);
}

static void check_disk(const struct ask *a)
{
	const struct facts *t = a->there;
	char needs[24], has[24];
	uint64_t bytes = a->n->bytes;
	bool inodes = t->inodes_free != UINT64_MAX && a->n->inodes > t->inodes_free;

	if (!t->private_area && t->home_code != ERR_NONE)
		return; /* it has no place: that was said */
	if (t->kept_bytes) {
		text_bytes(has, t->kept_bytes);
		findings_note(a->out, FINDING_PASS, "disk_space",
			      "%s of an earlier copy are on %s and are used", has, there_name(a));
		bytes -= t->kept_bytes < bytes ? t->kept_bytes : bytes;
		inodes = false;
	}
	text_bytes(needs, bytes);
	text_bytes(has, t->disk_free);
	if (bytes > t->disk_free)
		findings_fail(a->out, a->j, NODEPS_DISK_SPACE, true, "disk_space", ERR_DISK,
			      "free some there, or choose another place with --new-private",
			      "%s are needed, but %s has %s free for %s", needs, there_name(a), has,
			      t->private_area ? t->private_area : "it");
	if (inodes)
		findings_fail(a->out, a->j, NODEPS_DISK_SPACE, true, "disk_space", ERR_DISK,
			      "free some there, or choose another place with --new-private",
			      "%llu inodes are needed, but %s has %llu free",
			      (unsigned long long)a->n->inodes, there_name(a),
			      (unsigned long long)t->inodes_free);
	if (bytes <= t->disk_free && !inodes)
		findings_note(a->out, FINDING_PASS, "disk_space", "%s needed, %s free on %s",
			      needs, has, there_name(a));
}

static void check_addresses(const struct ask *a)
{
	own_free char *list = NULL;

	if (a->one_machine || !a->n->addresses.n)
		return;
	if (!a->there->addresses_used.n) {
		findings_note(a->out, FINDING_PASS, "ip", "its addresses are not in use on %s",
			      there_name(a));
		return;
	}
	list = strv_join(&a->there->addresses_used, ", ");
	findings_fail(a->out, a->j, NODEPS_OTHERS, false, "ip", ERR_IP_USED,
		      "stop what has them there, or change IP_ADDRESS",
		      "in use on %s already: %s", there_name(a), list);
}

static void check_name(const struct ask *a)
{
	const struct facts *t = a->there;

	if (t->name_code == ERR_NONE)
		return;
	findings_fail(a->out, a->j, 0, false, "name", ERR_NAME_USED,
		      "give it another with --new-name", "%s: %s", there_name(a),
		      t->name_problem ? t->name_problem : "the name is in use");
}

static void check_mount_script(const struct ask *a)
{
	if (a->n->mount_script)
		findings_fail(a->out, a->j, NODEPS_OTHERS, false, "mount_script",
			      ERR_MOUNT_SCRIPT,
			      "see whether it fits there, then use --nodeps",
			      "the Container has a mount script, which would run on %s",
			      there_name(a));
}

static void check_templates(const struct ask *a)
{
	own_strv struct strv all = STRV_INIT;
	own_free char *gone = NULL;

	if (a->n->ostemplate)
		strv_add(&all, a->n->ostemplate);
	strv_addv(&all, (const char *const *)a->n->templates.item);
	if (!all.n)
		return;
	gone = missing(&all, &a->there->templates);
	if (gone)
		findings_fail(a->out, a->j, NODEPS_TEMPLATE_AREA_SYNC, false, "templates",
			      ERR_TEMPLATES,
			      "install them there, or go on with --nodeps=template_area_sync",
			      "%s lacks templates of the Container: %s", there_name(a), gone);
	else
		findings_note(a->out, FINDING_PASS, "templates", "its templates are on %s",
			      there_name(a));
}

/* One "dev:class:kbit"; NULL when it is fine there, else what is wrong. */
static const char *rate_problem(const char *rate, const struct facts *t)
{
	char dev[64], class[16];
	uint64_t n, kbit;
	int end = 0;

	if (sscanf(rate, "%63[^:]:%15[^:]:%n", dev, class, &end) != 2 || !end ||
	    parse_u64(rate + end, "", 0, UINT32_MAX, &kbit, NULL) < 0)
		return "is not of the form device:class:kbit";
	if (strcmp(dev, "*") && !strv_has(&t->interfaces, dev))
		return "names an interface that is not there";
	if (strcmp(class, "*") && (parse_u64(class, "", 0, 31, &n, NULL) < 0 ||
				   !(t->rate_classes >> n & 1)))
		return "names a class that is not there";
	return NULL;
}

static void check_rate(const struct ask *a)
{
	bool bad = false;

	if (!a->n->rate.n || !a->there->traffic_shaping)
		return;
	for (size_t i = 0; i < a->n->rate.n; i++) {
		const char *problem = rate_problem(a->n->rate.item[i], a->there);

		if (!problem)
			continue;
		bad = true;
		findings_fail(a->out, a->j, NODEPS_RATE, false, "rate", ERR_RATE,
			      "see /etc/vz/conf/networks_classes and its interfaces",
			      "RATE %s %s (%s)", a->n->rate.item[i], problem, there_name(a));
	}
	if (!bad)
		findings_note(a->out, FINDING_PASS, "rate", "%s can shape its rate",
			      there_name(a));
}

static void check_resources(const struct ask *a)
{
	const struct facts *t = a->there;
	char wants[24], has[24];

	if (t->memory && a->n->memory_limit > t->memory) {
		text_bytes(wants, a->n->memory_limit);
		text_bytes(has, t->memory);
		findings_note(a->out, FINDING_NOTE, "memory",
			      "it may use %s of memory, %s has %s", wants, there_name(a), has);
	}
	if (a->n->start && t->memory_free && a->n->memory_used > t->memory_free) {
		text_bytes(wants, a->n->memory_used);
		text_bytes(has, t->memory_free);
		findings_note(a->out, FINDING_NOTE, "memory",
			      "it uses %s of memory now, %s has %s free", wants, there_name(a),
			      has);
	}
	if (t->cpus && a->n->cpus > t->cpus)
		findings_note(a->out, FINDING_NOTE, "cpus", "it may use %u CPUs, %s has %u",
			      a->n->cpus, there_name(a), t->cpus);
}

void check_all(const struct job *j, const struct need *n, const struct facts *here,
	       const struct facts *there, struct findings *out)
{
	static check_fn *const checks[] = {
		check_engine,	check_place,	 check_lacks,	    check_bind_mounts, check_left_out, check_licence,
		check_modules,	check_criu,	 check_cpu,	    check_cgroup,
		check_technologies, check_disk,	 check_addresses,   check_name,
		check_mount_script, check_templates, check_rate,	    check_resources,
	};
	const struct ask a = {
		.j = j,
		.n = n,
		.here = here,
		.there = there,
		.out = out,
		.one_machine = !strcmp(here->machine, there->machine),
	};

	for (size_t i = 0; i < array_len(checks); i++)
		checks[i](&a);
	for (size_t i = 0; i < out->n; i++)
		out->item[i].nostart = out->item[i].nostart && n->start;
}
