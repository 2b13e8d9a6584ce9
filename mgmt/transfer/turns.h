/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_TURNS_H
#define STELE_MGMT_TRANSFER_TURNS_H

/*
 * Turns: how many questions and transfers are under way at once, and which server had better be left
 * alone for a while.
 *
 * Who wants to ask a server waits in that server's queue. Servers have their turn one after another, and
 * each only so many places, so that one which does not answer holds up no zone of the others. A server
 * that was not reached stands back, longer each time; who asks it meanwhile is told so at once, since ten
 * thousand zones need not find out one by one.
 *
 * Belongs to one loop. A `ready` is always called from the loop, never from within a call.
 */

#include "lib/base/error.h"
#include "lib/config/config.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

enum stele_turn_kind {
	STELE_TURN_PROBE,    /* a question for a SOA */
	STELE_TURN_TRANSFER, /* until it is committed: it holds the zone in memory */
	STELE_TURN_KIND_CNT,
};

/*
 * In all, and of one server. With fewer probes ten thousand zones take minutes after a restart, with more
 * a small primary loses datagrams. Servers often allow ten transfers at once and refuse the
 * eleventh; each may hold memory for a whole zone here.
 */
#define STELE_TURN_PROBES_MAX 256
#define STELE_TURN_SERVER_PROBES_MAX 64
#define STELE_TURN_TRANSFERS_MAX 32
#define STELE_TURN_SERVER_TRANSFERS_MAX 8

/* How long a server stands back: doubled with each failure. */
#define STELE_TURN_BACK_S 2
#define STELE_TURN_BACK_MAX_S 300

struct stele_turns;
struct stele_turn_server;

/* Embedded in whatever waits; all zeros at first. */
struct stele_turn {
	void (*ready)(struct stele_turn *turn); /* the place is had, until it is left */

	/* Private: */
	struct stele_turn_server *server; /* NULL: neither waits nor has one */
	enum stele_turn_kind kind;
	bool had;
	struct stele_turn *before, *next; /* while it waits */
};

/* `now` tells seconds; of any clock. */
int stele_turns_new(struct event_base *base, time_t (*now)(void *user), void *user,
		    struct stele_turns **ret_turns, struct stele_error *reterr);
void stele_turns_free(struct stele_turns *turns); /* nobody waits; NULL is fine */

/* Waits for a place; `turn->ready` is set, and there must be no other wait. STELE_E_SYSTEM. */
int stele_turn_wait(struct stele_turns *turns, struct stele_turn *turn, enum stele_turn_kind kind,
		    const struct stele_config_address *address, uint16_t port,
		    struct stele_error *reterr);

/* Gives it back, or waits no longer; nothing where there is neither. */
void stele_turn_leave(struct stele_turns *turns, struct stele_turn *turn);

/* The server was not reached (the reason is kept), or has answered. */
void stele_turns_failed(struct stele_turns *turns, const struct stele_config_address *address,
			uint16_t port, const char *reason);
void stele_turns_answered(struct stele_turns *turns, const struct stele_config_address *address,
			  uint16_t port);

/* Why the server stands back at the moment; NULL: it does not. Lives until the next call. */
const char *stele_turns_stands_back(const struct stele_turns *turns,
				    const struct stele_config_address *address, uint16_t port);

/* How many have a place, and how many wait for one. */
struct stele_turns_counts {
	unsigned had[STELE_TURN_KIND_CNT], waiting[STELE_TURN_KIND_CNT];
};
void stele_turns_counts(const struct stele_turns *turns, struct stele_turns_counts *ret_counts);

#endif
