/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The committer: commits that share a transaction, one of them refused; order; a full disk; sudden death.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "mgmt/commit/commit.h"
#include "tests/unit/store/own_mounts.h"
#include "tests/unit/store/store_dir.h"
#include "tests/unit/store/store_model.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const uint8_t apex[] = "\7example\3com";
static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/stele-test-commit-XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	store_dir_remove(dir);
	return 0;
}

/* Also in a child, where nobody hears an assertion. */
static void require(bool condition, const char *what, const struct stele_error *err)
{
	if (condition)
		return;
	fprintf(stderr, "not so: %s (%s)\n", what, err->text);
	_exit(1);
}

static struct stele_store *open_store(void)
{
	struct stele_store *store = NULL;
	struct stele_error err = {""};
	require(stele_store_open(dir, STELE_STORE_CREATE, &store, &err) == 0, "store opened", &err);
	return store;
}

/* ---- a commit that adds one owner ---- */

struct addition {
	struct stele_commit commit;
	uint32_t number;
	uint32_t padding_sz; /* bytes of data beside it */
	int verdict;         /* what apply returns, after it has written */
	atomic_int *left;    /* of those that are not done */
	int pipe_fd;         /* -1: none */
	/* Outcome. */
	int status;
	uint64_t generation;
	struct stele_error err;
	uint32_t order; /* in which they were applied */
	bool at_home;
};

static atomic_uint apply_cnt;

static size_t key_of(uint32_t number, uint8_t *key)
{
	uint8_t rel[8] = {4};
	stele_put_be32(rel + 1, number);
	return stele_sort_key(rel, 5, key);
}

static int add_owner(struct stele_commit *commit, struct stele_store_write *write,
		     struct stele_error *reterr)
{
	struct addition *addition = (struct addition *)commit;
	uint8_t key[STELE_SORT_KEY_MAX], *node = NULL;
	size_t node_sz = 0, key_len = key_of(addition->number, key);
	char *text = malloc(251);
	const char *texts[256];

	addition->order = atomic_fetch_add(&apply_cnt, 1);
	memset(text, 'x', 250);
	text[250] = '\0';
	unsigned text_cnt = 1 + addition->padding_sz / 250;
	require(text_cnt <= 256, "it fits", reterr);
	for (unsigned i = 0; i < text_cnt; i++)
		texts[i] = text;
	node_add(&node, &node_sz, STELE_TYPE_TXT, 60, texts, text_cnt, 0);
	struct stele_store_edit edit = {STELE_STORE_NODES, key, key_len, node, node_sz};
	int status = stele_store_zone_edit(write, apex, &edit, 1, NULL, reterr);
	free(node);
	free(text);
	if (status != 0)
		return status;
	if (addition->verdict != 0)
		return stele_fail(reterr, addition->verdict, "%u is not wanted", addition->number);
	return 0;
}

static void added(struct stele_commit *commit, int status, uint64_t generation,
		  const struct stele_error *err)
{
	struct addition *addition = (struct addition *)commit;
	addition->status = status;
	addition->generation = generation;
	addition->at_home = stele_loop_is_here(commit->home);
	addition->err = *err;
	if (addition->pipe_fd >= 0 && status == 0)
		(void)!write(addition->pipe_fd, &addition->number, sizeof(addition->number));
	atomic_fetch_sub(addition->left, 1);
}

/* ---- a store with a committer ---- */

struct world {
	struct stele_store *store;
	struct stele_committer *committer;
	struct stele_loop *loop;
	atomic_int left;
};

static void begin(struct world *world)
{
	struct stele_error err = {""};
	struct stele_store_write *write;
	world->store = open_store();
	require(stele_store_write_begin(world->store, &write, &err) == 0, "write", &err);
	require(bulk_replace(write, apex, 1, 0, false, NULL, &err) == 0, "zone", &err);
	require(stele_store_commit(write, NULL, &err) == 0, "commit", &err);
	require(stele_loop_new("home", &world->loop, &err) == 0, "loop", &err);
	require(stele_loop_start(world->loop, &err) == 0, "start", &err);
	require(stele_committer_new(world->store, &world->committer, &err) == 0, "committer", &err);
	atomic_store(&world->left, 0);
}

static void end(struct world *world)
{
	stele_committer_end(world->committer);
	stele_loop_stop(world->loop);
	stele_loop_join(world->loop);
	stele_loop_drain(world->loop);
	stele_committer_free(world->committer);
	stele_loop_free(world->loop);
	stele_store_close(world->store);
}

static void submit(struct world *world, struct addition *addition, uint32_t number)
{
	addition->commit.apply = add_owner;
	addition->commit.done = added;
	addition->commit.home = world->loop;
	addition->number = number;
	addition->left = &world->left;
	if (addition->pipe_fd == 0)
		addition->pipe_fd = -1;
	atomic_fetch_add(&world->left, 1);
	stele_committer_submit(world->committer, &addition->commit);
}

static void wait_for_all(struct world *world)
{
	while (atomic_load(&world->left) > 0)
		usleep(200);
}

static bool holds(struct stele_store *store, uint32_t number)
{
	struct stele_store_read *read;
	struct stele_zone_info info;
	struct stele_error err = {""};
	uint8_t key[STELE_SORT_KEY_MAX];
	const uint8_t *node;
	size_t node_sz, key_len = key_of(number, key);
	require(stele_store_read_begin(store, &read, &err) == 0, "read", &err);
	require(stele_store_zone_find(read, apex, &info, &err) == 0, "zone found", &err);
	int status = stele_store_node(read, info.id, key, key_len, &node, &node_sz, &err);
	require(status == 0 || status == STELE_E_NOTFOUND, "node", &err);
	stele_store_read_end(read);
	return status == 0;
}

static uint64_t generation_of(struct stele_store *store)
{
	struct stele_store_read *read;
	struct stele_error err = {""};
	require(stele_store_read_begin(store, &read, &err) == 0, "read", &err);
	uint64_t generation = stele_store_generation(read);
	stele_store_read_end(read);
	return generation;
}

/* Keeps the committer waiting, as another process that writes does. */
static struct stele_store_write *hold_up(struct world *world)
{
	struct stele_store_write *write;
	struct stele_error err = {""};
	require(stele_store_write_begin(world->store, &write, &err) == 0, "write", &err);
	return write;
}

/* ---- many threads ---- */

#define THREAD_CNT 4
#define EACH_CNT 120

struct submitter {
	struct world *world;
	pthread_t thread;
	uint32_t first;
	struct addition additions[EACH_CNT];
};

static void *submit_all(void *user)
{
	struct submitter *submitter = user;
	for (uint32_t i = 0; i < EACH_CNT; i++) {
		submitter->additions[i].verdict = i % 10 == 7 ? STELE_E_INPUT : 0;
		submit(submitter->world, &submitter->additions[i], submitter->first + i);
	}
	return NULL;
}

static struct {
	uint64_t last;
	unsigned call_cnt, wrong_cnt;
} watched;

static void on_generation(void *user, uint64_t generation)
{
	struct world *world = user;
	if (generation <= watched.last || !stele_loop_is_here(world->loop))
		watched.wrong_cnt++;
	watched.last = generation;
	watched.call_cnt++;
}

static void test_many(void **state)
{
	(void)state;
	struct world world;
	begin(&world);
	memset(&watched, 0, sizeof(watched));
	stele_committer_watch(world.committer, world.loop, on_generation, &world);
	struct submitter *submitters = calloc(THREAD_CNT, sizeof(*submitters));
	struct stele_store_write *blocker = hold_up(&world);
	for (uint32_t i = 0; i < THREAD_CNT; i++) {
		submitters[i].world = &world;
		submitters[i].first = 1000 * i;
		pthread_create(&submitters[i].thread, NULL, submit_all, &submitters[i]);
	}
	for (unsigned i = 0; i < THREAD_CNT; i++)
		pthread_join(submitters[i].thread, NULL);
	assert_true(stele_committer_depth(world.committer) > 0);
	stele_store_abort(blocker);
	wait_for_all(&world);
	assert_int_equal(stele_committer_depth(world.committer), 0);
	uint64_t generation = generation_of(world.store);
	/* One that was alone when the committer woke up, and two groups at most of the others. */
	assert_in_range(generation, 2, 4);
	for (unsigned i = 0; i < THREAD_CNT; i++) {
		for (unsigned j = 0; j < EACH_CNT; j++) {
			struct addition *addition = &submitters[i].additions[j];
			assert_true(addition->at_home);
			assert_int_equal(addition->status, addition->verdict);
			assert_int_equal(holds(world.store, addition->number),
					 addition->verdict == 0);
			assert_true(j == 0 || addition->order > addition[-1].order);
			assert_in_range(addition->generation, 2, generation);
			if (addition->verdict != 0)
				assert_non_null(strstr(addition->err.text, "is not wanted"));
		}
	}
	end(&world);
	assert_int_equal(watched.last, generation);
	assert_int_equal(watched.wrong_cnt, 0);
	free(submitters);
}

/* ---- alone, and large ones ---- */

static void test_alone(void **state)
{
	(void)state;
	struct world world;
	begin(&world);
	struct addition good = {0}, bad = {.verdict = STELE_E_NOTFOUND};
	submit(&world, &bad, 1);
	wait_for_all(&world);
	assert_int_equal(bad.status, STELE_E_NOTFOUND);
	assert_int_equal(generation_of(world.store), 1);
	submit(&world, &good, 2);
	wait_for_all(&world);
	assert_int_equal(good.status, 0);
	assert_int_equal(good.generation, 2);
	assert_false(holds(world.store, 1));
	assert_true(holds(world.store, 2));
	end(&world);
}

static void test_large_alone(void **state)
{
	(void)state;
	struct world world;
	begin(&world);
	struct addition *additions = calloc(6, sizeof(*additions));
	additions[3].commit.large = true;
	struct stele_store_write *blocker = hold_up(&world);
	submit(&world, &additions[0], 0);
	usleep(20000); /* it is alone, and waits for the lock */
	for (uint32_t i = 1; i < 6; i++)
		submit(&world, &additions[i], i);
	stele_store_abort(blocker);
	wait_for_all(&world);
	static const uint64_t groups[] = {0, 1, 1, 2, 3, 3};
	/* If the first one was not taken by itself, the groups come one earlier. */
	uint64_t first = additions[1].generation - 1;
	for (unsigned i = 1; i < 6; i++)
		assert_int_equal(additions[i].generation, first + groups[i]);
	end(&world);
	free(additions);
}

/* Freed at once: nothing that was submitted is dropped. */
static void test_end(void **state)
{
	(void)state;
	struct world world;
	begin(&world);
	struct addition *additions = calloc(200, sizeof(*additions));
	for (uint32_t i = 0; i < 200; i++)
		submit(&world, &additions[i], i);
	end(&world);
	assert_int_equal(world.left, 0);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(additions[i].status, 0);
	struct stele_store *store = open_store();
	for (uint32_t i = 0; i < 200; i++)
		assert_true(holds(store, i));
	stele_store_close(store);
	free(additions);
	stele_committer_free(NULL);
}

/* ---- a full disk ---- */

static void fill_disk(void)
{
	struct stele_error err = {""};
	struct world world;
	enum { CNT = 300 };
	struct addition *additions = calloc(CNT, sizeof(*additions));
	require(mount("tmpfs", dir, "tmpfs", 0, "size=4m") == 0, "mounted", &err);
	begin(&world);
	struct addition small = {0}, after = {0};
	submit(&world, &small, 5000);
	wait_for_all(&world);
	require(small.status == 0, "the first fits", &err);
	struct stele_store_write *blocker = hold_up(&world);
	for (uint32_t i = 0; i < CNT; i++) {
		additions[i].padding_sz = 60000;
		additions[i].verdict = i % 50 == 49 ? STELE_E_INPUT : 0;
		submit(&world, &additions[i], i);
	}
	stele_store_abort(blocker);
	wait_for_all(&world);
	unsigned failed_cnt = 0;
	for (uint32_t i = 0; i < CNT; i++) {
		struct addition *addition = &additions[i];
		require(holds(world.store, i) == (addition->status == 0), "as told", &err);
		if (addition->status != STELE_E_SYSTEM)
			continue;
		failed_cnt++;
		require(strstr(addition->err.text, "no space left") != NULL, "says why", &err);
	}
	require(failed_cnt > CNT / 2, "the disk was too small", &err);
	submit(&world, &after, 5001);
	wait_for_all(&world);
	require(after.status == 0, "what fits still goes", &err);
	end(&world);
	struct stele_store *store = open_store();
	require(holds(store, 5000) && holds(store, 5001), "both are there", &err);
	stele_store_close(store);
	free(additions);
	require(umount(dir) == 0, "unmounted", &err);
}

static void test_full_disk(void **state)
{
	(void)state;
	own_mounts_run(fill_disk);
}

/* ---- sudden death ---- */

/* Commits without end, and tells on `fd` what was acknowledged. */
static void commit_on(int fd, uint32_t first)
{
	struct world world;
	begin(&world);
	static struct addition additions[64];
	for (uint32_t round = 0;; round++) {
		for (uint32_t i = 0; i < 64; i++) {
			additions[i] = (struct addition){.pipe_fd = fd};
			submit(&world, &additions[i], first + round * 64 + i);
			if (i % 7 == 0)
				sched_yield();
		}
		wait_for_all(&world);
	}
}

static void test_killed(void **state)
{
	(void)state;
	uint32_t told_cnt = 0;
	for (uint32_t round = 0; round < 12; round++) {
		int fds[2];
		assert_int_equal(pipe(fds), 0);
		fflush(NULL);
		pid_t pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(fds[0]);
			commit_on(fds[1], 100000 * round);
		}
		close(fds[1]);
		uint32_t number;
		uint32_t *told = calloc(100000, sizeof(*told)), cnt = 0;
		assert_int_equal(read(fds[0], &told[cnt++], sizeof(number)), sizeof(number));
		nanosleep(&(struct timespec){.tv_nsec = 1000000L * (1 + round * 7 % 20)}, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (cnt < 100000 && read(fds[0], &number, sizeof(number)) == sizeof(number))
			told[cnt++] = number;
		close(fds[0]);
		struct stele_store *store = open_store();
		for (uint32_t i = 0; i < cnt; i++)
			assert_true(holds(store, told[i]));
		stele_store_close(store);
		free(told);
		told_cnt += cnt;
	}
	print_message("%u commits were acknowledged before 12 sudden deaths\n", told_cnt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
