/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_BASE_HEX_H
#define STELE_LIB_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of a digit of either case; -1 for what is none. */
static inline int stele_hex_digit(char c)
{
	unsigned digit = (unsigned char)c - (unsigned)'0',
		 letter = ((unsigned char)c | 0x20) - (unsigned)'a';
	return digit <= 9 ? (int)digit : letter <= 5 ? (int)letter + 10 : -1;
}

/* Writes 2 * len lower case digits and a NUL to `text`. */
void stele_hex_encode(const uint8_t *bytes, size_t len, char *text);

/* Reads exactly 2 * len digits of either case, all of `text`. False if it is anything else; `bytes` may
 * then be written to. */
bool stele_hex_decode(const char *text, uint8_t *bytes, size_t len);

#endif
