/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a zone file: scanned, sorted, checked and written as nodes. Nothing may crash, every
 * node must be well formed and in order, and what is refused must come with a reason.
 */
#include "lib/store/node.h"
#include "zonecompiler/import/cursor.h"
#include "zonecompiler/import/import.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ldns 1.8.3 forgets some words of an IPSECKEY that it refuses. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	/* Its caller is often out of sight, since libldns has no frame pointers. */
	return "leak:ldns_str2rdf_ipseckey\nleak:ldns_rdf_new_frm_data";
}

struct last {
	enum stele_store_table table;
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len;
	bool is_set;
};

static int check_node(void *user, enum stele_store_table table, const struct stele_store_item *item)
{
	struct last *last = user;
	if (!stele_node_check(item->node, item->node_sz) || item->node_sz == 0)
		abort();
	if (last->is_set && last->table == table &&
	    stele_sort_key_compare(last->key, last->key_len, item->key, item->key_len) >= 0)
		abort();
	*last = (struct last){.table = table, .key_len = item->key_len, .is_set = true};
	memcpy(last->key, item->key, item->key_len);
	return 0;
}

static void note_text(void *user, const char *text)
{
	if (*text == '\0')
		abort();
	*(bool *)user = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t apex[] = "\7example";
	bool told = false;
	struct stele_report report = {.emit = note_text, .user = &told};
	struct stele_import *import;
	struct stele_zone_stats stats;
	struct stele_error err = {0};
	struct last last = {0};
	uint8_t *text = calloc(1, size + STELE_CURSOR_SLACK);
	if (text == NULL || stele_import_new(&report, &import) < 0)
		abort();
	memcpy(text, data, size);
	/* The first byte chooses whether the zone's name is known. */
	bool named = size == 0 || data[0] % 2 == 0;
	int status = stele_import_read_text(import, "zone", text, size, apex,
					    named ? sizeof(apex) : 0, &err);
	if (status == 0)
		status = stele_import_walk(import, 1700000000, check_node, &last, &stats, &err);
	if (status < 0 && !told)
		abort();
	stele_report_close(&report);
	stele_import_free(import);
	free(text);
	return 0;
}
