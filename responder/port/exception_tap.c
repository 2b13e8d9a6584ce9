/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/port/exception_driver.h"
#include "responder/port/tap.h"

#include <stdlib.h>
#include <unistd.h>

static void give(struct stele_exception_driver *driver, struct rte_mbuf *mbuf)
{
	/* A refusal (interface down, no memory) is the kernel's to count, as with any card. */
	(void)!write(driver->fd, rte_pktmbuf_mtod(mbuf, const void *), rte_pktmbuf_data_len(mbuf));
	rte_pktmbuf_free(mbuf);
}

static unsigned take(struct stele_exception_driver *driver, struct rte_mempool *pool,
		     struct rte_mbuf **mbufs, unsigned max)
{
	unsigned cnt = 0;

	while (cnt < max) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
		driver->starved = !mbuf;
		if (!mbuf)
			break;
		ssize_t len = read(driver->fd, rte_pktmbuf_mtod(mbuf, void *),
				   rte_pktmbuf_tailroom(mbuf));
		if (len <= 0) {
			rte_pktmbuf_free(mbuf);
			break;
		}
		mbuf->data_len = (uint16_t)len;
		mbuf->pkt_len = (uint32_t)len;
		mbufs[cnt++] = mbuf;
	}
	return cnt;
}

static void close_tap(struct stele_exception_driver *driver)
{
	close(driver->fd);
	free(driver);
}

int stele_exception_tap_open(const struct stele_port *port,
			     struct stele_exception_driver **ret_driver, struct stele_error *reterr)
{
	struct stele_exception_driver *driver = malloc(sizeof(*driver));
	struct stele_interface_settings settings;

	if (!driver)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory");
	*driver = (struct stele_exception_driver){.give = give, .take = take, .close = close_tap};
	stele_exception_interface(port, &settings);
	int rc = stele_tap_open(&settings, &driver->fd, reterr);
	if (rc)
		free(driver);
	else
		*ret_driver = driver;
	return rc;
}
