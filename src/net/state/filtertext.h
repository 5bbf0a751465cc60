/* SPDX-License-Identifier: MIT */
/*
 * net/state/filtertext.h - may this text of a container's packet filters be given to nft(8), iptables-restore(8)?  Pure.
 *
 * The tools write names and comments as the kernel has them, and a container's root can give the kernel any bytes: also
 * lines that the tools at the destination, which run as its root, would take for orders.  Those that concern more than the
 * container's own filters are: reading another file (include, of nft), and loading a module of the tool by a path (-m and -j of
 * iptables).
 */
#ifndef NET_STATE_FILTERTEXT_H
#define NET_STATE_FILTERTEXT_H

#include <stdbool.h>

bool filtertext_nft_is_fine(const char *text);
bool filtertext_ipt_is_fine(const char *text);

#endif
