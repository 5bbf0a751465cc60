// SPDX-License-Identifier: MIT
/*
 * Looking at this server.  The configuration's parameters are those of the
 * native engine; other engines describe less, and less is checked for them.
 */
#include "plan/gather.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mountinfo.h"
#include "base/own.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/spawn.h"
#include "criu/rpc.h"
#include "criu/version.h"
#include "engine/conf.h"
#include "engine/template.h"
#include "engine/vz/run/grants.h"
#include "host/machine.h"
#include "host/memcg.h"
#include "host/space.h"
#include "net/addresses.h"
#include "net/state/netstate.h"
#include "plan/licence.h"
#include "plan/tech.h"

enum { PAGE = 4096, SMALL_FILE = 1 << 20, MOUNTS_MAX = 16 << 20, CRIU_CHECK_MS = 30000 };

#define VZ_CONF		"/etc/vz/vz.conf"
#define CLASSES_FILE	"/etc/vz/conf/networks_classes"
#define TEMPLATE_DIR	"/vz/template"

static const char *elf_arch(unsigned machine)
{
	switch (machine) {
	case EM_X86_64:
		return "x86_64";
	case EM_386:
		return "x86";
	case EM_AARCH64:
		return "aarch64";
	case EM_ARM:
		return "arm";
	case EM_IA_64:
		return "ia64";
	case EM_PPC64:
		return "ppc64";
	case EM_S390:
		return "s390x";
	case EM_RISCV:
		return "riscv64";
	default:
		return NULL;
	}
}

/* For which machine are its programs?  "" when none of the usual ones is there. */
static char *program_arch(int area)
{
	static const char *const programs[] = { "sbin/init", "bin/sh", "usr/bin/env", "bin/busybox" };

	for (size_t i = 0; i < array_len(programs); i++) {
		own_fd int fd = path_open_in_root(area, programs[i], O_RDONLY | O_NONBLOCK, 0);
		Elf32_Ehdr h; /* e_ident and e_machine lie the same in both classes */

		if (fd < 0 || read_all(fd, &h, sizeof(h)) < 0 ||
		    memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
			continue;
		if (elf_arch(h.e_machine))
			return xstrdup(elf_arch(h.e_machine));
	}
	return xstrdup("");
}

static bool has_systemd(int area)
{
	static const char *const places[] = { "lib/systemd/systemd", "usr/lib/systemd/systemd" };

	for (size_t i = 0; i < array_len(places); i++) {
		own_fd int fd = path_open_in_root(area, places[i], O_PATH, 0);

		if (fd >= 0)
			return true;
	}
	return false;
}

/* Words of a value; a leading '.' (EZ templates) is no part of a name. */
static void take_words(const char *value, struct strv *out)
{
	own_strv struct strv words = STRV_INIT;

	if (value)
		strv_split(&words, value, " \t");
	for (size_t i = 0; i < words.n; i++)
		strv_add(out, words.item[i] + (words.item[i][0] == '.'));
}

/* BINDMOUNT entries that begin with a path of this server: "/host/dir:/inside[,opts]". */
static void take_bind_mounts(const char *value, struct strv *out)
{
	own_strv struct strv words = STRV_INIT;

	if (value)
		strv_split(&words, value, " \t");
	for (size_t i = 0; i < words.n; i++) {
		if (words.item[i][0] == '/' && strchr(words.item[i], ':'))
			strv_add(out, words.item[i]);
	}
}

static uint64_t memory_limit(const char *physpages)
{
	struct conf_pair p;

	if (!physpages || conf_pair_parse(physpages, "PHYSPAGES", CONF_PAGE, &p, NULL) < 0 ||
	    p.hard == CONF_UNLIMITED || p.hard > UINT64_MAX / PAGE)
		return 0;
	return p.hard * PAGE;
}

static uint32_t cpus_wanted(const char *cpus, const char *cpulimit)
{
	uint64_t n;

	if (cpus && parse_u64(cpus, "CPUS", 0, UINT16_MAX, &n, NULL) == 0 && n)
		return (uint32_t)n;
	own_free char *percent = cpulimit ? xstrndup(cpulimit, strcspn(cpulimit, "% ")) : NULL;

	if (percent && parse_u64(percent, "CPULIMIT", 0, UINT16_MAX * 100, &n, NULL) == 0)
		return (uint32_t)((n + 99) / 100);
	return 0;
}

static void take_config(const char *config, const char *id, struct need *n)
{
	own_conf struct conf c = CONF_INIT;
	const char *ostemplate;

	if (!config || conf_parse(&c, config, strlen(config), id, NULL) < 0)
		return;
	/* Without the dot it says only what the container was once made from. */
	ostemplate = conf_get(&c, "OSTEMPLATE");
	if (ostemplate && ostemplate[0] == '.' && ostemplate[1])
		n->ostemplate = xstrdup(ostemplate + 1);
	take_words(conf_get(&c, "TEMPLATES"), &n->templates);
	take_words(conf_get(&c, "TECHNOLOGIES"), &n->technologies);
	take_words(conf_get(&c, "RATE"), &n->rate);
	take_bind_mounts(conf_get(&c, "BINDMOUNT"), &n->bind_mounts);
	if (strcmp(n->engine, "vz") == 0)
		vz_left_out(&c, &n->left_out);
	n->memory_limit = memory_limit(conf_get(&c, "PHYSPAGES"));
	n->cpus = cpus_wanted(conf_get(&c, "CPUS"), conf_get(&c, "CPULIMIT"));
}

/* The container's first process as runc has it; 0 when it does not run. */
static pid_t init_pid(const char *id)
{
	own_free char *path = xasprintf("/run/runc/%s/state.json", id);
	own_free char *text = NULL;
	const char *at;
	int pid = 0;

	if (file_read(AT_FDCWD, path, SMALL_FILE, &text, NULL, NULL) < 0)
		return 0;
	at = strstr(text, "\"init_process_pid\":");
	if (!at || sscanf(at, "\"init_process_pid\":%d", &pid) != 1)
		return 0;
	return pid;
}

/* Types that are mounted in the container and that not every kernel has. */
static void take_mounts(pid_t pid, struct strv *out)
{
	static const char *const usual[] = { "proc", "sysfs", "tmpfs", "devpts", "mqueue",
					     "cgroup", "cgroup2", "devtmpfs", "overlay",
					     "securityfs", "binfmt_misc" };
	own_free char *path = xasprintf("/proc/%d/mountinfo", (int)pid);
	own_free char *text = NULL;
	struct mountinfo m;
	char *rest;

	if (file_read(AT_FDCWD, path, MOUNTS_MAX, &text, NULL, NULL) < 0)
		return;
	for (rest = text; mountinfo_next(&rest, &m, NULL) > 0;) {
		bool known = false;

		for (size_t i = 0; i < array_len(usual); i++)
			known = known || !strcmp(m.type, usual[i]);
		/* What its root lies on is the destination's own choice. */
		if (!known && strcmp(m.at, "/") && !strv_has(out, m.type))
			strv_add(out, m.type);
	}
}

/* From `criu --version`, which works where nothing else of it does; 0: it does not say. */
static uint32_t criu_says(void)
{
	own_free char *text = NULL;
	unsigned n[3] = { 0, 0, 0 };
	const char *at;

	if (spawn_read(spawn_argv("criu", "--version"), NULL, 4096, CRIU_CHECK_MS, &text, NULL, NULL) < 0)
		return 0;
	at = strstr(text, "Version: ");
	if (!at || sscanf(at, "Version: %3u.%2u.%2u", &n[0], &n[1], &n[2]) < 2)
		return 0;
	return n[0] * 10000 + n[1] * 100 + n[2];
}

/* Version 0 without a problem: there is none.  An old one is not asked what it can do here. */
static void take_criu(struct facts *f)
{
	struct err e = ERR_INIT;
	int version = 0;

	f->criu_version = criu_version(NULL, &version, &e) == 0 && version > 0 ? (uint32_t)version : criu_says();
	if (!criu_refusal(f->criu_version, f->kernel) && e.code == ERR_NONE)
		spawn_run(spawn_argv("criu", "check"), CRIU_CHECK_MS, &e);
	f->criu_problem = xstrdup(spawn_has("criu") ? e.msg : "");
}

/* What the move will start at the other end beside the engine's and CRIU. */
static void take_programs(const struct ct *ct, struct need *n)
{
	const struct engine_ops *ops = engine_by_name(ct->engine);
	own_ct_parts struct ct_parts parts = CT_PARTS_INIT;

	if (!strcmp(ct->engine, "libvirt"))
		strv_add(&n->programs, "qemu-img");
	if (!n->online || !n->running || !ops || !ops->parts || ops->parts(ct, &parts, NULL) < 0)
		return;
	if (netstate_programs(&n->programs, parts.netns, NULL) < 0)
		log_debug("the network of %s cannot be looked at yet", ct->id);
}

/* Of the files in a directory, wherever they lie. */
static int files_used(int area, uint64_t *bytes, uint64_t *names, struct err *e)
{
	own_fd int fd = openat(area, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir DIR *d = fd >= 0 ? fdopendir(dup(fd)) : NULL;
	struct dirent *de;
	struct stat st;

	if (!d)
		return err_sys(e, "cannot look into the private area");
	*bytes = 0;
	*names = 1;
	while ((de = readdir(d))) {
		if (fstatat(fd, de->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode))
			continue;
		*bytes += (uint64_t)st.st_blocks * 512;
		++*names;
	}
	return 0;
}

int need_gather(const struct job *j, const struct ct *ct, const struct ct_desc *d,
		enum ct_state state, struct need *out, struct err *e)
{
	struct machine m;
	struct memcg memory;
	pid_t pid;
	own_fd int area = open(ct->private_area, O_PATH | O_DIRECTORY | O_CLOEXEC);

	need_init(out);
	if (area < 0)
		return err_sys(e, "cannot open %s", ct->private_area);
	machine_look(&m);
	out->engine = xstrdup(ct->engine);
	out->id = xstrdup(ct->id);
	out->name = ct->name ? xstrdup(ct->name) : NULL;
	out->arch = program_arch(area);
	out->kernel = xstrdup(m.kernel);
	out->running = state == CT_RUNNING || state == CT_FROZEN;
	/* With --readonly the source goes on: two of them must not run. */
	out->start = out->running && !j->nostart && !j->readonly;
	out->online = j->online;
	out->systemd = has_systemd(area);
	for (size_t i = 0; i < d->n_scripts; i++)
		out->mount_script = out->mount_script || !strcmp(d->script[i].name, "mount");
	strv_addv(&out->addresses, (const char *const *)d->addresses.item);
	if (!strcmp(ct->engine, "vz"))
		take_config(d->config, ct->id, out);
	pid = out->running && strcmp(ct->engine, "libvirt") != 0 ? init_pid(ct->id) : 0;
	if (pid > 0) {
		take_mounts(pid, &out->filesystems);
		memcg_read(&memory, pid);
		out->memory_used = memory.used;
	}
	take_programs(ct, out);
	strv_addv(&out->cpu_flags, (const char *const *)m.cpu_flags.item);
	machine_fini(&m);
	if (!strcmp(ct->engine, "libvirt")) /* files of other file systems are mounted there */
		return files_used(area, &out->bytes, &out->inodes, e);
	return space_used(ct->private_area, &out->bytes, &out->inodes, e);
}

/* All licences of this server, added up. */
static void take_licences(struct facts *f)
{
	own_dir DIR *dir = opendir(LICENCE_DIR);
	uint64_t now = (uint64_t)time(NULL);
	unsigned expired = 0, broken = 0;
	struct dirent *de;

	f->licence_text = xstrdup("");
	while (dir && (de = readdir(dir))) {
		own_free char *text = NULL;
		struct licence l;
		struct err e = ERR_INIT;
		struct stat st;

		if (de->d_name[0] == '.' || fstatat(dirfd(dir), de->d_name, &st, 0) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (file_read(dirfd(dir), de->d_name, LICENCE_FILE_MAX, &text, NULL, &e) < 0 ||
		    licence_parse(text, de->d_name, &l, &e) < 0) {
			broken++;
			free(f->licence_text);
			f->licence_text = xstrdup(e.msg);
			log_warn("licence: %s", e.msg);
		} else if (l.until_s <= now) {
			expired++;
		} else {
			f->licence = LICENCE_VALID;
			f->licence_max = l.max > UINT64_MAX - f->licence_max ?
						 UINT64_MAX :
						 f->licence_max + l.max;
		}
	}
	if (f->licence == LICENCE_VALID)
		return;
	if (broken) {
		f->licence = LICENCE_BROKEN;
	} else if (expired) {
		f->licence = LICENCE_EXPIRED;
		free(f->licence_text);
		f->licence_text = xstrdup("it has expired");
	} else {
		f->licence_max = UINT64_MAX;
	}
}

/* Containers of this server: how many run, and which of the asked addresses they have. */
static void take_containers(const struct need *n, struct facts *f)
{
	const struct engine_ops *vms = engine_by_name("libvirt");

	if (vms->present())
		strv_add(&f->engines, vms->name);
	for (const struct engine_ops *const *ops = engines; *ops; ops++) {
		struct ct *list = NULL;
		size_t count = 0;
		struct err e = ERR_INIT;

		if (!(*ops)->present())
			continue;
		strv_add(&f->engines, (*ops)->name);
		if ((*ops)->list(&list, &count, &e) < 0) {
			log_warn("cannot list the %s Containers: %s", (*ops)->name, e.msg);
			continue;
		}
		for (size_t i = 0; i < count; i++) {
			enum ct_state state = CT_STOPPED;
			struct ct_desc d = { .engine = NULL };

			if ((*ops)->state(&list[i], &state, NULL) == 0 &&
			    (state == CT_RUNNING || state == CT_FROZEN)) {
				f->running++;
				if ((*ops)->describe(&list[i], &d, NULL) == 0) {
					for (size_t k = 0; k < n->addresses.n; k++) {
						const char *a = n->addresses.item[k];

						if (strv_has(&d.addresses, a) &&
						    !strv_has(&f->addresses_used, a))
							strv_add(&f->addresses_used, a);
					}
				}
				ct_desc_fini(&d);
			}
			ct_fini(&list[i]);
		}
		free(list);
	}
}

static void take_addresses(const struct need *n, struct facts *f)
{
	own_strv struct strv used = STRV_INIT;
	struct err e = ERR_INIT;

	if (addresses_interfaces(&f->interfaces, &e) < 0 ||
	    addresses_used(&n->addresses, &used, &e) < 0)
		log_warn("%s", e.msg);
	for (size_t i = 0; i < used.n; i++) {
		if (!strv_has(&f->addresses_used, used.item[i]))
			strv_add(&f->addresses_used, used.item[i]);
	}
}

/* File systems and modules: only the asked ones can matter. */
static void take_kernel(const struct need *n, const struct machine *m, struct facts *f)
{
	strv_addv(&f->filesystems, (const char *const *)m->filesystems.item);
	for (size_t i = 0; i < n->filesystems.n; i++) {
		const char *type = n->filesystems.item[i];

		if (!strv_has(&f->filesystems, type) && machine_has_module(type))
			strv_add(&f->filesystems, type);
	}
	for (size_t i = 0; i < n->modules.n; i++) {
		if (machine_has_module(n->modules.item[i]))
			strv_add(&f->modules, n->modules.item[i]);
	}
	if (!strv_has(&f->filesystems, "nfs") && machine_has_module("nfs"))
		strv_add(&f->filesystems, "nfs");
	if (!strv_has(&f->filesystems, "ext4") && machine_has_module("ext4"))
		strv_add(&f->filesystems, "ext4");
	tech_provided(m->arch, m->kernel, &f->filesystems, &f->technologies);
}

/* Of the asked templates, those that are installed. */
static void take_templates(const struct need *n, const char *dir, struct facts *f)
{
	struct template *list = NULL;
	size_t count = 0;
	struct err e = ERR_INIT;

	if (template_list(dir, &list, &count, &e) < 0) {
		log_warn("cannot list the templates: %s", e.msg);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if ((n->ostemplate && !strcmp(list[i].name, n->ostemplate)) ||
		    strv_has(&n->templates, list[i].name))
			strv_add(&f->templates, list[i].name);
	}
	template_list_free(list, count);
}

static void take_vz(const struct need *n, struct facts *f)
{
	own_conf struct conf c = CONF_INIT;
	own_free char *classes = NULL;
	const char *dir, *shaping;

	if (conf_load(&c, VZ_CONF, NULL) < 0)
		conf_fini(&c);
	shaping = conf_get(&c, "TRAFFIC_SHAPING");
	f->traffic_shaping = shaping && !strcasecmp(shaping, "yes");
	dir = conf_get(&c, "TEMPLATE");
	take_templates(n, dir ? dir : TEMPLATE_DIR, f);
	if (file_read(AT_FDCWD, CLASSES_FILE, SMALL_FILE, &classes, NULL, NULL) == 0)
		f->rate_classes = tech_rate_classes(classes);
}

/* What would be missed only when the container is stopped already. */
static void take_lacks(const struct need *n, const struct ct_desc *d, const struct ct *home,
		       struct facts *f)
{
	const struct engine_ops *ops = engine_by_name(d->engine);
	struct err why = ERR_INIT;

	if (geteuid() != 0) {
		err_set(&why, ERR_SYS, "pmigrate runs as user %u there, not as root", (unsigned)geteuid());
		err_hint(&why, "log in as root, or as a user who may run it by sudo");
		facts_add_lack(f, &why);
		return;
	}
	for (size_t i = 0; i < n->programs.n; i++) {
		if (spawn_has(n->programs.item[i]))
			continue;
		spawn_absent(n->programs.item[i], &why);
		facts_add_lack(f, &why);
	}
	if (ops->rehearse && ops->rehearse(home, d, n->start || n->online, &why) < 0)
		facts_add_lack(f, &why);
}

/* Where would it live?  The id and path first, then the name, so that both are told. */
static int take_home(const struct need *n, const struct ct_desc *d, struct facts *f, struct err *e)
{
	const struct engine_ops *ops = engine_by_name(d->engine);
	struct ct_desc nameless = *d;
	struct ct home = CT_INIT;
	struct err why = ERR_INIT;

	if (!ops || !ops->present())
		return 0; /* the check of the engine says so */
	nameless.name = NULL;
	if (ops->plan_home(&nameless, &home, &why) < 0) {
		f->home_code = why.code;
		f->home_problem = xstrdup(why.msg);
		ct_fini(&home);
		return 0;
	}
	f->private_area = home.private_area ? xstrdup(home.private_area) : NULL;
	f->root = home.root ? xstrdup(home.root) : NULL;
	take_lacks(n, d, &home, f);
	ct_fini(&home);
	if (d->name && ops->plan_home(d, &home, &why) < 0) {
		f->name_code = why.code;
		f->name_problem = xstrdup(why.msg);
	}
	ct_fini(&home);
	if (!f->private_area)
		return 0;
	return space_free(f->private_area, &f->disk_free, &f->inodes_free, e);
}

int facts_gather(const struct need *n, const struct ct_desc *d, struct facts *out,
		 struct err *e)
{
	struct machine m;

	facts_init(out);
	machine_look(&m);
	out->hostname = xstrdup(m.hostname);
	out->machine = xstrdup(m.id);
	out->arch = xstrdup(m.arch);
	out->kernel = xstrdup(m.kernel);
	out->cgroup = (enum cgroup_mode)m.cgroup;
	out->memory = m.memory;
	out->memory_free = m.memory_free;
	out->cpus = m.cpus;
	strv_addv(&out->cpu_flags, (const char *const *)m.cpu_flags.item);
	take_kernel(n, &m, out);
	machine_fini(&m);
	take_containers(n, out);
	take_addresses(n, out);
	take_licences(out);
	take_vz(n, out);
	if (n->online)
		take_criu(out);
	return d ? take_home(n, d, out, e) : 0;
}
