/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/serve/serve_versions.h"

#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct image_bytes image_read(const char *path)
{
	struct stat st;
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	struct image_bytes image = {malloc((size_t)st.st_size), (size_t)st.st_size};
	assert_non_null(image.bytes);
	assert_int_equal(fread(image.bytes, 1, image.size, file), image.size);
	fclose(file);
	return image;
}

int versions_file(const uint8_t *bytes, size_t size)
{
	int fd = memfd_create("stele-test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	for (size_t at = 0; at < size;) {
		ssize_t n = pwrite(fd, bytes + at, size - at, (off_t)at);
		assert_true(n > 0);
		at += (size_t)n;
	}
	return fd;
}

unsigned versions_ask(struct stele_answerer *answerer, const struct stele_view *view,
		      const uint8_t *zone, size_t zone_len)
{
	uint8_t query[320] = {[2] = 0, [5] = 1}, buf[1500];
	size_t len = STELE_HEADER_SZ;
	memcpy(query + len, "\7version", 8);
	memcpy(query + len + 8, zone, zone_len);
	len += 8 + zone_len;
	stele_put_be16(query + len, STELE_TYPE_TXT);
	stele_put_be16(query + len + 2, STELE_CLASS_IN);
	len += 4;
	struct stele_answer_settings settings;
	stele_answer_settings_default(&settings);
	struct stele_query q = {.msg = query, .len = (uint32_t)len};
	struct stele_reply r = {.buf = buf, .cap = sizeof(buf)};
	stele_answer_batch(answerer, view, &settings, 0, &q, &r, 1);
	/* One record with one string right behind the question. */
	if (r.verdict != STELE_VERDICT_REPLY || r.rcode != 0 || stele_get_be16(buf + 6) != 1 ||
	    r.len < len + 13)
		return 0;
	unsigned number = 0;
	for (unsigned i = 0; i < buf[len + 12]; i++)
		number = 10 * number + buf[len + 13 + i] - '0';
	return number;
}

struct stele_serve *versions_open(size_t size)
{
	struct stele_serve_options options = {
		.arena = {size, STELE_ARENA_PAGES_PLAIN, -1},
		.start_threads = 2,
		.reader_timeout_ms = VERSIONS_PATIENCE_MS,
	};
	struct stele_serve *serve = NULL;
	struct stele_error err;
	if (stele_serve_open(&options, &serve, &err) != 0)
		fail_msg("%s", err.text);
	return serve;
}
