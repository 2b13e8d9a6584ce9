/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_LOG_H
#define STELE_RESPONDER_LOG_H

/*
 * What the program says, a line at a time, on standard error.
 *
 * Where systemd collects it, each line carries the severity in front, as sd-daemon(3) has it;
 * elsewhere the name of the program. Any thread; no worker ever logs while it serves.
 */

enum stele_log_level {
	STELE_LOG_ERROR = 3,
	STELE_LOG_WARNING = 4,
	STELE_LOG_NOTICE = 5,
	STELE_LOG_INFO = 6,
	STELE_LOG_DEBUG = 7,
};

/* Lines above `level` are left out from now on. Looks at the environment once. */
void stele_log_open(enum stele_log_level level);

void stele_log(enum stele_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * DPDK's own lines. Drivers report as errors much that means nothing to the user of a port that
 * works, so while ports are set up the lines are held back: a failure brings them out, success
 * forgets all but warnings that come later.
 */
int stele_log_capture_dpdk(void); /* before the EAL starts; 0 or negative */
void stele_log_release_dpdk(int failed);

#endif
