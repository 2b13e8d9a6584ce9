/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/eal/eal.h"

#include "lib/daemon/log.h"
#include "responder/eal/log.h"

#include <net/if.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Drivers say it too, but not in words that lead anybody to the line of the file. */
static int check_interfaces(const struct stele_responder_config *config, struct stele_error *reterr)
{
	for (size_t i = 0; i < config->ports.cnt; i++) {
		const struct stele_port_config *port = &config->ports.items[i];
		if (port->kind != STELE_PORT_AF_PACKET && port->kind != STELE_PORT_AF_XDP)
			continue;
		for (size_t j = 0; j < port->args.cnt; j++) {
			const struct stele_config_pair *arg = &port->args.items[j];
			if (strcmp(arg->key, "iface") == 0 && if_nametoindex(arg->value) == 0)
				return stele_fail(reterr, STELE_E_SYSTEM,
						  "port '%s': there is no interface '%s'",
						  port->name, arg->value);
		}
	}
	return 0;
}

int stele_eal_start(const struct stele_responder_config *config,
		    const struct stele_machine *machine, struct stele_error *reterr)
{
	/* The EAL keeps pointers into its arguments for as long as the process lives. */
	static struct stele_eal_args args;
	int rc = check_interfaces(config, reterr);

	if (!rc)
		rc = stele_eal_args_make(config, machine, &args, reterr);
	if (rc)
		return rc;
	for (int i = 0; i < args.argc; i++)
		stele_log(STELE_LOG_DEBUG, "eal: %s", args.argv[i]);
	if (stele_log_capture_dpdk())
		return stele_fail(reterr, STELE_E_SYSTEM, "cannot take over the log of DPDK");
	if (rte_eal_init(args.argc, args.argv) < 0) {
		rc = rte_errno;
		stele_log_release_dpdk(1);
		return stele_fail_errno(reterr, rc, "DPDK does not start");
	}
	stele_log(STELE_LOG_INFO, "packets are kept in %s pages", args.huge ? "huge" : "plain");
	return 0;
}

void stele_eal_stop(void)
{
	char folder[4096], socket[4200];

	/* DPDK leaves its folder behind. Without root that may not be ours to change. */
	snprintf(folder, sizeof(folder), "%s", rte_eal_get_runtime_dir());
	rte_eal_cleanup();
	snprintf(socket, sizeof(socket), "%s/dpdk_telemetry.v2", folder);
	unlink(socket);
	rmdir(folder);
}
