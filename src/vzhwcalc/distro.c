// SPDX-License-Identifier: MIT
#include "vzhwcalc/distro.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "vzhwcalc/text.h"

bool distro_is_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return n > 0 && n < DISTRO_MAX && name[n] == '\0' &&
	       isalnum((unsigned char)name[0]);
}

/* name[-version]; the version is digits and dots, of which `parts` are kept. */
static bool compose(char out[static DISTRO_MAX], const char *name, const char *version,
		    int parts)
{
	size_t n = 0;
	int w;

	for (; isdigit((unsigned char)version[n]) || version[n] == '.'; n++) {
		if (version[n] == '.' && --parts == 0)
			break;
	}
	while (n && version[n - 1] == '.')
		n--;
	w = n ? snprintf(out, DISTRO_MAX, "%s-%.*s", name, (int)n, version) :
		snprintf(out, DISTRO_MAX, "%s", name);
	for (char *p = out; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return w > 0 && w < DISTRO_MAX && distro_is_name(out);
}

/* Where the first number of the first line begins; "" when it has none. */
static const char *version_in(const char *text)
{
	const char *p = text + strcspn(text, "0123456789\n");

	return isdigit((unsigned char)*p) ? p : "";
}

/* How many parts of a version make a release of its own. */
static int version_parts(const char *name)
{
	return !strcmp(name, "ubuntu") || !strcmp(name, "alpine") ||
	       !strcmp(name, "opensuse") ? 2 : 1;
}

static bool read_os_release(const char *text, char out[static DISTRO_MAX])
{
	char id[64], version[64] = "";

	if (!text_value(text, "ID", id, sizeof(id)))
		return false;
	if (!text_value(text, "VERSION_ID", version, sizeof(version)))
		version[0] = '\0';
	/* "opensuse-leap" 15.5, "opensuse-tumbleweed" 20240101 */
	if (!strncmp(id, "opensuse", 8)) {
		id[8] = '\0';
		if (strlen(version) == 8)
			version[0] = '\0';
	}
	if (!strcmp(id, "arch") || !strcmp(id, "gentoo"))
		version[0] = '\0';
	return compose(out, id, version, version_parts(id));
}

static bool read_redhat_release(const char *text, char out[static DISTRO_MAX])
{
	static const struct {
		const char *begin, *name;
	} names[] = {
		{ "CentOS", "centos" },
		{ "Red Hat Enterprise", "rhel" },
		{ "Red Hat Linux", "redhat" },
		{ "Fedora", "fedora" },
		{ "Scientific Linux", "scientific" },
		{ "Oracle Linux", "oracle" },
		{ "Enterprise Linux Enterprise Linux", "oracle" },
		{ "CloudLinux", "cloudlinux" },
		{ "Mandrake", "mandrake" },
		{ "Mandriva", "mandriva" },
		{ "Rocky", "rocky" },
		{ "AlmaLinux", "almalinux" },
	};
	for (size_t i = 0; i < array_len(names); i++) {
		if (!strncmp(text, names[i].begin, strlen(names[i].begin)))
			return compose(out, names[i].name, version_in(text), 1);
	}
	/* Every other one that has this file behaves like that family. */
	return text[0] && compose(out, "redhat", version_in(text), 1);
}

static bool read_suse_release(const char *text, char out[static DISTRO_MAX])
{
	const char *name = !strncmp(text, "SUSE Linux Enterprise", 21) ? "sles" :
			   !strncmp(text, "openSUSE", 8)		 ? "opensuse" :
									   "suse";

	return text[0] && compose(out, name, version_in(text), version_parts(name));
}

static bool read_lsb_release(const char *text, char out[static DISTRO_MAX])
{
	char id[64], version[64] = "";

	if (!text_value(text, "DISTRIB_ID", id, sizeof(id)))
		return false;
	if (!text_value(text, "DISTRIB_RELEASE", version, sizeof(version)))
		version[0] = '\0';
	for (char *p = id; *p; p++)
		*p = (char)(isalnum((unsigned char)*p) ? tolower((unsigned char)*p) : '-');
	return compose(out, id, version, version_parts(id));
}

/* "6.0.10", or "squeeze/sid" */
static bool read_debian_version(const char *text, char out[static DISTRO_MAX])
{
	return text[0] &&
	       compose(out, "debian", isdigit((unsigned char)text[0]) ? text : "", 1);
}

static bool read_alpine_release(const char *text, char out[static DISTRO_MAX])
{
	return text[0] && compose(out, "alpine", text, 2);
}

static bool read_slackware_version(const char *text, char out[static DISTRO_MAX])
{
	return text[0] && compose(out, "slackware", version_in(text), 1);
}

static bool read_gentoo_release(const char *text, char out[static DISTRO_MAX])
{
	return text[0] && compose(out, "gentoo", "", 1);
}

static bool read_arch_release(const char *text, char out[static DISTRO_MAX])
{
	(void)text; /* an empty file */
	return compose(out, "arch", "", 1);
}

const struct distro_file distro_files[] = {
	{ "/etc/os-release", read_os_release },
	{ "/usr/lib/os-release", read_os_release },
	{ "/etc/redhat-release", read_redhat_release },
	{ "/etc/SuSE-release", read_suse_release },
	{ "/etc/lsb-release", read_lsb_release },
	{ "/etc/alpine-release", read_alpine_release },
	{ "/etc/debian_version", read_debian_version },
	{ "/etc/slackware-version", read_slackware_version },
	{ "/etc/gentoo-release", read_gentoo_release },
	{ "/etc/arch-release", read_arch_release },
	{ NULL, NULL },
};
