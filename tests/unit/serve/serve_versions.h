/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_SERVE_SERVE_VERSIONS_H
#define STELE_TESTS_UNIT_SERVE_SERVE_VERSIONS_H

/* What tests of serving share: versions of an image (tests/golden/make-versions). */

#include "lib/answer/answer.h"
#include "responder/serve/serve.h"

struct image_bytes {
	uint8_t *bytes;
	size_t size;
};

/* Reads the file at `path`; fails the test if it cannot. The caller frees the bytes. */
struct image_bytes image_read(const char *path);

/* A file without a name that holds `size` bytes; the caller closes it. */
int versions_file(const uint8_t *bytes, size_t size);

/*
 * The number that the TXT record of version.ZONE has in `view`; 0: no such answer. `zone` is in wire
 * format.
 */
unsigned versions_ask(struct stele_answerer *answerer, const struct stele_view *view,
		      const uint8_t *zone, size_t zone_len);

/* So long a load waits for readers that only the scheduler keeps waiting: longer than any machine is busy. */
#define VERSIONS_PATIENCE_MS (30u * 60 * 1000)

/* Opens a serve with an arena of `size` bytes in plain pages, and that patience. */
struct stele_serve *versions_open(size_t size);

#endif
