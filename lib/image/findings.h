/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_IMAGE_FINDINGS_H
#define STELE_LIB_IMAGE_FINDINGS_H

/*
 * Findings: what the verification of an image found out, as bytes that outlive the process.
 *
 * To verify ten million names takes seconds of processor time, to compare their bytes with digests a
 * fraction of that. So a process that starts with an image that one before it has verified compares
 * digests, and takes from the findings what that verification left (struct stele_verified: zones,
 * tallies, counts of children). Later images are judged from it as ever.
 *
 * Findings are about one image: superblock, root and all references, which hold the digests of the shards,
 * go into the digest that they carry. They are of one verifier: the digest of the sources of the
 * verification, made when they are built, so that a verifier that looks for more accepts nothing on
 * the word of one that did not. And they end with a digest of themselves, against damage. That
 * is no signature: who can write them can have anything believed. They are for a place where only
 * the reader's own user and root can write.
 *
 *   magic 8 | verifier 32 | image 32 | le64 offset of the root | body | SHA-256 of all before
 *
 * The body is a sequence of numbers in LEB128 (seven bits a byte, the lowest first): zones, chain
 * shards, and for each name shard the slots that have children. Ten million names take a few
 * megabytes, since most have none.
 */

#include "lib/image/verified.h"

#define STELE_FINDINGS_DIGEST_SZ 32

/* What an image is to findings. */
struct stele_findings_image {
	uint8_t digest[STELE_FINDINGS_DIGEST_SZ];
	uint64_t root_off;
};

struct stele_findings {
	struct stele_findings_image image; /* that it is about */
	uint8_t *bytes;
	size_t sz;
};

/* The image that a directory describes. STELE_E_SYSTEM: libcrypto. */
int stele_findings_image(const struct stele_directory *directory,
			 struct stele_findings_image *ret_image, struct stele_error *reterr);

/* The findings on `view`, which is of `image` and whose verification left `verified`. STELE_E_SYSTEM: no memory. */
int stele_findings_make(const struct stele_view *view, const struct stele_verified *verified,
			const struct stele_findings_image *image,
			struct stele_findings *ret_findings, struct stele_error *reterr);

/*
 * Makes findings of bytes that were written once, and are from malloc(): they are taken over.
 * STELE_E_INPUT: damaged. STELE_E_STALE: whole, but of another verifier. Then they stay the caller's.
 */
int stele_findings_open(uint8_t *bytes, size_t sz, struct stele_findings *ret_findings,
			struct stele_error *reterr);

/* Frees the bytes. */
void stele_findings_close(struct stele_findings *findings);

/*
 * Takes the place of a verification: what it left, without one. `view` must be of the very image that the
 * findings are about, and the caller must have compared each shard with its digest. The result is as that of
 * stele_view_verify_with(). STELE_E_INPUT: it does not fit the view after all; no byte is read
 * outside of shards to find that out.
 */
int stele_findings_take(const struct stele_findings *findings, const struct stele_view *view,
			struct stele_verified **ret_verified, struct stele_error *reterr);

#endif
