/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_IMAGE_FINDINGS_FILE_H
#define STELE_LIB_IMAGE_FINDINGS_FILE_H

/*
 * The findings of a verification, kept as `verified` in the state directory (lib/image/findings.h), so that
 * the next start need not verify it again. Unlike everything else there it is trusted, so it counts
 * only if nobody but root, this process and the directory's owner can have written it. Without it,
 * or with one that does not fit, a start takes longer and is otherwise the same.
 */

#include "lib/image/findings.h"

/* Replaces the one before in one step, and syncs. STELE_E_SYSTEM: that one still is there. */
int stele_findings_save(const char *dir, const struct stele_findings *findings,
			struct stele_error *reterr);

/*
 * STELE_E_NOTFOUND: none was saved. STELE_E_INPUT: damaged, or others may have written it.
 * STELE_E_STALE: of another version of the verifier. STELE_E_SYSTEM: it cannot be read. The caller closes it.
 */
int stele_findings_load(const char *dir, struct stele_findings *ret_findings,
			struct stele_error *reterr);

#endif
