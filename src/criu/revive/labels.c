// SPDX-License-Identifier: MIT
/*
 * criu/revive/labels.c - AppArmor's labels.  A process of the container has one where a profile of its server was for
 * it: Debian 13's runc comes with the profile "runc" (aa_change_profile, in whoever is started by it).  CRIU asks the
 * kernel for the same one, and without such a profile that ends the restore (ENOENT, "label not found").  So a label
 * that this server does not know is taken out of the images.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "criu/image/cores.h"
#include "criu/image/imgdir.h"
#include "criu/revive/img.h"

#define PROFILES "/sys/kernel/security/apparmor/profiles" /* lines "NAME (MODE)" */

enum { PROFILES_MAX = 4 << 20 };

bool label_is_known(const char *profiles, const char *label)
{
	size_t n = strlen(label);

	/* A stack, or of a namespace: CRIU brings the policy of those along. */
	if (label[0] == ':' || strstr(label, "//"))
		return true;
	for (const char *line = profiles; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, label, n) == 0 && line[n] == ' ' && line[n + 1] == '(')
			return true;
	}
	return false;
}

static int settle_label(int images, uint32_t tid, const char *profiles, struct err *e)
{
	own_core Img__Core *core = core_load(images, tid, e);
	Img__Creds *creds;

	if (!core)
		return -1;
	creds = core->thread ? core->thread->creds : NULL;
	if (!creds || !creds->lsm_profile || label_is_known(profiles, creds->lsm_profile))
		return 0;
	log_info("thread %u: this server has no AppArmor profile %s", tid, creds->lsm_profile);
	free(creds->lsm_profile);
	creds->lsm_profile = NULL;
	return core_store(images, tid, core, e);
}

int revive_labels(int images, struct err *e)
{
	own_free char *profiles = NULL;
	char **names = NULL;
	size_t n = 0;
	int ret;

	/* AppArmor is off, or not in this kernel: it has none. */
	if (file_read(AT_FDCWD, PROFILES, PROFILES_MAX, &profiles, NULL, NULL) < 0)
		profiles = xstrdup("");
	ret = imgdir_list(images, &names, &n, e);
	for (size_t i = 0; i < n; i++) {
		uint32_t tid;
		char end;

		if (ret == 0 && sscanf(names[i], "core-%u.im%c", &tid, &end) == 2)
			ret = settle_label(images, tid, profiles, e);
		free(names[i]);
	}
	free(names);
	return ret;
}
