/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/image/findings_file.h"

#include "lib/base/state_file.h"

#include <stdlib.h>

#define NAME "verified"

int stele_findings_save(const char *dir, const struct stele_findings *findings,
			struct stele_error *reterr)
{
	return stele_state_file_write(dir, NAME, findings->bytes, findings->sz, reterr);
}

int stele_findings_load(const char *dir, struct stele_findings *ret_findings,
			struct stele_error *reterr)
{
	struct stele_error detail;
	uint8_t *bytes;
	size_t sz;
	int rc = stele_state_file_read(dir, NAME, &bytes, &sz, reterr);
	if (rc != 0)
		return rc;
	rc = stele_findings_open(bytes, sz, ret_findings, &detail);
	if (rc == 0)
		return 0;
	free(bytes);
	return stele_fail(reterr, rc, "%s/" NAME ": %s", dir, detail.text);
}
