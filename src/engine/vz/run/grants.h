/* SPDX-License-Identifier: MIT */
/*
 * engine/vz/run/grants.h - what a container's config gives it beyond the usual: capabilities, devices and directories of
 * the server; and what the config says that we have no means for.
 *
 *	CAPABILITY="SYS_TIME:on mknod:off"	in either case, with CAP_ or without
 *	DEVNODES="net/tun:rw fuse:rw"		a node in its /dev like the server's, and the right to open it
 *	DEVICES="c:10:229:rw"			the right alone; character devices only, for the numbers of disks mean
 *						others on another server
 *	BINDMOUNT="/srv/data:/data,ro"		a directory of the server; a container that has one is not moved
 */
#ifndef ENGINE_VZ_RUN_GRANTS_H
#define ENGINE_VZ_RUN_GRANTS_H

#include <cjson/cJSON.h>

#include "engine/vz/vz.h"

/* "SYS_TIME:on" -> "CAP_SYS_TIME", the caller's, and *on; NULL when there is no such capability, or the word is of
 * another form.  Pure. */
char *vz_capability(const char *word, bool *on);

/* "c:10:229:rw": minor may be "all", which is -1; access is of "rw".  Pure; -1 when it is none, or a disk. */
int vz_device_parse(const char *word, int *major, int *minor, char access[static 4]);

/* Adds to the OCI lists of rules (linux.resources.devices) and nodes (linux.devices).  What this server does not
 * have is left out with a warning. */
void vz_grant_devices(const struct vz *v, cJSON *rules, cJSON *nodes);

/* Adds to the OCI list of mounts; ERR_BINDMOUNT when this server has no such directory. */
int vz_grant_mounts(const struct vz *v, cJSON *mounts, struct err *e);

/* One line for each thing that the config asks for and this engine does not do.  Pure. */
void vz_left_out(const struct conf *c, struct strv *out);

#endif
