/* SPDX-License-Identifier: MIT */
/*
 * criu/revive_img.h - the images get the memory that CRIU was not shown:
 * private pages as entries for the lazy handler, shared memory as descriptors.
 */
#ifndef CRIU_REVIVE_IMG_H
#define CRIU_REVIVE_IMG_H

#include "base/err.h"
#include "base/strv.h"
#include "criu/save.h"
#include "mem/lazy.h"
#include "mem/store.h"

/* pagemap-PID.img of each process: the pages of its hidden mappings that exist, by the source's
 * list, become lazy; the handler gives it exactly these. */
int revive_pagemaps(int images, const struct hidden_spaces *hidden, struct store *store,
		    struct lazy *lazy, struct err *e);

/*
 * memfd.img: each shared object gets a name of its own; keys->item[i] becomes the key of
 * shared[i] for CRIU ("/memfd:pmigrate.7").  Owner and mode are set on its memory file, which CRIU
 * leaves to us.
 */
int revive_memfds(int images, struct store *store, const uint32_t *shared, size_t n,
		  struct strv *keys, struct err *e);

/* mm-PID.img, files.img: see revive_exe.c. */
int revive_exes(int images, struct err *e);

#endif
