/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/clients.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKET_CNT 4096 /* more than clients that are there at once, but for attacks */

struct client {
	struct client *next;
	uint64_t key[2]; /* the address; of IPv6, its first half */
	uint32_t cnt;
};

struct clients {
	pthread_mutex_t lock;
	uint64_t seed[2];
	struct client *buckets[BUCKET_CNT];
};

struct clients *clients_new(void)
{
	struct clients *clients = calloc(1, sizeof(*clients));

	if (!clients)
		return NULL;
	if (getrandom(clients->seed, sizeof(clients->seed), 0) != sizeof(clients->seed)) {
		free(clients);
		return NULL;
	}
	pthread_mutex_init(&clients->lock, NULL);
	return clients;
}

void clients_free(struct clients *clients)
{
	if (!clients)
		return;
	pthread_mutex_destroy(&clients->lock);
	free(clients);
}

static void make_key(const struct stele_config_address *address, uint64_t key[2])
{
	key[0] = address->family;
	key[1] = 0;
	memcpy(&key[1], address->addr, address->family == 4 ? 4 : 8);
}

static struct client **bucket_of(struct clients *clients, const uint64_t key[2])
{
	/* Keyed, so that nobody can choose addresses that meet in one bucket. */
	unsigned __int128 product =
		(unsigned __int128)(key[1] ^ clients->seed[0]) * (clients->seed[1] | 1);
	uint64_t mixed = (uint64_t)product ^ (uint64_t)(product >> 64);

	return &clients->buckets[(mixed >> 20 ^ key[0]) % BUCKET_CNT];
}

struct client *clients_enter(struct clients *clients, const struct stele_config_address *address,
			     uint32_t max)
{
	uint64_t key[2];

	make_key(address, key);
	pthread_mutex_lock(&clients->lock);
	struct client **bucket = bucket_of(clients, key);
	struct client *client = *bucket;
	while (client && memcmp(client->key, key, sizeof(key)) != 0)
		client = client->next;
	if (!client && max > 0) {
		client = calloc(1, sizeof(*client));
		if (client) {
			memcpy(client->key, key, sizeof(key));
			client->next = *bucket;
			*bucket = client;
		}
	} else if (client && client->cnt >= max) {
		client = NULL;
	}
	if (client)
		client->cnt++;
	pthread_mutex_unlock(&clients->lock);
	return client;
}

void clients_leave(struct clients *clients, struct client *client)
{
	pthread_mutex_lock(&clients->lock);
	if (--client->cnt == 0) {
		struct client **at = bucket_of(clients, client->key);
		while (*at != client)
			at = &(*at)->next;
		*at = client->next;
		free(client);
	}
	pthread_mutex_unlock(&clients->lock);
}
