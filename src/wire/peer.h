/* SPDX-License-Identifier: MIT */
/*
 * wire/peer.h - the other end of the migration: frames over a pair of
 * descriptors.
 *
 * peer_send may be called from several threads; peer_recv from one at a time.
 * Every call blocks at most for the silence the peer was opened with: a
 * heartbeat thread at both ends sends PING while its program is busy, so
 * silence means that the link or the other end is dead.
 *
 * An ABORT of the other end comes out of peer_recv as an error with its code
 * and text.  After any failure the peer is dead: all calls fail with the
 * first error's text.
 */
#ifndef WIRE_PEER_H
#define WIRE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "wire/bucket.h"
#include "wire/frame.h"

struct peer;

struct peer_opts {
	const char *name;      /* "b" - for messages; copied */
	int silence_ms;	       /* dead after so long without a frame; 0: 60 s */
	struct bucket *limit;  /* borrowed, or NULL */
	/* A log line of the other end; NULL: dropped. */
	void (*on_log)(void *arg, enum log_level level, const char *text);
	void *arg;
};

struct peer_stats {
	uint64_t sent_bytes; /* frames with their headers */
	uint64_t received_bytes;
};

/* Takes both descriptors (they may be equal) in every case. */
int peer_new(struct peer **out, int rfd, int wfd, const struct peer_opts *opts,
	     struct err *e);
/* Closes the link; NULL is fine. */
void peer_free(struct peer *p);

/* Another silence than it was opened with; 0 is ignored.  Waits that have begun keep theirs.  The other end beats once a
 * second, or four times in the silence that it was opened with. */
void peer_set_silence(struct peer *p, int silence_ms);

/* From any thread: who waits for this peer, now or later, fails at once (ERR_LINK). */
void peer_stop(struct peer *p);

const char *peer_name(const struct peer *p);
struct peer_stats peer_stats(struct peer *p);

int peer_send(struct peer *p, uint8_t type, uint32_t id, const void *data, size_t len,
	      struct err *e);
/* The payload is the concatenation (at most PROTO_MAX_FRAME, at most 15 parts). */
int peer_sendv(struct peer *p, uint8_t type, uint32_t id, const struct iovec *iov, int n_iov,
	       struct err *e);
/* As peer_send, for the frozen window: does not wait for the rate limit. */
int peer_send_now(struct peer *p, uint8_t type, uint32_t id, const void *data, size_t len,
		  struct err *e);

/* The next frame that is not PING or LOG; f is the caller's (frame_fini). */
int peer_recv(struct peer *p, struct frame *f, struct err *e);

/* Gives back the payload (`len` bytes) of a frame that some peer_recv or peer_try gave, instead of
 * freeing it: the next large frame costs no page faults. */
void peer_recycle(struct peer *p, uint8_t *data, size_t len);

/* For those who listen to several peers: as peer_recv, but returns 0 when it was only a
 * sign of life or a log line; 1 with a frame. */
int peer_try(struct peer *p, struct frame *f, struct err *e);

/* How long the link may be silent. */
int peer_silence_ms(const struct peer *p);

/* Is a frame (or its beginning) already here?  Never blocks. */
bool peer_pending(struct peer *p);

/* For poll loops: the descriptor that becomes readable.  Ask peer_pending first. */
int peer_fd(const struct peer *p);

/* Request and its REPLY; any other frame in between is a protocol error. */
int peer_call(struct peer *p, uint8_t type, const struct buf *request, struct frame *reply,
	      struct err *e);

/* Answers request `id`. */
int peer_reply(struct peer *p, uint32_t id, const struct buf *reply, struct err *e);

/* Tells the other end why we stop; failures are ignored. */
void peer_abort(struct peer *p, const struct err *why);

/* One log line for the other end; failures are ignored. */
void peer_log(struct peer *p, enum log_level level, const char *text);

#endif
