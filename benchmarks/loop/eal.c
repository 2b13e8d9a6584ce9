/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/loop/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Eight windows: what waits in caches is not there for others. */
#define POOL_SZ 8191
#define POOL_CACHE 256
/* Of memory without huge pages: the pool, twice. */
#define PLAIN_MB "64"

#define ARGUMENTS_MAX 12
#define ARGUMENT_SZ 256

_Noreturn void loop_fail(int status, const char *what, const char *detail)
{
	fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, what, *detail ? ": " : "",
		detail);
	exit(status);
}

void loop_eal_start(const char *program, const char *lcores, const char *device, bool huge)
{
	/* The EAL keeps pointers into its arguments, and writes to them. */
	static char texts[ARGUMENTS_MAX][ARGUMENT_SZ];
	static char *argv[ARGUMENTS_MAX + 1];
	const char *const memory = huge ? "--in-memory" : "--no-huge";
	int argc = 0;

	snprintf(texts[argc++], ARGUMENT_SZ, "%s", program);
	snprintf(texts[argc++], ARGUMENT_SZ, "--lcores=%s", lcores);
	snprintf(texts[argc++], ARGUMENT_SZ, "--file-prefix=%s-%d", program, (int)getpid());
	snprintf(texts[argc++], ARGUMENT_SZ, "--no-pci");
	snprintf(texts[argc++], ARGUMENT_SZ, "--no-telemetry");
	snprintf(texts[argc++], ARGUMENT_SZ, "--log-level=5");
	snprintf(texts[argc++], ARGUMENT_SZ, "%s", memory);
	if (device)
		snprintf(texts[argc++], ARGUMENT_SZ, "--vdev=%s", device);
	if (!huge) {
		snprintf(texts[argc++], ARGUMENT_SZ, "--no-shconf");
		snprintf(texts[argc++], ARGUMENT_SZ, "-m");
		snprintf(texts[argc++], ARGUMENT_SZ, "%s", PLAIN_MB);
	}
	for (int i = 0; i < argc; i++)
		argv[i] = texts[i];
	if (rte_eal_init(argc, argv) < 0)
		loop_fail(3, "DPDK does not start", rte_strerror(rte_errno));
}

struct rte_mempool *loop_pool_new(void)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		"frames", POOL_SZ, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, (int)rte_socket_id());

	if (pool == NULL)
		loop_fail(3, "no pool of buffers", rte_strerror(rte_errno));
	return pool;
}

void loop_port_start(uint16_t port_id, uint16_t descriptors, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = {0};
	unsigned socket = rte_socket_id();
	uint16_t rx = descriptors, tx = descriptors;
	int rc = rte_eth_dev_configure(port_id, 1, 1, &conf);

	if (rc == 0)
		rc = rte_eth_dev_adjust_nb_rx_tx_desc(port_id, &rx, &tx);
	if (rc == 0)
		rc = rte_eth_rx_queue_setup(port_id, 0, rx, socket, NULL, pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(port_id, 0, tx, socket, NULL);
	if (rc == 0)
		rc = rte_eth_dev_start(port_id);
	if (rc != 0)
		loop_fail(3, "a port does not start", rte_strerror(-rc));
}
