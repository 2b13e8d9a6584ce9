/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/generate/out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "benchmarks/generate/fail.h"

/* Large enough that system calls vanish, small enough to stay in the L2 cache. */
#define BUFFER_SZ ((size_t)256 * 1024)

void gen_out_open(struct gen_out *out, const char *path)
{
	if (out->buffer == NULL) {
		out->buffer = malloc(BUFFER_SZ);
		if (out->buffer == NULL)
			gen_fail("no memory");
	}
	out->used = 0;
	out->path = path != NULL ? path : "standard output";
	out->fd = STDOUT_FILENO;
	if (path != NULL)
		out->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (out->fd < 0)
		gen_fail("%s: %s", out->path, strerror(errno));
}

static void flush(struct gen_out *out)
{
	size_t done = 0;

	while (done < out->used) {
		ssize_t n = write(out->fd, out->buffer + done, out->used - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			gen_fail("%s: %s", out->path, strerror(errno));
		done += (size_t)n;
	}
	out->used = 0;
}

void gen_out_close(struct gen_out *out)
{
	flush(out);
	if (out->fd != STDOUT_FILENO && close(out->fd) != 0)
		gen_fail("%s: %s", out->path, strerror(errno));
	out->fd = -1;
}

/* Room for sz more bytes, to be filled by the caller; sz is far below BUFFER_SZ. */
static char *reserve(struct gen_out *out, size_t sz)
{
	char *at;

	if (out->used + sz > BUFFER_SZ)
		flush(out);
	at = out->buffer + out->used;
	out->used += sz;
	out->bytes_cnt += sz;
	return at;
}

void gen_out_bytes(struct gen_out *out, const char *bytes, size_t sz)
{
	memcpy(reserve(out, sz), bytes, sz);
}

void gen_out_text(struct gen_out *out, const char *text)
{
	gen_out_bytes(out, text, strlen(text));
}

void gen_out_number(struct gen_out *out, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	gen_out_bytes(out, digits + at, sizeof(digits) - at);
}

void gen_out_hex(struct gen_out *out, const uint8_t *bytes, size_t sz)
{
	char *to = reserve(out, sz * 2);

	for (size_t i = 0; i < sz; i++) {
		*to++ = "0123456789abcdef"[bytes[i] >> 4];
		*to++ = "0123456789abcdef"[bytes[i] & 15];
	}
}

void gen_out_base64(struct gen_out *out, const uint8_t *bytes, size_t sz)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *to = reserve(out, (sz + 2) / 3 * 4);

	for (size_t i = 0; i < sz; i += 3) {
		size_t left = sz - i;
		uint32_t group = (uint32_t)bytes[i] << 16;

		if (left > 1)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (left > 2)
			group |= bytes[i + 2];
		*to++ = alphabet[group >> 18];
		*to++ = alphabet[(group >> 12) & 63];
		*to++ = left > 1 ? alphabet[(group >> 6) & 63] : '=';
		*to++ = left > 2 ? alphabet[group & 63] : '=';
	}
}

void gen_out_base32hex(struct gen_out *out, const uint8_t *bytes, size_t sz)
{
	char *to = reserve(out, sz / 5 * 8);

	for (size_t i = 0; i + 5 <= sz; i += 5) {
		uint64_t group = 0;

		for (size_t k = 0; k < 5; k++)
			group = (group << 8) | bytes[i + k];
		for (int shift = 35; shift >= 0; shift -= 5)
			*to++ = "0123456789abcdefghijklmnopqrstuv"[(group >> shift) & 31];
	}
}
