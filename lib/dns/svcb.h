/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DNS_SVCB_H
#define STELE_LIB_DNS_SVCB_H

#include "lib/dns/rrtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parameters of SVCB and HTTPS records that are more than opaque bytes to us (RFC 9460, RFC 9540). */
enum stele_svc_key {
	STELE_SVC_MANDATORY = 0,
	STELE_SVC_ALPN = 1,
	STELE_SVC_NO_DEFAULT_ALPN = 2,
	STELE_SVC_PORT = 3,
	STELE_SVC_IPV4HINT = 4,
	STELE_SVC_ECH = 5,
	STELE_SVC_IPV6HINT = 6,
	STELE_SVC_DOHPATH = 7,
	STELE_SVC_OHTTP = 8,
};

/*
 * Why a client throws a record with these parameters away, or NULL if it does not (RFC 9460 sections 2.2, 7 and 8).
 * `params` are what stands behind the target's name. Pure, thread safe.
 */
const char *stele_svc_fault(const uint8_t *params, size_t len);

static inline bool stele_svc_is(uint16_t type)
{
	return type == STELE_TYPE_SVCB || type == STELE_TYPE_HTTPS;
}

/*
 * Whether the target of a record, of any type, is the root of SVCB or HTTPS, which is no target (RFC 9460 section 2.5): of
 * a service it stands for the record's owner, of an alias for nothing. `rdata` is whole. Pure.
 */
static inline bool stele_svc_is_own(uint16_t type, const uint8_t *rdata)
{
	return stele_svc_is(type) && rdata[2] == 0;
}

/* Of SVCB or HTTPS: whether it is an alias and no service. */
static inline bool stele_svc_is_alias(const uint8_t *rdata)
{
	return rdata[0] == 0 && rdata[1] == 0;
}

#endif
