/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/places.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct queue {
	struct stele_place *first, **last;
	unsigned had_cnt, waiting_cnt;
};

/* A server that was once asked is remembered: there are as many as the configuration names. */
struct stele_place_server {
	struct stele_place_server *next; /* in a ring */
	struct stele_config_address address;
	uint16_t port;
	unsigned failure_cnt;
	time_t back_until;
	char reason[160];
	struct queue queues[STELE_PLACE_KIND_CNT];
};

struct stele_places {
	struct event *turn; /* places may be free and somebody waiting */
	time_t (*now)(void *user);
	void *user;
	struct stele_place_server *ring; /* whose turn is next; NULL: none yet */
	unsigned had_cnt[STELE_PLACE_KIND_CNT];
};

static const unsigned all_max[STELE_PLACE_KIND_CNT] = {STELE_PLACE_PROBES_MAX,
						       STELE_PLACE_TRANSFERS_MAX};
static const unsigned server_max[STELE_PLACE_KIND_CNT] = {STELE_PLACE_SERVER_PROBES_MAX,
							  STELE_PLACE_SERVER_TRANSFERS_MAX};

static void give(struct stele_places *places, struct stele_place_server *server,
		 enum stele_place_kind kind)
{
	struct queue *queue = &server->queues[kind];
	struct stele_place *place = queue->first;
	queue->first = place->next;
	if (queue->first == NULL)
		queue->last = &queue->first;
	queue->waiting_cnt--;
	queue->had_cnt++;
	places->had_cnt[kind]++;
	place->had = true;
	place->ready(place);
}

/* One place for each server in turn, until there is none, or nobody to take it. */
static void serve(struct stele_places *places, enum stele_place_kind kind)
{
	struct stele_place_server *last = NULL;
	while (places->had_cnt[kind] < all_max[kind]) {
		struct stele_place_server *server = places->ring;
		places->ring = server->next;
		struct queue *queue = &server->queues[kind];
		if (queue->first != NULL && queue->had_cnt < server_max[kind]) {
			give(places, server, kind);
			last = NULL;
		} else if (server == last) {
			return; /* a whole round in vain */
		} else if (last == NULL) {
			last = server;
		}
	}
}

static void on_turn(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	struct stele_places *places = user;
	for (unsigned kind = 0; kind < STELE_PLACE_KIND_CNT; kind++)
		if (places->ring != NULL)
			serve(places, kind);
}

/* From the loop, not from here: who leaves a place because nothing came of it may be one of thousands. */
static void wake(struct stele_places *places)
{
	event_active(places->turn, EV_TIMEOUT, 0);
}

int stele_places_new(struct event_base *base, time_t (*now)(void *user), void *user,
		     struct stele_places **ret_places, struct stele_error *reterr)
{
	struct stele_places *places = calloc(1, sizeof(*places));
	if (places != NULL)
		places->turn = evtimer_new(base, on_turn, places);
	if (places == NULL || places->turn == NULL) {
		free(places);
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for transfers");
	}
	places->now = now;
	places->user = user;
	*ret_places = places;
	return 0;
}

void stele_places_free(struct stele_places *places)
{
	if (places == NULL)
		return;
	event_free(places->turn);
	struct stele_place_server *server = places->ring;
	while (server != NULL) {
		struct stele_place_server *next = server->next;
		free(server);
		server = next == places->ring ? NULL : next;
	}
	free(places);
}

static struct stele_place_server *find(const struct stele_places *places,
				       const struct stele_config_address *address, uint16_t port)
{
	struct stele_place_server *server = places->ring;
	if (server == NULL)
		return NULL;
	do {
		if (server->port == port &&
		    memcmp(&server->address, address, sizeof(*address)) == 0)
			return server;
		server = server->next;
	} while (server != places->ring);
	return NULL;
}

static struct stele_place_server *
find_or_add(struct stele_places *places, const struct stele_config_address *address, uint16_t port)
{
	struct stele_place_server *server = find(places, address, port);
	if (server != NULL)
		return server;
	server = calloc(1, sizeof(*server));
	if (server == NULL)
		return NULL;
	server->address = *address;
	server->port = port;
	for (unsigned kind = 0; kind < STELE_PLACE_KIND_CNT; kind++)
		server->queues[kind].last = &server->queues[kind].first;
	if (places->ring == NULL)
		places->ring = server->next = server;
	server->next = places->ring->next;
	places->ring->next = server;
	return server;
}

int stele_place_enter(struct stele_places *places, struct stele_place *place,
		      enum stele_place_kind kind, const struct stele_config_address *address,
		      uint16_t port, struct stele_error *reterr)
{
	struct stele_place_server *server = find_or_add(places, address, port);
	if (server == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for transfers");
	struct queue *queue = &server->queues[kind];
	place->server = server;
	place->kind = kind;
	place->had = false;
	place->next = NULL;
	*queue->last = place;
	queue->last = &place->next;
	queue->waiting_cnt++;
	wake(places);
	return 0;
}

void stele_place_leave(struct stele_places *places, struct stele_place *place)
{
	if (place->server == NULL)
		return;
	struct queue *queue = &place->server->queues[place->kind];
	if (place->had) {
		queue->had_cnt--;
		places->had_cnt[place->kind]--;
		wake(places);
	} else {
		struct stele_place **at = &queue->first;
		while (*at != place)
			at = &(*at)->next;
		*at = place->next;
		if (queue->last == &place->next)
			queue->last = at;
		queue->waiting_cnt--;
	}
	place->server = NULL;
	place->had = false;
}

void stele_places_failed(struct stele_places *places, const struct stele_config_address *address,
			 uint16_t port, const char *reason)
{
	struct stele_place_server *server = find(places, address, port);
	time_t now = places->now(places->user);
	/* Many zones find it out together: that counts once. */
	if (server == NULL || server->back_until > now)
		return;
	time_t wait = STELE_PLACE_BACK_S;
	for (unsigned i = 0; i < server->failure_cnt && wait < STELE_PLACE_BACK_MAX_S; i++)
		wait *= 2;
	server->failure_cnt++;
	server->back_until = now + (wait < STELE_PLACE_BACK_MAX_S ? wait : STELE_PLACE_BACK_MAX_S);
	strncpy(server->reason, reason, sizeof(server->reason) - 1);
}

void stele_places_answered(struct stele_places *places, const struct stele_config_address *address,
			   uint16_t port)
{
	struct stele_place_server *server = find(places, address, port);
	if (server == NULL)
		return;
	server->failure_cnt = 0;
	server->back_until = 0;
}

const char *stele_places_stands_back(const struct stele_places *places,
				     const struct stele_config_address *address, uint16_t port)
{
	const struct stele_place_server *server = find(places, address, port);
	if (server == NULL || server->back_until <= places->now(places->user))
		return NULL;
	return server->reason;
}

void stele_places_counts(const struct stele_places *places, struct stele_places_counts *ret_counts)
{
	memset(ret_counts, 0, sizeof(*ret_counts));
	const struct stele_place_server *server = places->ring;
	if (server == NULL)
		return;
	do {
		for (unsigned kind = 0; kind < STELE_PLACE_KIND_CNT; kind++) {
			ret_counts->had[kind] += server->queues[kind].had_cnt;
			ret_counts->waiting[kind] += server->queues[kind].waiting_cnt;
		}
		server = server->next;
	} while (server != places->ring);
}
