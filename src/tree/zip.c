// SPDX-License-Identifier: MIT
#include "tree/zip.h"

#include <string.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/own.h"

enum {
	LEVEL = 1,
	MIN_LEN = 1024,
	STRETCH = 4 << 20, /* raw bytes over which a way is measured */
	KEEP = 16,	   /* stretches the winner stays */
	PROBE_EVERY = 32,  /* frames between two probes while raw */
};

struct zip {
	enum tree_zip how;
	ZSTD_CCtx *ctx;
	bool on;	     /* this stretch is compressed */
	unsigned frames, stretches_left;
	double raw_rate, zip_rate; /* bytes per ns over the last stretch of each; 0: unknown */
	uint64_t stretch_bytes, stretch_start;
	double zip_ns, send_ns; /* per raw byte, per wire byte: running means */
	double ratio;		/* wire / raw, running mean */
};

struct zip *zip_new(enum tree_zip how)
{
	struct zip *z = xcalloc(1, sizeof(*z));

	z->how = how;
	z->ratio = 1;
	if (how != TREE_ZIP_OFF) {
		z->ctx = xmust(ZSTD_createCCtx());
		ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_compressionLevel, LEVEL);
	}
	return z;
}

void zip_free(struct zip *z)
{
	if (!z)
		return;
	ZSTD_freeCCtx(z->ctx);
	free(z);
}

static void mean(double *m, double v)
{
	*m = *m > 0 ? *m * 0.8 + v * 0.2 : v;
}

/* By the costs alone: compressing and sending less, against sending all. */
static bool promising(const struct zip *z)
{
	return z->zip_ns > 0 && z->send_ns > 0 &&
	       z->zip_ns + z->send_ns * z->ratio < 0.9 * z->send_ns;
}

static bool want(struct zip *z)
{
	if (z->how != TREE_ZIP_AUTO)
		return z->how == TREE_ZIP_ON;
	if (z->on)
		return true;
	return z->frames++ % PROBE_EVERY == 0;
}

bool zip_try(struct zip *z, const void *data, size_t len, struct buf *out)
{
	uint64_t start;
	size_t n, room = ZSTD_compressBound(len);

	if (len < MIN_LEN || !want(z))
		return false;
	start = clock_ns();
	buf_clear(out);
	buf_put_u32(out, (uint32_t)len);
	n = ZSTD_compress2(z->ctx, buf_reserve(out, room), room, data, len);
	if (ZSTD_isError(n))
		return false;
	out->len += n;
	mean(&z->zip_ns, (double)(clock_ns() - start) / (double)len);
	z->ratio = z->ratio * 0.8 + 0.2 * (double)out->len / (double)len;
	return out->len < len - len / 16;
}

/* The end of a stretch: which way for the next one? */
static void choose(struct zip *z, double rate)
{
	if (z->on)
		z->zip_rate = rate;
	else
		z->raw_rate = rate;
	if (z->stretches_left) {
		z->stretches_left--;
		return;
	}
	if (!z->on && promising(z)) {
		z->on = true; /* try it: what was measured before is too old */
		z->zip_rate = 0;
		z->stretches_left = 1;
	} else if (z->on) {
		z->on = z->zip_rate > 1.1 * z->raw_rate;
		z->stretches_left = KEEP;
	}
}

void zip_sent(struct zip *z, size_t raw, size_t wire, uint64_t ns)
{
	uint64_t now;

	if (z->how != TREE_ZIP_AUTO)
		return;
	mean(&z->send_ns, (double)ns / (double)wire);
	now = clock_ns();
	if (!z->stretch_start)
		z->stretch_start = now - ns;
	z->stretch_bytes += raw;
	if (z->stretch_bytes < STRETCH)
		return;
	choose(z, (double)z->stretch_bytes / (double)(now - z->stretch_start + 1));
	z->stretch_start = now;
	z->stretch_bytes = 0;
}
