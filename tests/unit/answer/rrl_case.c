/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/answer/rrl_case.h"

#include <stdlib.h>

struct stele_rrl *rrl;
static void *memory;

void make(struct stele_rrl_settings *settings)
{
	struct stele_error err = {""};
	settings->seed[0] = 0x0123456789abcdef;
	settings->seed[1] = 0xfedcba9876543210;
	free(memory);
	memory = aligned_alloc(64, (stele_rrl_sz(settings) + 63) / 64 * 64);
	assert_non_null(memory);
	if (stele_rrl_init(memory, settings, &rrl, &err) != 0)
		fail_msg("%s", err.text);
}

int end(void **state)
{
	(void)state;
	free(memory);
	memory = NULL;
	return 0;
}

struct stele_rrl_settings settings_of(uint32_t narrow, uint32_t wide)
{
	struct stele_rrl_settings settings;
	stele_rrl_settings_default(&settings);
	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++) {
		settings.rates[i].narrow = narrow;
		settings.rates[i].wide = wide;
	}
	settings.slip = 0;
	return settings;
}

struct stele_client client4(uint32_t address)
{
	struct stele_client client = {.family = 4};
	stele_put_be32(client.addr, address);
	return client;
}

struct stele_client client6(uint64_t high, uint64_t low)
{
	struct stele_client client = {.family = 6};
	stele_put_be64(client.addr, high);
	stele_put_be64(client.addr + 8, low);
	return client;
}
