/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SERVE_STAMP_H
#define STELE_RESPONDER_SERVE_STAMP_H

/*
 * A stamp: by what a later process knows that nobody has changed a file since this one read it.
 *
 * It is the file's device, inode, size, and times of change, with nanoseconds. The second of these (ctime) is the
 * kernel's alone: every write, truncation, chmod, link and utime sets it to the present, and no program sets
 * it to anything else, unless it turns back the clock of the machine. So a file of the same stamp has the
 * same bytes, with three exceptions, of which two are taken care of:
 *
 * - Two writes within a tick of the kernel's clock leave the same ctime: a stamp is kept only of a file that
 *   had not changed for a second before it was read.
 * - A machine that lost power, a disk that fails, and a file that was changed from another system leave bytes that
 *   no ctime tells of: a stamp is good for the boot in which it was made.
 * - Who has mapped a file to write into it can write without a new ctime, until the kernel has written the page.
 *   Nothing here does that (the compiler appends by write()), and nobody else may write to images.
 *
 * A stamp is kept as `stamp` in the state directory: whoever can write there is believed (state_file.h).
 *
 *   magic 8 | verifier 32 | image 32 | stamp | SHA-256 of all before
 */

#include "lib/image/findings.h"

#include <stdbool.h>
#include <stdint.h>

#define STELE_STAMP_BOOT_SZ 40

struct stele_stamp {
	uint64_t device, inode, size;
	int64_t mtime_s, mtime_ns, ctime_s, ctime_ns;
	char boot[STELE_STAMP_BOOT_SZ]; /* the kernel's random id of this boot, padded with zeros */
};
_Static_assert(sizeof(struct stele_stamp) == 96, "no padding: stamps are compared as bytes");

/* A stamp, and the image all of whose shards were read from the file and had their digests. */
struct stele_stamped {
	struct stele_stamp stamp;
	struct stele_findings_image image;
};

/* Of the file `fd` as it is now. STELE_E_SYSTEM: fstat() failed. */
int stele_stamp_take(int fd, struct stele_stamp *ret_stamp, struct stele_error *reterr);

bool stele_stamp_same(const struct stele_stamp *a, const struct stele_stamp *b);

/* Whether the file had not changed for a second when this stamp was taken, just now, and the boot is known: only
 * then a stamp is worth keeping. */
bool stele_stamp_rests(const struct stele_stamp *stamp);

int stele_stamp_save(const char *dir, const struct stele_stamped *stamped,
		     struct stele_error *reterr);

/*
 * STELE_E_NOTFOUND: none was kept. STELE_E_STALE: of another verifier. STELE_E_INPUT: damaged, or others may have
 * written it. The image's offset is not kept; it is 0.
 */
int stele_stamp_load(const char *dir, struct stele_stamped *ret_stamped,
		     struct stele_error *reterr);

#endif
