// SPDX-License-Identifier: MIT
#include "plan/restrict.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"

enum { LINES_MAX = 10000 };

/* What becomes of each kind of thing that vzhwcalc names. */
static const struct {
	const char *kind;
	const char *word; /* of the finding */
	const char *name; /* of the thing, before its object */
	const char *fate;
} kinds[] = {
	{ "raw-device", "raw_device", "raw device",
	  "its content is not copied: move it by the program that uses it" },
	{ "unused-device", "raw_device", "block device",
	  "it is not mounted, so nothing of it is copied" },
	{ "selinux", "selinux", "SELinux", "it will be off in the Container" },
	{ "network-fs", "network_fs", "network file system",
	  "its files are not copied: mount it in the Container" },
	{ "removable", "removable", "removable medium", "its files are not copied" },
	{ "joined", "joined", "file system",
	  "its files become a part of the one tree of the Container" },
	{ "mac-licence", "mac_licence", "licence file",
	  "a network card's number is none in the Container: get a new licence for it" },
	{ "unfinished", "unfinished", "examination",
	  "there may be more attributes and licences than are named here" },
};

static bool next_field(const char **at, const char *end, char *out, size_t out_size)
{
	const char *p = *at;
	size_t n = 0;

	while (p < end && *p != '\t') {
		char c = *p++;

		if (c == '\\' && end - p >= 3 && p[0] >= '0' && p[0] <= '3' && p[1] >= '0' &&
		    p[1] <= '7' && p[2] >= '0' && p[2] <= '7') {
			c = (char)((p[0] - '0') << 6 | (p[1] - '0') << 3 | (p[2] - '0'));
			p += 3;
		}
		if (n + 1 < out_size)
			out[n++] = iscntrl((unsigned char)c) ? '?' : c;
	}
	out[n] = '\0';
	*at = p < end ? p + 1 : p;
	return n > 0;
}

struct scanned {
	struct findings *f;
	const struct job *job;
	const struct restrict_can *can;
	struct strv *services, addresses;
	unsigned n_flagged;
	char *flagged; /* the first file with flags, and which */
};

static bool is_chosen_quota(const struct scanned *s, const char *dir)
{
	return s->job->quota_part && !strcmp(s->job->quota_part, dir);
}

static void take_xattr(struct scanned *s, const char *name, const char *text)
{
	bool label = !strcmp(name, "security.selinux");
	bool lost = s->can->lost && strv_has(s->can->lost, name);
	own_free char *fate =
		label		 ? xstrdup("a Container has no SELinux") :
		!s->can->xattrs ? xstrdup("it is lost: rsync of one server cannot carry it") :
		lost		 ? xasprintf("it is lost: the file system of %s cannot keep it",
					      s->can->where) :
				   xstrdup("it is kept");

	findings_note(s->f, s->can->xattrs && !label && !lost ? FINDING_PASS : FINDING_NOTE,
		      "xattr", "extended attribute %s, %s: %s", name, text, fate);
}

static void take_special(struct scanned *s, const char *kind, const char *object,
			 const char *text)
{
	if (!strcmp(kind, "service")) {
		if (s->services)
			strv_add(s->services, object);
	} else if (!strcmp(kind, "address")) {
		strv_add(&s->addresses, object);
	} else if (!strcmp(kind, "size") || !strcmp(kind, "limit") ||
		   !strcmp(kind, "xattr-size") || !strcmp(kind, "mount-point")) {
		return; /* for the program */
	} else if (!strcmp(kind, "quota")) {
		findings_note(s->f, is_chosen_quota(s, object) ? FINDING_PASS : FINDING_NOTE,
			      "quota", "%s: %s: %s", object, text,
			      is_chosen_quota(s, object) ?
				      "they will apply to the whole Container" :
				      "they are lost (-q carries those of one partition)");
	} else if (!strcmp(kind, "xattr")) {
		take_xattr(s, object, text);
	} else if (!strcmp(kind, "flags")) {
		if (!s->n_flagged++)
			s->flagged = xasprintf("%s (%s)", object, text);
	} else {
		findings_note(s->f, FINDING_NOTE, "scan", "%s %s: %s", kind, object, text);
	}
}

static void take_line(struct scanned *s, const char *line, const char *end)
{
	char kind[64], object[4096], text[1024];

	if (!next_field(&line, end, kind, sizeof(kind)) ||
	    !next_field(&line, end, object, sizeof(object)))
		return;
	next_field(&line, end, text, sizeof(text));
	for (size_t i = 0; i < array_len(kinds); i++) {
		if (!strcmp(kind, kinds[i].kind)) {
			findings_note(s->f,
				      !strcmp(kind, "joined") ? FINDING_PASS : FINDING_NOTE,
				      kinds[i].word, "%s %s (%s): %s", kinds[i].name, object,
				      text, kinds[i].fate);
			return;
		}
	}
	take_special(s, kind, object, text);
}

void restrict_scan(struct findings *f, const char *scan, const struct job *job,
		   const struct restrict_can *can, struct strv *services)
{
	struct scanned s = { .f = f, .job = job, .can = can, .services = services };

	for (unsigned n = 0; *scan && n < LINES_MAX; n++) {
		const char *end = strchrnul(scan, '\n');

		take_line(&s, scan, end);
		scan = *end ? end + 1 : end;
	}
	if (s.addresses.n > 1) {
		own_free char *all = strv_join(&s.addresses, " ");

		findings_note(f, FINDING_NOTE, "addresses",
			      "%zu addresses (%s): all of them will be on venet0",
			      s.addresses.n, all);
	}
	if (s.n_flagged)
		findings_note(f, FINDING_PASS, "flags",
			      "%u file%s chattr's flags, such as %s: they are set again", s.n_flagged,
			      s.n_flagged == 1 ? " has" : "s have", s.flagged);
	free(s.flagged);
	strv_fini(&s.addresses);
}

void restrict_each(const char *scan, const char *want,
		   void (*take)(void *arg, const char *object, const char *text), void *arg)
{
	char kind[64], object[4096], text[1024];

	while (*scan) {
		const char *end = strchrnul(scan, '\n'), *at = scan;

		if (next_field(&at, end, kind, sizeof(kind)) && !strcmp(kind, want) &&
		    next_field(&at, end, object, sizeof(object))) {
			next_field(&at, end, text, sizeof(text));
			take(arg, object, text);
		}
		scan = *end ? end + 1 : end;
	}
}

void windows_of_banner(struct windows *w, const char *banner)
{
	static const char *const marks[] = { "OpenSSH_for_Windows", "WinSSHD", "Bitvise",
					     "FreeSSHd", "WeOnlyDo", "VShell", "Sun_SSH_Windows" };

	for (size_t i = 0; i < array_len(marks); i++) {
		if (strcasestr(banner, marks[i]) && w->release == WINDOWS_NONE)
			w->release = WINDOWS_OTHER;
	}
}

void windows_of_ver(struct windows *w, const char *text)
{
	const char *p = strcasestr(text, "Microsoft Windows");
	unsigned major = 0, minor = 0;

	if (!p)
		return;
	p += strcspn(p, "0123456789\n");
	if (sscanf(p, "%4u.%4u", &major, &minor) != 2)
		major = minor = 0;
	w->release = major == 5 && minor == 2 ? WINDOWS_2003 :
		     major == 6 && minor <= 1 ? WINDOWS_2008 :
						WINDOWS_OTHER;
	if (strcasestr(text, "AMD64") || strcasestr(text, "IA64"))
		w->bits = 64;
	else if (strcasestr(text, "x86"))
		w->bits = 32;
}

static bool has_text(const uint8_t sector[static 512], const char *text)
{
	return memmem(sector, 512, text, strlen(text)) != NULL;
}

bool windows_of_boot_sector(struct windows *w, const uint8_t sector[static 512])
{
	bool ntfs = !memcmp(sector + 3, "NTFS    ", 8);
	bool exfat = !memcmp(sector + 3, "EXFAT   ", 8);
	bool old = has_text(sector, "NTLDR"), new = has_text(sector, "BOOTMGR");

	/* A FAT volume alone proves nothing: EFI partitions of Linux are such. */
	if (!ntfs && !exfat && !old && !new)
		return false;
	if (!ntfs)
		w->not_ntfs = true;
	if (old)
		w->release = WINDOWS_2003;
	else if (new)
		w->release = WINDOWS_2008;
	else if (w->release == WINDOWS_NONE)
		w->release = WINDOWS_OTHER;
	return true;
}

int windows_refuse(const struct windows *w, const char *name, struct err *e)
{
	static const char *const texts[] = {
		[WINDOWS_NONE] = "an unknown system",
		[WINDOWS_2003] = "Windows Server 2003 or of its time",
		[WINDOWS_2008] = "Windows Server 2008 or of its kind",
		[WINDOWS_OTHER] = "Windows",
	};
	own_free char *bits = w->bits ? xasprintf(", %u bits", w->bits) : xstrdup("");
	const char *rule =
		w->not_ntfs ?
			"a Container's host runs Linux here; even between Windows hosts only NTFS "
			"volumes can be moved" :
		w->release == WINDOWS_2003 ?
			"a Container's host runs Linux here; a 2003 server could only go to a 2003 "
			"host of the same word size" :
		w->release == WINDOWS_2008 ?
			"a Container's host runs Linux here; a 2008 server could only go to a 2008 "
			"host of the same word size" :
			"a Container shares the kernel of its host, which is Linux: a Windows "
			"server can only go to a Windows host of its own release and word size";

	err_set(e, ERR_UNSUPPORTED, "%s runs %s%s, which cannot become a Container here", name,
		texts[w->release], bits);
	return err_hint(e, "%s", rule);
}
