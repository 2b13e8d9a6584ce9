/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/buffer.h"

#include <stdlib.h>
#include <string.h>

uint8_t *store_buffer_take(struct store_buffer *buffer, size_t sz)
{
	if (buffer->cap - buffer->sz < sz) {
		size_t cap = buffer->cap < 1024 ? 1024 : 2 * buffer->cap;
		while (cap - buffer->sz < sz)
			cap *= 2;
		uint8_t *data = realloc(buffer->data, cap);
		if (data == NULL)
			return NULL;
		buffer->data = data;
		buffer->cap = cap;
	}
	uint8_t *p = buffer->data + buffer->sz;
	buffer->sz += sz;
	return p;
}

bool store_buffer_add(struct store_buffer *buffer, const void *data, size_t sz)
{
	uint8_t *p = store_buffer_take(buffer, sz);
	if (p == NULL)
		return false;
	if (sz > 0)
		memcpy(p, data, sz);
	return true;
}

void store_buffer_free(struct store_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct store_buffer){0};
}
