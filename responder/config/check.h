/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_CONFIG_CHECK_H
#define STELE_RESPONDER_CONFIG_CHECK_H

/* What values of the responder's configuration must satisfy besides type and range. */

#include "responder/config/config.h"

/* Of single values: see `check` in struct stele_config_option. */
int config_check_device(const void *value, struct stele_error *reterr);
int config_check_port_name(const void *value, struct stele_error *reterr);
int config_check_args(const void *value, struct stele_error *reterr);
int config_check_service_address(const void *value, struct stele_error *reterr);
int config_check_mac(const void *value, struct stele_error *reterr);
int config_check_interface(const void *value, struct stele_error *reterr);
int config_check_namespace(const void *value, struct stele_error *reterr);
int config_check_eal_arg(const void *value, struct stele_error *reterr);
int config_check_power_of_two_16(const void *value, struct stele_error *reterr);

/* The kind of a device that config_check_device has passed. */
enum stele_port_kind config_port_kind(const char *device);

/* Of all together; sets what is derived (kind of a port, name of its exception interface, buffers where it says `auto`,
 * owner). */
void config_check_whole(struct stele_config *config, void *root);

#endif
