/* SPDX-License-Identifier: Apache-2.0 */
/* Loops: tasks from many threads, their order, between loops, and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mgmt/loop/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct stele_loop *new_loop(const char *name)
{
	struct stele_loop *loop;
	struct stele_error err;
	if (stele_loop_new(name, &loop, &err) != 0)
		fail_msg("%s", err.text);
	return loop;
}

static void start(struct stele_loop *loop)
{
	struct stele_error err;
	if (stele_loop_start(loop, &err) != 0)
		fail_msg("%s", err.text);
}

static void end(struct stele_loop *loop)
{
	stele_loop_stop(loop);
	stele_loop_join(loop);
	stele_loop_free(loop);
}

/* ---- many posters ---- */

#define POSTER_CNT 6
#define TASK_CNT 2000

struct numbered {
	struct stele_task task;
	struct poster *poster;
	unsigned number;
};

struct poster {
	struct stele_loop *loop;
	pthread_t thread;
	unsigned ran_cnt;     /* the loop's */
	unsigned wrong_cnt;   /* out of order, or in another thread */
	atomic_uint *all_cnt; /* of all posters */
	struct numbered tasks[TASK_CNT];
};

static void run_numbered(struct stele_task *task)
{
	struct numbered *numbered = (struct numbered *)task;
	struct poster *poster = numbered->poster;
	if (numbered->number != poster->ran_cnt || !stele_loop_is_here(poster->loop))
		poster->wrong_cnt++;
	poster->ran_cnt++;
	atomic_fetch_add(poster->all_cnt, 1);
}

static void *post_all(void *user)
{
	struct poster *poster = user;
	for (unsigned i = 0; i < TASK_CNT; i++) {
		struct numbered *numbered = &poster->tasks[i];
		numbered->task.run = run_numbered;
		numbered->poster = poster;
		numbered->number = i;
		stele_loop_post(poster->loop, &numbered->task);
		if (i % 64 == 0)
			usleep(10);
	}
	return NULL;
}

/* Each poster's tasks run in its order, in the loop's thread, none of them lost. */
static void test_posters(void **state)
{
	(void)state;
	struct stele_loop *loop = new_loop("a-name-that-is-long");
	struct poster *posters = calloc(POSTER_CNT, sizeof(*posters));
	atomic_uint all_cnt = 0;
	assert_false(stele_loop_is_here(loop));
	start(loop);
	for (unsigned i = 0; i < POSTER_CNT; i++) {
		posters[i].loop = loop;
		posters[i].all_cnt = &all_cnt;
		assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]),
				 0);
	}
	for (unsigned i = 0; i < POSTER_CNT; i++)
		pthread_join(posters[i].thread, NULL);
	/* The last post rang too: without another event the loop gets there by itself. */
	while (atomic_load(&all_cnt) < POSTER_CNT * TASK_CNT)
		usleep(100);
	end(loop);
	for (unsigned i = 0; i < POSTER_CNT; i++) {
		assert_int_equal(posters[i].ran_cnt, TASK_CNT);
		assert_int_equal(posters[i].wrong_cnt, 0);
	}
	free(posters);
}

/* ---- back and forth ---- */

struct ball {
	struct stele_task task;
	struct stele_loop *sides[2];
	unsigned throw_cnt;
	atomic_bool down;
};

static void catch_ball(struct stele_task *task)
{
	struct ball *ball = (struct ball *)task;
	if (ball->throw_cnt == 5000)
		atomic_store(&ball->down, true);
	else
		stele_loop_post(ball->sides[ball->throw_cnt++ % 2], task);
}

/* A task may be posted again from its own run, to another loop or to the same one. */
static void test_between_loops(void **state)
{
	(void)state;
	struct stele_loop *left = new_loop("left"), *right = new_loop("right");
	struct ball across = {.task.run = catch_ball, .sides = {left, right}};
	struct ball alone = {.task.run = catch_ball, .sides = {left, left}};
	start(left);
	start(right);
	stele_loop_post(left, &across.task);
	stele_loop_post(left, &alone.task);
	while (!atomic_load(&across.down) || !atomic_load(&alone.down))
		usleep(100);
	end(left);
	end(right);
}

/* ---- beside other events ---- */

struct timed {
	struct stele_loop *loop;
	struct event *timer;
	struct stele_task task;
	unsigned task_cnt, timer_cnt;
	bool over;
};

static void run_again(struct stele_task *task)
{
	struct timed *timed = (struct timed *)((char *)task - offsetof(struct timed, task));
	timed->task_cnt++;
	if (!timed->over)
		stele_loop_post(timed->loop, task);
}

static void on_timer(evutil_socket_t fd, short events, void *user)
{
	(void)fd;
	(void)events;
	struct timed *timed = user;
	if (++timed->timer_cnt == 3)
		stele_loop_stop(timed->loop);
}

/* A task that posts itself for ever neither starves timers nor keeps the loop from ending. */
static void test_no_starvation(void **state)
{
	(void)state;
	struct timed timed = {.loop = new_loop("main"), .task.run = run_again};
	struct timeval ms = {.tv_usec = 1000};
	timed.timer = event_new(stele_loop_base(timed.loop), -1, EV_PERSIST, on_timer, &timed);
	event_add(timed.timer, &ms);
	stele_loop_post(timed.loop, &timed.task);
	stele_loop_run(timed.loop); /* in this thread */
	assert_int_equal(timed.timer_cnt, 3);
	assert_true(timed.task_cnt > 0);
	assert_false(stele_loop_is_here(timed.loop));
	event_free(timed.timer);
	timed.over = true;
	stele_loop_free(timed.loop);
}

/* ---- the end ---- */

static void count_run(struct stele_task *task)
{
	struct numbered *numbered = (struct numbered *)task;
	numbered->number++;
}

static void test_left_over(void **state)
{
	(void)state;
	struct stele_loop *loop = new_loop("main");
	struct numbered a = {.task.run = count_run}, b = {.task.run = count_run};
	stele_loop_stop(loop);
	stele_loop_run(loop); /* ends at once */
	stele_loop_post(loop, &a.task);
	stele_loop_post(loop, &b.task);
	assert_int_equal(a.number, 0);
	stele_loop_free(loop);
	assert_int_equal(a.number, 1);
	assert_int_equal(b.number, 1);
	stele_loop_free(NULL);
}

struct held {
	struct stele_task task;
	struct stele_loop *loop;
	atomic_bool runs, may_end;
	bool was_here;
};

static void run_held(struct stele_task *task)
{
	struct held *held = (struct held *)task;
	held->was_here = stele_loop_is_here(held->loop);
	atomic_store(&held->runs, true);
	while (!atomic_load(&held->may_end))
		usleep(100);
}

/* What was posted before the stop runs in the loop's thread, also if that is in the middle of a task then. */
static void test_posted_before_the_stop(void **state)
{
	(void)state;
	struct stele_loop *loop = new_loop("state");
	struct held first = {.task.run = run_held, .loop = loop};
	struct held last = {.task.run = run_held, .loop = loop, .may_end = true};
	start(loop);
	stele_loop_post(loop, &first.task);
	while (!atomic_load(&first.runs))
		usleep(100);
	stele_loop_post(loop, &last.task);
	stele_loop_stop(loop);
	atomic_store(&first.may_end, true);
	stele_loop_join(loop);
	assert_true(atomic_load(&last.runs));
	assert_true(last.was_here);
	stele_loop_free(loop);
}

/* A process's signals are for the main loop: other threads have all of them blocked. */
static void take_mask(struct stele_task *task)
{
	struct numbered *numbered = (struct numbered *)task;
	sigset_t set;
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	numbered->number = sigismember(&set, SIGTERM) && sigismember(&set, SIGHUP);
}

static void test_signals_blocked(void **state)
{
	(void)state;
	struct stele_loop *loop = new_loop("service");
	struct numbered mask = {.task.run = take_mask};
	sigset_t set;
	start(loop);
	stele_loop_post(loop, &mask.task);
	end(loop);
	assert_int_equal(mask.number, 1);
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	assert_false(sigismember(&set, SIGTERM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_posters),
		cmocka_unit_test(test_between_loops),
		cmocka_unit_test(test_no_starvation),
		cmocka_unit_test(test_left_over),
		cmocka_unit_test(test_signals_blocked),
		cmocka_unit_test(test_posted_before_the_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
