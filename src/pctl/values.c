// SPDX-License-Identifier: MIT
/*
 * pctl/values.c - what the options of `create` and `set` may be given: asked before anything is written, and
 * answered with what is allowed.  What a config says already is none of its business.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/own.h"
#include "base/parse.h"
#include "engine/vz/run/grants.h"
#include "engine/vz/run/run.h"
#include "pctl/pctl.h"

/* A container below that cannot even be created: runc's own process needs it. */
#define MEMORY_MIN (8ull << 20)

static int refuse(struct err *e, const char *value, const char *allowed)
{
	return err_set(e, ERR_USAGE, "'%s' is not %s", value, allowed);
}

static int value_yes_no(const char *value, struct err *e)
{
	return strcmp(value, "yes") == 0 || strcmp(value, "no") == 0 ? 0 : refuse(e, value, "yes or no");
}

/* Labels of letters, digits and dashes, at most 63 of them in each. */
static bool is_domain(const char *name, size_t max)
{
	size_t n = strlen(name);

	if (!n || n > max)
		return false;
	for (const char *label = name; *label;) {
		size_t k = strcspn(label, ".");

		if (!k || k > 63 || label[0] == '-' || label[k - 1] == '-')
			return false;
		for (size_t i = 0; i < k; i++) {
			if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
				return false;
		}
		label += k + (label[k] == '.' && label[k + 1]);
		if (*label == '.')
			return false;
	}
	return true;
}

static int value_hostname(const char *value, struct err *e)
{
	enum { KERNEL_MAX = 64 }; /* __NEW_UTS_LEN, uts.h */

	return is_domain(value, KERNEL_MAX) ?
		       0 :
		       refuse(e, value, "a host name: at most 64 letters, digits, dashes and dots");
}

static int each(const char *value, const char *seps, int (*check)(const char *word, struct err *e), struct err *e)
{
	own_strv struct strv words = STRV_INIT;

	strv_split(&words, value, seps);
	if (!words.n)
		return refuse(e, value, "anything");
	for (size_t i = 0; i < words.n; i++) {
		if (check(words.item[i], e) < 0)
			return -1;
	}
	return 0;
}

static int a_domain(const char *word, struct err *e)
{
	return is_domain(word, 253) ? 0 : refuse(e, word, "a domain");
}

static int value_domains(const char *value, struct err *e)
{
	return strcmp(value, "inherit") == 0 ? 0 : each(value, " \t", a_domain, e);
}

static int a_server(const char *word, struct err *e)
{
	struct ip ip;

	if (ip_parse(word, &ip, NULL) == 0 && !strchr(word, '/'))
		return 0;
	return refuse(e, word, "an address of a name server; \"inherit\" takes those of this server");
}

static int value_servers(const char *value, struct err *e)
{
	return strcmp(value, "inherit") == 0 ? 0 : each(value, " \t", a_server, e);
}

static int an_address(const char *word, struct err *e)
{
	struct ip ip;

	if (ip_parse(word, &ip, NULL) < 0)
		return refuse(e, word, "an address, such as 192.0.2.10 or 2001:db8::10");
	return vz_address_check(word, &ip, e);
}

static int value_addresses(const char *value, struct err *e)
{
	return each(value, " \t,", an_address, e);
}

/* Keys that others give (host_mac, gw6, …) mean nothing here and are kept. */
static int an_adapter(const char *text, struct err *e)
{
	static const char *const keys[] = { "ifname", "mac", "host_ifname", "host_mac", "bridge", "network", "ip", "ip6",
					    "gw", "gw6", "type", "ifname_mac", "mac_filter", "configure", "dhcp", "dhcp6" };
	own_strv struct strv words = STRV_INIT;

	strv_split(&words, text, ",");
	for (size_t i = 0; i < words.n; i++) {
		const char *word = words.item[i] + strspn(words.item[i], " \t");
		size_t n = strcspn(word, "=");
		bool known = false;

		for (size_t k = 0; k < array_len(keys); k++)
			known = known || (strlen(keys[k]) == n && strncmp(keys[k], word, n) == 0);
		if (!word[n] || !known)
			return refuse(e, word, "a setting of an adapter: ifname=eth0,bridge=br0,ip=A/N,gw=A,mac=M,host_ifname=I");
		if (strncmp(word, "bridge=", 7) == 0) {
			own_free char *dir = xasprintf("/sys/class/net/%s/bridge", word + 7);

			if (access(dir, F_OK) < 0)
				log_warn("this server has no bridge %s: the container does not start without", word + 7);
		}
	}
	return 0;
}

static int value_adapters(const char *value, struct err *e)
{
	return each(value, ";", an_adapter, e);
}

/* ---- numbers -------------------------------------------------------------------------- */

static int number(const char *value, uint64_t min, uint64_t max, const char *allowed, struct err *e)
{
	uint64_t n;

	return parse_u64(value, "", min, max, &n, NULL) == 0 ? 0 : refuse(e, value, allowed);
}

static int value_order(const char *value, struct err *e)
{
	return number(value, 0, UINT32_MAX, "a number", e);
}

static int value_units(const char *value, struct err *e)
{
	return number(value, 8, 500000, "a weight from 8 to 500000", e);
}

static int value_percent(const char *value, struct err *e)
{
	own_free char *bare = xstrndup(value, strcspn(value, "%"));

	if (value[strlen(bare)] && value[strlen(bare) + 1])
		return refuse(e, value, "a percentage");
	return number(bare, 0, 1000000, "a percentage of one CPU, 0 for no limit", e);
}

static int value_cpus(const char *value, struct err *e)
{
	return number(value, 0, 100000, "a number of CPUs, 0 for no limit", e);
}

static int value_mask(const char *value, struct err *e)
{
	long here = sysconf(_SC_NPROCESSORS_CONF);
	own_strv struct strv parts = STRV_INIT;

	if (strcmp(value, "all") == 0 || strcmp(value, "auto") == 0)
		return 0;
	strv_split(&parts, value, ",");
	for (size_t i = 0; i < parts.n; i++) {
		own_free char *first = xstrndup(parts.item[i], strcspn(parts.item[i], "-"));
		const char *last = strchr(parts.item[i], '-') ? strchr(parts.item[i], '-') + 1 : first;
		uint64_t a, b;

		if (parse_u64(first, "", 0, (uint64_t)here - 1, &a, NULL) < 0 ||
		    parse_u64(last, "", a, (uint64_t)here - 1, &b, NULL) < 0) {
			own_free char *allowed = xasprintf("a list of this server's CPUs, 0 to %ld, such as 0-1,3; all; auto",
							   here - 1);

			return refuse(e, value, allowed);
		}
	}
	return parts.n ? 0 : refuse(e, value, "a list of CPUs");
}

static int pair(const char *value, unsigned unit, uint64_t min_bytes, struct err *e)
{
	struct conf_pair p;

	if (conf_pair_parse(value, "the value", unit, &p, e) < 0)
		return -1;
	if (p.soft > p.hard)
		return err_set(e, ERR_USAGE, "'%s': what stands before the colon is more than the limit behind it", value);
	if (p.hard < min_bytes / unit)
		return err_set(e, ERR_USAGE, "'%s' is too little: at least %" PRIu64 "M", value, min_bytes >> 20);
	return 0;
}

static int value_memory(const char *value, struct err *e)
{
	return pair(value, CONF_PAGE, MEMORY_MIN, e);
}

static int value_pages(const char *value, struct err *e)
{
	return pair(value, CONF_PAGE, 0, e);
}

static int value_ram(const char *value, struct err *e)
{
	uint64_t bytes;

	if (strcmp(value, "unlimited") == 0)
		return 0;
	if (parse_bytes(value, "memory", &bytes, e) < 0)
		return -1;
	return bytes >= MEMORY_MIN ? 0 : refuse(e, value, "enough memory: at least 8M");
}

static int value_tasks(const char *value, struct err *e)
{
	struct conf_pair p;

	if (pair(value, CONF_COUNT, 0, e) < 0 || conf_pair_parse(value, "", CONF_COUNT, &p, e) < 0)
		return -1;
	return p.hard >= 8 ? 0 : refuse(e, value, "enough processes: at least 8");
}

static int value_blocks(const char *value, struct err *e)
{
	return pair(value, CONF_KIB, 1 << 20, e);
}

static int value_inodes(const char *value, struct err *e)
{
	return pair(value, CONF_COUNT, 0, e);
}

static int a_rate(const char *word, struct err *e)
{
	own_strv struct strv part = STRV_INIT;
	uint64_t n;

	strv_split(&part, word, ":");
	if (part.n == 3 && parse_u64(part.item[1], "", 0, 15, &n, NULL) == 0 &&
	    parse_u64(part.item[2], "", 1, UINT32_MAX, &n, NULL) == 0)
		return 0;
	return refuse(e, word, "a rate: INTERFACE:CLASS:KBIT, such as eth0:1:8000");
}

static int value_rates(const char *value, struct err *e)
{
	return each(value, " \t", a_rate, e);
}

/* ---- words ---------------------------------------------------------------------------- */

static int a_capability(const char *word, struct err *e)
{
	bool on;
	own_free char *name = vz_capability(word, &on);

	return name ? 0 : refuse(e, word, "a capability with :on or :off, such as SYS_TIME:on (capabilities(7))");
}

static int value_capabilities(const char *value, struct err *e)
{
	return each(value, " \t,", a_capability, e);
}

static int an_assignment(const char *word, struct err *e)
{
	size_t n = strcspn(word, "=");

	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)word[i]) && word[i] != '_')
			n = 0;
	}
	return n && word[n] && !isdigit((unsigned char)word[0]) ? 0 : refuse(e, word, "NAME=VALUE");
}

static int value_environment(const char *value, struct err *e)
{
	return each(value, " \t", an_assignment, e);
}

static int value_path(const char *value, struct err *e)
{
	return value[0] == '/' ? 0 : refuse(e, value, "a path that begins with /");
}

/* Option -> what it takes.  The rest takes any text. */
static const struct {
	const char *option;
	int (*check)(const char *value, struct err *e);
} rules[] = {
	{ "hostname", value_hostname },
	{ "ipadd", value_addresses },
	{ "netif", value_adapters },
	{ "nameserver", value_servers },
	{ "searchdomain", value_domains },
	{ "init-log", value_path },
	{ "live-ready", value_yes_no },
	{ "cpuunits", value_units },
	{ "cpulimit", value_percent },
	{ "cpus", value_cpus },
	{ "cpumask", value_mask },
	{ "ram", value_ram },
	{ "physpages", value_memory },
	{ "swappages", value_pages },
	{ "numproc", value_tasks },
	{ "diskspace", value_blocks },
	{ "diskinodes", value_inodes },
	{ "rate", value_rates },
	{ "onboot", value_yes_no },
	{ "bootorder", value_order },
	{ "disabled", value_yes_no },
	{ "capability", value_capabilities },
	{ "environment", value_environment },
};

int pctl_value_check(const char *option, const char *value, struct err *e)
{
	for (size_t i = 0; i < array_len(rules); i++) {
		if (strcmp(rules[i].option, option) == 0)
			return rules[i].check(value, e);
	}
	return 0;
}
