/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ctl/socket.h"

#include "lib/ctl/ctl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Clients that have connected and are not yet accepted. The server accepts some dozen times a second. */
#define BACKLOG 16

/* A process that is killed while it starts another leaves its descriptors to that one until it runs: a moment, but who
 * starts again at once is there sooner. Longer would be waited in vain where there is a server. */
#define LOCK_WAIT_MS 2000
#define LOCK_EACH_MS 10

/* More than any process is in; with fewer, a member is not recognized. */
#define GROUPS_MAX 65536

static_assert(STELE_CTL_PATH_MAX + sizeof(".new") <= sizeof(((struct sockaddr_un *)0)->sun_path),
	      "the temporary name fits");

void stele_ctl_make_room(int sock)
{
	/* The kernel counts its own overhead too. If it grants less, sending says so. */
	int sz = STELE_CTL_MESSAGE_MAX + 65536;
	setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &sz, sizeof(sz));
}

static struct sockaddr_un address_of(const char *path, const char *suffix)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s%s", path, suffix);
	return address;
}

static int lock_within(int fd)
{
	const struct timespec pause = {.tv_nsec = LOCK_EACH_MS * 1000000};
	int rc = flock(fd, LOCK_EX | LOCK_NB);
	for (unsigned ms = 0; rc != 0 && errno == EWOULDBLOCK && ms < LOCK_WAIT_MS;
	     ms += LOCK_EACH_MS) {
		nanosleep(&pause, NULL);
		rc = flock(fd, LOCK_EX | LOCK_NB);
	}
	return rc;
}

/* The lock goes with the process, however it ends, so it tells whether there is one. */
static int take_lock(const char *path, int *ret_fd, struct stele_error *reterr)
{
	char *name;
	if (asprintf(&name, "%s.lock", path) < 0)
		return stele_fail_errno(reterr, ENOMEM, "%s", path);
	int status = 0;
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		status = stele_fail_errno(reterr, errno, "%s: cannot create", name);
	else if (lock_within(fd) != 0)
		status = errno == EWOULDBLOCK ?
				 stele_fail(reterr, STELE_E_SYSTEM,
					    "%s: another process listens there", path) :
				 stele_fail_errno(reterr, errno, "%s: cannot lock", name);
	if (status == 0)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	free(name);
	return status;
}

/* Whether what is at `path` may be replaced. */
static int check_place(const char *path, struct stele_error *reterr)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : stele_fail_errno(reterr, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return stele_fail(reterr, STELE_E_INPUT, "%s: exists, and is no socket", path);
	/* Somebody who does not know of the lock. */
	int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return stele_fail_errno(reterr, errno, "%s", path);
	struct sockaddr_un address = address_of(path, "");
	int connected = connect(probe, (struct sockaddr *)&address, sizeof(address));
	bool dead = connected != 0 && (errno == ECONNREFUSED || errno == ENOENT);
	close(probe);
	if (!dead)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: another process listens there",
				  path);
	return 0;
}

/*
 * Lets those in who may come. By the inode that was looked at: with root's rights, a path is not to be gone by in a
 * folder whose owner can put a link to any file there.
 */
static int open_to_group(const char *path, gid_t group, struct stat *ret_st)
{
	char name[40];
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	int rc = fstat(fd, ret_st);
	if (rc == 0 && !S_ISSOCK(ret_st->st_mode)) {
		errno = EEXIST;
		rc = -1;
	}
	if (rc == 0 && group != (gid_t)-1)
		rc = fchownat(fd, "", (uid_t)-1, group, AT_EMPTY_PATH);
	if (rc == 0)
		rc = chmod(name, 0660);
	int error = errno;
	close(fd);
	errno = error;
	return rc;
}

/* Ready under another name first: nobody connects before its mode is right. */
static int bind_socket(struct stele_ctl_listener *l, gid_t group, struct stele_error *reterr)
{
	struct sockaddr_un fresh = address_of(l->path, ".new");
	struct stat st;
	l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return stele_fail_errno(reterr, errno, "%s", l->path);
	if (unlink(fresh.sun_path) != 0 && errno != ENOENT)
		return stele_fail_errno(reterr, errno, "%s: cannot remove", fresh.sun_path);
	if (bind(l->fd, (struct sockaddr *)&fresh, sizeof(fresh)) != 0)
		return stele_fail_errno(reterr, errno, "%s: cannot bind", l->path);
	if (open_to_group(fresh.sun_path, group, &st) != 0 || listen(l->fd, BACKLOG) != 0 ||
	    rename(fresh.sun_path, l->path) != 0) {
		int error = errno;
		unlink(fresh.sun_path);
		return stele_fail_errno(reterr, error, "%s: cannot listen", l->path);
	}
	l->device = st.st_dev;
	l->inode = st.st_ino;
	return 0;
}

int stele_ctl_listen(const char *path, gid_t group, struct stele_ctl_listener *ret_listener,
		     struct stele_error *reterr)
{
	struct stele_ctl_listener l = {.fd = -1, .lock_fd = -1};
	if (strlen(path) > STELE_CTL_PATH_MAX || *path == '\0')
		return stele_fail(reterr, STELE_E_USAGE,
				  "%s: not the path of a socket (1 to %d bytes)", path,
				  STELE_CTL_PATH_MAX);
	l.path = strdup(path);
	if (l.path == NULL)
		return stele_fail_errno(reterr, ENOMEM, "%s", path);
	int status = take_lock(path, &l.lock_fd, reterr);
	if (status == 0)
		status = check_place(path, reterr);
	if (status == 0)
		status = bind_socket(&l, group, reterr);
	if (status != 0) {
		stele_ctl_unlisten(&l);
		return status;
	}
	*ret_listener = l;
	return 0;
}

void stele_ctl_unlisten(struct stele_ctl_listener *listener)
{
	struct stat st;
	if (listener->inode != 0 && lstat(listener->path, &st) == 0 &&
	    st.st_dev == listener->device && st.st_ino == listener->inode)
		unlink(listener->path);
	if (listener->fd >= 0)
		close(listener->fd);
	/* The file of the lock stays: whoever removed it could have two processes hold two locks. */
	if (listener->lock_fd >= 0)
		close(listener->lock_fd);
	free(listener->path);
	*listener = (struct stele_ctl_listener){.fd = -1, .lock_fd = -1};
}

static bool is_member(int sock, gid_t group)
{
	socklen_t sz = GROUPS_MAX * sizeof(gid_t);
	gid_t *groups = malloc(sz);
	bool found = false;
	if (groups != NULL && getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &sz) == 0)
		for (size_t i = 0; i < sz / sizeof(gid_t); i++)
			found = found || groups[i] == group;
	free(groups);
	return found;
}

bool stele_ctl_peer(int sock, gid_t group, uid_t *ret_uid, pid_t *ret_pid)
{
	struct ucred peer;
	socklen_t sz = sizeof(peer);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &sz) != 0)
		return false;
	*ret_uid = peer.uid;
	*ret_pid = peer.pid;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	return group != (gid_t)-1 && (peer.gid == group || is_member(sock, group));
}
