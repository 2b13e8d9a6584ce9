/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images whose checksums, sums and lengths are right, and in which something stands where it may not. Each is
 * next to one that only differs in the place, and is good.
 *
 * usage: test_image_forged IMAGE (of tests/golden/zones/forged.test.zone)
 */
#include "tests/unit/image/image_seal.h"

#include "lib/dns/rrtype.h"
#include "lib/image/verified.h"
#include "lib/image/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char *path;
static struct stele_error err;

struct image {
	uint8_t *bytes;
	size_t size;
};

static int load(void **state)
{
	struct stat st;
	struct image *image = calloc(1, sizeof(*image));
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	image->size = (size_t)st.st_size;
	image->bytes = malloc(image->size);
	assert_non_null(image->bytes);
	assert_int_equal(fread(image->bytes, 1, image->size, file), image->size);
	fclose(file);
	*state = image;
	return 0;
}

static int unload(void **state)
{
	struct image *image = *state;
	free(image->bytes);
	free(image);
	return 0;
}

/* ---- what is changed ---- */

/* An RRset and its body: records, then signatures. */
struct place {
	struct stele_rrset *rrset;
	uint8_t *body;
};

/* The bytes of the image at an address that a view of it gave. */
static void *at(const struct image *image, const void *found)
{
	return image->bytes + ((const uint8_t *)found - image->bytes);
}

/* The RRset of the only name that begins with this label; "" is the apex. */
static struct place find(const struct image *image, const char *label, unsigned type)
{
	struct stele_view view;
	struct place place = {0};
	size_t len = strlen(label);
	assert_int_equal(stele_view_open(image->bytes, image->size, &view, &err), 0);
	const struct stele_view_shard *shard = view.shards + view.name_first;
	for (uint32_t i = 0; i < stele_view_slot_cnt(shard); i++) {
		const uint8_t *record = stele_view_slot_record(shard, i);
		if (record == NULL)
			continue;
		struct stele_name_parts name = stele_name_parts(record);
		if (len == 0 ? name.head->rel_len != 0 :
			       name.head->rel_len == 0 || name.rel[0] != len ||
				       memcmp(name.rel + 1, label, len) != 0)
			continue;
		const uint8_t *body = stele_name_body(&name, name.rrsets);
		for (unsigned k = 0; k < name.rrset_cnt; k++) {
			if (stele_le16(name.rrsets[k].type) == type)
				place = (struct place){at(image, name.rrsets + k), at(image, body)};
			body = stele_rrset_end(body, name.rrsets + k);
		}
	}
	stele_view_close(&view);
	if (place.rrset == NULL)
		abort();
	return place;
}

static struct place find_zone_soa(const struct image *image)
{
	struct stele_view view;
	struct place place = {0};
	assert_int_equal(stele_view_open(image->bytes, image->size, &view, &err), 0);
	const struct stele_view_shard *shard = view.shards + view.zone_first;
	for (uint32_t i = 0; i < stele_view_slot_cnt(shard); i++) {
		struct stele_zone *zone = (void *)(uintptr_t)stele_view_slot_record(shard, i);
		if (zone != NULL)
			place = (struct place){&zone->soa, (uint8_t *)(zone + 1) + zone->apex_len +
								   zone->salt_len};
	}
	stele_view_close(&view);
	if (place.rrset == NULL)
		abort();
	return place;
}

/* Makes another type of it, in its records and what signatures cover. */
static void retype(struct place place, unsigned type)
{
	uint8_t *rr = place.body, *sigs = rr + stele_le16(place.rrset->plain_len);
	uint8_t *end = sigs + stele_le16(place.rrset->sig_len);
	place.rrset->type = stele_to_le16((uint16_t)type);
	for (; rr < end; rr += 12 + stele_get_be16(rr + 10))
		stele_put_be16(rr < sigs ? rr + 2 : rr + 12, (uint16_t)type);
}

static void set_ttl(struct place place, uint32_t ttl)
{
	uint8_t *rr = place.body;
	uint8_t *end = rr + stele_le16(place.rrset->plain_len) + stele_le16(place.rrset->sig_len);
	for (; rr < end; rr += 12 + stele_get_be16(rr + 10))
		stele_put_be32(rr + 6, ttl);
}

/* The last byte of the record, of its minimum; or of its signature. */
static uint8_t *last_byte(struct place place, bool of_sig)
{
	size_t len = stele_le16(place.rrset->plain_len);
	return place.body + len + (of_sig ? stele_le16(place.rrset->sig_len) : 0) - 1;
}

/* ---- what comes of it ---- */

/* `text`: of the fault; NULL: none. */
static void expect(struct image *image, const char *text)
{
	struct stele_view view;
	image_seal_bodies(image->bytes, image->size);
	assert_true(image_seal(image->bytes, image->size));
	assert_int_equal(stele_view_open(image->bytes, image->size, &view, &err), 0);
	err.text[0] = '\0';
	int rc = stele_view_verify(&view, &err);
	stele_view_close(&view);
	if (rc != (text != NULL ? STELE_E_INPUT : 0) ||
	    (text != NULL && strstr(err.text, text) == NULL))
		fail_msg("%s, expected %s", rc == 0 ? "good" : err.text,
			 text != NULL ? text : "no fault");
}

static void test_types_at_cuts(void **state)
{
	struct image *image = *state;
	enum { LOC = 29, LAST = 65280 };
	expect(image, NULL);
	struct place ds = find(image, "cut", STELE_TYPE_DS);
	/* Without a cut any type is good. */
	struct place www = find(image, "www", STELE_TYPE_AAAA);
	static const unsigned types[] = {STELE_TYPE_TXT, LOC, LAST};
	for (unsigned i = 0; i < 3; i++) {
		retype(www, types[i]);
		expect(image, NULL);
		retype(ds, types[i]);
		expect(image, "1 signatures, at a name of kind 2");
		retype(ds, STELE_TYPE_DS);
		expect(image, NULL);
	}
	/* An address at a cut, but signed: it is glue. */
	retype(ds, STELE_TYPE_AAAA);
	expect(image, "type 28: 1 signatures, at a name of kind 2");
	/* What is authoritative may be there. */
	retype(ds, STELE_TYPE_NSEC);
	expect(image, NULL);
}

static void test_types_below_cuts(void **state)
{
	struct image *image = *state;
	struct place aaaa = find(image, "glue", STELE_TYPE_AAAA);
	static const unsigned types[] = {STELE_TYPE_TXT, STELE_TYPE_DS, STELE_TYPE_NSEC, 65280};
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		char text[64];
		snprintf(text, sizeof(text), "type %u: 0 signatures, at a name of kind 3",
			 types[i]);
		retype(aaaa, types[i]);
		expect(image, text);
	}
	retype(aaaa, STELE_TYPE_AAAA);
	expect(image, NULL);
}

#define NOT_THE_APEX "zone: SOA is not that of its apex"

static void test_soa(void **state)
{
	struct image *image = *state;
	struct place apex = find(image, "", STELE_TYPE_SOA), zone = find_zone_soa(image);
	for (unsigned of_sig = 0; of_sig < 2; of_sig++) {
		/* Of the minimum only upwards: TTLs are not above it. */
		*last_byte(zone, of_sig) ^= 0x80;
		expect(image, NOT_THE_APEX);
		*last_byte(apex, of_sig) ^= 0x80;
		if (of_sig == 0)
			set_ttl(zone, 60 ^ 0x80);
		expect(image, NULL);
	}
	/* The lesser of minimum (188 now) and TTL. */
	set_ttl(zone, 187);
	expect(image, NOT_THE_APEX);
	set_ttl(apex, 187);
	expect(image, NULL);
	set_ttl(zone, 188);
	expect(image, NOT_THE_APEX);
	set_ttl(apex, 188);
	expect(image, NULL);
}

/* With a base only what differs is looked at; a zone's record alone is not enough to say that it is right. */
static void test_soa_beside_a_base(void **state)
{
	struct image *old = *state, new = {malloc(old->size), old->size};
	for (unsigned both = 0; both < 2; both++) {
		struct stele_view base, view;
		struct stele_verified *verified;
		memcpy(new.bytes, old->bytes, new.size);
		*last_byte(find_zone_soa(&new), true) ^= 1;
		if (both == 1)
			*last_byte(find(&new, "", STELE_TYPE_SOA), true) ^= 1;
		image_seal_bodies(new.bytes, new.size);
		assert_true(image_seal(new.bytes, new.size));
		assert_int_equal(stele_view_open(old->bytes, old->size, &base, &err), 0);
		assert_int_equal(stele_view_open(new.bytes, new.size, &view, &err), 0);
		struct stele_verify_options options = {.threads = 1};
		assert_int_equal(stele_view_verify_with(&base, &options, &verified, NULL, &err), 0);
		for (uint32_t i = 0; i < view.shard_cnt; i++)
			if (memcmp(base.refs[i].digest, view.refs[i].digest, 32) == 0)
				view.shards[i] = base.shards[i];
		options.base = &base;
		options.base_verified = verified;
		bool incremental = false;
		int rc = stele_view_verify_with(&view, &options, NULL, &incremental, &err);
		assert_int_equal(rc, both == 1 ? 0 : STELE_E_INPUT);
		assert_int_equal(incremental, both == 1);
		if (both == 0)
			assert_non_null(strstr(err.text, NOT_THE_APEX));
		stele_verified_free(verified);
		stele_view_close(&view);
		stele_view_close(&base);
	}
	free(new.bytes);
}

/* The first reference behind a body without signatures and patches. */
static struct stele_ref *first_ref(struct place place)
{
	return (void *)(place.body + stele_le16(place.rrset->plain_len) + 2);
}

static void set_ref(struct place place, unsigned name_off)
{
	struct stele_ref ref;
	memcpy(&ref, first_ref(place), sizeof(ref));
	ref.name_off = stele_to_le16((uint16_t)name_off);
	memcpy(first_ref(place), &ref, sizeof(ref));
}

/* A service leads to its target, or to its owner where the target is the root; an alias to the root leads nowhere. */
static void test_services(void **state)
{
	struct image *image = *state;
	enum { HEAD = 12, OWN_AT = 0, TARGET_AT = HEAD + 2 };
	struct place own = find(image, "own", STELE_TYPE_HTTPS);
	struct place svc = find(image, "svc", STELE_TYPE_SVCB);
	expect(image, NULL);

	stele_put_be16(own.body + HEAD, 0);
	expect(image, "type 65: patches or references too many");
	stele_put_be16(own.body + HEAD, 7);
	expect(image, NULL);
	set_ref(own, TARGET_AT);
	expect(image, "type 65: wrong reference");
	set_ref(own, OWN_AT);
	expect(image, NULL);

	/* An alias with a target has the same reference. */
	stele_put_be16(svc.body + HEAD, 0);
	expect(image, NULL);
	set_ref(svc, OWN_AT);
	expect(image, "type 64: wrong reference");
	set_ref(svc, TARGET_AT);
	expect(image, NULL);
	retype(svc, STELE_TYPE_HTTPS);
	expect(image, NULL);
	retype(svc, STELE_TYPE_TXT);
	expect(image, "type 16: patches or references too many");
	retype(svc, STELE_TYPE_SVCB);
	/* A label that reaches over the end. */
	svc.body[TARGET_AT] = 63;
	expect(image, "type 64: malformed rdata");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: test_image_forged IMAGE\n", stderr);
		return 2;
	}
	path = argv[1];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_types_at_cuts, load, unload),
		cmocka_unit_test_setup_teardown(test_types_below_cuts, load, unload),
		cmocka_unit_test_setup_teardown(test_services, load, unload),
		cmocka_unit_test_setup_teardown(test_soa, load, unload),
		cmocka_unit_test_setup_teardown(test_soa_beside_a_base, load, unload),
	};
	return cmocka_run_group_tests_name("image-forged", tests, NULL, NULL);
}
