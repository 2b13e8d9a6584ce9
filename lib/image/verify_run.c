/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of a verification: threads of a pass, the one fault that counts, tallies. */
#include "lib/image/verify.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Above this, threads wait for memory and not for processors. */
#define WORKERS_MAX 64u

static struct verify *new_worker(struct verify_run *run)
{
	struct verify *v = calloc(1, sizeof(*v));
	if (v != NULL) {
		v->run = run;
		v->view = run->view;
		v->reterr = &v->error;
	}
	return v;
}

int stele_verify_begin(struct verify_run *run, unsigned threads, struct stele_error *reterr)
{
	unsigned cnt = threads > WORKERS_MAX ? WORKERS_MAX : threads;
	cnt = cnt > 0 ? cnt : 1;
	run->worker_cnt = 0;
	run->workers = calloc(cnt, sizeof(struct verify *));
	run->out = calloc(1, sizeof(*run->out));
	bool whole = run->workers != NULL && run->out != NULL;
	for (; whole && run->worker_cnt < cnt; run->worker_cnt++) {
		run->workers[run->worker_cnt] = new_worker(run);
		whole = run->workers[run->worker_cnt] != NULL;
		if (!whole)
			break;
	}
	if (whole) {
		run->out->shard_cnt = run->view->shard_cnt;
		run->out->name_shard_cnt = UINT64_C(1) << run->view->name_bits;
		run->out->chains = calloc(run->out->shard_cnt, sizeof(*run->out->chains));
		run->out->counts = calloc(run->out->name_shard_cnt, sizeof(struct verify_counts *));
		whole = run->out->chains != NULL && run->out->counts != NULL;
	}
	if (whole)
		return 0;
	stele_verified_free(run->out);
	stele_verify_end(run);
	return stele_fail_errno(reterr, ENOMEM, "verify");
}

void stele_verify_end(struct verify_run *run)
{
	for (unsigned i = 0; i < run->worker_cnt; i++) {
		free(run->workers[i]->tallies);
		free(run->workers[i]->removed);
		if (i == 0)
			free(run->workers[i]->zones);
		free(run->workers[i]);
	}
	free(run->workers);
	run->workers = NULL;
	run->worker_cnt = 0;
}

int stele_verify_share(struct verify_run *run)
{
	const struct verify *first = run->workers[0];
	for (unsigned i = 0; i < run->worker_cnt; i++) {
		struct verify *v = run->workers[i];
		v->zones = first->zones;
		v->zone_cnt = first->zone_cnt;
		v->tallies = calloc(v->zone_cnt + 1, sizeof(*v->tallies));
		if (v->tallies == NULL)
			return stele_fail_errno(first->reterr, ENOMEM, "tallies of zones");
	}
	return 0;
}

static bool is_empty(const struct verify_tally *tally)
{
	return tally->name_cnt == 0 && tally->rr_cnt == 0 && tally->nsec_cnt == 0 &&
	       tally->nsec_own_cnt == 0 && tally->label_max == 0 && !tally->opt_out;
}

void stele_verify_add_tallies(struct verify_run *run)
{
	struct verify *first = run->workers[0];
	for (unsigned w = 0; w < run->worker_cnt; w++) {
		struct verify_tally *tallies = run->workers[w]->tallies;
		for (size_t i = 0; i < first->zone_cnt; i++) {
			struct verify_zone *zone = first->zones + i;
			if (is_empty(&tallies[i]))
				continue;
			zone->touched = true;
			zone->seen.name_cnt += tallies[i].name_cnt;
			zone->seen.rr_cnt += tallies[i].rr_cnt;
			zone->seen.nsec_cnt += tallies[i].nsec_cnt;
			zone->seen.nsec_own_cnt += tallies[i].nsec_own_cnt;
			zone->seen.opt_out |= tallies[i].opt_out;
			if (tallies[i].label_max > zone->seen.label_max)
				zone->seen.label_max = tallies[i].label_max;
			tallies[i] = (struct verify_tally){0};
		}
	}
}

bool stele_verify_is_new(const struct verify_run *run, uint32_t index)
{
	const struct stele_view *base = run->base;
	if (base == NULL || index >= base->shard_cnt ||
	    base->shards[index].base != run->view->shards[index].base)
		return true;
	const struct stele_shard_ref *a = stele_view_ref(base, index);
	const struct stele_shard_ref *b = stele_view_ref(run->view, index);
	return a->kind != b->kind || memcmp(&a->size, &b->size, sizeof(a->size)) != 0 ||
	       memcmp(&a->item_cnt, &b->item_cnt, sizeof(a->item_cnt)) != 0 ||
	       memcmp(&a->crc, &b->crc, sizeof(a->crc)) != 0 ||
	       memcmp(a->digest, b->digest, sizeof(a->digest)) != 0;
}

/* ---- threads ---- */

struct spread {
	int (*work)(struct verify *v, uint64_t i);
	uint64_t cnt;   /* of all */
	uint64_t next;  /* to be taken */
	uint64_t fault; /* the lowest number with a fault so far; the count of all: none */
	pthread_mutex_t lock;
	int rc;                    /* of `fault` */
	struct stele_error *error; /* of the first worker */
};

struct thread {
	struct spread *spread;
	struct verify *v;
	pthread_t id;
};

static void note_fault(struct spread *s, struct verify *v, uint64_t i, int rc)
{
	pthread_mutex_lock(&s->lock);
	if (i < s->fault) {
		__atomic_store_n(&s->fault, i, __ATOMIC_RELAXED);
		s->rc = rc;
		/* The first worker may be writing into its own: what is final comes from a copy. */
		*s->error = v->error;
	}
	pthread_mutex_unlock(&s->lock);
}

static bool is_given_up(const struct verify_run *run)
{
	return run->given_up != NULL && __atomic_load_n(run->given_up, __ATOMIC_RELAXED);
}

static void show_progress(const struct verify_run *run, uint64_t done, uint64_t total)
{
	const struct stele_verify_options *options = run->options;
	if (options->progress != NULL)
		options->progress(options->user, run->part, done < total ? done : total, total);
}

static void *work(void *arg)
{
	struct thread *thread = arg;
	struct spread *s = thread->spread;
	for (;;) {
		uint64_t i = __atomic_fetch_add(&s->next, 1, __ATOMIC_RELAXED);
		if (thread->v == thread->v->run->workers[0])
			show_progress(thread->v->run, i, s->cnt);
		if (i >= __atomic_load_n(&s->fault, __ATOMIC_RELAXED))
			return NULL;
		int rc = is_given_up(thread->v->run) ?
				 stele_fail(thread->v->reterr, STELE_E_SYSTEM, "given up") :
				 s->work(thread->v, i);
		if (rc != 0) {
			note_fault(s, thread->v, i, rc);
			return NULL;
		}
	}
}

int stele_verify_spread(struct verify_run *run, uint64_t cnt, bool alone,
			int (*one)(struct verify *v, uint64_t i))
{
	struct stele_error error = {{0}};
	struct spread spread = {
		.work = one,
		.cnt = cnt,
		.fault = cnt,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.error = &error,
	};
	/* The first is this one. */
	struct thread threads[WORKERS_MAX] = {{.spread = &spread, .v = run->workers[0]}};
	unsigned thread_cnt = 0;
	unsigned wanted = alone || cnt < 2 ? 1 : run->worker_cnt;
	for (unsigned i = 1; i < wanted; i++)
		threads[i] = (struct thread){.spread = &spread, .v = run->workers[i]};
	/* Fewer threads than wanted do the same work. */
	while (thread_cnt + 1 < wanted && pthread_create(&threads[thread_cnt + 1].id, NULL, work,
							 threads + thread_cnt + 1) == 0)
		thread_cnt++;
	work(threads);
	for (unsigned i = 1; i <= thread_cnt; i++)
		pthread_join(threads[i].id, NULL);
	pthread_mutex_destroy(&spread.lock);
	if (spread.rc != 0)
		run->workers[0]->error = error;
	return spread.rc;
}
