/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a frame. The parser must say what a second, slow reading says, read nothing behind the frame, and
 * what is answered must be a sound frame to who asked.
 *
 * The first byte of the input says how the port is set up and whether checksums are to be made right
 * first, so that more than their check is reached; the second shapes the reply; the rest is the frame.
 */
#include "responder/frame/wire.h"
#include "tests/unit/frame/frame_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum how {
	HOW_SEAL = 1,
	HOW_VLAN = 2, /* the port is in VLAN 7 */
	HOW_KERNEL = 4,
	HOW_STRIPPED = 8, /* a tag of VLAN 7 was taken out */
	HOW_IP_GOOD = 16,
	HOW_UDP_GOOD = 32,
	HOW_NARROW = 64, /* MTU of 1280 */
	HOW_OURS = 128,  /* put our MAC in front */
};

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_frame: %s\n", what);
	abort();
}

static void require_sound(const struct stele_frame_settings *settings, const uint8_t *frame,
			  uint32_t len)
{
	const char *fault = frame_model_fault(settings, frame, len);
	require(fault == NULL, fault);
}

static void seal(uint8_t *frame, uint32_t len)
{
	uint32_t l3 = len > 18 && frame[12] == 0x81 && frame[13] == 0 ? 18 : 14;
	if (len < l3 + 48)
		return;
	/* Only where all that is summed up is there. */
	uint8_t *ip = frame + l3;
	bool is_ipv4 = ip[0] == 0x45;
	uint32_t header = is_ipv4 ? 20 : 40;
	uint32_t ip_len = is_ipv4 ? stele_get_be16(ip + 2) : 40u + stele_get_be16(ip + 4);
	if ((!is_ipv4 && ip[0] >> 4 != 6) || ip_len < header + 8 || ip_len > len - l3)
		return;
	uint8_t proto = is_ipv4 ? ip[9] : ip[6];
	if (proto == 17 && stele_get_be16(ip + header + 4) > ip_len - header)
		return;
	frame_model_seal(frame, l3);
}

static void check_reply(const struct stele_frame_settings *settings,
			const struct stele_frame_port *port, const struct stele_frame *f,
			uint8_t *frame, uint32_t len, uint8_t shape)
{
	struct stele_query query;
	struct stele_reply reply = {0};
	stele_frame_query(f, frame, &query, &reply);
	require(f->payload_off + (uint32_t)f->payload_len <= len, "payload outside of the frame");
	require(f->payload_max >= 512, "no room for a reply");
	require(query.client.family == 4 || query.client.family == 6, "family");
	/* A reply of up to the most that fits, made of what came. */
	reply.len = (uint32_t)reply.cap * shape / 255;
	for (uint32_t i = f->payload_len; i < reply.len; i++)
		reply.buf[i] = (uint8_t)(i * shape);
	if (reply.len > 0) {
		reply.body_off = (uint16_t)(reply.len / 3);
		reply.body_len = (uint16_t)(reply.len / 2);
		reply.body_sum =
			(uint16_t)frame_model_sum(0, reply.buf + reply.body_off, reply.body_len);
	}
	require_sound(settings, frame, stele_frame_reply(port, f, frame, &reply));
}

static struct stele_frame parse(const struct stele_frame_settings *settings,
				const struct stele_frame_port *port, const uint8_t *frame,
				uint32_t len, uint32_t cap, uint32_t offload)
{
	/* In memory of exactly its size: what is read behind it is seen. */
	struct stele_frame f, portable, expected;
	memset(&f, 0xa5, sizeof(f));
	portable = expected = f;
	uint8_t *exact = malloc(len > 0 ? len : 1);
	require(exact != NULL, "out of memory");
	memcpy(exact, frame, len);
	stele_frame_parse(port, exact, len, cap, offload, &f);
	stele_frame_parse_portable(port, exact, len, cap, offload, &portable);
	free(exact);
	require(memcmp(&f, &portable, sizeof(f)) == 0, "the portable code reads it otherwise");
	frame_model_parse(settings, frame, len, cap, offload, &expected);
	require(memcmp(&f, &expected, sizeof(f)) == 0, "the two readings differ");
	return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stele_frame_port port;
	enum { CAP = 2048 };
	uint8_t frame[CAP];
	if (size < 2 || size - 2 > CAP)
		return 0;
	unsigned how = data[0];
	uint32_t len = (uint32_t)size - 2;
	memset(frame, 0, sizeof(frame));
	memcpy(frame, data + 2, len);

	struct stele_frame_settings settings = frame_model_settings;
	settings.vlan_id = how & HOW_VLAN ? 7 : 0;
	settings.flags = how & HOW_KERNEL ? STELE_FRAME_KERNEL_LOCAL : 0;
	settings.mtu = how & HOW_NARROW ? 1280 : 1500;
	struct stele_error err;
	require(stele_frame_port_init(&port, &settings, &err) == 0, "settings");
	uint32_t offload = how & HOW_STRIPPED ? STELE_FRAME_RX_VLAN | 7u << 16 : 0;
	offload |= how & HOW_IP_GOOD ? STELE_FRAME_RX_IP_GOOD : 0;
	offload |= how & HOW_UDP_GOOD ? STELE_FRAME_RX_UDP_GOOD : 0;
	if (how & HOW_OURS && len >= 14)
		memcpy(frame, frame_model_mac, 6);
	if (how & HOW_SEAL)
		seal(frame, len);

	struct stele_frame f = parse(&settings, &port, frame, len, CAP, offload);
	switch ((enum stele_frame_verdict)f.verdict) {
	case STELE_FRAME_QUERY:
		check_reply(&settings, &port, &f, frame, len, data[1]);
		break;
	case STELE_FRAME_LOCAL:
		require(f.reason < STELE_FRAME_LOCAL_CNT, "kind");
		require_sound(&settings, frame, stele_frame_local_reply(&port, &f, frame));
		break;
	case STELE_FRAME_PUNT:
		require(f.reason < STELE_FRAME_PUNT_REASON_CNT, "reason to punt");
		break;
	case STELE_FRAME_DROP:
		require(f.reason < STELE_FRAME_DROP_REASON_CNT, "reason to drop");
		break;
	}
	return 0;
}
