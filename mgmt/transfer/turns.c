/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/turns.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct queue {
	struct stele_turn *first, *last;
	unsigned had_cnt, waiting_cnt;
};

/* A server that was once asked is remembered: there are as many as the configuration names. */
struct stele_turn_server {
	struct stele_turn_server *next; /* in a ring */
	struct stele_config_address address;
	uint16_t port;
	unsigned failure_cnt;
	time_t back_until;
	char reason[160];
	struct queue queues[STELE_TURN_KIND_CNT];
};

struct stele_turns {
	struct event *turn; /* places may be free and somebody waiting */
	time_t (*now)(void *user);
	void *user;
	struct stele_turn_server *ring; /* whose turn is next; NULL: none yet */
	unsigned had_cnt[STELE_TURN_KIND_CNT];
};

static const unsigned all_max[STELE_TURN_KIND_CNT] = {STELE_TURN_PROBES_MAX,
						      STELE_TURN_TRANSFERS_MAX};
static const unsigned server_max[STELE_TURN_KIND_CNT] = {STELE_TURN_SERVER_PROBES_MAX,
							 STELE_TURN_SERVER_TRANSFERS_MAX};

/* Whoever gives up may be one of a hundred thousand that wait, so it is not looked for. */
static void take_out(struct queue *queue, struct stele_turn *turn)
{
	*(turn->before != NULL ? &turn->before->next : &queue->first) = turn->next;
	*(turn->next != NULL ? &turn->next->before : &queue->last) = turn->before;
	queue->waiting_cnt--;
}

static void give(struct stele_turns *turns, struct stele_turn_server *server,
		 enum stele_turn_kind kind)
{
	struct queue *queue = &server->queues[kind];
	struct stele_turn *turn = queue->first;
	take_out(queue, turn);
	queue->had_cnt++;
	turns->had_cnt[kind]++;
	turn->had = true;
	turn->ready(turn);
}

/* One place for each server in turn, until there is none, or nobody to take it. */
static void serve(struct stele_turns *turns, enum stele_turn_kind kind)
{
	struct stele_turn_server *last = NULL;
	while (turns->had_cnt[kind] < all_max[kind]) {
		struct stele_turn_server *server = turns->ring;
		turns->ring = server->next;
		struct queue *queue = &server->queues[kind];
		if (queue->first != NULL && queue->had_cnt < server_max[kind]) {
			give(turns, server, kind);
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
	struct stele_turns *turns = user;
	for (unsigned kind = 0; kind < STELE_TURN_KIND_CNT; kind++)
		if (turns->ring != NULL)
			serve(turns, kind);
}

/* From the loop, not from here: who leaves a place because nothing came of it may be one of thousands. */
static void wake(struct stele_turns *turns)
{
	event_active(turns->turn, EV_TIMEOUT, 0);
}

int stele_turns_new(struct event_base *base, time_t (*now)(void *user), void *user,
		    struct stele_turns **ret_turns, struct stele_error *reterr)
{
	struct stele_turns *turns = calloc(1, sizeof(*turns));
	if (turns != NULL)
		turns->turn = evtimer_new(base, on_turn, turns);
	if (turns == NULL || turns->turn == NULL) {
		free(turns);
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for transfers");
	}
	turns->now = now;
	turns->user = user;
	*ret_turns = turns;
	return 0;
}

void stele_turns_free(struct stele_turns *turns)
{
	if (turns == NULL)
		return;
	event_free(turns->turn);
	struct stele_turn_server *server = turns->ring;
	while (server != NULL) {
		struct stele_turn_server *next = server->next;
		free(server);
		server = next == turns->ring ? NULL : next;
	}
	free(turns);
}

static struct stele_turn_server *find(const struct stele_turns *turns,
				      const struct stele_config_address *address, uint16_t port)
{
	struct stele_turn_server *server = turns->ring;
	if (server == NULL)
		return NULL;
	do {
		if (server->port == port &&
		    memcmp(&server->address, address, sizeof(*address)) == 0)
			return server;
		server = server->next;
	} while (server != turns->ring);
	return NULL;
}

static struct stele_turn_server *
find_or_add(struct stele_turns *turns, const struct stele_config_address *address, uint16_t port)
{
	struct stele_turn_server *server = find(turns, address, port);
	if (server != NULL)
		return server;
	server = calloc(1, sizeof(*server));
	if (server == NULL)
		return NULL;
	server->address = *address;
	server->port = port;
	if (turns->ring == NULL)
		turns->ring = server->next = server;
	server->next = turns->ring->next;
	turns->ring->next = server;
	return server;
}

int stele_turn_wait(struct stele_turns *turns, struct stele_turn *turn, enum stele_turn_kind kind,
		    const struct stele_config_address *address, uint16_t port,
		    struct stele_error *reterr)
{
	struct stele_turn_server *server = find_or_add(turns, address, port);
	if (server == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for transfers");
	struct queue *queue = &server->queues[kind];
	turn->server = server;
	turn->kind = kind;
	turn->had = false;
	turn->before = queue->last;
	turn->next = NULL;
	*(queue->last != NULL ? &queue->last->next : &queue->first) = turn;
	queue->last = turn;
	queue->waiting_cnt++;
	wake(turns);
	return 0;
}

void stele_turn_leave(struct stele_turns *turns, struct stele_turn *turn)
{
	if (turn->server == NULL)
		return;
	struct queue *queue = &turn->server->queues[turn->kind];
	if (turn->had) {
		queue->had_cnt--;
		turns->had_cnt[turn->kind]--;
		wake(turns);
	} else {
		take_out(queue, turn);
	}
	turn->server = NULL;
	turn->had = false;
}

/* Not for longer than anybody is left alone: the clock may have gone back meanwhile. */
static bool stands_back(const struct stele_turn_server *server, time_t now)
{
	return server->back_until > now && server->back_until <= now + STELE_TURN_BACK_MAX_S;
}

void stele_turns_failed(struct stele_turns *turns, const struct stele_config_address *address,
			uint16_t port, const char *reason)
{
	struct stele_turn_server *server = find(turns, address, port);
	time_t now = turns->now(turns->user);
	/* Many zones find it out together: that counts once. */
	if (server == NULL || stands_back(server, now))
		return;
	time_t wait = STELE_TURN_BACK_S;
	for (unsigned i = 0; i < server->failure_cnt && wait < STELE_TURN_BACK_MAX_S; i++)
		wait *= 2;
	server->failure_cnt++;
	server->back_until = now + (wait < STELE_TURN_BACK_MAX_S ? wait : STELE_TURN_BACK_MAX_S);
	strncpy(server->reason, reason, sizeof(server->reason) - 1);
}

void stele_turns_answered(struct stele_turns *turns, const struct stele_config_address *address,
			  uint16_t port)
{
	struct stele_turn_server *server = find(turns, address, port);
	if (server == NULL)
		return;
	server->failure_cnt = 0;
	server->back_until = 0;
}

const char *stele_turns_stands_back(const struct stele_turns *turns,
				    const struct stele_config_address *address, uint16_t port)
{
	const struct stele_turn_server *server = find(turns, address, port);
	if (server == NULL || !stands_back(server, turns->now(turns->user)))
		return NULL;
	return server->reason;
}

void stele_turns_counts(const struct stele_turns *turns, struct stele_turns_counts *ret_counts)
{
	memset(ret_counts, 0, sizeof(*ret_counts));
	const struct stele_turn_server *server = turns->ring;
	if (server == NULL)
		return;
	do {
		for (unsigned kind = 0; kind < STELE_TURN_KIND_CNT; kind++) {
			ret_counts->had[kind] += server->queues[kind].had_cnt;
			ret_counts->waiting[kind] += server->queues[kind].waiting_cnt;
		}
		server = server->next;
	} while (server != turns->ring);
}
