/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/serve/stamp.h"

#include "lib/image/verify.h"
#include "lib/base/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME "stamp"
#define MAGIC "STELSTM1"

/* The kernel's clock for files ticks 100 times a second at least; that of a server in the network may be
 * that much off. Longer, and a start right after a load leaves no stamp. */
#define REST_S 1

struct kept {
	char magic[8];
	uint8_t verifier[32];
	uint8_t image[STELE_FINDINGS_DIGEST_SZ];
	struct stele_stamp stamp; /* of this machine alone: as its processor has it */
	uint8_t digest[32];
};
_Static_assert(sizeof(struct kept) == 200, "stamp.h");

/* Where there is no such file, all zeros. */
static void read_boot(char ret_boot[STELE_STAMP_BOOT_SZ])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, ret_boot, STELE_STAMP_BOOT_SZ) <= 0)
		memset(ret_boot, 0, STELE_STAMP_BOOT_SZ);
	close(fd);
}

int stele_stamp_take(int fd, struct stele_stamp *ret_stamp, struct stele_error *reterr)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return stele_fail_errno(reterr, errno, "image");
	struct stele_stamp stamp = {
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.mtime_s = st.st_mtim.tv_sec,
		.mtime_ns = st.st_mtim.tv_nsec,
		.ctime_s = st.st_ctim.tv_sec,
		.ctime_ns = st.st_ctim.tv_nsec,
	};
	read_boot(stamp.boot);
	*ret_stamp = stamp;
	return 0;
}

bool stele_stamp_same(const struct stele_stamp *a, const struct stele_stamp *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool stele_stamp_rests(const struct stele_stamp *stamp)
{
	struct timespec now;
	if (stamp->boot[0] == 0)
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t changed = stamp->ctime_s;
	return changed + REST_S < now.tv_sec ||
	       (changed + REST_S == now.tv_sec && stamp->ctime_ns < now.tv_nsec);
}

static int digest_of(const struct kept *kept, uint8_t ret_digest[32], struct stele_error *reterr)
{
	if (EVP_Digest(kept, offsetof(struct kept, digest), ret_digest, NULL, EVP_sha256(), NULL) !=
	    1)
		return stele_fail(reterr, STELE_E_SYSTEM, "libcrypto: SHA-256 failed");
	return 0;
}

int stele_stamp_save(const char *dir, const struct stele_stamped *stamped,
		     struct stele_error *reterr)
{
	struct kept kept = {.magic = MAGIC, .stamp = stamped->stamp};
	memcpy(kept.verifier, stele_verifier_digest, sizeof(kept.verifier));
	memcpy(kept.image, stamped->image.digest, sizeof(kept.image));
	int rc = digest_of(&kept, kept.digest, reterr);
	if (rc == 0)
		rc = stele_state_file_write(dir, NAME, (const uint8_t *)&kept, sizeof(kept),
					    reterr);
	return rc;
}

static int open_kept(const struct kept *kept, size_t sz, struct stele_error *reterr)
{
	uint8_t digest[32];
	if (sz != sizeof(*kept) || memcmp(kept->magic, MAGIC, sizeof(kept->magic)) != 0)
		return stele_fail(reterr, STELE_E_INPUT, "not the stamp of an image");
	int rc = digest_of(kept, digest, reterr);
	if (rc == 0 && memcmp(digest, kept->digest, sizeof(digest)) != 0)
		rc = stele_fail(reterr, STELE_E_INPUT, "damaged: not its digest");
	if (rc == 0 && memcmp(kept->verifier, stele_verifier_digest, sizeof(kept->verifier)) != 0)
		rc = stele_fail(reterr, STELE_E_STALE, "the stamp of another verifier");
	return rc;
}

int stele_stamp_load(const char *dir, struct stele_stamped *ret_stamped, struct stele_error *reterr)
{
	struct stele_error detail;
	uint8_t *bytes;
	size_t sz;
	int rc = stele_state_file_read(dir, NAME, &bytes, &sz, reterr);
	if (rc != 0)
		return rc;
	const struct kept *kept = (const void *)bytes;
	rc = open_kept(kept, sz, &detail);
	if (rc == 0) {
		*ret_stamped = (struct stele_stamped){.stamp = kept->stamp};
		memcpy(ret_stamped->image.digest, kept->image, sizeof(kept->image));
	} else {
		stele_fail(reterr, rc, "%s/" NAME ": %s", dir, detail.text);
	}
	free(bytes);
	return rc;
}
