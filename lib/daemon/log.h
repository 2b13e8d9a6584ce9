/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DAEMON_LOG_H
#define STELE_LIB_DAEMON_LOG_H

/*
 * What a program that serves says, a line at a time, on standard error.
 *
 * A line is a sentence (stele_log) or an event: a word that never changes, with fields (key=value) that
 * a person reads and a program finds. Lines are text or JSON objects, one a line. Where systemd
 * collects them, each has its severity in front, as sd-daemon(3) has it; elsewhere a line of text has
 * the name of the program there.
 *
 * Values may come from the network: nothing in them can begin a line or a field of its own. A line
 * is one write, so lines of threads do not mix. Any thread; no worker of the responder logs while it
 * serves. Only programs use this: libraries return their errors.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum stele_log_level {
	STELE_LOG_ERROR = 3,
	STELE_LOG_WARNING = 4,
	STELE_LOG_NOTICE = 5,
	STELE_LOG_INFO = 6,
	STELE_LOG_DEBUG = 7,
};

/*
 * `program` is kept. Lines above `level` are left out from now on. Looks at the environment once. To
 * be called before there are other threads.
 */
void stele_log_open(const char *program, enum stele_log_level level, bool json);
enum stele_log_level stele_log_level(void);

/* The form from now on, after a reload: any thread. */
void stele_log_set_json(bool json);

/* Whether there is an audit, after each reload: any thread. There is one until it is said. */
void stele_log_set_audit(bool audit);

/* A sentence. Longer ones are cut after 4,095 bytes. In JSON: the event "message" with "text". */
void stele_log(enum stele_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* One field of an event; made by the macros below. A text that is NULL leaves the field out. */
struct stele_log_field {
	const char *key; /* letters and underscores; NULL ends a list */
	const char *text;
	int64_t number; /* if `is_number` */
	bool is_number;
};

#define STELE_LOG_TEXT(field_key, value)                                                           \
	((struct stele_log_field){.key = (field_key), .text = (value)})
#define STELE_LOG_NUMBER(field_key, value)                                                         \
	((struct stele_log_field){                                                                 \
		.key = (field_key), .number = (int64_t)(value), .is_number = true})

/* Keys that mean the same wherever they stand. */
#define STELE_LOG_ZONE(name) STELE_LOG_TEXT("zone", name) /* with the last dot */
#define STELE_LOG_SERIAL(value) STELE_LOG_NUMBER("serial", value)
#define STELE_LOG_PEER(address) STELE_LOG_TEXT("peer", address) /* "192.0.2.1#53" */
#define STELE_LOG_KEY(name) STELE_LOG_TEXT("key", name)         /* the TSIG key's name */
#define STELE_LOG_REASON(text) STELE_LOG_TEXT("error", text)

/* `fields` ends with one without a key. */
void stele_log_fields(enum stele_log_level level, const char *event,
		      const struct stele_log_field *fields);

/* stele_log_event(STELE_LOG_WARNING, "transfer-failed", STELE_LOG_ZONE(z), STELE_LOG_REASON(e.text)); there is
 * at least one field. */
#define stele_log_event(level, event, ...)                                                         \
	stele_log_fields(level, event, (const struct stele_log_field[]){__VA_ARGS__, {.key = NULL}})

/*
 * What comes again and again for one cause, a full disk say, fills the log and says nothing new: so many lines a
 * minute at most from one place in the code. The next one that is written says how many were left out.
 */
#define STELE_LOG_A_MINUTE 5
#define STELE_LOG_LIMITED_MAX 14 /* fields of such a line */

/* All zeros: nothing was written yet. */
struct stele_log_limit {
	atomic_llong minute;
	atomic_uint written_cnt, left_out_cnt;
};

/* As stele_log_fields(), within a limit; at most STELE_LOG_LIMITED_MAX fields. Any thread. */
void stele_log_limited(struct stele_log_limit *limit, enum stele_log_level level, const char *event,
		       const struct stele_log_field *fields);

/* As stele_log_event(), within a limit of this place. */
#define stele_log_some(level, event, ...)                                                          \
	do {                                                                                       \
		static struct stele_log_limit limit_of_place;                                      \
		stele_log_limited(&limit_of_place, level, event,                                   \
				  (const struct stele_log_field[]){__VA_ARGS__, {.key = NULL}});   \
	} while (0)

/*
 * The audit: one line for each change of what is served, whoever made it. Event "audit", left out where there
 * is to be none, never for its level.
 */
struct stele_log_audit {
	const char *what; /* "update", "transfer", "add-zone", "remove-zone", "reload", ... */
	const char *zone; /* NULL: none */
	const char *peer; /* who: the address, or "uid 0 pid 17" of the control socket; NULL: we */
	const char *key;  /* that signed; NULL: none */
	const char *detail;    /* anything else; NULL: nothing */
	bool has_from, has_to; /* a new zone has no serial before, one that went has none after */
	uint32_t from_serial, to_serial;
};
void stele_log_audit(const struct stele_log_audit *audit);

#endif
