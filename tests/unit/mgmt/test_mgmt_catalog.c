/* SPDX-License-Identifier: Apache-2.0 */
/* What a catalog says, where that is at a bound. */
#include "mgmt/catalog/contents.h"
#include "tests/unit/store/store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[64];
static struct stele_store *store;
static struct stele_error err;

/* A name of `len` bytes in wire format: labels of 63 and one that is what is left. */
static void make_name(uint8_t to[STELE_NAME_MAX], size_t len)
{
	size_t left = len - 1;
	while (left > 0) {
		size_t label = left < 64 ? left : 64;
		if (left - label == 1)
			label--;
		*to = (uint8_t)(label - 1);
		memset(to + 1, 'a', label - 1);
		to += label;
		left -= label;
	}
	*to = 0;
}

static int read_empty(size_t apex_len)
{
	uint8_t apex[STELE_NAME_MAX];
	struct stele_catalog_contents contents;
	struct stele_store_write *write;
	struct stele_store_read *read;
	make_name(apex, apex_len);
	assert_int_equal(stele_name_length(apex, sizeof(apex)), apex_len);
	assert_int_equal(stele_store_write_begin(store, &write, &err), 0);
	assert_int_equal(bulk_replace(write, apex, 1, 0, false, NULL, &err), 0);
	assert_int_equal(stele_store_commit(write, NULL, &err), 0);
	assert_int_equal(stele_store_read_begin(store, &read, &err), 0);
	int status = stele_catalog_read(read, apex, &contents, &err);
	stele_store_read_end(read);
	return status;
}

/* The text of the fault names what is missing, if that can have a name. */
static void test_no_version(void **state)
{
	static const char room[] = "broken catalog: its name leaves no room for a version";
	(void)state;
	for (size_t len = 240; len <= STELE_NAME_MAX; len++) {
		assert_int_equal(read_empty(len), STELE_E_INPUT);
		if (len <= STELE_NAME_MAX - 8)
			assert_non_null(strstr(err.text, "broken catalog: version.aaa"));
		else
			assert_string_equal(err.text, room);
	}
}

static int begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/stele-test-catalog-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	return stele_store_open(dir, STELE_STORE_CREATE, &store, &err);
}

static int end(void **state)
{
	char command[128];
	(void)state;
	stele_store_close(store);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_version, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
