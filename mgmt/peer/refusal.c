/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/peer/refusal.h"

#include "lib/daemon/log.h"
#include "mgmt/peer/address.h"

#include <stdatomic.h>
#include <time.h>

/* Of the whole program: it is the log that is to be kept from filling. */
static atomic_llong second;
static atomic_uint written_cnt, left_out_cnt;

/* True if a line may be written now. At the change of a second a few more may be: that does no harm. */
static bool may_write(void)
{
	long long now = (long long)time(NULL);
	if (atomic_exchange(&second, now) != now)
		atomic_store(&written_cnt, 0);
	if (atomic_fetch_add(&written_cnt, 1) < STELE_REFUSALS_A_SECOND)
		return true;
	atomic_fetch_add(&left_out_cnt, 1);
	return false;
}

void stele_log_refusal(const char *event, const struct stele_request *request, const uint8_t *apex,
		       uint16_t rcode, const char *reason)
{
	char zone[STELE_NAME_TEXT_MAX], peer[STELE_ADDRESS_TEXT_MAX], key[STELE_NAME_TEXT_MAX];
	if (!may_write())
		return;
	if (apex != NULL)
		stele_name_to_text(apex, zone);
	if (request->peer.key != NULL)
		stele_name_to_text(request->peer.key, key);
	stele_address_to_text(&request->peer.address, request->peer.port, peer);
	stele_log_event(STELE_LOG_NOTICE, event, STELE_LOG_ZONE(apex != NULL ? zone : NULL),
			STELE_LOG_PEER(peer), STELE_LOG_KEY(request->peer.key != NULL ? key : NULL),
			STELE_LOG_NUMBER("rcode", rcode), STELE_LOG_REASON(reason));
	unsigned left_out = atomic_exchange(&left_out_cnt, 0);
	if (left_out > 0)
		stele_log(STELE_LOG_NOTICE, "%u more refusals were not logged", left_out);
}
