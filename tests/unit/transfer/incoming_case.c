/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/transfer/incoming_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t apex[APEX_LEN] = "\4zone\4test";

static int on_whole(void *user, struct stele_error *reterr)
{
	(void)reterr;
	struct told *t = user;
	t->len += (size_t)sprintf(t->text + t->len, "whole\n");
	return 0;
}

static int on_delta(void *user, uint32_t from, struct stele_error *reterr)
{
	(void)reterr;
	struct told *t = user;
	t->len += (size_t)sprintf(t->text + t->len, "delta %u\n", from);
	return 0;
}

static int on_record(void *user, const struct stele_incoming_record *record,
		     struct stele_error *reterr)
{
	struct told *t = user;
	if (++t->cnt == t->refuse_at)
		return stele_fail(reterr, STELE_E_SYSTEM, "refused here");
	char owner[STELE_NAME_TEXT_MAX], type[STELE_RRTYPE_TEXT_MAX];
	stele_name_to_text(record->owner, owner);
	stele_rrtype_to_text(record->type, type);
	if (t->len + 300 > sizeof(t->text))
		return 0;
	t->len += (size_t)sprintf(t->text + t->len, "%c%s %s", record->removed ? '-' : '+', owner,
				  type);
	if (record->type == STELE_TYPE_SOA)
		t->len +=
			(size_t)sprintf(t->text + t->len, " %u", stele_incoming_soa_serial(record));
	t->text[t->len++] = '\n';
	t->text[t->len] = '\0';
	return 0;
}

struct stele_incoming incoming;
struct told told;
struct stele_error err;

struct stele_incoming_settings settings(void)
{
	return (struct stele_incoming_settings){
		.apex = apex,
		.apex_len = APEX_LEN,
		.id = ID,
		.sink = {on_whole, on_delta, on_record, &told},
	};
}

void begin(const struct stele_incoming_settings *s)
{
	memset(&told, 0, sizeof(told));
	memset(&err, 0, sizeof(err));
	stele_incoming_begin(&incoming, s);
}

void begin_axfr(void)
{
	struct stele_incoming_settings s = settings();
	begin(&s);
}

void begin_ixfr(uint32_t serial)
{
	struct stele_incoming_settings s = settings();
	s.ixfr = true;
	s.serial = serial;
	begin(&s);
}

/* ---- messages ---- */

struct stele_writer writer;
uint8_t message[STELE_MESSAGE_MAX];

void open_message(uint16_t type)
{
	stele_writer_init(&writer, message, sizeof(message));
	stele_writer_begin(&writer, ID, STELE_FLAG_QR | STELE_FLAG_AA);
	if (type != 0)
		assert_int_equal(stele_writer_question(&writer, apex, APEX_LEN, type, 1), 1);
}

void put(const char *owner, uint16_t type, const void *rdata, size_t len)
{
	uint8_t name[STELE_NAME_MAX];
	int name_len = stele_name_from_text(owner, strlen(owner), name);
	assert_true(name_len > 0);
	assert_int_equal(stele_writer_record(&writer, STELE_RR_ANSWER, name, (size_t)name_len, type,
					     STELE_CLASS_IN, 300, rdata, len),
			 1);
}

void put_soa(uint32_t serial)
{
	uint8_t rdata[80] = "\2ns\4zone\4test\0\1h\4Zone\4test";
	size_t len = 14 + 13;
	memset(rdata + len, 0, 20);
	stele_put_be32(rdata + len, serial);
	rdata[len + 19] = 60;
	put("zone.test.", STELE_TYPE_SOA, rdata, len + 20);
}

void put_a(const char *owner, uint8_t last)
{
	put(owner, STELE_TYPE_A, (uint8_t[]){192, 0, 2, last}, 4);
}

void put_zone(void)
{
	put_soa(7);
	put("zone.test.", STELE_TYPE_NS, "\2ns\4zone\4test", 14);
	put_a("WWW.zone.test.", 1);
	put_a("www.zone.test.", 2);
	put_soa(7);
}

void put_deltas(void)
{
	put_soa(7);
	put_soa(5);
	put_a("a.zone.test.", 1);
	put_soa(6);
	put_soa(6);
	put_soa(7);
	put_a("b.zone.test.", 1);
	put_soa(7);
}

int close_message(void)
{
	size_t len = stele_writer_end(&writer);
	/* Exactly the bytes, so that ASan sees reads behind them. */
	uint8_t *copy = malloc(len);
	memcpy(copy, message, len);
	int status = stele_incoming_message(&incoming, copy, len, &err);
	free(copy);
	return status;
}

void refused(enum stele_incoming_fault fault, const char *part)
{
	assert_int_equal(close_message(), STELE_E_INPUT);
	assert_int_equal(incoming.fault, fault);
	if (strstr(err.text, part) == NULL)
		fail_msg("'%s' is not in '%s'", part, err.text);
}
