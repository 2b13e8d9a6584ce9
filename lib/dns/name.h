/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DNS_NAME_H
#define STELE_LIB_DNS_NAME_H

/*
 * Domain names in wire format (RFC 1035 section 3.1), uncompressed.
 *
 * A name is a run of labels, each behind its length byte, closed by the root's zero byte. Its
 * length counts all of them, so the root is 1 byte long. Inside Stele names are lower case (ASCII
 * only, RFC 4343) unless a function says otherwise.
 *
 * A *relative* name is what stands before some ancestor: the same labels without the closing zero
 * byte. Its length is name length minus ancestor length; it is empty for the ancestor itself.
 *
 * All functions are pure and thread safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STELE_NAME_MAX 255
#define STELE_LABEL_MAX 63
#define STELE_LABELS_MAX 127

/*
 * A sort key spends two bytes on each byte 0 and 1, and one on the end of a label: the longest relative
 * name, 254 bytes, has at least four labels and so 250 bytes in them.
 * Escaped text spends four characters on an unprintable byte, plus the closing NUL.
 */
#define STELE_SORT_KEY_MAX (2 * 250 + 4)
#define STELE_NAME_TEXT_MAX (4 * STELE_NAME_MAX + 1)

/*
 * Length in bytes of the name at `p`, of which at most `avail` bytes may be read; 0 if it is not a
 * whole valid name (label type other than 00, no root label, longer than 255).
 */
size_t stele_name_length(const uint8_t *p, size_t avail);

/* Number of labels, the root's not counted: 0 for the root, 2 for example.com. */
unsigned stele_name_label_cnt(const uint8_t *name);

/* Copies `len` bytes and lowers A-Z. Length bytes are at most 63 and so stay as they are. */
void stele_name_lower(uint8_t *to, const uint8_t *from, size_t len);

/* Equality of two runs of wire bytes without regard to ASCII case. */
bool stele_name_equal_nocase(const uint8_t *a, const uint8_t *b, size_t len);

/* True if `name` is `ancestor` or below it. Both lower case. */
bool stele_name_is_below(const uint8_t *name, size_t name_len, const uint8_t *ancestor,
			 size_t ancestor_len);

/*
 * A key whose order under memcmp (the shorter first on a tie) is the canonical order of names
 * (RFC 4034 section 6.1): labels from the rightmost to the leftmost, in each label byte 0 as 01 01,
 * byte 1 as 01 02, every other byte as it is, each label closed by 00. A name's key is a prefix of
 * the key of each name below it.
 *
 * Takes the relative name `rel` of `rel_len` bytes, lower case; writes at most STELE_SORT_KEY_MAX
 * bytes to `key` and returns how many. The empty relative name has the empty key.
 */
size_t stele_sort_key(const uint8_t *rel, size_t rel_len, uint8_t *key);

/* The inverse. Returns the length of the relative name, or -1 if `key` is no sort key. */
int stele_sort_key_to_name(const uint8_t *key, size_t key_len, uint8_t rel[STELE_NAME_MAX]);

/* memcmp of two sort keys, the shorter first on a tie. */
int stele_sort_key_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

/*
 * Presentation format (RFC 1035 section 5.1): dots and backslashes inside labels and the characters
 * with a meaning in zone files as \X, unprintable bytes as \DDD, absolute with its last dot.
 * Returns the length without the NUL.
 */
size_t stele_name_to_text(const uint8_t *name, char text[STELE_NAME_TEXT_MAX]);

/*
 * Parses `text_len` characters of presentation format as an absolute name (a missing last dot is
 * taken as present). Keeps case. Returns the name's length, or a negative stele_status.
 */
int stele_name_from_text(const char *text, size_t text_len, uint8_t name[STELE_NAME_MAX]);

/* base32hex without padding (RFC 4648 section 7), as NSEC3 owners use it: 20 bytes, 32 digits. */
#define STELE_NSEC3_HASH_SZ 20
#define STELE_NSEC3_LABEL_SZ 32
void stele_base32hex_encode(const uint8_t hash[STELE_NSEC3_HASH_SZ],
			    uint8_t digits[STELE_NSEC3_LABEL_SZ]); /* lower case digits */
bool stele_base32hex_decode(const uint8_t digits[STELE_NSEC3_LABEL_SZ],
			    uint8_t hash[STELE_NSEC3_HASH_SZ]); /* either case */

#endif
