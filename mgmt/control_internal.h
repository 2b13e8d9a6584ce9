/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_CONTROL_INTERNAL_H
#define STELE_MGMT_CONTROL_INTERNAL_H

/* The operations, by what they are about. Each is a stele_ctl_handler with the daemon as `user`. */

#include "lib/ctl/ctl.h"
#include "mgmt/daemon.h"

/* control_status.c */
int control_status(void *user, struct stele_ctl_call *call, struct stele_error *reterr);

/* control_zones.c */
int control_zones(void *user, struct stele_ctl_call *call, struct stele_error *reterr);
int control_zone(void *user, struct stele_ctl_call *call, struct stele_error *reterr);

/* The zone that a request names by `text`: STELE_E_USAGE if that is no name, STELE_E_NOTFOUND. */
int control_find_zone(struct stele_daemon *daemon, const char *text,
		      struct stele_managed_zone **ret_zone, struct stele_error *reterr);

#endif
