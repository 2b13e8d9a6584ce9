/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_LOOP_CHECK_H
#define STELE_BENCHMARKS_LOOP_CHECK_H

/* Whether a reply has the very bytes that lib/answer gives when it is asked directly. */

#include "lib/answer/answer.h"

#include <stdbool.h>
#include <stdint.h>

#define LOOP_CHECK_VIEWS_MAX 8

struct loop_checker {
	struct stele_answerer *answerer;
	struct stele_answer_settings settings; /* the server's, without policy and packet cache */
	const struct stele_view *views[LOOP_CHECK_VIEWS_MAX]; /* any of them may be served */
	unsigned view_cnt;
};

/* `query` has the id that it was sent with. */
bool loop_check_message(const struct loop_checker *checker, const struct stele_client *client,
			const uint8_t *query, uint32_t query_len, const uint8_t *reply,
			uint32_t reply_len);

/* Lengths and checksums of a frame of Ethernet, IP and UDP. */
bool loop_check_frame(const uint8_t *frame, uint32_t len);

#endif
