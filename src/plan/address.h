/* SPDX-License-Identifier: MIT */
/*
 * plan/address.h - the address operands of the command line.
 *
 *	address(h)    [user[:password]@]host[:port]
 *	address(c|v)  [[user[:password]@]host[:port]/]NAME
 *	host          name, 192.0.2.1, [2001:db8::1], 2001:db8::1 (then no port)
 *	NAME          CTID, name, engine:name; on the source also a list: 101,102;
 *	              of a virtual machine also the path of its disk: /srv/vm.qcow2,
 *	              and HOST//srv/vm.qcow2 on another server
 *
 * Everything before the last '@' is user and password, so that a password may
 * hold '@', ':' and '/'; a name therefore never holds an '@'.  "localhost",
 * 127.0.0.1 and ::1 without a port are this server (where.host NULL); with a
 * port they are reached by ssh like any other.
 *
 * A destination may leave out the name, which makes a word without '/'
 * ambiguous.  It is a name when it is a CTID, has an engine's prefix, or comes
 * from a physical server (h -> c); otherwise it is a host.  ".../NAME" and
 * "HOST/" always say which.
 *
 * Pure; fuzzed (tests/fuzz/fuzz_address.c).
 */
#ifndef PLAN_ADDRESS_H
#define PLAN_ADDRESS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strv.h"
#include "plan/job.h"

enum {
	ADDRESS_ID_MAX = 2147483644,
	ADDRESS_NAME_MAX = 255,
	ADDRESS_LIST_MAX = 512, /* containers in one call */
};

/*
 * Which operand is it?  A source of kind c or v must have a name; `from` is the
 * source's kind when a destination is parsed.
 */
enum address_side { ADDRESS_SOURCE, ADDRESS_DESTINATION };

/*
 * Parses `text` into *out (address_fini it in every case).  The password in
 * `text` is overwritten with '*' before this returns, on failure too, and
 * never appears in an error.
 */
int address_parse(char *text, enum address_side side, enum kind kind, enum kind from,
		  struct address *out, struct err *e);
void address_fini(struct address *a);

/* Overwrites the password of anything that looks like an address with one: for
 * words that will not be parsed because the command line is wrong anyway. */
void address_wipe(char *text);

/* "root@b:2222/101": without the password.  The caller's. */
char *address_text(const struct address *a);

/* A CTID: decimal, 1..ADDRESS_ID_MAX, no leading zero. */
bool address_is_id(const char *name);
/* A container's name: letters, digits, '-', '_', '.', '\\' and single blanks inside,
 * not beginning with '-' or '.', not all digits. */
bool address_is_name(const char *name);
/* Splits "podman:web" at its prefix: returns the part behind it; *engine is a fresh
 * string, or NULL when there is none. */
const char *address_engine(const char *name, char **engine);
/* "101,web,podman:db" -> its members; each valid, none twice. */
int address_list(const char *names, struct strv *out, struct err *e);

#endif
