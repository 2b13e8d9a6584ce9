/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/loop/queries.h"

#include "lib/base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define HOT_CNT 512 /* as in bench_engine: what they touch stays in the first-level caches */
#define COOKIE_OPTION 10
#define COOKIE_SZ (4 + 8)

const char loop_case_names[] =
	"[hot|random] [positive|referral|NODATA|NXDOMAIN|wildcard] [DO] [cookie]";

uint16_t loop_sum(const uint8_t *bytes, size_t len, uint32_t sum)
{
	uint16_t word;

	for (; len >= 2; bytes += 2, len -= 2) {
		memcpy(&word, bytes, 2);
		sum += word;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	if (len) {
		word = 0;
		memcpy(&word, bytes, 1);
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

static bool ends_with(const char *text, size_t *len, const char *word)
{
	size_t word_len = strlen(word);

	if (*len <= word_len || text[*len - word_len - 1] != ' ' ||
	    memcmp(text + *len - word_len, word, word_len) != 0)
		return false;
	*len -= word_len + 1;
	return true;
}

bool loop_case_parse(const char *name, struct loop_case *ret_case)
{
	struct loop_case parsed = {.hot = strncmp(name, "hot ", 4) == 0};
	size_t len = strlen(name);

	if (len >= sizeof(parsed.name) || (!parsed.hot && strncmp(name, "random ", 7) != 0))
		return false;
	memcpy(parsed.name, name, len + 1);
	parsed.cookie = ends_with(name, &len, "cookie");
	parsed.dnssec_ok = ends_with(name, &len, "DO");
	for (unsigned kind = 0; kind < SAMPLE_KIND_CNT; kind++) {
		size_t rest = len;
		if (!ends_with(name, &rest, sample_kind_names[kind]) ||
		    rest != strlen(parsed.hot ? "hot" : "random"))
			continue;
		parsed.kind = kind;
		*ret_case = parsed;
		return true;
	}
	return false;
}

/* False if it does not fit. The OPT record is the last thing in the message. */
static bool prepare(const struct sample_query *sample, bool cookie, uint64_t *state,
		    struct loop_query *ret)
{
	size_t len = sample->len;

	if (len + (cookie ? COOKIE_SZ : 0) > LOOP_QUERY_MAX)
		return false;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->msg, sample->msg, len);
	if (cookie) {
		stele_put_be16(ret->msg + len - 2, COOKIE_SZ);
		stele_put_be16(ret->msg + len, COOKIE_OPTION);
		stele_put_be16(ret->msg + len + 2, COOKIE_SZ - 4);
		uint64_t random = sample_random(state);
		memcpy(ret->msg + len + 4, &random, 8);
		len += COOKIE_SZ;
	}
	ret->len = (uint16_t)len;
	stele_put_be16(ret->msg, 0);
	ret->sum = loop_sum(ret->msg, len, 0);
	return true;
}

bool loop_queries_make(const struct stele_view *view, const struct loop_case *what, uint64_t seed,
		       size_t cnt, struct loop_queries *ret)
{
	uint64_t state = seed;

	if (what->hot)
		cnt = HOT_CNT;
	struct sample_query *samples = malloc(cnt * sizeof(*samples));
	struct loop_query *items = aligned_alloc(64, cnt * sizeof(*items));
	if (samples == NULL || items == NULL)
		abort();
	size_t kept = 0;
	if (sample_queries(view, what->kind, what->dnssec_ok, seed, samples, cnt)) {
		for (size_t i = 0; i < cnt; i++)
			kept += prepare(&samples[i], what->cookie, &state, &items[kept]);
	}
	free(samples);
	if (kept == 0) {
		free(items);
		return false;
	}
	ret->items = items;
	ret->cnt = kept;
	ret->rcode = what->kind == SAMPLE_NXDOMAIN ? 3 : 0;
	return true;
}
