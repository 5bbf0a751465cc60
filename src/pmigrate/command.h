/* SPDX-License-Identifier: MIT */
/*
 * pmigrate/command.h - the program's subcommands.  Each takes argv with its own
 * name first, and returns the exit code.
 */
#ifndef PMIGRATE_COMMAND_H
#define PMIGRATE_COMMAND_H

#include "plan/event.h"
#include "pmigrate/options.h"

/* pmigrate TYPE ADDRESS TYPE ADDRESS [options] */
int command_migrate(int argc, char **argv);
/* One migration whose worker is this server (see pmigrate/relay.h). */
int command_migrate_here(const struct options *o, struct events *ev, struct err *e);
/* vzp2v [options] --ctid ID ADDRESS */
int command_vzp2v(int argc, char **argv);
/* pmigrate recover [--commit|--undo] [--quiet] [ID] */
int command_recover(int argc, char **argv);
/* pmigrate status [--all] [--batch] */
int command_status(int argc, char **argv);
/* pmigrate agent [--join ID]: started by ssh. */
int command_agent(int argc, char **argv);
/* pmigrate relay: started by ssh, carries out what another server was asked for. */
int command_relay(int argc, char **argv);

#endif
