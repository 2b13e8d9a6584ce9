/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_UPDATE_PERFORM_H
#define STELE_MGMT_UPDATE_PERFORM_H

/*
 * An UPDATE against the zone as it is inside a write (RFC 2136 section 3), without sockets.
 *
 *   prerequisites   3.2   prerequisites.c
 *   permission      3.3   permission.c: the policy, record by record
 *   prescan         3.4.1 the form of each record, see message.h
 *   update          3.4.2 perform.c
 *   serial          3.6
 *
 * Zones are signed elsewhere: signatures and the denial chain are records like others here, changed by those
 * whom the policy lets. A signature goes with the last record of what it covers; the one over the SOA goes
 * when the serial is raised here.
 */

#include "lib/zone/edit.h"
#include "mgmt/config/config.h"
#include "mgmt/update/message.h"

/* What somebody may change. */
struct stele_update_grant {
	const struct stele_update_policy_config *policy; /* NULL: everything */
	const uint8_t *key; /* the name of the key that signed, wire format, lower case; NULL: none */
};

/*
 * Performs it in the session, which is not applied: that is the caller's with NOERROR, if `*ret_changed`.
 * `*ret_rcode` is what to answer with; `ret_reason` says why it is not NOERROR, as a sentence that is
 * there for ever, or in `reterr` if it is NULL. STELE_E_SYSTEM: SERVFAIL.
 */
int stele_update_perform(const struct stele_update *update, const struct stele_update_grant *grant,
			 struct stele_zone_edit *edit, uint16_t *ret_rcode, bool *ret_changed,
			 const char **ret_reason, struct stele_error *reterr);

/* ---- its parts ---- */

/* NOERROR if all prerequisites hold, else the rcode of the first that does not. */
int stele_update_prerequisites(const struct stele_update *update, struct stele_zone_edit *edit,
			       uint16_t *ret_rcode, struct stele_error *reterr);

/* Whether the grant covers all records of the update section: 1 or 0. */
int stele_update_permitted(const struct stele_update *update,
			   const struct stele_update_grant *grant, struct stele_zone_edit *edit,
			   struct stele_error *reterr);

#endif
