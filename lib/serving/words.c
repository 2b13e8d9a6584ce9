/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/serving/words.h"

#include "lib/image/format.h"

const char *stele_signed_word(unsigned chain_kind)
{
	switch (chain_kind) {
	case STELE_CHAIN_NSEC_INLINE:
	case STELE_CHAIN_NSEC_SHARDS:
		return "nsec";
	case STELE_CHAIN_NSEC3_INLINE:
	case STELE_CHAIN_NSEC3_SHARDS:
		return "nsec3";
	default:
		return "none";
	}
}
