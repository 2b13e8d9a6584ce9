/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_IMAGE_IDENTITY_H
#define STELE_LIB_IMAGE_IDENTITY_H

/*
 * What binds a root to its superblock (docs/image-format.md section 2.1). Anybody can compute a
 * checksum, and zone data may stand anywhere in a torn tail; but whoever has not read the superblock
 * does not know its seed, and so cannot write a root that this image takes for its own.
 */

#include "lib/base/error.h"
#include "lib/image/format.h"

/* The first bytes of the SHA-256 of the superblock. STELE_E_SYSTEM if libcrypto fails. */
int stele_image_identity(const struct stele_superblock *superblock,
			 uint8_t ret_identity[STELE_IDENTITY_SZ], struct stele_error *reterr);

#endif
