/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_TEXT_RDATA_LAYOUT_H
#define STELE_LIB_TEXT_RDATA_LAYOUT_H

/* Of which fields the rdata of a type consists, and their text. For rdata_text.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rdata_layout {
	uint16_t type;
	bool is_own;        /* import reads the text itself (lib/zone/rdata.h), not by ldns */
	const char *fields; /* a letter each, see rdata_layout.c */
};

/* NULL if the type has none. */
const struct rdata_layout *rdata_layout_find(uint16_t type);

/*
 * Writes the text to `text` of STELE_RDATA_TEXT_MAX bytes; returns its length, 0 if the rdata does not have this
 * layout.
 */
size_t rdata_layout_put(const struct rdata_layout *layout, const uint8_t *rdata, size_t rdata_len,
			char *text);

#endif
