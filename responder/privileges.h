/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_PRIVILEGES_H
#define STELE_RESPONDER_PRIVILEGES_H

/*
 * Root is needed to take hold of ports, huge pages and the exception interface, not to serve.
 */

#include "lib/base/error.h"

#include <stdbool.h>

/*
 * Gives up root for `user` and that user's group, in all threads, without a way back. The calling
 * thread alone keeps CAP_NET_ADMIN and CAP_NET_RAW if `keep_net` is set: the drivers of bifurcated
 * NICs change rules and queues of a running port through the kernel. Workers keep nothing. Does
 * nothing when the process is not root. STELE_E_INPUT: no such user; STELE_E_SYSTEM.
 */
int stele_privileges_drop(const char *user, bool keep_net, struct stele_error *reterr);

#endif
