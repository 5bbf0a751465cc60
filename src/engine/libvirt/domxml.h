/* SPDX-License-Identifier: MIT */
/*
 * engine/libvirt/domxml.h - the description of a virtual machine as libvirt writes it.
 *
 * Read is what a move must know, changed are the places that depend on the server: the
 * name, the files of its disks.  All other text stays as it is, byte for byte, and so
 * does whatever libvirt may add to its format.  Pure; fuzzed.
 */
#ifndef ENGINE_LIBVIRT_DOMXML_H
#define ENGINE_LIBVIRT_DOMXML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

/* A piece of the text that can be replaced; len 0 and at 0: there is none. */
struct domxml_span {
	size_t at, len;
};

struct domxml_disk {
	char *type;   /* "file", "block", "network" … */
	char *device; /* "disk", "cdrom" … */
	char *file;   /* its path, or NULL */
	char *target; /* "vda" */
	char *format; /* "qcow2", or NULL */
	bool readonly, shareable;
	struct domxml_span file_span, backing_span;
};

struct domxml {
	char *name, *uuid;
	char *kind;	/* "kvm", "qemu" */
	char *nvram;	/* its file, or NULL */
	struct domxml_disk *disk;
	size_t n_disks;
	struct strv needs;	/* files of the server: emulator, kernel, firmware */
	struct strv networks;	/* of libvirt */
	struct strv bridges;	/* interfaces of the server */
	struct strv obstacles;	/* what of the server is handed through to it: "hostdev" … */
	struct domxml_span name_span, uuid_span, nvram_span;
};

#define own_domxml __attribute__((cleanup(domxml_fini)))
void domxml_fini(struct domxml *d);

/* ERR_BROKEN when it is none.  *out is empty after a failure. */
int domxml_parse(const char *xml, struct domxml *out, struct err *e);

/* Its own disks in files: what moves.  False: an image of a CD, a shared disk, … */
bool domxml_moves(const struct domxml_disk *disk);

/*
 * The same text with another name, another uuid, file[i] as the path of disk i and another nvram;
 * each, and the list, NULL: as it is.  What was noted of backing files is left out: libvirt finds
 * them.  The caller's.
 */
char *domxml_place(const char *xml, const struct domxml *d, const char *name, const char *uuid,
		   const char *const *file, const char *nvram);

#endif
