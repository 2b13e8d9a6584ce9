/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_IMAGE_IMAGE_SEAL_H
#define STELE_TESTS_UNIT_IMAGE_IMAGE_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Makes all checksums and digests of an image right again after bytes in it were changed, so that
 * tests reach the checks behind them. Works on any bytes: what does not look like an image is left as
 * it is. Returns false if no root was found.
 */
bool image_seal(uint8_t *bytes, size_t bytes_sz);

/* Makes the checksums of directory pages and what is above them right, and leaves references as they are. */
void image_seal_page(uint8_t *bytes, size_t bytes_sz);

/*
 * Makes the sums of RRset bodies right again, of all name records and SOAs of zone records that slots lead
 * to. Then, for the checksums, image_seal().
 */
void image_seal_bodies(uint8_t *bytes, size_t bytes_sz);

/* Whether byte `at` is in a part that the last root of a good image reaches. */
bool image_reaches(const uint8_t *bytes, size_t bytes_sz, size_t at);

#endif
