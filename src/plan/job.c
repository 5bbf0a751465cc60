// SPDX-License-Identifier: MIT
#include "plan/job.h"

#include "base/own.h"
#include "plan/address.h"

enum { TIMEOUT_MS = 3600 * 1000 };

const struct nodeps_word nodeps_words[] = {
	{ "all", NODEPS_ALL },
	{ "cpu_check", NODEPS_CPU_CHECK },
	{ "disk_space", NODEPS_DISK_SPACE },
	{ "technologies", NODEPS_TECHNOLOGIES },
	{ "license", NODEPS_LICENSE },
	{ "rate", NODEPS_RATE },
	{ "bindmount", NODEPS_BINDMOUNT },
	{ "template_area_sync", NODEPS_TEMPLATE_AREA_SYNC },
	{ "kernel_modules", NODEPS_KERNEL_MODULES },
	{ "capabilities", NODEPS_CAPABILITIES },
	{ "cpt_image_version", NODEPS_CPT_IMAGE_VERSION },
	{ NULL, 0 },
};

void job_init(struct job *j)
{
	*j = (struct job){
		.src_kind = KIND_CONTAINER,
		.dst_kind = KIND_CONTAINER,
		.link.timeout_ms = TIMEOUT_MS,
		.streams = 1,
	};
}

void job_fini(struct job *j)
{
	address_fini(&j->src);
	address_fini(&j->dst);
	strv_fini(&j->link.ssh);
	free(j->report);
	free(j->stats);
	free(j->new_id);
	free(j->new_name);
	free(j->new_private);
	free(j->new_root);
	free(j->vm_dir);
	free(j->hw_config);
	free(j->quota_part);
	free(j->eztmpl);
	free(j->dist);
	strv_fini(&j->excludes);
	strv_fini(&j->srvstop);
	job_init(j);
}

bool job_is_local(const struct job *j)
{
	return !j->src.where.host && !j->dst.where.host;
}
