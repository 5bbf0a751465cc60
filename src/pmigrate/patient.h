/* SPDX-License-Identifier: MIT */
/*
 * pmigrate/patient.h - a stream that never makes the migration wait for its reader.
 *
 * A terminal stopped by ^S, or a program that does not read our pipe, would hold the container frozen with us.  What the reader does
 * not take at once waits in memory, in order, and goes out with a later write or when the stream is closed; closing waits.
 */
#ifndef PMIGRATE_PATIENT_H
#define PMIGRATE_PATIENT_H

#include <stdio.h>

/* Writes to where `to` leads, which stays the caller's and is not to be used meanwhile.  NULL where a reader cannot make us wait (a
 * file), or when it cannot be made: then use `to`. */
FILE *patient_open(FILE *to);

#endif
