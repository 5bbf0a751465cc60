/* SPDX-License-Identifier: MIT */
/*
 * wire/proto.h - every number of the protocol; PROTOCOL.md is the text.
 *
 * A number is never reused and never an internal enum.  Payloads are encoded
 * by the folder named beside the range.  "S" sends to the agent, "A" to the
 * source.
 */
#ifndef WIRE_PROTO_H
#define WIRE_PROTO_H

#include <stdint.h>

#include "base/err.h"

/* The agent says this line first; what comes before it is a login shell's noise. */
#define PROTO_GREETING "PMIGRATE-AGENT-1"

enum {
	PROTO_VERSION = 3,
	PROTO_MAX_FRAME = 1u << 20, /* payload bytes */
	PROTO_MAX_TEXT = 64u << 10, /* any single text */
	PROTO_MAX_PATH = 4095,
};

/* Feature bits of HELLO: behaviour asks for a bit, never for a version. */
enum {
	PROTO_FEATURE_TREE = 1u << 0,
	PROTO_FEATURE_ZSTD = 1u << 1,
	PROTO_FEATURE_ONLINE = 1u << 2,
	PROTO_FEATURE_LAZY = 1u << 3,
	PROTO_FEATURE_STREAMS = 1u << 4,
	PROTO_FEATURES = PROTO_FEATURE_TREE | PROTO_FEATURE_STREAMS, /* what this program can do */
};

enum proto_type {
	/* wire/: 1..15 */
	PROTO_PING = 1,	 /* both; empty; sign of life, swallowed by peer_recv */
	PROTO_LOG = 2,	 /* A; level, text */
	PROTO_ABORT = 3, /* both, any time; code, text, hint; the last frame */
	PROTO_REPLY = 4, /* A; answers the request of the same id */

	/* move/: 16..63, requests with one REPLY each */
	PROTO_HELLO = 16,   /* S */
	PROTO_OPEN = 17,    /* S; what comes: the job; answered with findings and facts */
	PROTO_AREA = 18,    /* S; make and lock the private area */
	PROTO_PASS = 19,    /* S; a tree pass begins; tree frames follow */
	PROTO_PASS_END = 20,/* S; all of it sent; answered when applied */
	PROTO_CONFIG = 21,  /* S; the container's configuration and scripts */
	PROTO_HOLD = 22,    /* S; make it ready to run, held */
	PROTO_COMMIT = 23,  /* S; it is yours: let it run */
	PROTO_UNDO = 24,    /* S; put back everything */
	PROTO_ASK = 25,	    /* S; the state of migration ID (recover) */
	PROTO_BYE = 26,	    /* S; done, the agent ends */
	PROTO_PROBE = 27,   /* S; measure the link */
	PROTO_STREAMS = 28, /* S; how many streams will join */
	PROTO_LIVE_OPEN = 29,	 /* S; online: register, hold, take memory */
	PROTO_LIVE_ARM = 30,	 /* S; make ready to restore */
	PROTO_LIVE_PLACE = 31,	 /* S; a tree pass of a memory file system */
	PROTO_LIVE_IMAGE = 32,	 /* S; one-way: pieces of images */
	PROTO_LIVE_RESTORE = 33, /* S; restore, held */
	PROTO_LIVE_WAIT = 34,	 /* S; answered when all memory is in place */
	PROTO_LIVE_MEM_END = 35, /* S; one-way: the last frame of a memory stream */
	PROTO_LIVE_NET = 36,	 /* S; the state of its network; one-way while frozen */
	PROTO_VM_EXPECT = 37,	 /* S; a machine will be moved by its hypervisor; ready */
	PROTO_LIVE_CLOSED = 40,	 /* S; held: connections that its programs had closed already */

	/* tree/: 64..95, one-way unless the table in tree/msg.h says otherwise */
	PROTO_TREE_FIRST = 64,
	PROTO_TREE_BEGIN = 64,	    /* S; a pass begins: its kind */
	PROTO_TREE_STATE = 65,	    /* A; answers BEGIN(first): is the area empty? */
	PROTO_TREE_LIST = 66,	    /* A; part of the receiver's list */
	PROTO_TREE_LIST_END = 67,   /* A */
	PROTO_TREE_BATCH = 68,	    /* S, any stream; records */
	PROTO_TREE_BATCH_ZSTD = 69, /* S, any stream; the same, compressed */
	PROTO_TREE_BARRIER = 70,    /* S, all streams; apply all before, then go on */
	PROTO_TREE_END = 71,	    /* S, all streams; the pass is over */
	PROTO_TREE_SUMS_ASK = 72,   /* S; block hashes of one large file, please */
	PROTO_TREE_SUMS = 73,	    /* A; some of them */
	PROTO_TREE_LAST = 95,

	/* mem/ and criu/: 96..127 */
	PROTO_MEM_FIRST = 96,
	PROTO_MEM_LAST = 127,
};

/* Codes of ABORT.  0 is never sent. */
uint16_t proto_code_of(enum err_code code);
enum err_code proto_code_to_err(uint16_t wire_code);

#endif
