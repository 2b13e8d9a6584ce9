/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_CONFIG_INTERNAL_H
#define STELE_MGMT_CONFIG_INTERNAL_H

/*
 * How the tables hang together: config.c has the options of the daemon itself, peers.c those of other
 * servers and of who may do what, templates.c those of zones. check.c looks at single values;
 * resolve.c makes pointers of ids and names of texts; whole.c sees to everything that no
 * single value can tell.
 */

#include "mgmt/config/config.h"

#define MS (UINT64_C(1000) * 1000)
#define S (1000 * MS)
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

#define AT(type, field) STELE_CONFIG_AT(stele_##type##_config, field)
#define LIST_AT(type, field, flags) STELE_CONFIG_LIST_AT(stele_##type##_config, field, flags)

extern const struct stele_config_option mgmtd_remote_options[];
extern const struct stele_config_option mgmtd_acl_options[];
extern const struct stele_config_option mgmtd_policy_options[];
extern const struct stele_config_option mgmtd_template_options[];

/* Of single values: see `check` in struct stele_config_option. */
int mgmtd_check_id(const void *value, struct stele_error *reterr);
int mgmtd_check_name(const void *value, struct stele_error *reterr);
int mgmtd_check_type(const void *value, struct stele_error *reterr);
int mgmtd_check_pin(const void *value, struct stele_error *reterr);
int mgmtd_check_host(const void *value, struct stele_error *reterr);
int mgmtd_check_groups(const void *value, struct stele_error *reterr);

/* ---- resolve.c: all of them tell a fault where something is not there ---- */

/* Ids that stand in their list twice, names in wire format, and everything that templates refer to
 * but zones. */
void mgmtd_resolve(struct stele_config *config, struct stele_mgmtd_config *root);

/* See stele_mgmtd_config.stray_template. NULL if memory is out. */
const struct stele_template_config *mgmtd_stray_template(struct stele_config *config,
							 const struct stele_template_config *given);

/* The zones' names and templates; then the zones that templates refer to. */
void mgmtd_resolve_zones(struct stele_config *config, struct stele_mgmtd_config *root);

/* ---- whole.c ---- */

/* What no single option can tell, as struct stele_config_schema's `finish`. */
void mgmtd_check_whole(struct stele_config *config, void *root);

#endif
