/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map of the LMDB environment, and the transactions that must not be under way when it moves.
 *
 * LMDB maps its file read-only at a size fixed beforehand, and growing it later needs that
 * no transaction is under way in the process. So the map is made far larger than any store: 1 TiB of
 * address space, which costs nothing (the file stays as small as its contents, and a read-only file
 * mapping is not charged as memory). Where the system gives less (`ulimit -v`, valgrind, the thread
 * sanitizer), half of it is tried, and half of that. Under `ulimit -v` at most half of the
 * limit is asked for, because the heap has to live in the rest. Only then can the map be too small:
 * a write reports that, and a read follows a file that another process has made larger.
 *
 * When the last write of a commit fails, that of the root, LMDB begins nothing more in this process until the
 * environment is opened again. That, too, is done when no transaction is under way.
 */
#include "lib/store/internal.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Of a transaction to begin: opening it again, following the file and others that try all take one. */
#define TRIES_MAX 4

#define MAP_SZ (sizeof(size_t) >= 8 ? (size_t)1 << 40 : (size_t)1 << 30)

size_t store_map_largest(void)
{
	size_t sz = MAP_SZ;
	struct rlimit limit;
	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		while (sz > limit.rlim_cur / 2 && sz > STORE_MAP_SZ_MIN)
			sz /= 2;
	return sz;
}

/*
 * A value lies in a page of the map, and a page begins with its own number; that page 0 is there and is
 * a page of LMDB's is checked with its magic number.
 */
const void *store_map_find(const MDB_val *value, size_t page_sz)
{
	enum { META_HEAD_SZ = 16 };
	const uint8_t *page =
		(const uint8_t *)((uintptr_t)value->mv_data & ~(uintptr_t)(page_sz - 1));
	uint64_t number;
	memcpy(&number, page, sizeof(number));
	if (sizeof(size_t) < 8 || number >= (uintptr_t)page / page_sz || number > UINT32_MAX)
		return NULL;
	const uint8_t *map = page - number * page_sz;
	uint32_t magic = 0;
	uint64_t first;
	if (msync((void *)(uintptr_t)map, page_sz, MS_ASYNC) != 0)
		return NULL; /* nothing is mapped there */
	memcpy(&first, map, sizeof(first));
	memcpy(&magic, map + META_HEAD_SZ, sizeof(magic));
	return first == 0 && magic == 0xbeefc0de ? map : NULL;
}

void stele_store_release_pages(struct stele_store *store)
{
	MDB_envinfo info;
	MDB_stat stat;
	pthread_mutex_lock(&store->lock);
	if (store->map != NULL && mdb_env_info(store->env, &info) == 0 &&
	    mdb_env_stat(store->env, &stat) == 0)
		madvise((void *)(uintptr_t)store->map,
			(info.me_last_pgno + 1) * (size_t)stat.ms_psize, MADV_DONTNEED);
	pthread_mutex_unlock(&store->lock);
}

/* The file has outgrown the map. With the lock held and no transaction under way. */
static int follow_map(struct stele_store *store)
{
	MDB_envinfo info;
	MDB_stat stat;
	int rc = mdb_env_info(store->env, &info);
	if (rc == 0)
		rc = mdb_env_stat(store->env, &stat);
	if (rc != 0)
		return rc;
	size_t used = (info.me_last_pgno + 1) * (size_t)stat.ms_psize;
	size_t sz = 2 * used < store_map_largest() ? 2 * used : store_map_largest();
	store->map = NULL;                        /* only gives up the releasing of pages */
	rc = mdb_env_set_mapsize(store->env, sz); /* never less than what is used */
	if (rc != 0)
		store->unmapped = true;
	return rc;
}

int store_txn_begin(struct stele_store *store, unsigned flags, MDB_txn **ret_txn,
		    struct stele_error *reterr)
{
	for (unsigned tries = 0;; tries++) {
		pthread_mutex_lock(&store->lock);
		bool unmapped = store->unmapped;
		MDB_env *env = store->env;
		store->txn_cnt += !unmapped;
		pthread_mutex_unlock(&store->lock);
		if (unmapped)
			return store_fail(store, reterr, MDB_MAP_FULL, "cannot map the file");
		int rc = env != NULL ? mdb_txn_begin(env, NULL, flags, ret_txn) : MDB_PANIC;
		if (rc == 0)
			return 0;
		int status = 0;
		bool again = tries < TRIES_MAX && (rc == MDB_MAP_RESIZED || rc == MDB_PANIC);
		pthread_mutex_lock(&store->lock);
		store->txn_cnt--;
		bool is_alone = store->txn_cnt == 0;
		if (rc == MDB_PANIC)
			__atomic_store_n(&store->wants_opening, true, __ATOMIC_RELAXED);
		if (again && is_alone && rc == MDB_PANIC)
			status = store_open_again(store, reterr);
		else if (again && is_alone && (rc = follow_map(store)) != 0)
			again = false;
		pthread_mutex_unlock(&store->lock);
		if (status != 0)
			return status;
		if (!again)
			return store_fail(store, reterr, rc == MDB_MAP_RESIZED ? MDB_MAP_FULL : rc,
					  "cannot begin a transaction");
		/* The others may only have tried, and go. */
		if (!is_alone)
			usleep(1000);
	}
}

void store_txn_ended(struct stele_store *store)
{
	pthread_mutex_lock(&store->lock);
	store->txn_cnt--;
	pthread_mutex_unlock(&store->lock);
}
