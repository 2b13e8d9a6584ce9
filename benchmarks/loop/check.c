/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/loop/check.h"

#include "benchmarks/loop/queries.h"
#include "lib/base/bytes.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

static bool is_reply_of(const struct loop_checker *checker, const struct stele_view *view,
			const struct stele_query *query, uint32_t now, const uint8_t *reply,
			uint32_t reply_len)
{
	uint8_t buffer[4096];
	struct stele_reply direct = {.buf = buffer, .cap = 1472};

	stele_answer_batch(checker->answerer, view, &checker->settings, now, query, &direct, 1);
	return direct.verdict == STELE_VERDICT_REPLY && direct.len == reply_len &&
	       memcmp(direct.buf, reply, reply_len) == 0;
}

bool loop_check_message(const struct loop_checker *checker, const struct stele_client *client,
			const uint8_t *query, uint32_t query_len, const uint8_t *reply,
			uint32_t reply_len)
{
	const struct stele_query direct = {.msg = query, .len = query_len, .client = *client};
	uint32_t now = (uint32_t)time(NULL);

	for (unsigned i = 0; i < checker->view_cnt; i++) {
		/* A cookie has the second in it that it was made in. */
		for (uint32_t ago = 0; ago <= (checker->settings.cookies ? 2 : 0); ago++) {
			if (is_reply_of(checker, checker->views[i], &direct, now - ago, reply,
					reply_len))
				return true;
		}
	}
	return false;
}

bool loop_check_frame(const uint8_t *frame, uint32_t len)
{
	uint32_t l3_sz = stele_get_be16(frame + 12) == 0x0800 ? 20 : 40;
	const uint8_t *ip = frame + 14, *udp = ip + l3_sz;

	if (len < 14 + l3_sz + 8)
		return false;
	uint32_t udp_len = len - 14 - l3_sz;
	if (stele_get_be16(udp + 4) != udp_len)
		return false;
	if (l3_sz == 20 && (stele_get_be16(ip + 2) != len - 14 || loop_sum(ip, 20, 0) != 0xffff))
		return false;
	if (l3_sz == 40 && stele_get_be16(ip + 4) != udp_len)
		return false;
	uint32_t pseudo = (uint32_t)htons((uint16_t)udp_len) + htons(17);
	uint32_t addresses = l3_sz == 20 ? 8 : 32;
	return stele_get_be16(udp + 6) != 0 &&
	       loop_sum(udp, udp_len, loop_sum(udp - addresses, addresses, pseudo)) == 0xffff;
}
