/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_STELECTL_SHOW_H
#define STELE_MGMT_STELECTL_SHOW_H

/* What several commands show in the same way. */

#include "mgmt/stelectl/stelectl.h"
#include "mgmt/stelectl/table.h"

#define SHOW_TEXT_MAX 32

/* Seconds since 1970 in this place's time. Returns `text`. */
const char *show_time(json_int_t seconds, char text[SHOW_TEXT_MAX]);

/* "3 min 20 s". Returns `text`. */
const char *show_duration(json_int_t seconds, char text[SHOW_TEXT_MAX]);

/* How long until, or since, a member with seconds since 1970: "in 3 min 20 s", "2 h 1 min ago", "now" for
 * this second, or "-" if it is null. Returns `text`. */
const char *show_when(const json_t *object, const char *member, char text[SHOW_TEXT_MAX + 8]);

/* A member as the next cell; "-" if it is null. */
void show_number(struct table *table, const json_t *object, const char *member);

/* The zones that a server has (all of them if `limit` is 0) as {"generation", "total", "zones"}. */
int show_list_zones(const struct stelectl_common *common, int limit, json_t **ret_list,
		    struct stele_error *reterr);

/* Prints such a list, whichever server it is of. */
void show_zones(const json_t *list);

/* The daemon's status. */
void show_daemon(const json_t *status);

#endif
