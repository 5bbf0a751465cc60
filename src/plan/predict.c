// SPDX-License-Identifier: MIT
#include "plan/predict.h"

enum {
	ROUNDS_MAX = 30,
	FILES_PS_GUESS = 20000,	     /* small files a second, cautiously */
	FILES_LEFT = 100,	     /* a pass that leaves fewer is the last before the stop */
};
/* A frozen set that copies in so little time is not made smaller by another round. */
static const double small_ms = 10;
/* Freeze, dump, restore and switch of a few processes, as measured in the lab. */
static const double freeze_usual_ms = 60;
/* What one changed file costs in the last pass beside its bytes. */
static const double file_ms = 0.05;

/* Milliseconds that so many bytes take on the link. */
static double link_ms(const struct predict_in *in, double bytes)
{
	return bytes / in->link_bps * 1000;
}

static double copy_ms(const struct predict_in *in, double bytes, double files)
{
	double per_s = in->files_ps > 0 ? in->files_ps : FILES_PS_GUESS;
	double by_link = link_ms(in, bytes), by_files = files / per_s * 1000;

	return by_link > by_files ? by_link : by_files;
}

/* What a set of something that is re-dirtied while it is copied comes to. */
struct remainder {
	double bytes, files; /* left for the frozen window */
};

/* The passes over the tree while the container runs. */
static struct remainder tree_passes(const struct predict_in *in, struct prediction *out,
				    double *sent)
{
	struct remainder left = { (double)in->tree_bytes, (double)in->tree_files };

	for (int pass = 0; pass < 5; pass++) {
		double ms = copy_ms(in, left.bytes, left.files);
		struct remainder next = { in->change_bps * ms / 1000,
					  in->change_files_ps * ms / 1000 };

		*sent += left.bytes;
		out->total_ms += ms;
		if (next.bytes > (double)in->tree_bytes)
			next.bytes = (double)in->tree_bytes;
		if (next.files > (double)in->tree_files)
			next.files = (double)in->tree_files;
		if (next.files <= FILES_LEFT || next.bytes >= left.bytes)
			return next;
		left = next;
	}
	return left;
}

/* Pre-copy rounds.  Returns the bytes left for the frozen window. */
static double memory_rounds(const struct predict_in *in, struct prediction *out, double *sent)
{
	double left = (double)in->memory_bytes;

	while (out->rounds < ROUNDS_MAX) {
		double ms = link_ms(in, left);
		double next = in->dirty_bps * ms / 1000;

		if (next > (double)in->memory_bytes)
			next = (double)in->memory_bytes;
		*sent += left;
		out->total_ms += ms;
		out->rounds++;
		if (next >= left)
			return next;
		left = next;
		if (link_ms(in, left) <= small_ms)
			break;
	}
	return left;
}

static void predict_online(const struct predict_in *in, struct prediction *out, double *sent)
{
	struct remainder files = tree_passes(in, out, sent);
	double memory = (double)in->memory_bytes;
	double frozen = (in->freeze_ms > 0 ? in->freeze_ms : freeze_usual_ms) + 2 * in->rtt_ms;

	out->converges = in->dirty_bps < in->link_bps;
	if (!in->noiter)
		memory = memory_rounds(in, out, sent);
	frozen += link_ms(in, files.bytes) + files.files * file_ms;
	*sent += files.bytes + memory;
	if (in->lazy)
		out->total_ms += link_ms(in, memory); /* follows while it runs there */
	else
		frozen += link_ms(in, memory);
	out->has_downtime = true;
	out->downtime_ms = frozen;
	out->total_ms += frozen;
}

static void predict_cold(const struct predict_in *in, struct prediction *out, double *sent)
{
	struct remainder files = tree_passes(in, out, sent);

	out->converges = true;
	out->has_downtime = true;
	out->downtime_ms = in->stop_ms + in->start_ms + 2 * in->rtt_ms +
			   link_ms(in, files.bytes) + files.files * file_ms;
	out->total_ms += out->downtime_ms;
	*sent += files.bytes;
}

void predict(const struct predict_in *in, struct prediction *out)
{
	double sent = 0;

	*out = (struct prediction){
		.bytes = in->tree_bytes,
		.converges = true,
		.fits = true,
		.link_bps = in->link_bps,
		.change_bps = in->change_bps,
		.dirty_bps = in->dirty_bps,
	};
	if (in->link_bps <= 0) {
		if (in->online)
			out->bytes += in->memory_bytes;
		return;
	}
	out->link_known = true;
	if (in->online)
		predict_online(in, out, &sent);
	else if (in->running)
		predict_cold(in, out, &sent);
	else {
		out->total_ms = copy_ms(in, (double)in->tree_bytes, (double)in->tree_files);
		sent = (double)in->tree_bytes;
	}
	out->bytes = (uint64_t)sent;
	if (in->max_downtime_ms > 0)
		out->fits = out->downtime_ms <= in->max_downtime_ms;
}
