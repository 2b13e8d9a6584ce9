/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_CATALOG_INTERNAL_H
#define STELE_MGMT_CATALOG_INTERNAL_H

/* What consumer.c and producer.c keep with a zone that is a catalog. */

#include "mgmt/catalog/catalog.h"

struct catalog_problem {
	char *member, *reason;
};

struct stele_catalog {
	/* Of a consumer: members that could not be had. */
	struct catalog_problem *problems;
	size_t problem_cnt, problem_cap;
	bool gave_away; /* one at least is another catalog's by now, as this one says (`coo`) */
	uint64_t generation; /* that was read last, of the zone */

	/* Of a producer. */
	bool writing; /* a commit is under way */
};

/* The zone's state, made if it is not there; NULL if memory is out. */
struct stele_catalog *catalog_state(struct stele_managed_zone *zone);

#endif
