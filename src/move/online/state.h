/* SPDX-License-Identifier: MIT */
/* move/online/state.h - what the source of an online move has open; see online_source.h. */
#ifndef MOVE_ONLINE_STATE_H
#define MOVE_ONLINE_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "criu/save/save.h"
#include "engine/engine.h"
#include "mem/send.h"
#include "mem/track/serve.h"
#include "mem/track/track.h"
#include "move/online/net.h"
#include "net/neighs.h"
#include "net/traffic/backlog.h"
#include "net/traffic/hold.h"
#include "tree/exclude.h"
#include "tree/send/send.h"

struct online {
	struct ct_parts parts;
	struct save *save;
	struct track *track;
	struct sender *sender;
	bool iterate, lazy;	/* how the memory goes */
	struct online_net net;
	struct neighs neighs;	/* that it knows; bridged only */
	struct hold hold;	/* packets for it wait here meanwhile */
	struct backlog backlog; /* its listening sockets */
	struct serve *serve;	/* lazy: what is asked for is given by a thread */
	pthread_t serve_thread;
	int serve_ret;
	struct err serve_err;
	bool was_stopped;	/* for a round of memory: journaled */
	int usual_nice, gentle_nice; /* see online_be_gentle */
	bool followed;		/* it has all its memory there */
	bool cut;		/* network or processes were stopped by us */
	struct tree_source *place[64];
	size_t n_places;
	uint64_t frozen_ns, saved_ns, sent_ns, restored_ns;
	double freeze_ms, dump_ms, memory_ms, files_ms, places_ms;
	char note[256];		/* why it went otherwise than asked; "" */
};

#define ONLINE_INIT { .hold = HOLD_INIT, .backlog = BACKLOG_INIT, .net = ONLINE_NET_INIT }

#endif
