/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/error.h"

#include <stdarg.h>
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

int(stele_fail_errno)(struct stele_error *err, int error_number, const char *format, ...)
{
	if (err != NULL) {
		va_list args;
		va_start(args, format);
		int n = vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);
		char detail[128];
		if (n >= 0 && (size_t)n < sizeof(err->text))
			snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s",
				 strerror_r(error_number, detail, sizeof(detail)));
	}
	return STELE_E_SYSTEM;
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
