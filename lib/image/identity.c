/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/image/identity.h"

#include <openssl/evp.h>
#include <string.h>

int stele_image_identity(const struct stele_superblock *superblock,
			 uint8_t ret_identity[STELE_IDENTITY_SZ], struct stele_error *reterr)
{
	uint8_t digest[32];
	if (EVP_Digest(superblock, sizeof(*superblock), digest, NULL, EVP_sha256(), NULL) != 1)
		return stele_fail(reterr, STELE_E_SYSTEM, "libcrypto: SHA-256 failed");
	memcpy(ret_identity, digest, STELE_IDENTITY_SZ);
	return 0;
}
