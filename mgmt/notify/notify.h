/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_NOTIFY_NOTIFY_H
#define STELE_MGMT_NOTIFY_NOTIFY_H

/*
 * NOTIFY, both ways (RFC 1996).
 *
 * In: a request is checked and answered in its home; the zone then waits in a set, which the main loop
 * empties. A zone that waits already is not put there again, so a storm is as many look-ups as
 * messages, and no more questions to the primary than without it.
 *
 * Out: each remote is told over UDP until it answers, five times to each of its addresses, with pauses of 3 s
 * that double. The addresses take turns. The message of a remote is made and signed at its first try
 * and stays the same for three minutes, so an answer that comes late still counts. What is told is spread
 * over time: no more than a thousand first tries a second. Where 65,536 remotes have not answered yet, the
 * next one waits until one of them does, or is given up.
 *
 * A remote that speaks TLS is told over TLS, as Knot and BIND do it: whoever hides what zones say may want to
 * hide when they change, and at its port nobody listens for datagrams. RFC 9103 leaves that open; for
 * secondaries that take NOTIFY over UDP alone there is `notify_port`. The tries are the same; few
 * connections are open at once, and each is for one message.
 */

#include "mgmt/daemon.h"
#include "mgmt/service/request.h"

/* The set and the sockets of a daemon; kept in daemon->notify. Main loop. */
int stele_notify_new(struct stele_daemon *daemon, struct stele_notify **ret_notify,
		     struct stele_error *reterr);
/* After the service, and after stele_notify_out_end() for each zone. NULL is fine. */
void stele_notify_free(struct stele_notify *notify);

/* Handles a NOTIFY in the request's home: checks access, answers, and tells the main loop. `user` is
 * the daemon. */
void stele_notify_in(void *user, struct stele_request *request);

/* The zone has a serial that its secondaries may not know: tells each. A serial that comes meanwhile takes
 * the place of this one. STELE_E_SYSTEM, STELE_E_NOTFOUND (not in the store). Main loop. */
int stele_notify_out(struct stele_daemon *daemon, struct stele_managed_zone *zone,
		     struct stele_error *reterr);
/* Forgets about it; nothing under way is fine. */
void stele_notify_out_end(struct stele_daemon *daemon, struct stele_managed_zone *zone);

enum stele_notify_state {
	STELE_NOTIFY_WAITING,
	STELE_NOTIFY_ACKNOWLEDGED,
	STELE_NOTIFY_FAILED, /* it refused, or never answered */
};

/* How it stands with one remote. Texts live as long as the zone's next change. */
struct stele_notify_status {
	const char *remote; /* its id */
	enum stele_notify_state state;
	uint32_t serial;
	unsigned try_cnt;
	time_t at;         /* of the last change of state, or the last try */
	const char *error; /* NULL: none */
};

/* Calls `each` for every remote that was told of the zone's last change. Main loop. */
void stele_notify_each(const struct stele_managed_zone *zone,
		       void (*each)(void *user, const struct stele_notify_status *status),
		       void *user);

#endif
