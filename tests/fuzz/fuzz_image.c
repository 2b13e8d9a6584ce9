/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: no bytes make opening or verifying one read outside, and what verify lets pass can be asked
 * anything.
 *
 * The first byte of the input chooses: even, the rest is taken as it is; odd, its checksums and
 * digests are made right first, so that what stands behind them is reached; with the second bit, the
 * sums of bodies too.
 */
#include "lib/image/view.h"
#include "tests/unit/image/image_exercise.h"
#include "tests/unit/image/image_seal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	/* A copy of exactly this size, so that sanitizers see the first byte behind it. */
	uint8_t *bytes = malloc(size - 1 > 0 ? size - 1 : 1);
	if (bytes == NULL)
		abort();
	memcpy(bytes, data + 1, size - 1);
	if ((data[0] & 3) == 3)
		image_seal_bodies(bytes, size - 1);
	if ((data[0] & 1) != 0)
		image_seal(bytes, size - 1);

	struct stele_view view;
	struct stele_error err;
	if (stele_view_open(bytes, size - 1, &view, &err) == 0) {
		if (stele_view_verify(&view, &err) == 0)
			image_exercise(&view, 16);
		stele_view_close(&view);
	}
	free(bytes);
	return 0;
}
