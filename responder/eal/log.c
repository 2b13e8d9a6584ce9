/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/eal/log.h"

#include "lib/daemon/log.h"

#include <rte_log.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Of DPDK's lines, as many as say why a port did not start. */
#define HELD_MAX 8192

static struct {
	bool holding;
	pthread_mutex_t lock; /* over what is held */
	size_t held_len;
	char held[HELD_MAX];
} capture = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void put_dpdk(enum stele_log_level level, const char *line)
{
	stele_log(level, "dpdk: %s", line);
}

static void hold(const char *text, size_t len)
{
	if (len > HELD_MAX - 1)
		len = HELD_MAX - 1;
	if (capture.held_len + len > HELD_MAX - 1) {
		/* The end of a story says more than its beginning. */
		size_t drop = capture.held_len + len - (HELD_MAX - 1);
		capture.held_len -= drop;
		memmove(capture.held, capture.held + drop, capture.held_len);
	}
	memcpy(capture.held + capture.held_len, text, len);
	capture.held_len += len;
}

static ssize_t take_dpdk(void *cookie, const char *text, size_t len)
{
	(void)cookie;
	/* DPDK counts from 1 (emergency) to 8 (debug), syslog from 0 to 7. */
	int level = rte_log_cur_msg_loglevel() - 1;

	pthread_mutex_lock(&capture.lock);
	if (capture.holding) {
		if (level <= STELE_LOG_NOTICE || stele_log_level() == STELE_LOG_DEBUG)
			hold(text, len);
	} else if (len > 0) {
		char line[1024];
		size_t line_len = len < sizeof(line) ? len : sizeof(line) - 1;
		memcpy(line, text, line_len);
		line[line_len] = '\0';
		line[strcspn(line, "\n")] = '\0';
		put_dpdk(level < STELE_LOG_ERROR ? STELE_LOG_ERROR : (enum stele_log_level)level,
			 line);
	}
	pthread_mutex_unlock(&capture.lock);
	return (ssize_t)len;
}

int stele_log_capture_dpdk(void)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = take_dpdk});

	if (!stream)
		return -1;
	setvbuf(stream, NULL, _IOLBF, 0);
	capture.holding = true;
	return rte_openlog_stream(stream);
}

void stele_log_release_dpdk(int failed)
{
	pthread_mutex_lock(&capture.lock);
	capture.holding = false;
	if (failed) {
		char *rest = capture.held;
		capture.held[capture.held_len] = '\0';
		for (char *line; (line = strsep(&rest, "\n"));)
			if (*line)
				put_dpdk(STELE_LOG_NOTICE, line);
	}
	capture.held_len = 0;
	pthread_mutex_unlock(&capture.lock);
}
