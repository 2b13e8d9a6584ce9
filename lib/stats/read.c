/* SPDX-License-Identifier: Apache-2.0 */
/* The file, as another process looks at it. */
#include "lib/stats/layout.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * How often a worker's block is copied until one copy falls between two bursts. Lower: a busy worker's
 * numbers are torn more often. Higher: a snapshot takes longer when a worker stands still within
 * a burst (100 copies of 4 KB are some tens of microseconds).
 */
#define WORKER_TRIES 200

/* The table is written for milliseconds at most. After a second its writer is dead. */
#define TABLE_TRIES 1000
#define TABLE_WAIT_NS 1000000

struct stele_stats_reader {
	uint8_t *base;
	const struct stele_stats_header *header; /* for what changes; counts and sizes are below */
	struct stele_stats_layout layout;
	uint32_t worker_cnt, zone_slot_cnt;
	uint64_t device, inode;
	char *path;
};

static int check_header(const struct stele_stats_header *h, size_t file_sz, const char *path,
			struct stele_error *reterr)
{
	if (memcmp(h->magic, STELE_STATS_MAGIC, sizeof(h->magic)) != 0)
		return stele_fail(reterr, STELE_E_INPUT, "%s: holds no counters of Stele", path);
	if (h->version != STELE_STATS_VERSION || h->layout != stele_stats_layout_crc())
		return stele_fail(reterr, STELE_E_INPUT,
				  "%s: made by a version of Stele that counts other things", path);
	if (h->worker_cnt < 1 || h->worker_cnt > STELE_STATS_WORKERS_MAX || h->zone_slot_cnt < 1 ||
	    h->zone_slot_cnt > STELE_STATS_ZONE_SLOTS_MAX || h->file_sz != file_sz ||
	    stele_stats_layout(h->worker_cnt, h->zone_slot_cnt).file_sz != file_sz)
		return stele_fail(reterr, STELE_E_INPUT, "%s: damaged: sizes do not fit", path);
	return 0;
}

int stele_stats_open(const char *path, struct stele_stats_reader **ret_reader,
		     struct stele_error *reterr)
{
	int status = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return stele_fail(reterr, STELE_E_NOTFOUND, "%s: does not exist", path);
	if (fd < 0)
		return stele_fail_errno(reterr, errno, "%s: cannot open", path);
	struct stele_stats_reader *reader = calloc(1, sizeof(*reader));
	if (reader == NULL || (reader->path = strdup(path)) == NULL) {
		status = stele_fail_errno(reterr, ENOMEM, "%s", path);
		goto fail;
	}
	struct stat st;
	if (fstat(fd, &st) != 0) {
		status = stele_fail_errno(reterr, errno, "%s", path);
		goto fail;
	}
	/* Read, not mapped: what is checked cannot change before it is used. */
	struct stele_stats_header header;
	ssize_t got = S_ISREG(st.st_mode) ? pread(fd, &header, sizeof(header), 0) : 0;
	if (got != (ssize_t)sizeof(header)) {
		status = stele_fail(reterr, STELE_E_INPUT, "%s: holds no counters of Stele", path);
		goto fail;
	}
	status = check_header(&header, (size_t)st.st_size, path, reterr);
	if (status != 0)
		goto fail;
	reader->worker_cnt = header.worker_cnt;
	reader->zone_slot_cnt = header.zone_slot_cnt;
	reader->layout = stele_stats_layout(header.worker_cnt, header.zone_slot_cnt);
	reader->device = st.st_dev;
	reader->inode = st.st_ino;
	void *base = mmap(NULL, reader->layout.file_sz, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		status = stele_fail_errno(reterr, errno, "%s: cannot map", path);
		goto fail;
	}
	reader->base = base;
	reader->header = base;
	close(fd);
	*ret_reader = reader;
	return 0;
fail:
	close(fd);
	stele_stats_close(reader);
	return status;
}

void stele_stats_close(struct stele_stats_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->base != NULL)
		munmap(reader->base, reader->layout.file_sz);
	free(reader->path);
	free(reader);
}

bool stele_stats_is_current(const struct stele_stats_reader *reader)
{
	struct stat st;
	return stat(reader->path, &st) == 0 && st.st_dev == reader->device &&
	       st.st_ino == reader->inode;
}

/* True if the copy is of one moment between two bursts. */
static bool copy_worker(const struct stele_stats_worker *from, struct stele_stats_worker *to)
{
	for (unsigned i = 0; i < WORKER_TRIES; i++) {
		uint64_t before = __atomic_load_n(&from->version, __ATOMIC_ACQUIRE);
		stele_stats_load_words(to, from, sizeof(*to));
		stele_stats_fence(__ATOMIC_ACQUIRE);
		uint64_t after = __atomic_load_n(&from->version, __ATOMIC_RELAXED);
		if (before % 2 == 0 && before == after)
			return true;
	}
	return false;
}

static void copy_zones_once(const struct stele_stats_reader *reader,
			    struct stele_stats_snapshot *snapshot)
{
	uint32_t cnt = reader->zone_slot_cnt;
	stele_stats_load_words(snapshot->zones,
			       stele_stats_zone_table(reader->base, &reader->layout),
			       cnt * sizeof(*snapshot->zones));
	memset(snapshot->rows, 0, cnt * sizeof(*snapshot->rows));
	for (uint32_t w = 0; w < reader->worker_cnt; w++) {
		const struct stele_stats_zone_row *rows =
			stele_stats_rows_at(reader->base, &reader->layout, w);
		for (uint32_t slot = 0; slot < cnt; slot++)
			for (unsigned i = 0; i < STELE_ZONE_STAT_CNT; i++)
				snapshot->rows[slot].values[i] +=
					__atomic_load_n(&rows[slot].values[i], __ATOMIC_RELAXED);
	}
}

static int copy_zones(const struct stele_stats_reader *reader,
		      struct stele_stats_snapshot *snapshot, struct stele_error *reterr)
{
	uint32_t cnt = reader->zone_slot_cnt;
	const uint64_t *version = &reader->header->zones_version;
	snapshot->zones = calloc(cnt, sizeof(*snapshot->zones));
	snapshot->rows = aligned_alloc(64, cnt * sizeof(*snapshot->rows));
	if (snapshot->zones == NULL || snapshot->rows == NULL)
		return stele_fail_errno(reterr, ENOMEM, "%s", reader->path);
	snapshot->zone_cnt = cnt;
	for (unsigned i = 0; i < TABLE_TRIES; i++) {
		uint64_t before = __atomic_load_n(version, __ATOMIC_ACQUIRE);
		if (before % 2 == 0) {
			copy_zones_once(reader, snapshot);
			stele_stats_fence(__ATOMIC_ACQUIRE);
			if (__atomic_load_n(version, __ATOMIC_RELAXED) == before)
				return 0;
		}
		struct timespec wait = {.tv_nsec = TABLE_WAIT_NS};
		nanosleep(&wait, NULL);
	}
	return stele_fail(reterr, STELE_E_SYSTEM,
			  "%s: the zone table does not come to rest (is process %ld alive?)",
			  reader->path, (long)reader->header->pid);
}

/* Names are checked once here, so that nobody prints beyond them. */
static void drop_bad_names(struct stele_stats_snapshot *snapshot)
{
	for (uint32_t slot = 0; slot < snapshot->zone_cnt; slot++) {
		struct stele_stats_zone *zone = &snapshot->zones[slot];
		if (stele_name_length(zone->name, zone->name_len) != zone->name_len)
			zone->name_len = 0;
	}
}

int stele_stats_snapshot(const struct stele_stats_reader *reader, bool zones,
			 struct stele_stats_snapshot *ret_snapshot, struct stele_error *reterr)
{
	const struct stele_stats_header *h = reader->header;
	struct stele_stats_snapshot s = {
		.started_ns = h->started_ns,
		.started = h->started,
		.pid = (pid_t)h->pid,
		.worker_cnt = reader->worker_cnt,
	};
	s.workers = aligned_alloc(128, s.worker_cnt * sizeof(*s.workers));
	if (s.workers == NULL)
		return stele_fail_errno(reterr, ENOMEM, "%s", reader->path);
	s.taken_ns = stele_clock_ns();
	for (uint32_t w = 0; w < s.worker_cnt; w++)
		s.torn_cnt += !copy_worker(stele_stats_worker_at(reader->base, &reader->layout, w),
					   &s.workers[w]);
	stele_stats_load_words(s.globals, h->globals, sizeof(s.globals));
	int status = zones ? copy_zones(reader, &s, reterr) : 0;
	if (status != 0) {
		stele_stats_snapshot_free(&s);
		return status;
	}
	drop_bad_names(&s);
	*ret_snapshot = s;
	return 0;
}

void stele_stats_snapshot_free(struct stele_stats_snapshot *snapshot)
{
	free(snapshot->workers);
	free(snapshot->zones);
	free(snapshot->rows);
	*snapshot = (struct stele_stats_snapshot){0};
}
