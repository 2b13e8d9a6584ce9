/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_TEXT_RDATA_LAYOUT_H
#define STELE_LIB_TEXT_RDATA_LAYOUT_H

/* The text of rdata by its fields (lib/dns/rdata_fields.h). For rdata_text.c. */

#include <stddef.h>
#include <stdint.h>

/*
 * Writes the text to `text` of STELE_RDATA_TEXT_MAX bytes; returns its length, 0 if the rdata does not have these
 * fields.
 */
size_t rdata_layout_put(const char *fields, const uint8_t *rdata, size_t rdata_len, char *text);

#endif
