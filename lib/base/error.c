/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Names in parentheses: for analysers they are macros too. */
int(stele_fail)(struct stele_error *err, int status, const char *format, ...)
{
	if (err != NULL) {
		va_list args;
		va_start(args, format);
		vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);
	}
	return status;
}

__attribute__((format(printf, 3, 0))) static void
write_errno(struct stele_error *err, int error_number, const char *format, va_list args)
{
	char detail[128];
	const char *reason = strerror_r(error_number, detail, sizeof(detail));
	/* A path may be longer than all of the text: of the two, the reason is what must be told. */
	size_t room = sizeof(err->text) - strnlen(reason, sizeof(detail)) - strlen(": ");
	vsnprintf(err->text, room, format, args);
	size_t len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", reason);
}

int(stele_fail_errno)(struct stele_error *err, int error_number, const char *format, ...)
{
	if (err != NULL) {
		va_list args;
		va_start(args, format);
		write_errno(err, error_number, format, args);
		va_end(args);
	}
	return STELE_E_SYSTEM;
}

int(stele_fail_file)(struct stele_error *err, int error_number, const char *format, ...)
{
	if (err != NULL) {
		va_list args;
		va_start(args, format);
		write_errno(err, error_number, format, args);
		va_end(args);
	}
	bool is_wrong_name = error_number == ENOENT || error_number == ENOTDIR ||
			     error_number == EISDIR || error_number == ELOOP ||
			     error_number == ENAMETOOLONG;
	return is_wrong_name ? STELE_E_INPUT : STELE_E_SYSTEM;
}

int stele_exit_status(int status)
{
	switch (status) {
	case STELE_E_USAGE:
		return 2;
	case STELE_E_SYSTEM:
		return 3;
	default:
		return status >= 0 ? 0 : 1;
	}
}
