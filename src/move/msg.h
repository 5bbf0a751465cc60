/* SPDX-License-Identifier: MIT */
/*
 * move/msg.h - the control messages, as structs.
 *
 *	source                                agent
 *	HELLO    who, version, features   ──> who, version, features
 *	PROBE…   bytes to be timed        ──> (answers the last one)
 *	OPEN     id, wishes, description  ──> facts, home, what stands in the way
 *	AREA                              ──> resumed?
 *	PASS     first | next | last      ──> (tree frames) counts
 *	CONFIG                            ──>
 *	HOLD     shall it run?            ──>	from here on a dead link changes nothing there
 *	COMMIT                            ──> done | refused
 *	UNDO                              ──>	instead of COMMIT, any time before it
 *	ASK      id, verdict              ──> state	a new connection, after a crash
 *	BYE                               ──>
 *
 * Encoders append to a buf; decoders are pure, cap everything, leave the struct
 * empty on failure and must consume the payload exactly.
 */
#ifndef MOVE_MSG_H
#define MOVE_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"
#include "commit/journal.h"
#include "engine/engine.h"
#include "plan/facts.h"
#include "plan/need.h"
#include "wire/frame.h"

struct msg_hello {
	uint32_t version;
	uint32_t features;
	uint32_t silence_ms; /* after so long without a frame the link counts as dead */
	char *host;    /* its own name for itself */
	char *program; /* version text, for the log */
};

enum open_flags {
	OPEN_KEEP_DST = 1u << 0,
	OPEN_DRY_RUN = 1u << 1,
	OPEN_ONLINE = 1u << 2,
	OPEN_KEEP_ALWAYS = 1u << 3, /* h -> c: the area is kept on every failure */
};

struct msg_open {
	char id[JOURNAL_ID_MAX]; /* of this migration */
	uint32_t flags;
	char *source;		 /* what to call the other server in journals */
	struct ct_desc desc;
	struct need need;
};

struct msg_opened {
	struct facts facts;  /* with the home it would have there, or why not */
	struct strv stale;   /* unfinished migrations of that container here */
};

enum pass_kind { PASS_FIRST = 1, PASS_NEXT = 2, PASS_LAST = 3 };

struct msg_pass {
	enum pass_kind kind;
	uint16_t n_streams;
};

/* LOST: undo it even when it may have run, if its memory was lost there (dest_lacks_memory). */
enum verdict { VERDICT_ASK = 0, VERDICT_UNDO = 1, VERDICT_COMMIT = 2, VERDICT_LOST = 3 };

struct msg_ask {
	char id[JOURNAL_ID_MAX];
	enum verdict verdict;
};

struct msg_asked {
	enum journal_state state;
	struct err why; /* of a verdict that could not be carried out, or ERR_NONE */
};

struct msg_committed {
	bool done;	/* false: refused, undone there; why tells */
	struct err why; /* done but with a complaint, or the refusal; or ERR_NONE */
};

void msg_hello_put(struct buf *b, const struct msg_hello *m);
int msg_hello_get(const struct frame *f, struct msg_hello *m, struct err *e);
void msg_hello_fini(struct msg_hello *m);

void msg_open_put(struct buf *b, const struct msg_open *m);
int msg_open_get(const struct frame *f, struct msg_open *m, struct err *e);
void msg_open_fini(struct msg_open *m);

void msg_opened_put(struct buf *b, const struct msg_opened *m);
int msg_opened_get(const struct frame *f, struct msg_opened *m, struct err *e);
void msg_opened_fini(struct msg_opened *m);

void msg_pass_put(struct buf *b, const struct msg_pass *m);
int msg_pass_get(const struct frame *f, struct msg_pass *m, struct err *e);

void msg_ask_put(struct buf *b, const struct msg_ask *m);
int msg_ask_get(const struct frame *f, struct msg_ask *m, struct err *e);
void msg_asked_put(struct buf *b, const struct msg_asked *m);
int msg_asked_get(const struct frame *f, struct msg_asked *m, struct err *e);

void msg_committed_put(struct buf *b, const struct msg_committed *m);
int msg_committed_get(const struct frame *f, struct msg_committed *m, struct err *e);

/* A single yes or no: AREA's answer, HOLD's request. */
int msg_bool_get(const struct frame *f, bool *out, struct err *e);

#endif
