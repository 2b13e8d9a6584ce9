/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_PLACES_H
#define STELE_MGMT_TRANSFER_PLACES_H

/*
 * Places: how many questions and transfers are under way at once, and which server had better be left
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

enum stele_place_kind {
	STELE_PLACE_PROBE,    /* a question for a SOA */
	STELE_PLACE_TRANSFER, /* until it is committed: it holds the zone in memory */
	STELE_PLACE_KIND_CNT,
};

/*
 * In all, and of one server. With fewer probes ten thousand zones take minutes after a restart, with more
 * a small primary loses datagrams. Servers often allow ten transfers at once and refuse the
 * eleventh; each may hold memory for a whole zone here.
 */
#define STELE_PLACE_PROBES_MAX 256
#define STELE_PLACE_SERVER_PROBES_MAX 64
#define STELE_PLACE_TRANSFERS_MAX 32
#define STELE_PLACE_SERVER_TRANSFERS_MAX 8

/* How long a server stands back: doubled with each failure. */
#define STELE_PLACE_BACK_S 2
#define STELE_PLACE_BACK_MAX_S 300

struct stele_places;
struct stele_place_server;

/* Embedded in whatever waits; all zeros at first. */
struct stele_place {
	void (*ready)(struct stele_place *place); /* the place is had, until it is left */

	/* Private: */
	struct stele_place_server *server; /* NULL: neither waits nor has one */
	enum stele_place_kind kind;
	bool had;
	struct stele_place *next;
};

/* `now` tells seconds; of any clock. */
int stele_places_new(struct event_base *base, time_t (*now)(void *user), void *user,
		     struct stele_places **ret_places, struct stele_error *reterr);
void stele_places_free(struct stele_places *places); /* nobody waits; NULL is fine */

/* Waits for a place; `place->ready` is set, and there must be no other wait. STELE_E_SYSTEM. */
int stele_place_enter(struct stele_places *places, struct stele_place *place,
		      enum stele_place_kind kind, const struct stele_config_address *address,
		      uint16_t port, struct stele_error *reterr);

/* Gives it back, or waits no longer; nothing where there is neither. */
void stele_place_leave(struct stele_places *places, struct stele_place *place);

/* The server was not reached (the reason is kept), or has answered. */
void stele_places_failed(struct stele_places *places, const struct stele_config_address *address,
			 uint16_t port, const char *reason);
void stele_places_answered(struct stele_places *places, const struct stele_config_address *address,
			   uint16_t port);

/* Why the server stands back at the moment; NULL: it does not. Lives until the next call. */
const char *stele_places_stands_back(const struct stele_places *places,
				     const struct stele_config_address *address, uint16_t port);

/* How many have a place, and how many wait for one. */
struct stele_places_counts {
	unsigned had[STELE_PLACE_KIND_CNT], waiting[STELE_PLACE_KIND_CNT];
};
void stele_places_counts(const struct stele_places *places, struct stele_places_counts *ret_counts);

#endif
