// SPDX-License-Identifier: MIT
#include "engine/vz/run/grants.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "base/own.h"
#include "base/parse.h"

/* capabilities(7), in the order of their numbers */
static const char *const capabilities[] = {
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
};

char *vz_capability(const char *word, bool *on)
{
	const char *name = strncasecmp(word, "CAP_", 4) == 0 ? word + 4 : word;
	const char *colon = strchr(name, ':');
	size_t n = colon ? (size_t)(colon - name) : 0;

	if (!colon || (strcasecmp(colon, ":on") != 0 && strcasecmp(colon, ":off") != 0))
		return NULL;
	*on = strcasecmp(colon, ":on") == 0;
	for (size_t i = 0; i < array_len(capabilities); i++) {
		if (strlen(capabilities[i]) == n && strncasecmp(capabilities[i], name, n) == 0)
			return xasprintf("CAP_%s", capabilities[i]);
	}
	return NULL;
}

/* "rw", "r", "w" and vzctl's q (of quotas, which are not here); "none" is nothing. */
static int access_of(const char *text, char out[static 4])
{
	size_t n = 0;

	out[0] = '\0';
	if (strcmp(text, "none") == 0)
		return 0;
	for (; *text; text++) {
		if (!strchr("rwq", *text))
			return -1;
		if (*text != 'q' && !strchr(out, *text)) {
			out[n++] = *text;
			out[n] = '\0';
		}
	}
	return 0;
}

static int device_number(const char *text, int *out)
{
	uint64_t n;

	if (strcmp(text, "all") == 0) {
		*out = -1;
		return 0;
	}
	if (parse_u64(text, "", 0, 1 << 20, &n, NULL) < 0)
		return -1;
	*out = (int)n;
	return 0;
}

int vz_device_parse(const char *word, int *major, int *minor, char access[static 4])
{
	own_strv struct strv part = STRV_INIT;

	strv_split(&part, word, ":");
	if (part.n != 4 || strcmp(part.item[0], "c") != 0 || strcmp(part.item[1], "all") == 0)
		return -1;
	if (device_number(part.item[1], major) < 0 || device_number(part.item[2], minor) < 0)
		return -1;
	return access_of(part.item[3], access);
}

static void add_rule(cJSON *rules, int major, int minor, const char *access)
{
	own_free char *all = xasprintf("%sm", access);
	cJSON *rule = cJSON_CreateObject();

	cJSON_AddTrueToObject(rule, "allow");
	cJSON_AddStringToObject(rule, "type", "c");
	cJSON_AddNumberToObject(rule, "major", major);
	if (minor >= 0)
		cJSON_AddNumberToObject(rule, "minor", minor);
	cJSON_AddStringToObject(rule, "access", all);
	cJSON_AddItemToArray(rules, rule);
}

/* "net/tun:rw", a name below /dev without ways out of it */
static bool node_parse(const char *word, char **name, char access[static 4])
{
	const char *colon = strchr(word, ':');

	if (!colon || colon == word || *word == '/' || strstr(word, "..") || access_of(colon + 1, access) < 0)
		return false;
	*name = xstrndup(word, (size_t)(colon - word));
	return true;
}

static void grant_node(const struct vz *v, const char *word, cJSON *rules, cJSON *nodes)
{
	own_free char *name = NULL, *path = NULL;
	struct stat st;
	char access[4];
	cJSON *node;

	if (!node_parse(word, &name, access))
		return; /* vz_left_out names it */
	path = xasprintf("/dev/%s", name);
	if (stat(path, &st) < 0 || !S_ISCHR(st.st_mode)) {
		log_warn("container %s gets no %s: this server has none that is a character device", v->ct.id, path);
		return;
	}
	if (*access)
		add_rule(rules, (int)major(st.st_rdev), (int)minor(st.st_rdev), access);
	node = cJSON_CreateObject();
	cJSON_AddStringToObject(node, "path", path);
	cJSON_AddStringToObject(node, "type", "c");
	cJSON_AddNumberToObject(node, "major", major(st.st_rdev));
	cJSON_AddNumberToObject(node, "minor", minor(st.st_rdev));
	cJSON_AddNumberToObject(node, "fileMode", st.st_mode & 0777);
	cJSON_AddNumberToObject(node, "uid", 0);
	cJSON_AddNumberToObject(node, "gid", 0);
	cJSON_AddItemToArray(nodes, node);
}

void vz_grant_devices(const struct vz *v, cJSON *rules, cJSON *nodes)
{
	own_free char *names = vz_value(v, "DEVNODES", ""), *numbers = vz_value(v, "DEVICES", "");
	own_strv struct strv name = STRV_INIT, number = STRV_INIT;

	strv_split(&name, names, " \t");
	for (size_t i = 0; i < name.n; i++)
		grant_node(v, name.item[i], rules, nodes);
	strv_split(&number, numbers, " \t");
	for (size_t i = 0; i < number.n; i++) {
		int major, minor;
		char access[4];

		if (vz_device_parse(number.item[i], &major, &minor, access) == 0 && *access)
			add_rule(rules, major, minor, access);
	}
}

/* "SOURCE:DESTINATION[,OPTION...]" -> both, and the options; false when it is of another form. */
static bool bind_parse(const char *word, struct strv *out)
{
	char *colon;

	strv_split(out, word, ",");
	colon = out->n ? strchr(out->item[0], ':') : NULL;
	if (!colon || out->item[0][0] != '/' || colon[1] != '/')
		return false;
	*colon = '\0';
	return true;
}

int vz_grant_mounts(const struct vz *v, cJSON *mounts, struct err *e)
{
	static const char *const known[] = { "ro", "rw", "nosuid", "noexec", "nodev", NULL };
	own_free char *text = vz_value(v, "BINDMOUNT", "");
	own_strv struct strv words = STRV_INIT;

	strv_split(&words, text, " \t");
	for (size_t i = 0; i < words.n; i++) {
		own_strv struct strv part = STRV_INIT, options = STRV_INIT;
		cJSON *m;

		if (!bind_parse(words.item[i], &part))
			continue; /* vz_left_out names it */
		if (access(part.item[0], F_OK) < 0)
			return err_set(e, ERR_BINDMOUNT, "BINDMOUNT of container %s: this server has no %s", v->ct.id,
				       part.item[0]);
		strv_addv(&options, (const char *const[]){ "bind", "private", NULL });
		for (size_t k = 1; k < part.n; k++) {
			for (size_t o = 0; known[o]; o++) {
				if (strcmp(known[o], part.item[k]) == 0)
					strv_add(&options, known[o]);
			}
		}
		m = cJSON_CreateObject();
		cJSON_AddStringToObject(m, "source", part.item[0]);
		cJSON_AddStringToObject(m, "destination", part.item[0] + strlen(part.item[0]) + 1);
		cJSON_AddStringToObject(m, "type", "bind");
		cJSON_AddItemToObject(m, "options",
				      cJSON_CreateStringArray((const char *const *)options.item, (int)options.n));
		cJSON_AddItemToArray(mounts, m);
	}
	return 0;
}

/* ---- what is not done ---------------------------------------------------------------- */

/* Limits of OpenVZ's kernel and others that nothing here enforces. */
static const char *const no_limits[] = {
	"KMEMSIZE", "LOCKEDPAGES", "SHMPAGES", "NUMFILE", "NUMFLOCK", "NUMPTY", "NUMSIGINFO", "TCPSNDBUF", "TCPRCVBUF",
	"OTHERSOCKBUF", "DGRAMRCVBUF", "NUMTCPSOCK", "NUMOTHERSOCK", "DCACHESIZE", "NUMIPTENT", "CPULIMIT_MHZ",
	"IOLIMIT", "IOPSLIMIT", "VM_OVERCOMMIT",
};

/* Is there a limit at all? */
static bool limits(const char *value)
{
	struct conf_pair p;

	return value && *value && strcmp(value, "0") != 0 &&
	       (conf_pair_parse(value, "", CONF_COUNT, &p, NULL) < 0 || p.hard != CONF_UNLIMITED);
}

static void left_out_limits(const struct conf *c, struct strv *out)
{
	const char *memory = conf_get(c, "PHYSPAGES"), *private = conf_get(c, "PRIVVMPAGES");
	own_strv struct strv names = STRV_INIT;

	for (size_t i = 0; i < array_len(no_limits); i++) {
		if (limits(conf_get(c, no_limits[i])))
			strv_add(&names, no_limits[i]);
	}
	if (names.n) {
		own_free char *list = strv_join(&names, " ");

		strv_addf(out, "not limited here: %s", list);
	}
	if (limits(private) && !limits(memory))
		strv_addf(out, "PRIVVMPAGES %s limits nothing here, and PHYSPAGES gives no limit of its memory", private);
}

static void left_out_words(const struct conf *c, const char *name, const char *why,
			   bool (*fine)(const char *word), struct strv *out)
{
	const char *value = conf_get(c, name);
	own_strv struct strv words = STRV_INIT;

	strv_split(&words, value ? value : "", " \t,");
	for (size_t i = 0; i < words.n; i++) {
		if (!fine(words.item[i]))
			strv_addf(out, "%s %s: %s", name, words.item[i], why);
	}
}

static bool fine_capability(const char *word)
{
	bool on;
	own_free char *name = vz_capability(word, &on);

	return name != NULL;
}

static bool fine_device(const char *word)
{
	int major, minor;
	char access[4];

	return vz_device_parse(word, &major, &minor, access) == 0;
}

static bool fine_node(const char *word)
{
	own_free char *name = NULL;
	char access[4];

	return node_parse(word, &name, access);
}

/* Network file systems, tunnels and bridges need no leave here, only a kernel that has them. */
static bool fine_feature(const char *word)
{
	return strcasecmp(word, "ppp:on") != 0;
}

static bool fine_netfilter(const char *word)
{
	return strcmp(word, "full") == 0;
}

static void left_out_binds(const struct conf *c, struct strv *out)
{
	const char *value = conf_get(c, "BINDMOUNT");
	own_strv struct strv words = STRV_INIT;

	strv_split(&words, value ? value : "", " \t");
	for (size_t i = 0; i < words.n; i++) {
		own_strv struct strv part = STRV_INIT;

		if (!bind_parse(words.item[i], &part))
			strv_addf(out, "BINDMOUNT %s: it names no directory of the server", words.item[i]);
	}
}

void vz_left_out(const struct conf *c, struct strv *out)
{
	left_out_limits(c, out);
	left_out_words(c, "CAPABILITY", "there is no such capability", fine_capability, out);
	left_out_words(c, "DEVNODES", "it names no device as NAME:rw", fine_node, out);
	left_out_words(c, "DEVICES", "no device of the form c:MAJOR:MINOR:rw; disks are not given", fine_device, out);
	left_out_words(c, "FEATURES", "there is no /dev/ppp in it; DEVNODES=\"ppp:rw\" gives it", fine_feature, out);
	left_out_words(c, "NETFILTER", "packet filters are not restricted in it", fine_netfilter, out);
	left_out_binds(c, out);
}
