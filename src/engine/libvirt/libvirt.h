/* SPDX-License-Identifier: MIT */
/*
 * engine/libvirt/libvirt.h - virtual machines of libvirt (qemu:///system) as things that move.
 *
 * To the mover a machine is what a container is.  Its private area is a directory with
 * its disks:
 *
 *	source       /run/pmigrate/vm/NAME, seen by this process only: its disks and their
 *		     backing files, wherever they lie, bind-mounted beside each other
 *	destination  /var/lib/libvirt/images/NAME (or --dst/NAME), really
 *
 *	STOPPED shut off · RUNNING running · HELD started and paused before its first
 *	instruction, so that all that can go wrong has gone well before COMMIT
 *
 * libvirt is asked by virsh, which every server with libvirt has.  It knows no lock: while a
 * migration is undecided the machine does not start by itself (autostart is off and
 * remembered in VM_DIR/NAME.autostart), and no other migration takes it.
 */
#ifndef ENGINE_LIBVIRT_LIBVIRT_H
#define ENGINE_LIBVIRT_LIBVIRT_H

#include "engine/engine.h"
#include "engine/libvirt/domxml.h"

extern const struct engine_ops libvirt_engine;

#define LIBVIRT_AREAS  "/run/pmigrate/vm"
#define LIBVIRT_IMAGES "/var/lib/libvirt/images"
#define LIBVIRT_STATE  "/var/lib/pmigrate/vm"

enum { LIBVIRT_XML_MAX = 60 << 10 };

/* --- libvirt.c: virsh -------------------------------------------------------------- */

/* `virsh WORDS…`; its output, the caller's (out may be NULL). */
int libvirt_ask(const char *const *words, const char *input, char **out, struct err *e);
#define libvirt_do(e, ...) libvirt_ask((const char *const[]){ __VA_ARGS__, NULL }, NULL, NULL, e)

/* Is `word` one of the lines that `virsh WORDS…` prints?  1, 0, -1. */
int libvirt_has_line(const char *word, const char *const *words, struct err *e);
#define libvirt_listed(word, e, ...) \
	libvirt_has_line(word, (const char *const[]){ __VA_ARGS__, NULL }, e)

/* Its description when it is shut off.  The caller's. */
char *libvirt_xml(const char *name, struct err *e);

int libvirt_state(const struct ct *ct, enum ct_state *out, struct err *e);

/* "NAME.autostart" is there: it shall start by itself, but not now. */
char *libvirt_autostart_note(const char *name);
/* "NAME.area" holds the directory that a move made for it here. */
char *libvirt_area_note(const char *name);

/* --- libvirt_files.c: disks -------------------------------------------------------- */

struct libvirt_file {
	char *path;    /* on the source; NULL at the destination */
	char *name;    /* in the area: letters, digits, -_. */
	char *format;
	char *backing; /* the name in the area of the file that it builds on, or NULL */
	uint64_t size; /* as the guest sees it */
};

/* What travels as ct_desc.config: the files, then the description, whose disks are at "@/NAME". */
struct libvirt_files {
	struct libvirt_file *file;
	size_t n;
	bool autostart;
	char *xml;
};

#define own_libvirt_files __attribute__((cleanup(libvirt_files_fini)))
void libvirt_files_fini(struct libvirt_files *f);

/* All files of the machine's disks, with those they build on; xml is made of them. */
int libvirt_files_find(const char *xml, const struct domxml *d, struct libvirt_files *out,
		       struct err *e);
/* The caller's. */
char *libvirt_files_text(const struct libvirt_files *f);
/* Pure.  Names of a peer: none leads out of the area. */
int libvirt_files_parse(const char *text, struct libvirt_files *out, struct err *e);
/* The description for this name and area.  The caller's. */
char *libvirt_files_place(const struct libvirt_files *f, const char *name, const char *area,
			  struct err *e);

/* Makes the area of the source: bind mounts that only this process and its children see. */
int libvirt_files_stage(const struct libvirt_files *f, const char *area, struct err *e);

/* --- libvirt_live.c: libvirt's own live migration ---------------------------------- */

/*
 * Destination.  Empty disks for it to fill, and the directory of the sockets by which it
 * comes.  Only what disks of the machine name: what they build on is put into them.
 */
int libvirt_expect(const struct ct *ct, const struct ct_desc *d, const char *sockets,
		   struct err *e);
/* The socket that libvirt listens on here; static, or NULL. */
const char *libvirt_socket(void);
/* Destination, when nobody drives the migration any more.  1: it has arrived, and is ours. */
int libvirt_arrived(const struct ct *ct, struct err *e);

/* Source.  A way to the destination: three sockets in `sockets`, "libvirt", "memory", "disks",
 * that lead there; the same paths there. */
struct libvirt_trip {
	const char *name, *new_name;
	const char *area;	/* there */
	const char *sockets;
	const char *config;	/* ct_desc.config: the disks' names there */
	uint64_t limit_bps;	/* 0: none */
};

/* virsh's whole command; the descriptions of the machine there are written beside the sockets. */
int libvirt_migrate_argv(struct strv *out, const struct libvirt_trip *t, struct err *e);

struct libvirt_job {
	uint64_t total, done; /* bytes of memory and disks */
	uint64_t disk_done, memory_done;
	uint64_t downtime_ms, rounds, dirty_bps;
};

/* Of `virsh domjobinfo --rawstats`.  Pure. */
void libvirt_job_parse(const char *text, struct libvirt_job *out);
/* Of the migration that is going on, or of the last one. */
int libvirt_job(const char *name, bool completed, struct libvirt_job *out, struct err *e);

/* --- libvirt_home.c ---------------------------------------------------------------- */

int libvirt_describe(const struct ct *ct, struct ct_desc *out, struct err *e);
int libvirt_plan_home(const struct ct_desc *d, struct ct *out, struct err *e);
int libvirt_adopt(const struct ct *ct, const struct ct_desc *d, struct err *e);
int libvirt_disown(const struct ct *ct, struct err *e);
int libvirt_retire(const struct ct *ct, bool remove, struct err *e);
int libvirt_stay(const struct ct *ct, struct err *e);
/* 1: a machine of this name is there, and it is the one whose disks lie in the area. */
int libvirt_is_ours(const struct ct *ct, struct err *e);

#endif
