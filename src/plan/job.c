// SPDX-License-Identifier: MIT
#include "plan/job.h"

#include "base/own.h"
#include "plan/address.h"

enum { TIMEOUT_MS = 3600 * 1000 };

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
