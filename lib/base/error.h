/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_BASE_ERROR_H
#define STELE_LIB_BASE_ERROR_H

/*
 * How every library function of Stele reports a failure.
 *
 * A function returns 0 (or a count) when it is done and one of the negative codes below when it
 * is not. Results go to `ret_…` parameters, which are not touched on failure. Detail for a person
 * goes to a `struct stele_error`, which the caller owns; it may be NULL where nobody reads it.
 * Libraries never print and never exit: programs print the text once.
 */

enum stele_status {
	STELE_OK = 0,
	STELE_E_INPUT = -1,    /* what was given is wrong: a zone file, an image, a name */
	STELE_E_USAGE = -2,    /* the call or the command line is wrong */
	STELE_E_SYSTEM = -3,   /* disk, memory, permission */
	STELE_E_NOTFOUND = -4, /* no such zone, owner, generation */
	STELE_E_STALE = -5,    /* the journal no longer reaches back that far */
};

/* Enough for a path, a name of 255 bytes in escaped form and a sentence. */
#define STELE_ERROR_MAX 2048

struct stele_error {
	char text[STELE_ERROR_MAX];
};

/*
 * Writes a message and returns `status`, so that `return stele_fail(err, STELE_E_INPUT, …)` is
 * one line. `err` may be NULL. Cuts a message that is too long. Thread safe for distinct `err`.
 */
int stele_fail(struct stele_error *err, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As stele_fail with STELE_E_SYSTEM; appends ": " and the text of `error_number`. */
int stele_fail_errno(struct stele_error *err, int error_number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * As stele_fail_errno, of a file that a person has named. STELE_E_INPUT if there is none of this name, or no file where
 * one should be or no folder: a retry is of no use then, and commands end with 1 and not with 3.
 */
int stele_fail_file(struct stele_error *err, int error_number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#if defined(__clang_analyzer__) || defined(STELE_ANALYZER) /* this one: scripts/check-analysis */
/*
 * An analyser sees one file at a time: it is told what comes back, or it would follow failures as if
 * they were successes.
 */
static inline int stele_error_status(int returned, int status)
{
	(void)returned;
	return status;
}
#define stele_fail(err, status, ...)                                                               \
	stele_error_status(stele_fail(err, status, __VA_ARGS__), status)
#define stele_fail_errno(err, error_number, ...)                                                   \
	stele_error_status(stele_fail_errno(err, error_number, __VA_ARGS__), STELE_E_SYSTEM)
#define stele_fail_file(err, error_number, ...)                                                    \
	stele_error_status(stele_fail_file(err, error_number, __VA_ARGS__), STELE_E_SYSTEM)
#endif

/* The process exit status that stands for `status`: 0 done, 1 input, 2 usage, 3 system. */
int stele_exit_status(int status);

#endif
