/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transfer is a sequence of records, and a place in it. The place moves one record on at a time; messages
 * are filled with what it gives, and a record that no longer fits waits for the next message.
 */
#include "mgmt/transfer/outgoing.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/serial.h"
#include "lib/dns/writer.h"
#include "mgmt/transfer/records.h"

#include <stdlib.h>
#include <string.h>

#define OPT_SZ 11         /* with an empty rdata */
#define OPT_EXPIRE_SZ 8   /* the option with its head */
#define OPT_UDP_SIZE 1232 /* what we take ourselves; without a meaning over TCP */
#define SOA_TAIL_SZ 20    /* serial, refresh, retry, expire, minimum */

/*
 * Messages are not filled beyond what compression can point to: names behind it would be written out. A
 * registry's zone of 0.9 M records takes 31 MB in messages of 64 KiB, 25 MB in those of 16 KiB, and no
 * more time. Only a record that needs it gets a longer message.
 */
#define FULL_SZ ((size_t)STELE_POINTER_MAX + 1)

/* Where it stands: what comes next. */
enum place {
	PLACE_BEGIN, /* our SOA */
	PLACE_NODES,
	PLACE_NSEC3,
	PLACE_STEP,     /* the SOA before the next step, if there is one */
	PLACE_REMOVED,  /* then what it removes */
	PLACE_STEP_SOA, /* the SOA after it */
	PLACE_ADDED,    /* and what it adds */
	PLACE_CLOSE,    /* our SOA again */
	PLACE_END,
};

struct stele_outgoing {
	struct stele_store_read *read;
	struct stele_transfer_request request;
	struct stele_outgoing_options options;
	struct stele_zone_info info;
	struct stele_outgoing_stats stats;

	enum place place;
	struct stele_out_record soa; /* ours; points into the store */
	struct stele_store_cursor *cursor;
	struct stele_store_steps *steps;
	struct stele_journal_step step;
	struct stele_run_walk run;
	struct stele_node_walk walk;

	struct stele_out_record waiting;
	bool has_waiting;
	bool failed;
	struct stele_writer writer;
};

static int damaged(struct stele_error *reterr, const char *what)
{
	return stele_fail(reterr, STELE_E_SYSTEM, "the store is damaged: %s", what);
}

/* ---- the sequence of records ---- */

static bool find_soa(const uint8_t *node, size_t node_sz, struct stele_out_record *ret_soa)
{
	struct stele_node_rrset rrset;
	if (!stele_node_find(node, node_sz, STELE_TYPE_SOA, &rrset) || rrset.rr_cnt != 1)
		return false;
	const uint8_t *p = rrset.data;
	struct stele_node_rr rr = stele_node_rr_next(&p);
	if (rr.rdata_len < SOA_TAIL_SZ + 2)
		return false;
	ret_soa->type = STELE_TYPE_SOA;
	ret_soa->ttl = rrset.ttl;
	ret_soa->rdata = rr.rdata;
	ret_soa->rdlen = rr.rdata_len;
	return true;
}

static int open_table(struct stele_outgoing *out, enum stele_store_table table,
		      struct stele_error *reterr)
{
	stele_store_cursor_close(out->cursor);
	out->cursor = NULL;
	memset(&out->walk, 0, sizeof(out->walk));
	return stele_store_cursor_open(out->read, table, out->info.id, NULL, 0, NULL, 0,
				       &out->cursor, reterr);
}

/* The next record of a table, the SOA left out: 1, 0 at the end of the table. */
static int next_of_table(struct stele_outgoing *out, enum stele_store_table table,
			 struct stele_out_record *ret_record, struct stele_error *reterr)
{
	for (;;) {
		while (stele_node_walk_next(&out->walk, ret_record))
			if (ret_record->type != STELE_TYPE_SOA)
				return 1;
		struct stele_store_item item;
		int status = stele_store_cursor_next(out->cursor, &item, reterr);
		if (status != 1)
			return status;
		if (!stele_node_walk_item(&out->walk, table, &item, out->info.apex,
					  out->info.apex_len))
			return damaged(reterr, "a key is no name");
	}
}

/* The same of a run. */
static int next_of_run(struct stele_outgoing *out, struct stele_out_record *ret_record,
		       struct stele_error *reterr)
{
	for (;;) {
		while (stele_node_walk_next(&out->walk, ret_record))
			if (ret_record->type != STELE_TYPE_SOA)
				return 1;
		int status = stele_run_walk_next(&out->run, &out->walk);
		if (status != 1)
			return status == 0 ? 0 : damaged(reterr, "a step of a journal");
	}
}

/* The SOA of a run, which stands at its first node, the apex; the run is then ready to be walked. */
static int begin_run(struct stele_outgoing *out, const uint8_t *run, size_t run_sz,
		     struct stele_out_record *ret_soa, struct stele_error *reterr)
{
	out->run = (struct stele_run_walk){.run = run, .run_sz = run_sz};
	memset(&out->walk, 0, sizeof(out->walk));
	*ret_soa = out->soa;
	if (stele_run_walk_next(&out->run, &out->walk) != 1 ||
	    !find_soa(out->walk.node, out->walk.node_sz, ret_soa))
		return damaged(reterr, "a step of a journal without SOA");
	return 1;
}

/* 1 with the SOA that a step begins with, 0 if there are no more steps. */
static int begin_step(struct stele_outgoing *out, struct stele_out_record *ret_soa,
		      struct stele_error *reterr)
{
	int status = stele_store_steps_next(out->steps, &out->step, reterr);
	if (status != 1)
		return status;
	return begin_run(out, out->step.removed, out->step.removed_sz, ret_soa, reterr);
}

/* The next record of the transfer: 1, 0 at its end, or a failure. */
static int next_record(struct stele_outgoing *out, struct stele_out_record *ret_record,
		       struct stele_error *reterr)
{
	for (;;) {
		int status = 1;
		switch (out->place) {
		case PLACE_BEGIN:
			*ret_record = out->soa;
			if (out->stats.kind == STELE_OUT_AXFR)
				status = open_table(out, STELE_STORE_NODES, reterr);
			out->place = out->stats.kind == STELE_OUT_AXFR ? PLACE_NODES :
				     out->stats.kind == STELE_OUT_IXFR ? PLACE_STEP :
									 PLACE_END;
			return status < 0 ? status : 1;
		case PLACE_NODES:
			status = next_of_table(out, STELE_STORE_NODES, ret_record, reterr);
			if (status != 0)
				return status;
			status = open_table(out, STELE_STORE_NSEC3, reterr);
			if (status < 0)
				return status;
			out->place = PLACE_NSEC3;
			break;
		case PLACE_NSEC3:
			status = next_of_table(out, STELE_STORE_NSEC3, ret_record, reterr);
			if (status != 0)
				return status;
			out->place = PLACE_CLOSE;
			break;
		case PLACE_STEP:
			status = begin_step(out, ret_record, reterr);
			out->place = status == 0 ? PLACE_CLOSE : PLACE_REMOVED;
			if (status != 0)
				return status;
			break;
		case PLACE_REMOVED:
			status = next_of_run(out, ret_record, reterr);
			if (status != 0)
				return status;
			out->place = PLACE_STEP_SOA;
			break;
		case PLACE_STEP_SOA:
			out->place = PLACE_ADDED;
			return begin_run(out, out->step.added, out->step.added_sz, ret_record,
					 reterr);
		case PLACE_ADDED:
			status = next_of_run(out, ret_record, reterr);
			if (status != 0)
				return status;
			out->place = PLACE_STEP;
			break;
		case PLACE_CLOSE:
			*ret_record = out->soa;
			out->place = PLACE_END;
			return 1;
		case PLACE_END:
			return 0;
		}
	}
}

/* ---- the beginning ---- */

static int choose_kind(struct stele_outgoing *out, struct stele_error *reterr)
{
	out->stats.kind = STELE_OUT_AXFR;
	if (out->request.type != STELE_TYPE_IXFR)
		return 0;
	out->stats.from_serial = out->request.serial;
	if (stele_serial_reaches(out->request.serial, out->info.serial)) {
		out->stats.kind = STELE_OUT_SOA;
		return 0;
	}
	int status = STELE_E_NOTFOUND;
	uint64_t sz = 0;
	if (out->options.ixfr)
		status = stele_store_steps_open(out->read, out->info.id, out->request.serial,
						&out->steps, &sz, reterr);
	if (status == 0 && sz <= out->info.data_sz)
		out->stats.kind = STELE_OUT_IXFR;
	else if (status == 0 || status == STELE_E_NOTFOUND)
		out->stats.kind = out->options.datagram ? STELE_OUT_SOA : STELE_OUT_AXFR;
	else
		return status;
	return 0;
}

/* The zone, its SOA, and what is sent of it. */
static int begin(struct stele_outgoing *out, uint16_t *ret_rcode, struct stele_error *reterr)
{
	int status = stele_store_zone_find(out->read, out->request.apex, &out->info, reterr);
	if (status == STELE_E_NOTFOUND || out->request.class_ != STELE_CLASS_IN) {
		*ret_rcode = STELE_RCODE_NOTAUTH;
		return 0;
	}
	if (status != 0)
		return status;
	/* What is not served is not handed on either. A stub is expired too. */
	if ((out->info.flags & STELE_STORE_ZONE_EXPIRED) != 0) {
		*ret_rcode = STELE_RCODE_SERVFAIL;
		return 0;
	}
	const uint8_t *node;
	size_t node_sz;
	status = stele_store_node(out->read, out->info.id, NULL, 0, &node, &node_sz, reterr);
	if (status != 0)
		return status;
	out->soa.owner = out->info.apex;
	out->soa.owner_len = out->info.apex_len;
	if (!find_soa(node, node_sz, &out->soa))
		return damaged(reterr, "a zone without SOA");
	out->stats.serial = out->info.serial;
	*ret_rcode = STELE_RCODE_NOERROR;
	return choose_kind(out, reterr);
}

int stele_outgoing_new(struct stele_store *store, const struct stele_transfer_request *request,
		       const struct stele_outgoing_options *options,
		       struct stele_outgoing **ret_outgoing, uint16_t *ret_rcode,
		       struct stele_error *reterr)
{
	struct stele_outgoing *out = calloc(1, sizeof(*out));
	if (out == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	out->request = *request;
	out->options = *options;
	uint16_t rcode = STELE_RCODE_SERVFAIL;
	int status = stele_store_read_begin(store, &out->read, reterr);
	if (status == 0)
		status = begin(out, &rcode, reterr);
	if (status != 0 || rcode != STELE_RCODE_NOERROR) {
		stele_outgoing_free(out);
		if (status == 0)
			*ret_rcode = rcode;
		return status;
	}
	*ret_rcode = rcode;
	*ret_outgoing = out;
	return 0;
}

void stele_outgoing_free(struct stele_outgoing *out)
{
	if (out == NULL)
		return;
	stele_store_cursor_close(out->cursor);
	stele_store_steps_close(out->steps);
	stele_store_read_end(out->read);
	free(out);
}

/* ---- messages ---- */

static size_t opt_sz(const struct stele_outgoing *out)
{
	if (!out->request.has_opt || out->stats.message_cnt > 0)
		return 0;
	return OPT_SZ + (out->request.wants_expire ? OPT_EXPIRE_SZ : 0);
}

static bool put_opt(struct stele_outgoing *out, size_t cap)
{
	static const uint8_t root = 0;
	uint8_t expire[OPT_EXPIRE_SZ];
	size_t sz = opt_sz(out);
	if (sz == 0)
		return true;
	stele_put_be16(expire, STELE_EDNS_EXPIRE);
	stele_put_be16(expire + 2, 4);
	stele_put_be32(expire + 4, out->options.has_expire ?
					   out->options.expire_s :
					   stele_get_be32(out->soa.rdata + out->soa.rdlen - 8));
	stele_writer_limit(&out->writer, cap, 0);
	return stele_writer_record(&out->writer, STELE_RR_ADDITIONAL, &root, 1, STELE_TYPE_OPT,
				   OPT_UDP_SIZE, 0, expire, sz - OPT_SZ) == 1;
}

/* Header, and in the first message the question (RFC 5936 section 2.2). */
static bool begin_message(struct stele_outgoing *out, uint8_t *buf, size_t cap)
{
	struct stele_writer *writer = &out->writer;
	const struct stele_transfer_request *request = &out->request;
	if (cap < STELE_HEADER_SZ)
		return false;
	stele_writer_init(writer, buf, cap);
	stele_writer_begin(writer, request->id,
			   (uint16_t)(STELE_FLAG_QR | STELE_FLAG_AA |
				      (request->flags & STELE_FLAG_RD)));
	stele_writer_limit(writer, cap < FULL_SZ ? cap : FULL_SZ, opt_sz(out));
	return out->stats.message_cnt > 0 ||
	       stele_writer_question(writer, request->name, request->name_len, request->type,
				     request->class_) == 1;
}

static int put_record(struct stele_outgoing *out, const struct stele_out_record *record)
{
	return stele_writer_record(&out->writer, STELE_RR_ANSWER, record->owner, record->owner_len,
				   record->type, STELE_CLASS_IN, record->ttl, record->rdata,
				   record->rdlen);
}

/* Adds records until no more fits: 1, 0 at the end of the transfer, or a failure. */
static int fill(struct stele_outgoing *out, size_t cap, struct stele_error *reterr)
{
	for (;;) {
		struct stele_out_record *record = &out->waiting;
		int status = out->has_waiting ? 1 : next_record(out, record, reterr);
		if (status != 1)
			return status;
		status = put_record(out, record);
		if (status == 0 && out->writer.cnt[STELE_RR_ANSWER] == 0) {
			stele_writer_limit(&out->writer, cap, opt_sz(out));
			status = put_record(out, record);
		}
		if (status < 0)
			return damaged(reterr, "a record is malformed");
		out->has_waiting = status == 0;
		if (status == 0)
			return 1;
		out->stats.record_cnt++;
	}
}

static int compose(struct stele_outgoing *out, uint8_t *buf, size_t cap, struct stele_error *reterr)
{
	return begin_message(out, buf, cap) ? fill(out, cap, reterr) : STELE_E_INPUT;
}

static int fail(struct stele_outgoing *out, int status)
{
	out->failed = true;
	return status;
}

/* Over UDP: all of it, or our SOA alone. */
static void shrink(struct stele_outgoing *out)
{
	out->stats.kind = STELE_OUT_SOA;
	out->stats.record_cnt = 0;
	out->place = PLACE_BEGIN;
	out->has_waiting = false;
}

int stele_outgoing_next(struct stele_outgoing *out, uint8_t *buf, size_t cap, bool *ret_last,
			struct stele_error *reterr)
{
	if (out->failed)
		return stele_fail(reterr, STELE_E_USAGE, "the transfer has failed");
	if (out->place == PLACE_END && !out->has_waiting && out->stats.message_cnt > 0)
		return 0;
	/* Who takes it slowly would keep all changes waiting for hours. */
	if (stele_store_read_is_in_the_way(out->read))
		return fail(out, stele_fail(reterr, STELE_E_SYSTEM,
					    "given up, since the store has to be opened again"));
	int status = compose(out, buf, cap, reterr);
	if (status == 1 && out->options.datagram && out->stats.kind != STELE_OUT_SOA) {
		shrink(out);
		status = compose(out, buf, cap, reterr);
	}
	if (status == STELE_E_INPUT || (status == 1 && out->writer.cnt[STELE_RR_ANSWER] == 0)) {
		char name[STELE_NAME_TEXT_MAX];
		stele_name_to_text(out->has_waiting ? out->waiting.owner : out->info.apex, name);
		return fail(out, stele_fail(reterr, STELE_E_INPUT,
					    "a record of %s does not fit into a message", name));
	}
	if (status < 0)
		return fail(out, status);
	if (!put_opt(out, cap))
		return fail(out, stele_fail(reterr, STELE_E_INPUT, "no room for EDNS"));
	size_t len = stele_writer_end(&out->writer);
	out->stats.message_cnt++;
	out->stats.sz += len;
	*ret_last = status == 0;
	return (int)len;
}

void stele_outgoing_stats(const struct stele_outgoing *out, struct stele_outgoing_stats *ret_stats)
{
	*ret_stats = out->stats;
}
