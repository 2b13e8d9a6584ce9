/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/publish/flush.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct stele_flush {
	void (*done)(void *user, int error_number);
	void *user;
	struct event *ended;
	int file_fd, ended_fd;
	int error_number; /* written before ended_fd */
	pthread_t thread;
	bool is_running;
};

static void *run(void *user)
{
	struct stele_flush *flush = user;

	pthread_setname_np(pthread_self(), "flush");
	flush->error_number = fdatasync(flush->file_fd) == 0 ? 0 : errno;
	(void)!write(flush->ended_fd, &(uint64_t){1}, sizeof(uint64_t));
	return NULL;
}

static void on_ended(evutil_socket_t fd, short events, void *user)
{
	struct stele_flush *flush = user;

	(void)fd;
	(void)events;
	event_del(flush->ended);
	pthread_join(flush->thread, NULL);
	flush->is_running = false;
	flush->done(flush->user, flush->error_number);
}

static int start_thread(struct stele_flush *flush)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&flush->thread, NULL, run, flush);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	flush->is_running = failed == 0;
	return failed;
}

int stele_flush_start(struct stele_loop *loop, const char *path,
		      void (*done)(void *user, int error_number), void *user,
		      struct stele_flush **ret_flush, struct stele_error *reterr)
{
	struct stele_flush *flush = calloc(1, sizeof(*flush));
	int error_number = 0;

	if (!flush)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: out of memory", path);
	flush->done = done;
	flush->user = user;
	flush->file_fd = open(path, O_RDONLY | O_CLOEXEC);
	flush->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (flush->file_fd < 0 || flush->ended_fd < 0)
		error_number = errno;
	if (error_number == 0) {
		flush->ended =
			event_new(stele_loop_base(loop), flush->ended_fd, EV_READ, on_ended, flush);
		if (!flush->ended || event_add(flush->ended, NULL) != 0)
			error_number = ENOMEM;
	}
	if (error_number == 0)
		error_number = start_thread(flush);
	if (error_number != 0) {
		stele_flush_free(flush);
		return stele_fail_errno(reterr, error_number, "%s cannot be synced", path);
	}
	*ret_flush = flush;
	return 0;
}

void stele_flush_free(struct stele_flush *flush)
{
	if (!flush)
		return;
	if (flush->is_running)
		pthread_join(flush->thread, NULL);
	if (flush->ended)
		event_free(flush->ended);
	if (flush->file_fd >= 0)
		close(flush->file_fd);
	if (flush->ended_fd >= 0)
		close(flush->ended_fd);
	free(flush);
}
