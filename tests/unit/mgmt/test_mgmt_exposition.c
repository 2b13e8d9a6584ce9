/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus' text format: what scrapers parse, byte by byte. */
#include "mgmt/metrics/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *text;
static size_t text_sz;

static FILE *begin(void)
{
	free(text);
	text = NULL;
	FILE *out = open_memstream(&text, &text_sz);
	assert_non_null(out);
	return out;
}

static void test_family(void **state)
{
	(void)state;
	FILE *out = begin();
	exposition_family(out, "a_total", "counter", "of \"a\"\nand a\\b");
	fclose(out);
	assert_string_equal(text, "# HELP a_total of \"a\"\\nand a\\\\b\n# TYPE a_total counter\n");
}

static void test_labels(void **state)
{
	(void)state;
	FILE *out = begin();
	/* A name of a zone may hold any bytes; as text it has backslashes. */
	const char *labels[] = {"zone", "a\\032\"b\".\n", "core", "3", NULL};
	exposition_count(out, "a", labels, UINT64_MAX);
	const char *none[] = {NULL};
	exposition_count(out, "b", none, 0);
	exposition_count(out, "c", NULL, 1);
	fclose(out);
	assert_string_equal(text, "a{zone=\"a\\\\032\\\"b\\\".\\n\",core=\"3\"} "
				  "18446744073709551615\nb 0\nc 1\n");
}

static void test_values(void **state)
{
	(void)state;
	FILE *out = begin();
	exposition_sample(out, "serial", NULL, 4294967295.0);
	exposition_sample(out, "seconds", NULL, 0.0125);
	exposition_single(out, "d", "gauge", "d", 1);
	fclose(out);
	assert_string_equal(text, "serial 4294967295\nseconds 0.0125\n"
				  "# HELP d d\n# TYPE d gauge\nd 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_values),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(text);
	return failed;
}
