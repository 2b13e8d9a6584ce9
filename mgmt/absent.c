/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the daemon that are not in the tree yet. What comes takes its lines out of here. */
#include "mgmt/catalog/catalog.h"

int stele_catalog_changed(struct stele_daemon *daemon, struct stele_managed_zone *zone,
			  struct stele_error *reterr)
{
	(void)daemon;
	(void)zone;
	(void)reterr;
	return 0;
}

void stele_catalog_end(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	(void)daemon;
	(void)zone;
}

void stele_catalog_free(struct stele_managed_zone *zone)
{
	(void)zone;
}

int stele_catalog_produce(struct stele_daemon *daemon, struct stele_error *reterr)
{
	(void)daemon;
	(void)reterr;
	return 0;
}

void stele_catalog_problems(const struct stele_managed_zone *zone,
			    void (*each)(void *user, const char *member, const char *reason),
			    void *user)
{
	(void)zone;
	(void)each;
	(void)user;
}
