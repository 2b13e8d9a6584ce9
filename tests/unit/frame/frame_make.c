/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/frame/frame_model.h"

#include "tests/unit/frame/frame_bytes.h"

#include <string.h>

static const uint8_t question[29] = {0x12, 0x34, 1,   0,   0,   1,   0, 0,   0,   0,
				     0,    0,    3,   'w', 'w', 'w', 7, 'e', 'x', 'a',
				     'm',  'p',  'l', 'e', 0,   0,   1, 0,   1};

struct frame_model_query frame_model_query(unsigned family)
{
	struct frame_model_query q = {.family = family,
				      .tag = -1,
				      .source_port = 40000,
				      .destination_port = 53,
				      .payload = question,
				      .payload_len = sizeof(question)};
	static const uint8_t client4[4] = {198, 51, 100, 7};
	static const uint8_t client6[16] = {0x20, 1, 0x0d, 0xb8, 0, 7, [15] = 0x99};
	if (family == 4) {
		memcpy(q.source, client4, 4);
		memcpy(q.destination, frame_model_settings.addresses[0].address.addr, 4);
	} else {
		memcpy(q.source, client6, 16);
		memcpy(q.destination, frame_model_settings.addresses[3].address.addr, 16);
	}
	return q;
}

uint32_t frame_model_ip(uint8_t *frame, const struct frame_model_query *q, unsigned proto,
			const uint8_t *payload, uint32_t len)
{
	memcpy(frame, frame_model_mac, 6);
	memcpy(frame + 6, frame_model_peer, 6);
	uint32_t l3 = 14;
	if (q->tag >= 0) {
		put16(frame + 12, 0x8100);
		put16(frame + 14, (unsigned)q->tag);
		l3 = 18;
	}
	put16(frame + l3 - 2, q->family == 4 ? 0x0800 : 0x86dd);
	uint8_t *ip = frame + l3;
	uint32_t header = q->family == 4 ? 20 : 40;
	memset(ip, 0, header);
	if (q->family == 4) {
		ip[0] = 0x45;
		put16(ip + 2, 20 + len);
		put16(ip + 4, 0xbeef);
		ip[8] = 57;
		ip[9] = (uint8_t)proto;
		memcpy(ip + 12, q->source, 4);
		memcpy(ip + 16, q->destination, 4);
	} else {
		ip[0] = 0x60;
		ip[3] = 7;
		put16(ip + 4, len);
		ip[6] = (uint8_t)proto;
		ip[7] = 57;
		memcpy(ip + 8, q->source, 16);
		memcpy(ip + 24, q->destination, 16);
	}
	memmove(ip + header, payload, len);
	if (q->family == 4)
		put16(ip + 10, ~frame_model_sum(0, ip, 20));
	return l3 + header + len;
}

uint32_t frame_model_udp(uint8_t *frame, const struct frame_model_query *q)
{
	uint8_t udp[FRAME_MODEL_MAX];
	put16(udp, q->source_port);
	put16(udp + 2, q->destination_port);
	put16(udp + 4, 8 + q->payload_len);
	put16(udp + 6, 0);
	memcpy(udp + 8, q->payload, q->payload_len);
	uint32_t len = frame_model_ip(frame, q, 17, udp, 8 + q->payload_len);
	frame_model_seal(frame, q->tag >= 0 ? 18 : 14);
	return len;
}

void frame_model_seal(uint8_t *frame, uint32_t l3_off)
{
	uint8_t *ip = frame + l3_off;
	bool is_ipv4 = ip[0] >> 4 == 4;
	uint32_t header = is_ipv4 ? 4u * (ip[0] & 15) : 40;
	uint32_t len = is_ipv4 ? get16(ip + 2) - header : get16(ip + 4);
	unsigned proto = is_ipv4 ? ip[9] : ip[6];
	uint8_t *p = ip + header;
	if (is_ipv4) {
		put16(ip + 10, 0);
		put16(ip + 10, ~frame_model_sum(0, ip, header));
	}
	if (proto == 17) {
		put16(p + 6, 0);
		unsigned check = ~frame_transport_sum(ip, 17, p, get16(p + 4)) & 0xffff;
		put16(p + 6, check == 0 ? 0xffff : check);
	} else if (proto == 1 || proto == 58) {
		put16(p + 2, 0);
		put16(p + 2, proto == 1 ? ~frame_model_sum(0, p, len) :
					  ~frame_transport_sum(ip, 58, p, len));
	}
}

uint32_t frame_model_arp(uint8_t *frame, unsigned operation, const uint8_t *sender_mac,
			 const uint8_t sender[4], const uint8_t target[4])
{
	static const uint8_t fixed[6] = {0, 1, 8, 0, 6, 4};
	memset(frame, 0xff, 6);
	memcpy(frame + 6, frame_model_peer, 6);
	put16(frame + 12, 0x0806);
	memcpy(frame + 14, fixed, 6);
	put16(frame + 20, operation);
	memcpy(frame + 22, sender_mac, 6);
	memcpy(frame + 28, sender, 4);
	memset(frame + 32, 0, 6);
	memcpy(frame + 38, target, 4);
	return 42;
}

uint32_t frame_model_solicitation(uint8_t *frame, const uint8_t source[16],
				  const uint8_t target[16])
{
	static const uint8_t unspecified[16];
	uint8_t nd[32] = {135};
	bool is_probe = memcmp(source, unspecified, 16) == 0;
	memcpy(nd + 8, target, 16);
	nd[24] = 1;
	nd[25] = 1;
	memcpy(nd + 26, frame_model_peer, 6);
	struct frame_model_query q = {
		.family = 6, .tag = -1, .destination = {0xff, 2, [11] = 1, 0xff}};
	memcpy(q.source, source, 16);
	memcpy(q.destination + 13, target + 13, 3);
	uint32_t len = frame_model_ip(frame, &q, 58, nd, is_probe ? 24 : 32);
	frame[0] = 0x33;
	frame[1] = 0x33;
	memcpy(frame + 2, q.destination + 12, 4);
	frame[14 + 7] = 255;
	frame_model_seal(frame, 14);
	return len;
}

uint32_t frame_model_echo(uint8_t *frame, unsigned family, uint32_t len)
{
	uint8_t echo[FRAME_MODEL_MAX] = {family == 4 ? 8 : 128, 0, 0, 0, 0x11, 0x22, 0x33, 0x44};
	for (uint32_t i = 0; i < len; i++)
		echo[8 + i] = (uint8_t)(i * 7 + 1);
	struct frame_model_query q = frame_model_query(family);
	uint32_t frame_len = frame_model_ip(frame, &q, family == 4 ? 1 : 58, echo, 8 + len);
	frame_model_seal(frame, 14);
	return frame_len;
}
