/* SPDX-License-Identifier: Apache-2.0 */
/* The file, as the program that serves makes it. */
#include "lib/stats/layout.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

static int check_settings(const struct stele_stats_settings *settings, struct stele_error *reterr)
{
	if (settings->worker_cnt < 1 || settings->worker_cnt > STELE_STATS_WORKERS_MAX)
		return stele_fail(reterr, STELE_E_USAGE, "%u workers to count for (1 to %d)",
				  settings->worker_cnt, STELE_STATS_WORKERS_MAX);
	if (settings->zone_slot_cnt < 1 || settings->zone_slot_cnt > STELE_STATS_ZONE_SLOTS_MAX)
		return stele_fail(reterr, STELE_E_USAGE, "%u zones to count for (1 to %u)",
				  settings->zone_slot_cnt, STELE_STATS_ZONE_SLOTS_MAX);
	return 0;
}

/* The file under its temporary name, of full size and with all of its memory. */
static int make_file(const char *path, mode_t mode, size_t sz, int *ret_fd,
		     struct stele_error *reterr)
{
	int status = 0;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return stele_fail_errno(reterr, errno, "%s: cannot create", path);
	struct statfs fs;
	if (fstatfs(fd, &fs) != 0)
		status = stele_fail_errno(reterr, errno, "%s", path);
	else if (fs.f_type != TMPFS_MAGIC)
		status = stele_fail(reterr, STELE_E_USAGE,
				    "%s: not on a tmpfs (expected a path below /run or /dev/shm)",
				    path);
	if (status == 0) {
		/* A page that cannot be had later would be a SIGBUS in a worker. */
		int error = posix_fallocate(fd, 0, (off_t)sz);
		if (error != 0)
			status = stele_fail_errno(reterr, error, "%s: cannot reserve %zu bytes",
						  path, sz);
	}
	if (status == 0 && fchmod(fd, mode) != 0)
		status = stele_fail_errno(reterr, errno, "%s", path);
	if (status != 0) {
		close(fd);
		unlink(path);
		return status;
	}
	*ret_fd = fd;
	return 0;
}

static void fill_header(struct stele_stats *stats, const struct stele_stats_settings *settings)
{
	struct timespec real;
	clock_gettime(CLOCK_REALTIME, &real);
	struct stele_stats_header *h = stats->header;
	memcpy(h->magic, STELE_STATS_MAGIC, sizeof(h->magic));
	h->version = STELE_STATS_VERSION;
	h->layout = stele_stats_layout_crc();
	h->worker_cnt = settings->worker_cnt;
	h->zone_slot_cnt = settings->zone_slot_cnt;
	h->file_sz = stats->layout.file_sz;
	h->started_ns = stele_clock_ns();
	h->started = real.tv_sec;
	h->pid = getpid();
}

int stele_stats_create(const struct stele_stats_settings *settings, struct stele_stats **ret_stats,
		       struct stele_error *reterr)
{
	int status = check_settings(settings, reterr);
	if (status != 0)
		return status;
	char *fresh = NULL;
	int fd = -1;
	struct stele_stats *stats = calloc(1, sizeof(*stats));
	if (stats == NULL)
		return stele_fail_errno(reterr, ENOMEM, "%s", settings->path);
	stats->layout = stele_stats_layout(settings->worker_cnt, settings->zone_slot_cnt);
	stats->path = strdup(settings->path);
	stats->served = calloc(settings->zone_slot_cnt, sizeof(*stats->served));
	if (asprintf(&fresh, "%s.%d", settings->path, (int)getpid()) < 0)
		fresh = NULL;
	if (stats->path == NULL || stats->served == NULL || fresh == NULL) {
		status = stele_fail_errno(reterr, ENOMEM, "%s", settings->path);
		goto done;
	}
	if (getrandom(&stats->hash_seed, sizeof(stats->hash_seed), 0) != sizeof(stats->hash_seed)) {
		status = stele_fail_errno(reterr, errno, "cannot get random bytes");
		goto done;
	}
	/* Left by a process of the same number that died here. */
	unlink(fresh);
	status = make_file(fresh, settings->mode, stats->layout.file_sz, &fd, reterr);
	if (status != 0)
		goto done;
	void *base = mmap(NULL, stats->layout.file_sz, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, fd, 0);
	if (base == MAP_FAILED) {
		status = stele_fail_errno(reterr, errno, "%s: cannot map", settings->path);
		goto remove;
	}
	stats->base = base;
	stats->header = base;
	fill_header(stats, settings);
	struct stat st;
	if (fstat(fd, &st) != 0 || rename(fresh, settings->path) != 0) {
		status = stele_fail_errno(reterr, errno, "%s: cannot create", settings->path);
		goto remove;
	}
	stats->device = st.st_dev;
	stats->inode = st.st_ino;
	*ret_stats = stats;
	stats = NULL;
	goto done;
remove:
	unlink(fresh);
done:
	if (fd >= 0)
		close(fd);
	free(fresh);
	stele_stats_destroy(stats);
	return status;
}

void stele_stats_destroy(struct stele_stats *stats)
{
	if (stats == NULL)
		return;
	struct stat st;
	if (stats->inode != 0 && stat(stats->path, &st) == 0 && st.st_dev == stats->device &&
	    st.st_ino == stats->inode)
		unlink(stats->path);
	if (stats->base != NULL)
		munmap(stats->base, stats->layout.file_sz);
	free(stats->served);
	free(stats->path);
	free(stats);
}

const char *stele_stats_path(const struct stele_stats *stats)
{
	return stats->path;
}

struct stele_stats_worker *stele_stats_worker(struct stele_stats *stats, uint32_t index,
					      const struct stele_stats_place *place)
{
	struct stele_stats_worker *worker =
		stele_stats_worker_at(stats->base, &stats->layout, index);
	worker->place = *place;
	return worker;
}

struct stele_stats_zone_row *stele_stats_zone_rows(struct stele_stats *stats, uint32_t index)
{
	return stele_stats_rows_at(stats->base, &stats->layout, index);
}

void stele_stats_global_add(struct stele_stats *stats, enum stele_global global, uint64_t n)
{
	uint64_t *value = &stats->header->globals[global];
	__atomic_store_n(value, *value + n, __ATOMIC_RELAXED);
}
