/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_STORE_BUFFER_H
#define STELE_LIB_STORE_BUFFER_H

/* Bytes that grow. All zero is an empty buffer; store_buffer_free makes it one again. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_buffer {
	uint8_t *data;
	size_t sz, cap;
};

/* Room for `sz` more bytes, counted as taken; NULL when memory is out. */
uint8_t *store_buffer_take(struct store_buffer *buffer, size_t sz);

/* False when memory is out; the buffer is as it was. */
bool store_buffer_add(struct store_buffer *buffer, const void *data, size_t sz);

void store_buffer_free(struct store_buffer *buffer);

#endif
