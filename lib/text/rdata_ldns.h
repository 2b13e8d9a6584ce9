/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_TEXT_RDATA_LDNS_H
#define STELE_LIB_TEXT_RDATA_LDNS_H

/* What ldns makes of rdata and of its text. For rdata_text.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if ldns reads these bytes from the text. False too when memory is out. */
bool rdata_ldns_reads(uint16_t type, const uint8_t *rdata, size_t rdata_len, const char *text,
		      size_t text_len);

/*
 * Writes the text that ldns has for it to `text` of STELE_RDATA_TEXT_MAX bytes; returns its length, 0 if there is
 * none. ldns leaves some characters of names alone that mean something in zone files, so text with anything unusual
 * in it is not taken. One thread at a time.
 */
size_t rdata_ldns_put(uint16_t type, const uint8_t *rdata, size_t rdata_len, char *text);

#endif
