/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffered text output. Every function appends; the first failure ends the program with a message,
 * because a zone file that stops in the middle is of no use to anybody.
 */
#ifndef STELE_BENCHMARKS_GENERATE_OUT_H
#define STELE_BENCHMARKS_GENERATE_OUT_H

#include <stddef.h>
#include <stdint.h>

struct gen_out {
	int fd;
	const char *path; /* for messages; the caller's */
	char *buffer;
	size_t used;
	uint64_t bytes_cnt; /* written or buffered so far, over all files of this struct */
};

/* Opens `path` for writing, standard output when it is NULL. `path` must outlive the output. */
void gen_out_open(struct gen_out *out, const char *path);

/* Writes what is buffered and closes. The struct may be opened again; its count goes on. */
void gen_out_close(struct gen_out *out);

void gen_out_bytes(struct gen_out *out, const char *bytes, size_t sz);
void gen_out_text(struct gen_out *out, const char *text);
void gen_out_number(struct gen_out *out, uint64_t number);
void gen_out_hex(struct gen_out *out, const uint8_t *bytes, size_t sz);
void gen_out_base64(struct gen_out *out, const uint8_t *bytes, size_t sz);

/* Base32 with the extended hex alphabet and no padding (RFC 4648 section 7); sz divides by 5. */
void gen_out_base32hex(struct gen_out *out, const uint8_t *bytes, size_t sz);

#endif
