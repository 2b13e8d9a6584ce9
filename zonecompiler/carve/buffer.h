/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_CARVE_BUFFER_H
#define STELE_ZONECOMPILER_CARVE_BUFFER_H

/*
 * Bytes that grow. All zero is an empty buffer. Memory is kept when `len` is set back to 0, so that a
 * buffer used in a loop soon allocates no more.
 */

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct stele_buffer {
	uint8_t *data;
	size_t len, cap;
};

/* Makes room for `more` bytes behind `len`, which the caller then writes and counts itself. */
static inline int stele_buffer_reserve(struct stele_buffer *buffer, size_t more,
				       struct stele_error *reterr)
{
	if (buffer->cap - buffer->len >= more)
		return 0;
	size_t cap = buffer->cap * 2 > 256 ? buffer->cap * 2 : 256;
	while (cap - buffer->len < more)
		cap *= 2;
	uint8_t *data = realloc(buffer->data, cap);
	if (data == NULL) {
		stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
		return STELE_E_SYSTEM;
	}
	buffer->data = data;
	buffer->cap = cap;
	return 0;
}

static inline int stele_buffer_add(struct stele_buffer *buffer, const void *bytes, size_t len,
				   struct stele_error *reterr)
{
	int rc = stele_buffer_reserve(buffer, len, reterr);
	if (rc < 0)
		return rc;
	if (len > 0 && buffer->data != NULL)
		memcpy(buffer->data + buffer->len, bytes, len);
	buffer->len += len;
	return 0;
}

/* Gives back what is not in use: for bytes that stay. */
static inline void stele_buffer_trim(struct stele_buffer *buffer)
{
	uint8_t *data = buffer->len > 0 ? realloc(buffer->data, buffer->len) : NULL;
	if (data != NULL) {
		buffer->data = data;
		buffer->cap = buffer->len;
	}
}

static inline void stele_buffer_free(struct stele_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct stele_buffer){0};
}

#endif
