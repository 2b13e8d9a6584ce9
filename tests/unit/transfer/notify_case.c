/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/transfer/notify_case.h"

const uint8_t apex[13] = "\7example\3com";
struct handler_host host;

void begin(const char *config)
{
	handler_host_begin(&host, config);
	assert_int_equal(stele_notify_new(&host.daemon, &host.daemon.notify, &host.err), 0);
}

void end(void)
{
	for (size_t i = 0; i < stele_zones_cnt(host.daemon.zones); i++)
		stele_notify_out_end(&host.daemon, stele_zones_at(host.daemon.zones, i));
	stele_notify_free(host.daemon.notify);
	handler_host_end(&host);
}
