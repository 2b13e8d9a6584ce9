/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/publish/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct stele_child {
	struct stele_child_settings settings; /* argv is not kept */
	int pid_fd, output_fd, errors_fd;
	struct event *ended, *output_event, *errors_event, *timer;
	bool timed_out;
	size_t output_len, errors_len;
	char output[STELE_CHILD_OUTPUT_MAX];
	char errors[STELE_CHILD_ERRORS_MAX];
};

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

static void free_child(struct stele_child *child)
{
	free_event(child->ended);
	free_event(child->output_event);
	free_event(child->errors_event);
	free_event(child->timer);
	int fds[] = {child->pid_fd, child->output_fd, child->errors_fd};
	for (unsigned i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(child);
}

/* ---- what it says ---- */

/* False at the end, or if there is nothing now. */
static bool read_output(struct stele_child *child)
{
	char rest[4096];
	size_t room = sizeof(child->output) - child->output_len;
	ssize_t got = read(child->output_fd, room ? child->output + child->output_len : rest,
			   room ? room : sizeof(rest));

	if (got <= 0)
		return got < 0 && errno == EINTR;
	if (room)
		child->output_len += (size_t)got;
	return true;
}

static bool read_errors(struct stele_child *child)
{
	char more[STELE_CHILD_ERRORS_MAX];
	ssize_t got = read(child->errors_fd, more, sizeof(more));

	if (got <= 0)
		return got < 0 && errno == EINTR;
	size_t len = (size_t)got, keep = sizeof(child->errors) - len;
	if (child->errors_len > keep) {
		memmove(child->errors, child->errors + child->errors_len - keep, keep);
		child->errors_len = keep;
	}
	memcpy(child->errors + child->errors_len, more, len);
	child->errors_len += len;
	return true;
}

static void on_output(evutil_socket_t fd, short events, void *user)
{
	struct stele_child *child = user;

	(void)fd;
	(void)events;
	if (!read_output(child))
		event_del(child->output_event);
}

static void on_errors(evutil_socket_t fd, short events, void *user)
{
	struct stele_child *child = user;

	(void)fd;
	(void)events;
	if (!read_errors(child))
		event_del(child->errors_event);
}

/* The last line that is not empty; NULL if there is none. */
static char *last_line(char *text)
{
	char *line = NULL, *rest = text;

	for (char *next; (next = strsep(&rest, "\n"));)
		if (*next)
			line = next;
	return line;
}

/* ---- how it ends ---- */

static void describe(struct stele_child *child, const siginfo_t *info, char *text, size_t size)
{
	char errors[STELE_CHILD_ERRORS_MAX + 1];

	memcpy(errors, child->errors, child->errors_len);
	errors[child->errors_len] = '\0';
	char *line = last_line(errors);
	*text = '\0';
	if (child->timed_out)
		snprintf(text, size, "did not end within %.1f s, and was killed",
			 (double)child->settings.max_ns / 1e9);
	else if (info->si_code != CLD_EXITED)
		snprintf(text, size, "killed by signal %d (%s)%s%s", info->si_status,
			 strsignal(info->si_status), line ? ": " : "", line ? line : "");
	else if (info->si_status != 0 && line)
		snprintf(text, size, "%s", line);
	else if (info->si_status != 0)
		snprintf(text, size, "exit status %d", info->si_status);
}

static void on_ended(evutil_socket_t fd, short events, void *user)
{
	struct stele_child *child = user;
	siginfo_t info = {0};
	char error[STELE_CHILD_ERRORS_MAX + 128];

	(void)events;
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) != 0) {
		/* Somebody else has waited for it: what became of it is not known. */
		info.si_code = CLD_EXITED;
		info.si_status = 255;
	} else if (info.si_pid == 0) {
		return; /* not yet */
	}
	while (read_output(child))
		;
	while (read_errors(child))
		;
	describe(child, &info, error, sizeof(error));
	child->settings.done(child->settings.user, info.si_code == CLD_EXITED ? info.si_status : -1,
			     child->output, child->output_len, error);
	free_child(child);
}

static void on_timer(evutil_socket_t fd, short events, void *user)
{
	struct stele_child *child = user;

	(void)fd;
	(void)events;
	child->timed_out = true;
	pidfd_send_signal(child->pid_fd, SIGKILL, NULL, 0);
}

void stele_child_kill(struct stele_child *child)
{
	siginfo_t info;

	if (!child)
		return;
	pidfd_send_signal(child->pid_fd, SIGKILL, NULL, 0);
	while (waitid(P_PIDFD, (id_t)child->pid_fd, &info, WEXITED) != 0 && errno == EINTR)
		;
	free_child(child);
}

/* ---- how it begins ---- */

static int spawn(const char *const *argv, int output_fd, int errors_fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t set;
	int failed = posix_spawn_file_actions_init(&actions);

	if (failed)
		return failed;
	failed = posix_spawnattr_init(&attributes);
	if (failed) {
		posix_spawn_file_actions_destroy(&actions);
		return failed;
	}
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attributes, &set);
	sigfillset(&set);
	posix_spawnattr_setsigdefault(&attributes, &set);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (!failed)
		failed = posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
	if (!failed)
		failed = posix_spawn_file_actions_adddup2(&actions, errors_fd, 2);
	if (!failed)
		failed = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (!failed)
		failed = posix_spawnp(ret_pid, argv[0], &actions, &attributes,
				      (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return failed;
}

/* The read end does not block; the write end is the child's. */
static int make_pipe(int *ret_read_fd, int *ret_write_fd)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return errno;
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*ret_read_fd = fds[0];
	*ret_write_fd = fds[1];
	return 0;
}

static int start(struct stele_child *child, const char *const *argv)
{
	int output_fd = -1, errors_fd = -1;
	pid_t pid;
	int failed = make_pipe(&child->output_fd, &output_fd);

	if (!failed)
		failed = make_pipe(&child->errors_fd, &errors_fd);
	if (!failed)
		failed = spawn(argv, output_fd, errors_fd, &pid);
	if (output_fd >= 0)
		close(output_fd);
	if (errors_fd >= 0)
		close(errors_fd);
	if (failed)
		return failed;
	child->pid_fd = pidfd_open(pid, 0);
	if (child->pid_fd >= 0)
		return 0;
	failed = errno;
	kill(pid, SIGKILL); /* nobody has waited for it, so the number is still its own */
	waitpid(pid, NULL, 0);
	return failed;
}

static bool watch(struct stele_child *child, struct event_base *base)
{
	struct timeval max = {.tv_sec = (time_t)(child->settings.max_ns / 1000000000u),
			      .tv_usec =
				      (suseconds_t)(child->settings.max_ns % 1000000000u / 1000)};

	child->ended = event_new(base, child->pid_fd, EV_READ | EV_PERSIST, on_ended, child);
	child->output_event =
		event_new(base, child->output_fd, EV_READ | EV_PERSIST, on_output, child);
	child->errors_event =
		event_new(base, child->errors_fd, EV_READ | EV_PERSIST, on_errors, child);
	child->timer = evtimer_new(base, on_timer, child);
	return child->ended && child->output_event && child->errors_event && child->timer &&
	       event_add(child->ended, NULL) == 0 && event_add(child->output_event, NULL) == 0 &&
	       event_add(child->errors_event, NULL) == 0 && event_add(child->timer, &max) == 0;
}

int stele_child_start(struct stele_loop *loop, const struct stele_child_settings *settings,
		      struct stele_child **ret_child, struct stele_error *reterr)
{
	struct stele_child *child = calloc(1, sizeof(*child));

	if (!child)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	child->settings = *settings;
	child->settings.argv = NULL;
	child->pid_fd = child->output_fd = child->errors_fd = -1;
	int failed = start(child, settings->argv);
	if (failed) {
		free_child(child);
		return stele_fail_errno(reterr, failed, "%s cannot be run", settings->argv[0]);
	}
	if (!watch(child, stele_loop_base(loop))) {
		stele_child_kill(child);
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: out of memory", settings->argv[0]);
	}
	*ret_child = child;
	return 0;
}
