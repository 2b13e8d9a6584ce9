/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_BASE_SHOWN_H
#define STELE_LIB_BASE_SHOWN_H

/*
 * Text from elsewhere in a line that a person reads. Paths, arguments, and what files and peers hold may be any bytes:
 * a control character could end the line, or drive the terminal. It is shown escaped, `\n` for a line feed and `\xNN`
 * for each byte of any other; so is what is not UTF-8. The rest stays as it is, backslashes too: what was shown once
 * can be shown again.
 */

#include <stddef.h>

/* Bytes of the UTF-8 character at the front of `text`, of `len` > 0 bytes; 0 if there is none (RFC 3629). */
size_t stele_utf8_length(const char *text, size_t len);

/* The longest form of a character, with its NUL: a control character of two bytes. */
#define STELE_SHOWN_ONE_MAX sizeof("\\xc2\\x9b")

/* A byte takes at most so many when it is shown. */
#define STELE_SHOWN_FACTOR 4

/* Shows the character at the front of `text`, of `len` > 0 bytes. Returns how many bytes it has; they are shown
 * escaped if the form is longer. */
size_t stele_shown_one(const char *text, size_t len, char one[STELE_SHOWN_ONE_MAX]);

/* Shows `text` in `shown`, of `room` > 0 bytes with the NUL: as many whole characters as fit. Returns `shown`. */
const char *stele_shown(const char *text, char *shown, size_t room);

/* The same with room for all of it; the caller frees it. NULL: no memory. */
char *stele_shown_new(const char *text);

#endif
