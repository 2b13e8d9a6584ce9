/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a store: the LMDB environment, its lock file, its databases.
 *
 * Opening twice. The lock file's POSIX locks belong to the process and fall with the first
 * descriptor that is closed, so LMDB must not open one store twice in one process; a list of open
 * stores makes that an error instead of a corruption.
 */
#include "lib/store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* So that the lock file is a whole number of pages: 64 bytes for each, and as much for two more. */
#define READERS_MAX 2046
#define LOCK_FILE_SZ ((READERS_MAX + 8) * 64)

static const char *const db_names[STORE_DB_CNT] = {
	"meta", "zones", "nodes", "nsec3", "changes", "journal",
};

static const char *const meta_names[STORE_META_CNT] = {
	"version", "generation", "next_zone_id", "changes_from", "changes_sz",
};

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct stele_store *open_stores;

/* LMDB reports a write that the file system cut short as EIO, which mostly means a full disk. */
static bool disk_is_full(const char *dir)
{
	struct statvfs fs;
	return statvfs(dir, &fs) == 0 && fs.f_bavail * fs.f_frsize < 1024 * 1024;
}

/* Its name in parentheses: for analysers it is a macro too. */
int(store_fail)(const struct stele_store *store, struct stele_error *err, int rc, const char *what)
{
	const char *why = NULL;
	if (rc == ENOSPC || rc == EDQUOT || (rc == EIO && disk_is_full(store->dir)))
		why = "no space left on the disk";
	else if (rc == MDB_MAP_FULL)
		why = "the address space limit of this process (ulimit -v) leaves no room to grow";
	else if (rc == MDB_READERS_FULL)
		why = "too many reads at the same time";
	else if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND)
		why = "the data is damaged";
	else if (rc == MDB_PANIC)
		why = "an earlier write failed, and others still read (it may be tried again)";
	char detail[128];
	if (why == NULL)
		why = rc > 0 ? strerror_r(rc, detail, sizeof(detail)) : mdb_strerror(rc);
	return stele_fail(err, STELE_E_SYSTEM, "store %s: %s: %s", store->dir, what, why);
}

/* ---- meta ---- */

int store_meta_get(const struct stele_store *store, MDB_txn *txn, enum store_meta row,
		   uint64_t *ret_value)
{
	MDB_val key = {strlen(meta_names[row]), (void *)(uintptr_t)meta_names[row]}, value;
	int rc = mdb_get(txn, store->dbs[STORE_DB_META], &key, &value);
	if (rc == 0 && value.mv_size != 8)
		rc = MDB_CORRUPTED;
	if (rc == 0)
		*ret_value = stele_get_le64(value.mv_data);
	return rc;
}

int store_meta_put(const struct stele_store *store, MDB_txn *txn, enum store_meta row,
		   uint64_t value)
{
	uint8_t bytes[8];
	stele_put_le64(bytes, value);
	MDB_val key = {strlen(meta_names[row]), (void *)(uintptr_t)meta_names[row]};
	MDB_val val = {sizeof(bytes), bytes};
	return mdb_put(txn, store->dbs[STORE_DB_META], &key, &val, 0);
}

static MDB_val identity_key(void)
{
	static char name[] = "identity";
	return (MDB_val){sizeof(name) - 1, name};
}

/* ---- opening ---- */

/* Opens the databases and checks that they are ours. MDB_NOTFOUND if none of them is there, and no text. */
static int open_databases(struct stele_store *store, MDB_txn *txn,
			  uint8_t ret_identity[STORE_IDENTITY_SZ], struct stele_error *reterr)
{
	int rc = mdb_dbi_open(txn, db_names[STORE_DB_META], 0, &store->dbs[STORE_DB_META]);
	if (rc == MDB_NOTFOUND) {
		MDB_dbi main_db;
		MDB_stat stat;
		rc = mdb_dbi_open(txn, NULL, 0, &main_db);
		if (rc == 0)
			rc = mdb_stat(txn, main_db, &stat);
		if (rc != 0)
			return store_fail(store, reterr, rc, "cannot open");
		if (stat.ms_entries != 0)
			return stele_fail(
				reterr, STELE_E_INPUT,
				"%s holds an LMDB database of another program, not a store",
				store->dir);
		return MDB_NOTFOUND;
	}
	uint64_t version = 0;
	if (rc == 0)
		rc = store_meta_get(store, txn, STORE_META_VERSION, &version);
	if (rc == MDB_INCOMPATIBLE || rc == MDB_NOTFOUND || rc == MDB_CORRUPTED)
		return stele_fail(reterr, STELE_E_INPUT,
				  "%s is not a store, or its format version is damaged",
				  store->dir);
	if (rc == 0 && version != STORE_VERSION)
		return stele_fail(
			reterr, STELE_E_INPUT,
			"store %s has format version %llu (this program knows version %d)",
			store->dir, (unsigned long long)version, STORE_VERSION);
	for (unsigned i = 1; rc == 0 && i < STORE_DB_CNT; i++)
		rc = mdb_dbi_open(txn, db_names[i], 0, &store->dbs[i]);
	MDB_val key = identity_key(), value;
	if (rc == 0)
		rc = mdb_get(txn, store->dbs[STORE_DB_META], &key, &value);
	if (rc == 0 && value.mv_size != STORE_IDENTITY_SZ)
		rc = MDB_CORRUPTED;
	if (rc != 0)
		return store_fail(store, reterr, rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc,
				  "cannot open its databases");
	memcpy(ret_identity, value.mv_data, STORE_IDENTITY_SZ);
	MDB_stat stat;
	if (mdb_env_stat(store->env, &stat) == 0)
		store->map = store_map_find(&value, stat.ms_psize);
	return 0;
}

static int create_databases(struct stele_store *store, MDB_txn *txn, struct stele_error *reterr)
{
	uint8_t identity[STORE_IDENTITY_SZ];
	if (getrandom(identity, sizeof(identity), 0) != sizeof(identity))
		return stele_fail_errno(reterr, errno, "store %s: no random bytes", store->dir);
	int rc = 0;
	for (unsigned i = 0; rc == 0 && i < STORE_DB_CNT; i++)
		rc = mdb_dbi_open(txn, db_names[i], MDB_CREATE, &store->dbs[i]);
	for (unsigned row = 0; rc == 0 && row < STORE_META_CNT; row++) {
		bool is_one = row == STORE_META_NEXT_ZONE_ID;
		uint64_t first = row == STORE_META_VERSION ? STORE_VERSION : is_one;
		rc = store_meta_put(store, txn, row, first);
	}
	MDB_val key = identity_key(), value = {sizeof(identity), identity};
	if (rc == 0)
		rc = mdb_put(txn, store->dbs[STORE_DB_META], &key, &value, 0);
	return rc == 0 ? 0 : store_fail(store, reterr, rc, "cannot make its databases");
}

/* The names in a directory, which what is written to its files does not take to the disk. */
static int sync_dir(const char *dir, struct stele_error *reterr)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0; /* one that may be written to, but not read */
	int error = fsync(fd) == 0 || errno == EINVAL ? 0 :
							errno; /* EINVAL: there is no such thing */
	close(fd);
	return error == 0 ? 0 : stele_fail_errno(reterr, error, "syncing %s", dir);
}

/* Opens the databases, making them first where the mode allows it. */
static int prepare(struct stele_store *store, struct stele_error *reterr)
{
	int cleared;
	mdb_reader_check(store->env, &cleared);
	for (;;) {
		MDB_txn *txn = NULL;
		int rc = store_txn_begin(store, MDB_RDONLY, &txn, reterr);
		if (rc != 0)
			return rc;
		rc = open_databases(store, txn, store->identity, reterr);
		/* Database handles live on only if the transaction that opened them commits. */
		if (rc == 0)
			mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
		store_txn_ended(store);
		if (rc != MDB_NOTFOUND)
			return rc;
		if (store->mode == STELE_STORE_READ)
			return stele_fail(reterr, STELE_E_NOTFOUND, "there is no store in %s",
					  store->dir);

		rc = store_txn_begin(store, 0, &txn, reterr);
		if (rc != 0)
			return rc;
		/* Another process may have come first. */
		rc = open_databases(store, txn, store->identity, reterr);
		if (rc == MDB_NOTFOUND) {
			rc = create_databases(store, txn, reterr);
			if (rc == 0) {
				rc = mdb_txn_commit(txn);
				txn = NULL;
				store->made = rc == 0;
				if (rc != 0)
					rc = store_fail(store, reterr, rc, "cannot make it");
				else
					rc = sync_dir(store->dir, reterr);
			}
		}
		mdb_txn_abort(txn);
		store_txn_ended(store);
		if (rc != 0)
			return rc;
	}
}

static int make_dir(struct stele_store *store, struct stele_error *reterr)
{
	if (mkdir(store->dir, 0777) != 0)
		return errno == EEXIST ?
			       0 :
			       stele_fail_file(reterr, errno, "cannot make the directory %s",
					       store->dir);
	store->made_dir = true;
	char parent[PATH_MAX];
	snprintf(parent, sizeof(parent), "%s/..", store->dir);
	return sync_dir(parent, reterr);
}

/*
 * Blocks for the file, 0 or what errno says. Others may have it open: a file that has bytes keeps their
 * number, by which they know how many readers it has room for, and LMDB makes it longer when nobody has.
 */
static int reserve_blocks(int fd)
{
	struct stat st;
	int error;
	if (fstat(fd, &st) != 0)
		return errno;
	off_t size = st.st_size > LOCK_FILE_SZ ? st.st_size : LOCK_FILE_SZ;
	if (st.st_size > 0 && st.st_blocks * 512 >= size)
		return 0;
	do {
		/* Where there is no such call the C library writes zeros, which only an empty file may get. */
		if (st.st_size == 0)
			error = posix_fallocate(fd, 0, size);
		else
			error = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size) == 0 ? 0 : errno;
	} while (error == EINTR);
	return error == EOPNOTSUPP ? 0 : error;
}

/* A lock file that is made beside data of somebody else is theirs too, as far as we may give it away. */
static void give_to_owner_of(int fd, const struct stat *data)
{
	(void)!fchown(fd, data->st_uid, data->st_gid);
	(void)!fchmod(fd, data->st_mode & 0666);
}

/*
 * LMDB makes the lock file sparse and writes to it through a mapping, which on a full disk would be a
 * SIGBUS; so its blocks are allocated before. A file that is there may have none, since the disk may have
 * been full when it was made. No other store of this process may be in the same directory: to close
 * the file ends the locks by which processes know of each other there (fcntl).
 */
static int make_lock_file(struct stele_store *store, struct stele_error *reterr)
{
	char path[PATH_MAX], data_path[PATH_MAX];
	struct stat data;
	if (snprintf(path, sizeof(path), "%s/lock.mdb", store->dir) >= (int)sizeof(path))
		return stele_fail_errno(reterr, ENAMETOOLONG, "%s", store->dir);
	snprintf(data_path, sizeof(data_path), "%s/data.mdb", store->dir);
	bool has_data = stat(data_path, &data) == 0;
	bool is_reader = store->mode == STELE_STORE_READ;
	if (is_reader && !has_data)
		return 0; /* and LMDB says so */
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	bool is_new = fd >= 0;
	if (!is_new && errno == EEXIST)
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 && is_reader && (errno == EROFS || errno == EACCES))
		return 0; /* LMDB knows what can be done without */
	if (fd < 0)
		return stele_fail_file(reterr, errno, "cannot make %s", path);
	store->made_files = is_new && !has_data;
	if (is_new && has_data)
		give_to_owner_of(fd, &data);
	struct stat st = {0};
	int error = fstat(fd, &st) == 0 ? reserve_blocks(fd) : errno;
	store->lock_dev = st.st_dev;
	store->lock_ino = st.st_ino;
	close(fd);
	return error == 0 ? 0 : stele_fail_errno(reterr, error, "cannot make %s", path);
}

static int open_env(struct stele_store *store, struct stele_error *reterr)
{
	unsigned flags = MDB_NOTLS | (store->mode == STELE_STORE_READ ? MDB_RDONLY : 0);
	for (size_t map_sz = store_map_largest();; map_sz /= 2) {
		MDB_env *env;
		int rc = mdb_env_create(&env);
		if (rc != 0)
			return store_fail(store, reterr, rc, "cannot open");
		mdb_env_set_mapsize(env, map_sz);
		mdb_env_set_maxdbs(env, STORE_DB_CNT);
		mdb_env_set_maxreaders(env, READERS_MAX);
		rc = mdb_env_open(env, store->dir, flags, 0666);
		if (rc == 0) {
			store->env = env;
			return 0;
		}
		mdb_env_close(env);
		if ((rc == ENOMEM || rc == EINVAL || rc == EOVERFLOW) && map_sz > STORE_MAP_SZ_MIN)
			continue;
		/* EBADF: an empty file, of which LMDB would make one if it might write. */
		bool is_empty = rc == EBADF && store->mode == STELE_STORE_READ;
		if (rc == ENOENT || is_empty)
			return stele_fail(reterr, STELE_E_NOTFOUND, "there is no store in %s",
					  store->dir);
		if (rc == ENOTDIR)
			return stele_fail(reterr, STELE_E_INPUT, "%s is not a store", store->dir);
		if (rc == ENOMEM)
			return stele_fail(
				reterr, STELE_E_SYSTEM,
				"store %s: not enough address space to map it (ulimit -v)",
				store->dir);
		if (rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH)
			return stele_fail(reterr, STELE_E_INPUT, "%s/data.mdb is not a store",
					  store->dir);
		return store_fail(store, reterr, rc, "cannot open");
	}
}

/*
 * Whether LMDB has locked the file that is there. Who opened a store while stele_store_discard() took it away waited
 * for the lock of a file that has no name any more, which nobody else will ever ask for.
 */
static int check_lock_file(const struct stele_store *store, struct stele_error *reterr)
{
	char path[PATH_MAX];
	struct stat st;
	snprintf(path, sizeof(path), "%s/lock.mdb", store->dir);
	if (store->lock_ino == 0 ||
	    (stat(path, &st) == 0 && st.st_dev == store->lock_dev && st.st_ino == store->lock_ino))
		return 0;
	return stele_fail(reterr, STELE_E_SYSTEM, "store %s was removed while it was opened",
			  store->dir);
}

/* Opens it without making one: that of another place may have gone. */
static int open_what_is_there(struct stele_store *store, uint8_t ret_identity[STORE_IDENTITY_SZ],
			      struct stele_error *reterr)
{
	char path[PATH_MAX];
	struct stat st;
	MDB_txn *txn = NULL;
	snprintf(path, sizeof(path), "%s/data.mdb", store->dir);
	if (stat(path, &st) != 0)
		return stele_fail_errno(reterr, errno, "%s", path);
	int status = open_env(store, reterr);
	if (status != 0)
		return status;
	int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return store_fail(store, reterr, rc, "cannot begin a transaction");
	status = open_databases(store, txn, ret_identity, reterr);
	if (status == 0)
		mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
	return status == MDB_NOTFOUND ? stele_fail(reterr, STELE_E_SYSTEM, "it is empty") : status;
}

int store_open_again(struct stele_store *store, struct stele_error *reterr)
{
	uint8_t identity[STORE_IDENTITY_SZ];
	struct stele_error detail;
	mdb_env_close(store->env);
	store->env = NULL;
	store->map = NULL;
	int status = open_what_is_there(store, identity, &detail);
	/* Others may look at the store's own meanwhile. */
	if (status == 0 && memcmp(identity, store->identity, sizeof(identity)) != 0)
		status = stele_fail(&detail, STELE_E_SYSTEM, "it is another one by now");
	if (status == 0) {
		__atomic_store_n(&store->wants_opening, false, __ATOMIC_RELAXED);
		return 0;
	}
	mdb_env_close(store->env);
	store->env = NULL;
	store->map = NULL;
	/* Whatever it is, it is no mistake of who wants to read or write. */
	return stele_fail(reterr, STELE_E_SYSTEM, "store %s: cannot be opened again: %s",
			  store->dir, detail.text);
}

static void unregister(struct stele_store *store)
{
	pthread_mutex_lock(&open_lock);
	for (struct stele_store **p = &open_stores; *p != NULL; p = &(*p)->next_open) {
		if (*p == store) {
			*p = store->next_open;
			break;
		}
	}
	pthread_mutex_unlock(&open_lock);
}

static int register_once(struct stele_store *store, struct stele_error *reterr)
{
	struct stat st;
	if (stat(store->dir, &st) != 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return stele_fail(reterr, STELE_E_NOTFOUND, "there is no store in %s",
					  store->dir);
		return stele_fail_errno(reterr, errno, "store %s", store->dir);
	}
	store->dir_dev = st.st_dev;
	store->dir_ino = st.st_ino;
	store->pid = getpid();
	bool is_open = false;
	pthread_mutex_lock(&open_lock);
	for (const struct stele_store *s = open_stores; s != NULL; s = s->next_open)
		if (s->dir_dev == st.st_dev && s->dir_ino == st.st_ino && s->pid == store->pid)
			is_open = true;
	if (!is_open) {
		store->next_open = open_stores;
		open_stores = store;
	}
	pthread_mutex_unlock(&open_lock);
	return is_open ? stele_fail(reterr, STELE_E_USAGE, "store %s is open already", store->dir) :
			 0;
}

/*
 * LMDB holds a shared lock on the first byte of the lock file for each process that has the store open. To hold it
 * alone shows that there is none but this, and keeps others waiting until the files are gone. Locks are the
 * process's: to close `fd` ends them.
 */
static bool is_alone(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	return fcntl(fd, F_SETLK, &lock) == 0;
}

/* Nobody has committed anything but the empty databases; also where LMDB could not open it. */
static bool holds_nothing(const struct stele_store *store, const char *data)
{
	struct stat st;
	MDB_envinfo info;
	if (store->env != NULL)
		return mdb_env_info(store->env, &info) == 0 &&
		       info.me_last_txnid <= (store->made ? 1 : 0);
	/* Two pages are there before the first commit. */
	return stat(data, &st) != 0 || st.st_size <= 2 * sysconf(_SC_PAGESIZE);
}

/*
 * Takes the files away that this open made, and with them the directory if it is of this open too. Others may have done
 * so before, and have made their own since.
 */
static void take_back(const struct stele_store *store)
{
	char data[PATH_MAX], lock[PATH_MAX];
	struct stat st;
	snprintf(data, sizeof(data), "%s/data.mdb", store->dir);
	snprintf(lock, sizeof(lock), "%s/lock.mdb", store->dir);
	int fd = open(lock, O_RDWR | O_CLOEXEC);
	bool is_same = fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == store->lock_dev &&
		       st.st_ino == store->lock_ino;
	if (is_same && is_alone(fd) && holds_nothing(store, data)) {
		unlink(data);
		unlink(lock);
		if (store->made_dir)
			rmdir(store->dir);
	}
	if (fd >= 0)
		close(fd);
}

int stele_store_open(const char *dir, enum stele_store_mode mode, struct stele_store **ret_store,
		     struct stele_error *reterr)
{
	struct stele_store *store = calloc(1, sizeof(*store));
	if (store == NULL)
		return stele_fail_errno(reterr, ENOMEM, "store %s", dir);
	store->mode = mode;
	pthread_mutex_init(&store->lock, NULL);
	int status;
	store->dir = strdup(dir);
	if (store->dir == NULL) {
		status = stele_fail_errno(reterr, ENOMEM, "store %s", dir);
		goto free_store;
	}
	if (mode == STELE_STORE_CREATE && (status = make_dir(store, reterr)) != 0)
		goto remove_dir;
	status = register_once(store, reterr);
	if (status != 0)
		goto remove_dir;
	status = make_lock_file(store, reterr);
	if (status == 0)
		status = open_env(store, reterr);
	if (status == 0)
		status = check_lock_file(store, reterr);
	if (status == 0)
		status = prepare(store, reterr);
	if (status != 0)
		goto close_store;
	*ret_store = store;
	return 0;
close_store:
	if (store->made_files)
		take_back(store);
	if (store->env != NULL)
		mdb_env_close(store->env);
	unregister(store);
remove_dir:
	if (store->made_dir)
		rmdir(store->dir); /* if nothing is in it */
free_store:
	pthread_mutex_destroy(&store->lock);
	free(store->dir);
	free(store);
	return status;
}

void stele_store_close(struct stele_store *store)
{
	if (store == NULL)
		return;
	mdb_env_close(store->env);
	unregister(store);
	pthread_mutex_destroy(&store->lock);
	free(store->dir);
	free(store);
}

void stele_store_discard(struct stele_store *store)
{
	if (store != NULL && store->made)
		take_back(store);
	stele_store_close(store);
}

const uint8_t *stele_store_identity(const struct stele_store *store)
{
	return store->identity;
}

bool stele_store_has_file(const struct stele_store *store, const char *path)
{
	static const char *const names[] = {"data.mdb", "lock.mdb"};
	struct stat st, own;
	char own_path[PATH_MAX];
	if (lstat(path, &st) != 0)
		return false;
	bool has = false;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(own_path, sizeof(own_path), "%s/%s", store->dir, names[i]);
		has |= stat(own_path, &own) == 0 && own.st_dev == st.st_dev &&
		       own.st_ino == st.st_ino;
	}
	return has;
}
