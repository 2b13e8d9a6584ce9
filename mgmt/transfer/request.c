/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/bytes.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "mgmt/transfer/outgoing.h"

#include <string.h>

#define UDP_SIZE_MIN 512 /* RFC 6891 section 6.2.3 */
#define SOA_TAIL_SZ 20   /* serial, refresh, retry, expire, minimum */

/* OPT has its version and its size in TTL and class (RFC 6891 section 6.1.3). */
static uint16_t read_opt(const struct stele_rr *rr, const uint8_t *msg,
			 struct stele_transfer_request *request)
{
	if (request->has_opt || rr->owner_len != 1)
		return STELE_RCODE_FORMERR;
	request->has_opt = true;
	request->udp_size = rr->class_ > UDP_SIZE_MIN ? rr->class_ : UDP_SIZE_MIN;
	if ((rr->ttl >> 16 & 0xff) != 0)
		return STELE_RCODE_BADVERS;
	const uint8_t *option = msg + rr->rdata_off;
	for (size_t left = rr->rdlen; left > 0;) {
		size_t sz = left >= 4 ? 4u + stele_get_be16(option + 2) : left + 1;
		if (sz > left)
			return STELE_RCODE_FORMERR;
		/* Empty in a request (RFC 7314 section 3.1). */
		if (stele_get_be16(option) == STELE_EDNS_EXPIRE)
			request->wants_expire = true;
		option += sz;
		left -= sz;
	}
	return STELE_RCODE_NOERROR;
}

/* The client's SOA, of which only the serial counts (RFC 1995 section 3). */
static bool read_soa(const struct stele_reader *reader, const struct stele_rr *rr,
		     struct stele_transfer_request *request)
{
	uint8_t rdata[2 * STELE_NAME_MAX + SOA_TAIL_SZ];
	if (rr->type != STELE_TYPE_SOA || rr->class_ != request->class_ ||
	    rr->owner_len != request->name_len ||
	    !stele_name_equal_nocase(rr->owner, request->name, rr->owner_len))
		return false;
	int len = stele_reader_rdata(reader, rr, rdata, sizeof(rdata));
	if (len < SOA_TAIL_SZ + 2)
		return false;
	request->serial = stele_get_be32(rdata + len - SOA_TAIL_SZ);
	return true;
}

uint16_t stele_transfer_request_parse(const uint8_t *msg, size_t len,
				      struct stele_transfer_request *ret_request)
{
	struct stele_reader reader;
	struct stele_rr rr;
	struct stele_transfer_request request = {.udp_size = UDP_SIZE_MIN};
	unsigned soa_cnt = 0;
	int status = stele_reader_init(&reader, msg, len);
	if (status != 0 || reader.cnt[STELE_RR_QUESTION] != 1 || reader.cnt[STELE_RR_ANSWER] != 0 ||
	    (reader.flags & STELE_FLAG_QR) != 0)
		return STELE_RCODE_FORMERR;
	request.id = reader.id;
	request.flags = reader.flags;
	while ((status = stele_reader_next(&reader, &rr)) == 1) {
		uint16_t rcode = STELE_RCODE_NOERROR;
		if (rr.section == STELE_RR_QUESTION) {
			if (rr.type != STELE_TYPE_AXFR && rr.type != STELE_TYPE_IXFR)
				return STELE_RCODE_FORMERR;
			request.type = rr.type;
			request.class_ = rr.class_;
			request.name_len = rr.owner_len;
			memcpy(request.name, rr.owner, rr.owner_len);
			stele_name_lower(request.apex, rr.owner, rr.owner_len);
		} else if (rr.section == STELE_RR_AUTHORITY && request.type == STELE_TYPE_IXFR) {
			if (soa_cnt++ > 0 || !read_soa(&reader, &rr, &request))
				return STELE_RCODE_FORMERR;
		} else if (rr.type == STELE_TYPE_OPT) {
			rcode = rr.section == STELE_RR_ADDITIONAL ? read_opt(&rr, msg, &request) :
								    STELE_RCODE_FORMERR;
		}
		if (rcode != STELE_RCODE_NOERROR)
			return rcode;
	}
	if (status != 0 || stele_reader_left(&reader) != 0 ||
	    (request.type == STELE_TYPE_IXFR && soa_cnt != 1))
		return STELE_RCODE_FORMERR;
	*ret_request = request;
	return STELE_RCODE_NOERROR;
}
