/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/import/check.h"

void stele_check_denial(struct stele_check *check, const struct stele_owner *owner, bool is_apex,
			bool is_cut)
{
	(void)check;
	(void)owner;
	(void)is_apex;
	(void)is_cut;
}

void stele_check_denial_end(struct stele_check *check)
{
	(void)check;
}

int stele_check_nsec3_end(struct stele_check *check)
{
	(void)check;
	return 0;
}
