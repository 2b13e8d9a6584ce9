/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes digests over zones, for tests/integration/libraries/test_zonemd.py.
 *
 * usage: zonemd_tool APEX SERIAL
 *        zonemd_tool --store DIR APEX
 *
 * Reads records in canonical order, one a line: OWNER TYPE TTL RDATA, where types are numbers and APEX, OWNER
 * and RDATA are in hex, an empty rdata as "-". Prints the digests of SHA-384 and SHA-512, the algorithms that
 * the ZONEMD records of the apex make usable, as a number, and 1 if the zone is what they say.
 *
 * With --store, prints what becomes of the zone with this APEX (as text) in a store.
 */
#include "lib/base/hex.h"
#include "lib/dns/name.h"
#include "lib/dns/rrtype.h"
#include "lib/zonemd/stored.h"
#include "lib/zonemd/zonemd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZONEMD_MAX 16

static uint8_t zonemd_rdata[ZONEMD_MAX][1024];

static void print_digest(const struct stele_zonemd *zonemd, enum stele_zonemd_algorithm algorithm)
{
	uint8_t digest[STELE_ZONEMD_DIGEST_MAX];
	char text[2 * STELE_ZONEMD_DIGEST_MAX + 1];
	size_t len = stele_zonemd_digest(zonemd, algorithm, digest);
	stele_hex_encode(digest, len, text);
	printf("%s\n", text);
}

static int check_store(const char *dir, const char *apex_text)
{
	static const char *const verdicts[] = {"absent", "unusable", "right", "wrong"};
	struct stele_store *store;
	struct stele_store_read *read;
	struct stele_zone_info zone;
	struct stele_error err = {.text = ""};
	enum stele_zonemd_verdict verdict = STELE_ZONEMD_ABSENT;
	uint8_t apex[STELE_NAME_MAX];
	if (stele_name_from_text(apex_text, strlen(apex_text), apex) < 0)
		return 2;
	int status = stele_store_open(dir, STELE_STORE_READ, &store, &err);
	if (status == 0) {
		status = stele_store_read_begin(store, &read, &err);
		if (status == 0) {
			status = stele_store_zone_find(read, apex, &zone, &err);
			if (status == 0)
				status = stele_zonemd_check(read, &zone, &verdict, &err);
			stele_store_read_end(read);
		}
		stele_store_close(store);
	}
	printf("%s %s\n", status == 0 ? verdicts[verdict] : "failed", err.text);
	return status == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static uint8_t rdata[65536];
	static char rdata_text[2 * 65536 + 1], owner_text[2 * STELE_NAME_MAX + 1];
	struct stele_zonemd_rr rrs[ZONEMD_MAX];
	uint8_t apex[STELE_NAME_MAX], owner[STELE_NAME_MAX];
	struct stele_zonemd *zonemd;
	unsigned type, ttl;
	size_t cnt = 0;
	if (argc == 4 && strcmp(argv[1], "--store") == 0)
		return check_store(argv[2], argv[3]);
	if (argc != 3 || strlen(argv[1]) > 2 * sizeof(apex))
		return 2;
	size_t apex_len = strlen(argv[1]) / 2;
	if (!stele_hex_decode(argv[1], apex, apex_len) ||
	    stele_zonemd_begin(apex, apex_len,
			       1u << STELE_ZONEMD_SHA384 | 1u << STELE_ZONEMD_SHA512, &zonemd,
			       NULL) != 0)
		return 2;
	/* NOLINTNEXTLINE(cert-err34-c): python wrote the numbers */
	while (scanf("%510s %u %u %131072s", owner_text, &type, &ttl, rdata_text) == 4) {
		size_t owner_len = strlen(owner_text) / 2;
		size_t rdlen = rdata_text[0] == '-' ? 0 : strlen(rdata_text) / 2;
		if (!stele_hex_decode(owner_text, owner, owner_len) ||
		    (rdlen > 0 && !stele_hex_decode(rdata_text, rdata, rdlen)))
			return 2;
		if (type == STELE_TYPE_ZONEMD && owner_len == apex_len && cnt < ZONEMD_MAX &&
		    rdlen <= sizeof(zonemd_rdata[0])) {
			memcpy(zonemd_rdata[cnt], rdata, rdlen);
			rrs[cnt] = (struct stele_zonemd_rr){zonemd_rdata[cnt], rdlen};
			cnt++;
		}
		int status = stele_zonemd_add(zonemd, owner, owner_len, (uint16_t)type, ttl, rdata,
					      rdlen);
		if (status < 0) {
			printf("status %d at %s %u\n", status, owner_text, type);
			stele_zonemd_free(zonemd);
			return 1;
		}
	}
	uint32_t serial = (uint32_t)strtoul(argv[2], NULL, 10);
	if (stele_zonemd_finish(zonemd) != 0)
		return 1;
	print_digest(zonemd, STELE_ZONEMD_SHA384);
	print_digest(zonemd, STELE_ZONEMD_SHA512);
	printf("%u\n%d\n", stele_zonemd_usable(rrs, cnt, serial, NULL),
	       stele_zonemd_matches(zonemd, rrs, cnt, serial));
	stele_zonemd_free(zonemd);
	return 0;
}
