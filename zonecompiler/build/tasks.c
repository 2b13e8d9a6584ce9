/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/build/internal.h"

#include <stdlib.h>
#include <string.h>

void build_task_free(struct build_task *task)
{
	free(task->from);
	free(task->to);
	task->from = NULL;
	task->to = NULL;
}

int build_task_add(struct build *build, const struct build_task *task, struct stele_error *reterr)
{
	pthread_mutex_lock(&build->lock);
	if (build->task_cnt == build->task_cap) {
		size_t cap = build->task_cap > 0 ? 2 * build->task_cap : 64;
		struct build_task *tasks = realloc(build->tasks, cap * sizeof(*tasks));
		if (tasks == NULL) {
			pthread_mutex_unlock(&build->lock);
			return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
		}
		build->tasks = tasks;
		build->task_cap = cap;
	}
	build->tasks[build->task_cnt++] = *task;
	pthread_cond_signal(&build->more);
	pthread_mutex_unlock(&build->lock);
	return 0;
}

bool build_task_next(struct build *build, struct build_task *ret_task, bool had_one)
{
	bool found = false;
	pthread_mutex_lock(&build->lock);
	build->running -= had_one;
	while (!build->failed && build->task_next == build->task_cnt && build->running > 0) {
		atomic_fetch_add_explicit(&build->hungry, 1, memory_order_relaxed);
		pthread_cond_wait(&build->more, &build->lock);
		atomic_fetch_sub_explicit(&build->hungry, 1, memory_order_relaxed);
	}
	if (!build->failed && build->task_next < build->task_cnt) {
		*ret_task = build->tasks[build->task_next++];
		build->running++;
		found = true;
	} else {
		pthread_cond_broadcast(&build->more);
	}
	pthread_mutex_unlock(&build->lock);
	return found;
}

void build_fail(struct build *build, int status, const struct stele_error *error)
{
	pthread_mutex_lock(&build->lock);
	if (!build->failed) {
		build->status = status;
		build->error = *error;
		atomic_store(&build->failed, true);
	}
	pthread_cond_broadcast(&build->more);
	pthread_mutex_unlock(&build->lock);
}
