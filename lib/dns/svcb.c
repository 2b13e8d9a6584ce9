/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dns/svcb.h"

#include "lib/base/bytes.h"

#include <stdbool.h>

struct param {
	unsigned key;
	size_t len;
	const uint8_t *value;
};

/* The parameter at `*at`, which moves behind it; false at the end, or if it is not whole. */
static bool next(const uint8_t *params, size_t len, size_t *at, struct param *ret_param)
{
	size_t left = len - *at;
	if (left < 4 || left - 4 < stele_get_be16(params + *at + 2))
		return false;
	*ret_param = (struct param){stele_get_be16(params + *at), stele_get_be16(params + *at + 2),
				    params + *at + 4};
	*at += 4 + ret_param->len;
	return true;
}

static bool has(const uint8_t *params, size_t len, unsigned key)
{
	struct param param;
	for (size_t at = 0; next(params, len, &at, &param);)
		if (param.key == key)
			return true;
	return false;
}

static bool is_mandatory(const struct param *param, const uint8_t *params, size_t len)
{
	unsigned last = STELE_SVC_MANDATORY; /* which may not name itself */
	for (size_t i = 0; i + 1 < param->len; i += 2) {
		unsigned key = stele_get_be16(param->value + i);
		if (key <= last || !has(params, len, key))
			return false;
		last = key;
	}
	return param->len > 0 && param->len % 2 == 0;
}

static bool is_alpn(const struct param *param)
{
	size_t at = 0;
	while (at < param->len && param->value[at] != 0)
		at += 1u + param->value[at];
	return param->len > 0 && at == param->len;
}

static const char *fault_of(const struct param *param, const uint8_t *params, size_t len)
{
	switch (param->key) {
	case STELE_SVC_MANDATORY:
		return is_mandatory(param, params, len) ? NULL :
							  "mandatory keys that are not there";
	case STELE_SVC_ALPN:
		return is_alpn(param) ? NULL : "a list of protocols that is none";
	case STELE_SVC_NO_DEFAULT_ALPN:
		if (!has(params, len, STELE_SVC_ALPN))
			return "no-default-alpn without alpn";
		return param->len == 0 ? NULL : "no-default-alpn with a value";
	case STELE_SVC_PORT:
		return param->len == 2 ? NULL : "a port that is none";
	case STELE_SVC_IPV4HINT:
		return param->len > 0 && param->len % 4 == 0 ? NULL :
							       "IPv4 addresses that are none";
	case STELE_SVC_ECH:
		return param->len > 0 ? NULL : "ech without a value";
	case STELE_SVC_IPV6HINT:
		return param->len > 0 && param->len % 16 == 0 ? NULL :
								"IPv6 addresses that are none";
	case STELE_SVC_OHTTP:
		return param->len == 0 ? NULL : "ohttp with a value";
	default:
		return NULL;
	}
}

const char *stele_svc_fault(const uint8_t *params, size_t len)
{
	struct param param;
	int last = -1;
	size_t at = 0;
	while (next(params, len, &at, &param)) {
		if ((int)param.key <= last)
			return "keys that do not ascend";
		last = (int)param.key;
		const char *fault = fault_of(&param, params, len);
		if (fault != NULL)
			return fault;
	}
	return at == len ? NULL : "half a parameter";
}
