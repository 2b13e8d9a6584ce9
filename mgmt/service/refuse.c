/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include "lib/base/bytes.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"

/* What of a message comes back with a refusal. */
struct outline {
	size_t question_end; /* 0: none that can be read */
	bool has_opt;
	uint16_t opt_size;
	bool dnssec_ok;
};

static struct outline read_outline(const uint8_t *msg, size_t len)
{
	struct outline o = {0};
	struct stele_reader reader;
	struct stele_rr rr;

	if (stele_reader_init(&reader, msg, len) != 0)
		return o;
	while (stele_reader_next(&reader, &rr) == 1) {
		if (rr.section == STELE_RR_QUESTION && o.question_end == 0)
			o.question_end = rr.at_off + (size_t)rr.owner_len + 4;
		if (rr.section == STELE_RR_ADDITIONAL && rr.type == STELE_TYPE_OPT) {
			o.has_opt = true;
			o.opt_size = rr.class_;
			o.dnssec_ok = (rr.ttl & STELE_EDNS_FLAG_DO) != 0;
		}
	}
	return o;
}

size_t refuse(const uint8_t *msg, size_t len, uint16_t rcode, uint16_t flags, uint16_t udp_size,
	      uint8_t *buf)
{
	if (len < STELE_HEADER_SZ)
		return 0;
	struct outline o = read_outline(msg, len);
	uint16_t copied = stele_get_be16(msg + 2) & (STELE_FLAG_OPCODE | STELE_FLAG_RD);
	/* The first question stands uncompressed behind the header. */
	size_t pos = o.question_end > 0 ? o.question_end : STELE_HEADER_SZ;

	memmove(buf, msg, pos);
	stele_put_be16(buf + 2,
		       (uint16_t)(STELE_FLAG_QR | copied | flags | (rcode & STELE_FLAG_RCODE)));
	stele_put_be16(buf + 4, o.question_end > 0);
	stele_put_be32(buf + 6, 0);
	stele_put_be16(buf + 10, o.has_opt);
	if (o.has_opt) {
		uint32_t ttl = (uint32_t)(rcode >> 4) << 24 |
			       (o.dnssec_ok ? (uint32_t)STELE_EDNS_FLAG_DO : 0);
		buf[pos] = 0;
		stele_put_be16(buf + pos + 1, STELE_TYPE_OPT);
		stele_put_be16(buf + pos + 3, udp_size);
		stele_put_be32(buf + pos + 5, ttl);
		stele_put_be16(buf + pos + 9, 0);
		pos += 11;
	}
	return pos;
}

uint16_t refuse_udp_size(const uint8_t *msg, size_t len)
{
	struct outline o = read_outline(msg, len);

	return o.has_opt && o.opt_size > 512 ? o.opt_size : 512;
}
