/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a transfer out is made, without sockets: bench_outgoing STORE ZONE [BYTES]
 *
 * Makes the whole transfer five times, in messages of at most BYTES (65535), and prints each time.
 */
#include "lib/dns/rrtype.h"
#include "mgmt/transfer/outgoing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUND_CNT 5

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run(struct stele_store *store, const struct stele_transfer_request *request, size_t cap,
	       struct stele_error *reterr)
{
	static uint8_t buf[65535];
	static const struct stele_outgoing_options options = {.ixfr = true};
	struct stele_outgoing *out;
	struct stele_outgoing_stats stats;
	uint16_t rcode;
	bool last;
	double begun_at = now();
	int status = stele_outgoing_new(store, request, &options, &out, &rcode, reterr);
	if (status != 0)
		return status;
	if (rcode != 0)
		return stele_fail(reterr, STELE_E_INPUT, "refused with rcode %u", rcode);
	while ((status = stele_outgoing_next(out, buf, cap, &last, reterr)) > 0)
		;
	stele_outgoing_stats(out, &stats);
	stele_outgoing_free(out);
	double took = now() - begun_at;
	printf("%.3f s: %lu records in %lu messages, %lu bytes, %.0f ns a record\n", took,
	       (unsigned long)stats.record_cnt, (unsigned long)stats.message_cnt,
	       (unsigned long)stats.sz, took * 1e9 / (double)stats.record_cnt);
	return status;
}

int main(int argc, char **argv)
{
	struct stele_transfer_request request = {.type = STELE_TYPE_AXFR, .class_ = STELE_CLASS_IN};
	struct stele_error err;
	struct stele_store *store;
	if (argc < 3) {
		fputs("usage: bench_outgoing STORE ZONE [BYTES]\n", stderr);
		return 2;
	}
	size_t cap = argc > 3 ? strtoul(argv[3], NULL, 10) : 65535;
	int len = stele_name_from_text(argv[2], strlen(argv[2]), request.name);
	if (len < 0 || cap < 512 || cap > 65535) {
		fputs("bench_outgoing: no such zone or size\n", stderr);
		return 2;
	}
	request.name_len = (uint8_t)len;
	stele_name_lower(request.apex, request.name, (size_t)len);
	int status = stele_store_open(argv[1], STELE_STORE_READ, &store, &err);
	if (status == 0) {
		for (unsigned i = 0; i < ROUND_CNT && status == 0; i++)
			status = run(store, &request, cap, &err);
		stele_store_close(store);
	}
	if (status != 0)
		fprintf(stderr, "bench_outgoing: %s\n", err.text);
	return stele_exit_status(status);
}
