/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ZONEMD_STORED_H
#define STELE_LIB_ZONEMD_STORED_H

/*
 * Verifies the digest of a zone that is in the store, or in a write that was not committed yet
 * (stele_store_write_view()): so a zone that is not whole never gets to be served.
 *
 * The store keeps NSEC3 records in a table of their own, and signatures with what they sign; here both are
 * put in canonical order. Costs one walk over the zone, about 0.5 µs a record.
 */

#include "lib/base/error.h"
#include "lib/store/store.h"

enum stele_zonemd_verdict {
	STELE_ZONEMD_ABSENT,   /* the apex has no ZONEMD */
	STELE_ZONEMD_UNUSABLE, /* it has, and none that could be verified: `reterr` says why */
	STELE_ZONEMD_RIGHT,
	STELE_ZONEMD_WRONG, /* the zone is another one than that of the digest */
};

/*
 * 0 with the verdict; STELE_E_SYSTEM; STELE_E_INPUT if the zone has records that are none of their type. A
 * zone without ZONEMD costs one look-up. Belongs to the thread that `read` belongs to.
 */
int stele_zonemd_check(struct stele_store_read *read, const struct stele_zone_info *zone,
		       enum stele_zonemd_verdict *ret_verdict, struct stele_error *reterr);

#endif
