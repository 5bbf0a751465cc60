/* SPDX-License-Identifier: MIT */
/*
 * engine/vz/identity.h - what makes a machine itself: /etc/machine-id and sshd's host keys.  A template that carries
 * them gives all its containers the same.
 */
#ifndef ENGINE_VZ_IDENTITY_H
#define ENGINE_VZ_IDENTITY_H

/*
 * `tree` is a new container's, which has never run.  A machine-id becomes empty, which is how systemd is asked for a new
 * one (machine-id(5)); host keys are made anew by the tree's own ssh-keygen.  What was there and what became of it is
 * told by log lines; nothing is an error.
 */
void vz_identity_renew(const char *tree, const char *id);

#endif
