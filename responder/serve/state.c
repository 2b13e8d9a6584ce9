/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/serve/state.h"

#include "lib/base/state_file.h"
#include "lib/image/format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_NAME "last-image.json"
#define LINK_PREFIX "image."

/* Names that are tried for a link. Three are in use at most; more are left by programs that were killed, and
 * each success removes them. */
#define LINKS_MAX 100u

struct memory {
	char path[PATH_MAX];
	char link[NAME_MAX + 1]; /* in the directory; empty: none */
	uint64_t dev, ino;
	uint64_t end; /* behind the root that was served */
	bool exact;
};

/* ---- the file ---- */

static bool get_text(const json_t *object, const char *key, char *to, size_t to_sz)
{
	const char *text = json_string_value(json_object_get(object, key));
	size_t len = text != NULL ? strlen(text) : SIZE_MAX;
	if (len >= to_sz)
		return false;
	memcpy(to, text, len + 1);
	return true;
}

static bool get_number(const json_t *object, const char *key, uint64_t *to)
{
	const json_t *number = json_object_get(object, key);
	if (!json_is_integer(number) || json_integer_value(number) < 0)
		return false;
	*to = (uint64_t)json_integer_value(number);
	return true;
}

static bool take_memory(const json_t *object, struct memory *m)
{
	const json_t *exact = json_object_get(object, "exact");
	m->exact = json_is_true(exact);
	return get_text(object, "path", m->path, sizeof(m->path)) &&
	       get_text(object, "link", m->link, sizeof(m->link)) && strchr(m->link, '/') == NULL &&
	       get_number(object, "device", &m->dev) && get_number(object, "inode", &m->ino) &&
	       get_number(object, "end", &m->end) && m->end > sizeof(struct stele_root) &&
	       json_is_boolean(exact);
}

/* STELE_E_NOTFOUND: nothing was ever remembered. */
static int read_memory(int dir_fd, const char *dir, struct memory *m, struct stele_error *reterr)
{
	int fd = openat(dir_fd, MEMORY_NAME, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return STELE_E_NOTFOUND;
	if (fd < 0)
		return stele_fail_errno(reterr, errno, "%s/%s", dir, MEMORY_NAME);
	json_error_t error;
	json_t *object = json_loadfd(fd, 0, &error);
	close(fd);
	bool good = object != NULL && take_memory(object, m);
	json_decref(object);
	return good ? 0 :
		      stele_fail(reterr, STELE_E_INPUT, "%s/%s: not what was written there", dir,
				 MEMORY_NAME);
}

static int write_memory(const char *dir, const struct memory *m, struct stele_error *reterr)
{
	json_t *object = json_pack("{s:s, s:s, s:I, s:I, s:I, s:b}", "path", m->path, "link",
				   m->link, "device", (json_int_t)m->dev, "inode",
				   (json_int_t)m->ino, "end", (json_int_t)m->end, "exact",
				   (int)m->exact);
	char *text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
	/* Paths need not be UTF-8, JSON does. */
	int rc = text != NULL ?
			 stele_state_file_write(dir, MEMORY_NAME, (const uint8_t *)text,
						strlen(text), reterr) :
			 stele_fail_errno(reterr, EILSEQ, "%s: remembering %s", dir, m->path);
	free(text);
	json_decref(object);
	return rc;
}

/* ---- links ---- */

static bool is_file(int dir_fd, const char *name, const struct stat *file)
{
	struct stat st;
	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

/* False with errno: `link` is there already (EEXIST), or is not to be had. */
static bool link_file(int dir_fd, const char *from, const char *link, const struct stat *file)
{
	if (linkat(AT_FDCWD, from, dir_fd, link, AT_SYMLINK_FOLLOW) != 0)
		return false;
	if (is_file(dir_fd, link, file))
		return true;
	/* Somebody has just put another file there. */
	unlinkat(dir_fd, link, 0);
	errno = ENOENT;
	return false;
}

/*
 * Another name for the file, or none where that cannot be. The descriptor leads to the file whatever stands at `path`
 * by now, but may come from another mount namespace, as that of a service is to the operator's: the kernel makes no
 * link from one to the other.
 */
static void make_link(int dir_fd, int fd, const char *path, const struct stat *file,
		      char link[NAME_MAX + 1])
{
	char from[40];
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		snprintf(link, NAME_MAX + 1, LINK_PREFIX "%u", i);
		if (is_file(dir_fd, link, file) || link_file(dir_fd, from, link, file) ||
		    (errno == EXDEV && link_file(dir_fd, path, link, file)))
			return;
		if (errno != EEXIST)
			break;
	}
	link[0] = '\0';
}

/*
 * Whether a start would have something to open: the file, by our name for it or by its own, or else, unless it is to be
 * `exact`, what has its own name by now. Its path may be that of another mount namespace. False with errno.
 */
static bool can_be_opened(const struct memory *m, const struct stat *file)
{
	struct stat st;
	if (m->link[0] != '\0')
		return true;
	int fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	bool is_it = fstat(fd, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
	close(fd);
	errno = ENOENT;
	return is_it || !m->exact;
}

/* Images that nothing remembers any more, but for a file that is kept (NULL: none). If this fails, they take room
 * until the next time. */
static void remove_links(int dir_fd, const char *link, const struct stat *kept)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (strncmp(entry->d_name, LINK_PREFIX, strlen(LINK_PREFIX)) == 0 &&
		    strcmp(entry->d_name, link) != 0 &&
		    (kept == NULL || !is_file(dir_fd, entry->d_name, kept)))
			unlinkat(dir_fd, entry->d_name, 0);
	closedir(dir);
}

int stele_state_remember(const char *dir, int fd, const char *path, uint64_t root_off, bool exact,
			 int kept_fd, struct stele_error *reterr)
{
	struct memory m = {.end = root_off + sizeof(struct stele_root), .exact = exact};
	struct stat file, kept;
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return stele_fail_errno(reterr, errno, "%s", dir);
	int rc = fstat(fd, &file) != 0 ? stele_fail_errno(reterr, errno, "%s", path) : 0;
	if (realpath(path, m.path) == NULL)
		snprintf(m.path, sizeof(m.path), "%s", path);
	if (rc == 0) {
		m.dev = (uint64_t)file.st_dev;
		m.ino = (uint64_t)file.st_ino;
		make_link(dir_fd, fd, m.path, &file, m.link);
		rc = can_be_opened(&m, &file) ?
			     write_memory(dir, &m, reterr) :
			     stele_fail_errno(reterr, errno, "%s: a start could not open it", path);
	}
	if (rc == 0)
		remove_links(dir_fd, m.link,
			     kept_fd >= 0 && fstat(kept_fd, &kept) == 0 ? &kept : NULL);
	close(dir_fd);
	return rc;
}

/* ---- at start ---- */

/* Adds an open file; takes the descriptor. */
static void add(struct stele_state_candidates *c, int fd, uint64_t end, const char *name,
		const char *why)
{
	struct stele_state_candidate *candidate = c->all + c->cnt++;
	candidate->fd = fd;
	candidate->end = end;
	candidate->why = why;
	snprintf(candidate->name, sizeof(candidate->name), "%s", name);
}

static void add_again(struct stele_state_candidates *c, int fd, uint64_t end, const char *name,
		      const char *why)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy >= 0)
		add(c, copy, end, name, why);
}

static int open_noted(int dir_fd, const char *name, struct stele_error *reterr)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		stele_fail_errno(reterr, errno, "%s", name);
	return fd;
}

static bool is_remembered(int fd, const struct memory *m)
{
	struct stat st;
	return fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_dev == m->dev &&
	       (uint64_t)st.st_ino == m->ino;
}

static void recall_memory(int dir_fd, const struct memory *m, bool is_configured,
			  struct stele_state_candidates *c, struct stele_error *reterr)
{
	const char *of_path = is_configured ? "the configured image" : "the image served last";
	const char *of_link = "the file that was served last";
	const char *of_end = "the very image that was served last";
	int path_fd = open_noted(AT_FDCWD, m->path, reterr);
	int link_fd = m->link[0] != '\0' ? openat(dir_fd, m->link, O_RDONLY | O_CLOEXEC) : -1;
	bool same = is_remembered(path_fd, m);
	int old_fd = is_remembered(link_fd, m) ? link_fd : same ? path_fd : -1;
	if (m->exact) {
		if (old_fd >= 0)
			add_again(c, old_fd, m->end, m->path, of_end);
		if (path_fd >= 0)
			add_again(c, path_fd, 0, m->path, of_path);
	} else {
		if (path_fd >= 0)
			add_again(c, path_fd, 0, m->path, of_path);
		if (!same && old_fd >= 0)
			add_again(c, old_fd, 0, m->path, of_link);
		if (old_fd >= 0)
			add_again(c, old_fd, m->end, m->path, of_end);
	}
	if (path_fd >= 0)
		close(path_fd);
	if (link_fd >= 0)
		close(link_fd);
}

void stele_state_recall(const char *dir, const char *configured,
			struct stele_state_candidates *ret_candidates, struct stele_error *reterr)
{
	struct stele_state_candidates *c = ret_candidates;
	char whole[PATH_MAX];
	struct memory m = {.end = 0};
	bool is_configured = false;
	c->cnt = 0;
	if (reterr != NULL)
		reterr->text[0] = '\0';
	if (configured != NULL && realpath(configured, whole) == NULL)
		snprintf(whole, sizeof(whole), "%s", configured);
	int dir_fd = dir != NULL ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir != NULL && dir_fd < 0)
		stele_fail_errno(reterr, errno, "%s", dir);
	if (dir_fd >= 0 && read_memory(dir_fd, dir, &m, reterr) == 0) {
		is_configured = configured != NULL && strcmp(m.path, whole) == 0;
		recall_memory(dir_fd, &m, is_configured, c, reterr);
	}
	if (configured != NULL && !is_configured) {
		int fd = open_noted(AT_FDCWD, whole, reterr);
		if (fd >= 0)
			add(c, fd, 0, configured, "the configured image");
	}
	if (dir_fd >= 0)
		close(dir_fd);
}

void stele_state_candidates_close(struct stele_state_candidates *candidates)
{
	for (unsigned i = 0; i < candidates->cnt; i++)
		close(candidates->all[i].fd);
	candidates->cnt = 0;
}
