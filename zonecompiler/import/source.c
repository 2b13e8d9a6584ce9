/* SPDX-License-Identifier: Apache-2.0 */
/* Where the scanner's text comes from: mapped files, pipes, memory. */
#include "zonecompiler/import/scan_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM_FIRST ((size_t)1 << 16)

/* To map a smaller file, and take it away again, costs more than to copy it. */
#define MAPPED_MIN ((off_t)(ROOM_FIRST / 2))

struct text {
	uint8_t *p;
	size_t len;
	size_t mapped_len; /* 0 if it is malloc'ed */
};

static void close_text(struct text *text)
{
	if (text->mapped_len > 0)
		munmap(text->p, text->mapped_len);
	else
		free(text->p);
}

/*
 * Maps a file with zeros behind its end: first pages of zeros for all of it and one more, then the
 * file over them.
 */
static int map_file(int fd, size_t len, struct text *text)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t mapped_len = (len + page - 1) / page * page + page;
	uint8_t *p = mmap(NULL, mapped_len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -1;
	if (mmap(p, len, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) {
		munmap(p, mapped_len);
		return -1;
	}
	madvise(p, len, MADV_SEQUENTIAL);
	*text = (struct text){p, len, mapped_len};
	return 0;
}

void stele_scan_passed(const struct stele_scan *scan, const uint8_t *from, const uint8_t *to)
{
	if (!scan->text_is_mapped)
		return;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = ((uintptr_t)from + page - 1) / page * page;
	uintptr_t end = (uintptr_t)to / page * page;
	if (end > start)
		madvise((void *)start, end - start, MADV_DONTNEED);
}

/*
 * Bytes that a pipe may bring, which are all in memory at once: half of what there is, or of what the process may
 * have. Less, and a zone that would fit is refused; more, and a pipe without end takes what everybody else needs.
 */
static size_t pipe_max(void)
{
	uint64_t max = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	struct rlimit limit;
	if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur < max)
		max = limit.rlim_cur;
	return (size_t)(max / 2);
}

/* -1 with errno; EFBIG: there are more bytes than pipe_max(). */
static int read_all(int fd, struct text *text)
{
	size_t room = ROOM_FIRST, len = 0, max = 0;
	uint8_t *p = malloc(room);
	while (p != NULL) {
		ssize_t n = read(fd, p + len, room - len - STELE_CURSOR_SLACK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(p);
			return -1;
		}
		if (n == 0) {
			memset(p + len, 0, STELE_CURSOR_SLACK);
			*text = (struct text){p, len, 0};
			return 0;
		}
		len += (size_t)n;
		if (room - len >= STELE_CURSOR_SLACK + 4096)
			continue;
		if (max == 0)
			max = pipe_max();
		if (len > max) {
			free(p);
			errno = EFBIG;
			return -1;
		}
		room = room < max / 2 ? room * 2 : max + ROOM_FIRST;
		uint8_t *larger = realloc(p, room);
		if (larger == NULL)
			break;
		p = larger;
	}
	free(p);
	errno = ENOMEM;
	return -1;
}

/* Whether a file was written to since `before`: what was seen of it may be some of before and some of behind. */
static bool has_changed(int fd, const struct stat *before)
{
	struct stat st;
	return fstat(fd, &st) != 0 || st.st_size != before->st_size ||
	       st.st_mtim.tv_sec != before->st_mtim.tv_sec ||
	       st.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

/* Adds a file name to the table; its index, or -1. */
static int add_file(struct stele_scan *s, const char *name)
{
	if (s->file_cnt > UINT16_MAX)
		return -1;
	char **files = realloc(s->files, (s->file_cnt + 1) * sizeof(*files));
	if (files == NULL)
		return -1;
	s->files = files;
	files[s->file_cnt] = strdup(name);
	return files[s->file_cnt] == NULL ? -1 : (int)s->file_cnt++;
}

static int scan_cursor(struct stele_scan *s, const char *name, const uint8_t *text, size_t len)
{
	int file = add_file(s, name);
	if (file < 0)
		return stele_fail(s->reterr, STELE_E_SYSTEM,
				  "%s: no memory for another file, or more than 65536 of them",
				  name);
	struct stele_cursor outer = s->cursor;
	s->cursor = (struct stele_cursor){
		.p = text,
		.end = text + len,
		.line_start = text,
		.line = 1,
		.file = s->files[file],
		.file_index = (uint16_t)file,
		.report = s->report,
	};
	/* A byte order mark is no part of the first owner. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		s->cursor.p += 3;
	s->owner_text = NULL;
	int status = stele_scan_entries(s);
	s->owner_text = NULL;
	s->cursor = outer;
	return status;
}

int stele_scan_text(struct stele_scan *scan, const char *name, const uint8_t *text, size_t len,
		    struct stele_error *reterr)
{
	scan->reterr = reterr;
	return scan_cursor(scan, name, text, len);
}

static int refuse_include(struct stele_scan *s, const char *path, const struct stele_place *place,
			  bool is_loop)
{
	struct stele_place at = place != NULL ? *place : (struct stele_place){path, 1, 1};
	if (is_loop)
		return stele_report_error(s->report, at,
					  "$INCLUDE loop: '%s' is being read already (expected "
					  "another file)",
					  path);
	return stele_report_error(s->report, at,
				  "$INCLUDE too deep (expected at most %d files in one another)",
				  STELE_INCLUDE_DEPTH_MAX);
}

/*
 * Opens, checks for loops and scans. `place` is NULL for the outermost file: then a file that is not
 * there is the caller's failure, else an error of the text.
 */
static int scan_path(struct stele_scan *s, const char *path, const struct stele_place *place)
{
	bool is_input = place == NULL && strcmp(path, "-") == 0;
	bool is_device = false; /* that may give bytes for ever, as /dev/zero does; no terminal */
	struct text text = {0};
	struct stat st;
	int status = 0;
	int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		status = -1;
	} else if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		status = -1;
	} else if (S_ISBLK(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd) == 0)) {
		is_device = true;
		status = -1;
	} else {
		for (unsigned i = 0; i < s->open_cnt && status == 0; i++)
			if (s->open[i].device == st.st_dev && s->open[i].inode == st.st_ino)
				status = 1;
		if (s->open_cnt == STELE_INCLUDE_DEPTH_MAX)
			status = 2;
	}
	if (status == 0) {
		if (S_ISREG(st.st_mode) && st.st_size >= MAPPED_MIN && !is_input)
			status = map_file(fd, (size_t)st.st_size, &text);
		else
			status = read_all(fd, &text);
	}
	if (status < 0) {
		int error = errno;
		if (fd >= 0 && !is_input)
			close(fd);
		bool absent = is_device || error == ENOENT || error == EISDIR || error == ENOTDIR;
		char detail[128];
		const char *why = is_device ? "Is a device" :
					      strerror_r(error, detail, sizeof(detail));
		if (!is_device && error == EFBIG)
			return stele_fail(s->reterr, STELE_E_INPUT,
					  "%s: more than %zu bytes, half of the memory (expected a "
					  "file with a name, which may be larger)",
					  path, pipe_max());
		if (place != NULL && absent)
			return stele_report_error(s->report, *place,
						  "cannot read '%s': %s (expected a file)", path,
						  why);
		return stele_fail(s->reterr, absent ? STELE_E_INPUT : STELE_E_SYSTEM, "%s: %s",
				  path, why);
	}
	if (status > 0) { /* an included file: the outermost is the first */
		if (!is_input)
			close(fd);
		return refuse_include(s, path, place, status == 1);
	}
	s->open[s->open_cnt].device = st.st_dev;
	s->open[s->open_cnt].inode = st.st_ino;
	s->open_cnt++;
	bool outer_is_mapped = s->text_is_mapped;
	s->text_is_mapped = text.mapped_len > 0;
	status = scan_cursor(s, path, text.p, text.len);
	s->text_is_mapped = outer_is_mapped;
	s->open_cnt--;
	bool changed = status == 0 && S_ISREG(st.st_mode) && has_changed(fd, &st);
	close_text(&text);
	if (!is_input)
		close(fd);
	if (!changed)
		return status;
	static const char why[] =
		"changed while it was read (expected a file that stays as it is, or is replaced)";
	return place != NULL ? stele_report_error(s->report, *place, "'%s' %s", path, why) :
			       stele_fail(s->reterr, STELE_E_INPUT, "%s: %s", path, why);
}

int stele_scan_include(struct stele_scan *scan, const char *path, struct stele_place place)
{
	return scan_path(scan, path, &place);
}

int stele_scan_file(struct stele_scan *scan, const char *path, struct stele_error *reterr)
{
	scan->reterr = reterr;
	return scan_path(scan, path, NULL);
}
