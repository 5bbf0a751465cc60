/* SPDX-License-Identifier: MIT */
/*
 * engine/disk/vmdisk.h - the disks of a virtual machine that is shut off, read as files.
 *
 * libguestfs reads them: raw, qcow2 (snapshots, backing files), vmdk, vdi; partitions,
 * LVM, RAID; every file system its kernel knows.  Its kernel is a small machine of
 * its own: a broken or hostile file system harms that one and not this server.
 * Disks are opened read-only.
 *
 * This folder knows what to ask and what the answers mean; who runs it, here or by ssh
 * where the disk is, is into/image.c.
 */
#ifndef ENGINE_DISK_VMDISK_H
#define ENGINE_DISK_VMDISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

/* A disk file and its format, as libguestfs calls it; NULL: it may look itself. */
struct vmdisk_image {
	char *path;
	char *format;
};

struct vmdisk_mount {
	char *device; /* "/dev/vg/root", "btrfsvol:/dev/sda2/@" */
	char *dir;    /* "/", then by length */
};

/* What the inspection found.  All texts owned. */
struct vmdisk {
	struct vmdisk_mount *mount;
	size_t n_mounts;
	char *distro, *hostname, *arch, *product;
	unsigned major, minor;
	uint64_t kib, inodes; /* used on all its file systems */
	struct strv addresses, nameservers;
	struct strv filesystems; /* "DEVICE TYPE", all there are */
	struct strv swapfiles;
	struct strv stamps; /* of the disks' files: others when they were written to */
};

#define own_vmdisk __attribute__((cleanup(vmdisk_fini)))
void vmdisk_fini(struct vmdisk *d);

/*
 * A program for sh; its arguments are guestfish's for the disks (vmdisk_args).
 * It prints what vmdisk_parse reads.
 */
extern const char vmdisk_inspect[];

/* Another, with the same arguments: does anybody use or change the disks now?  For
 * vmdisk_is_idle. */
extern const char vmdisk_idle[];

/* "--format=qcow2 -a FILE" of each. */
void vmdisk_args(struct strv *out, const struct vmdisk_image *images, size_t n);

/* guestfish's whole command that writes all files as a tar to stdout. */
void vmdisk_tar_argv(struct strv *out, const struct vmdisk_image *images, size_t n,
		     const struct vmdisk *d);

/*
 * Reads the answers; `what` is the disk in messages.  Refused: no system on it
 * (ERR_ABSENT), Windows, encryption, more than one system, a file system that was not
 * unmounted or is not there (ERR_UNSUPPORTED), a disk that is in use (ERR_LOCKED).  Pure; *out is empty after a failure.
 */
int vmdisk_parse(const char *text, const char *what, struct vmdisk *out, struct err *e);

/*
 * Reads what vmdisk_idle prints: are the disks used by nobody (else ERR_LOCKED), and as they
 * were when they were inspected (else ERR_COPY)?  Pure.
 */
int vmdisk_is_idle(const struct vmdisk *d, const char *text, struct err *e);

/* The addresses that a network configuration of any distribution sets, added to out each
 * once: ifupdown, ifcfg, netplan, networkd, NetworkManager.  Pure. */
void vmdisk_addresses(const char *text, struct strv *out);
/* The name servers that it sets. */
void vmdisk_nameservers(const char *text, struct strv *out);
/* Adds n bytes of text when they are an address that others can reach, once.  Pure. */
void vmdisk_add_address(const char *word, size_t n, struct strv *out);

/* The format by the first bytes of a disk (at least 512): "qcow2", "vmdk", "vdi", else
 * "raw".  Pure. */
const char *vmdisk_format(const uint8_t head[static 512]);

/* The configuration of a Container for it, as vzhwcalc writes one; the caller's.
 * mem_kib and cpus 0: not known. */
char *vmdisk_config(const struct vmdisk *d, uint64_t mem_kib, unsigned cpus);

/* `virsh domblklist --details`: the files and devices of its disks, without cdroms. */
void vmdisk_of_virsh(const char *text, struct strv *paths);
/* `virsh dominfo`: does it start with its server? */
bool vmdisk_autostart_of_virsh(const char *text);
/* `virsh dominfo`: "CPU(s):" and "Max memory: N KiB"; 0 for what it does not say. */
void vmdisk_size_of_virsh(const char *text, unsigned *cpus, uint64_t *mem_kib);
/* `virsh domifaddr`: the first address; NULL when there is none.  The caller's. */
char *vmdisk_address_of_virsh(const char *text);

#endif
