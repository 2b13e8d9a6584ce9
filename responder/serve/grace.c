/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/serve/grace.h"

#include "responder/serve/serve.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#if STELE_SERVE_NOTES
#include <sanitizer/tsan_interface.h>
static int quiescence;
void stele_serve_note_quiescent(void)
{
	__tsan_release(&quiescence);
}
static void note_grace(void)
{
	__tsan_acquire(&quiescence);
}
#else
void stele_serve_note_quiescent(void)
{
}
static void note_grace(void)
{
}
#endif

struct stele_grace {
	pthread_mutex_t lock; /* over all below */
	pthread_cond_t over;
	uint64_t begun, ended; /* numbers of grace periods */
	bool waiting;          /* the thread is under way */
	bool joinable;
	pthread_t thread;
};

struct stele_grace *stele_grace_new(void)
{
	struct stele_grace *grace = calloc(1, sizeof(*grace));
	pthread_condattr_t attributes;
	if (grace == NULL)
		return NULL;
	pthread_mutex_init(&grace->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&grace->over, &attributes);
	pthread_condattr_destroy(&attributes);
	return grace;
}

/* Until there is nothing to wait for. One wait is good for all that was begun before it. */
static void *wait_for_readers(void *arg)
{
	struct stele_grace *grace = arg;
	pthread_mutex_lock(&grace->lock);
	while (grace->ended < grace->begun) {
		uint64_t number = grace->begun;
		pthread_mutex_unlock(&grace->lock);
		urcu_qsbr_synchronize_rcu();
		note_grace();
		pthread_mutex_lock(&grace->lock);
		grace->ended = number;
		pthread_cond_broadcast(&grace->over);
	}
	grace->waiting = false;
	pthread_mutex_unlock(&grace->lock);
	return NULL;
}

static void join(struct stele_grace *grace)
{
	if (grace->joinable)
		pthread_join(grace->thread, NULL);
	grace->joinable = false;
}

void stele_grace_free(struct stele_grace *grace)
{
	if (grace == NULL)
		return;
	join(grace);
	pthread_cond_destroy(&grace->over);
	pthread_mutex_destroy(&grace->lock);
	free(grace);
}

uint64_t stele_grace_begin(struct stele_grace *grace)
{
	pthread_mutex_lock(&grace->lock);
	uint64_t number = ++grace->begun;
	bool starts = !grace->waiting;
	grace->waiting = true;
	pthread_mutex_unlock(&grace->lock);
	if (!starts)
		return number;
	join(grace);
	grace->joinable = pthread_create(&grace->thread, NULL, wait_for_readers, grace) == 0;
	/* Without threads, the wait has no bound. */
	if (!grace->joinable)
		wait_for_readers(grace);
	return number;
}

int stele_grace_await(struct stele_grace *grace, uint64_t number, uint32_t timeout_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&grace->lock);
	while (grace->ended < number &&
	       pthread_cond_timedwait(&grace->over, &grace->lock, &until) == 0)
		;
	bool over = grace->ended >= number;
	pthread_mutex_unlock(&grace->lock);
	/* The thread's note of the grace period comes to us with the lock. */
	return over ? 0 : STELE_E_STALE;
}
