// SPDX-License-Identifier: MIT
/*
 * The receiver's list as it arrives, to be merged with our own walk.  It is a
 * stranger's: directories and names must come in strictly ascending order, or
 * it is refused.  Only one frame is in memory.
 */
#include "tree/send/impl.h"

#include <string.h>

#include "base/own.h"
#include "wire/proto.h"

struct list_in {
	struct peer *peer;
	struct frame frame;
	struct reader r;
	bool ended;	    /* LIST_END was seen */
	bool begun;	    /* dir is valid */
	struct list_rec rec;
	bool have;	    /* rec is an unread record */
	struct buf dir;	    /* the current directory, with NUL */
	char name[TREE_MAX_NAME + 1]; /* the last name, "" at first */
};

struct list_in *list_in_new(struct peer *peer)
{
	struct list_in *l = xcalloc(1, sizeof(*l));

	l->peer = peer;
	return l;
}

void list_in_free(struct list_in *l)
{
	if (!l)
		return;
	frame_fini(&l->frame);
	buf_fini(&l->dir);
	free(l);
}

static int next_frame(struct list_in *l, struct err *e)
{
	frame_fini(&l->frame);
	if (peer_recv(l->peer, &l->frame, e) < 0)
		return -1;
	if (l->frame.type == PROTO_TREE_LIST_END && !l->frame.len) {
		l->ended = true;
		return 0;
	}
	if (l->frame.type != PROTO_TREE_LIST)
		return err_set(e, ERR_PROTO, "frame type %u arrived where a list was awaited",
			       l->frame.type);
	l->r = reader_of(l->frame.data, l->frame.len);
	return 0;
}

static int check_order(struct list_in *l, struct err *e)
{
	if (l->rec.kind == LIST_DIR &&
	    (!l->begun || tree_path_order((char *)l->dir.data, l->rec.path) <= 0))
		return 0;
	if (l->rec.kind == LIST_ENTRY && l->begun && strcmp(l->name, l->rec.name) < 0)
		return 0;
	return err_set(e, ERR_PROTO, "a list that is not in order arrived");
}

/* Makes rec the next unread record: 1, 0 at the end of the list. */
static int peek(struct list_in *l, struct err *e)
{
	while (!l->have && !l->ended) {
		int got = l->frame.data ? list_get(&l->r, &l->rec, e) : 0;

		if (got < 0)
			return -1;
		if (got == 0 && next_frame(l, e) < 0)
			return -1;
		if (got == 0)
			continue;
		if (check_order(l, e) < 0)
			return -1;
		if (l->rec.kind == LIST_DIR && l->begun &&
		    !strcmp((char *)l->dir.data, l->rec.path))
			continue; /* the same directory goes on in a new frame */
		l->have = true;
	}
	return l->have;
}

static void accept_dir(struct list_in *l)
{
	buf_clear(&l->dir);
	buf_put(&l->dir, l->rec.path, l->rec.path_len + 1);
	l->name[0] = '\0';
	l->begun = true;
	l->have = false;
}

int list_in_dir(struct list_in *l, const char *path, bool *found, struct err *e)
{
	int more;

	*found = false;
	while ((more = peek(l, e)) > 0) {
		if (l->rec.kind == LIST_DIR) {
			int order = tree_path_order(l->rec.path, path);

			if (order > 0)
				return 0;
			accept_dir(l);
			if (order == 0) {
				*found = true;
				return 0;
			}
		} else {
			list_in_next(l);
		}
	}
	return more;
}

int list_in_peek(struct list_in *l, const char **name, const struct list_entry **entry,
		 struct err *e)
{
	int more = peek(l, e);

	if (more <= 0 || l->rec.kind == LIST_DIR)
		return more < 0 ? -1 : 0;
	*name = l->rec.name;
	*entry = &l->rec.entry;
	return 1;
}

void list_in_next(struct list_in *l)
{
	if (l->rec.kind == LIST_ENTRY)
		memcpy(l->name, l->rec.name, strlen(l->rec.name) + 1);
	l->have = false;
}

int list_in_end(struct list_in *l, struct err *e)
{
	int more;

	while ((more = peek(l, e)) > 0) {
		if (l->rec.kind == LIST_DIR)
			accept_dir(l);
		else
			list_in_next(l);
	}
	return more;
}
