/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DAEMON_PRIVILEGES_H
#define STELE_LIB_DAEMON_PRIVILEGES_H

/*
 * Root is needed to take hold of ports, huge pages and the exception interface, not to serve.
 */

#include "lib/base/error.h"

#include <sys/types.h>

/* What may be kept besides nothing. */
enum stele_privilege {
	STELE_KEEP_NET =
		1, /* CAP_NET_ADMIN, CAP_NET_RAW: the drivers of bifurcated NICs change rules and
			      * queues of a running port through the kernel */
	STELE_KEEP_BIND = 2, /* CAP_NET_BIND_SERVICE: ports below 1024 */
};

/*
 * Closes the way back for the calling thread and those that it makes later: no program that they run gets privileges
 * that they have not, as setuid ones would. To be called before there are other threads.
 */
void stele_privileges_bar_return(void);

/*
 * Gives up root for `user` and that user's group, in all threads, and bars the return. The calling
 * thread, and those that it makes later, keep what `keep` says (enum stele_privilege); threads that
 * are there already keep nothing. Does nothing when the process is not root. STELE_E_INPUT: no such
 * user; STELE_E_SYSTEM.
 */
int stele_privileges_drop(const char *user, unsigned keep, struct stele_error *reterr);

/* For a check of what `user` may read, who has to be there: becomes that user, where root does this, and keeps nothing.
 * Errors as above. */
int stele_privileges_try(const char *user, struct stele_error *reterr);

/* The group of `user`, which may be NULL; (gid_t)-1 if there is none. Not for several threads at once. */
gid_t stele_privileges_group(const char *user);

#endif
