/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of single values; those of several together stand in whole.c. */
#include "mgmt/config/internal.h"

#include "lib/dns/rrtype.h"

#include <ctype.h>
#include <string.h>

static bool is_id(const char *text)
{
	for (const char *p = text; *p != 0; p++)
		if (!isalnum((unsigned char)*p) && strchr("-_.", *p) == NULL)
			return false;
	return true;
}

int mgmtd_check_id(const void *value, struct stele_error *reterr)
{
	const char *id = *(const char *const *)value;
	if (is_id(id))
		return 0;
	return stele_fail(reterr, STELE_E_INPUT,
			  "is '%.64s' (expected letters, digits, '-', '_' and '.')", id);
}

int mgmtd_check_name(const void *value, struct stele_error *reterr)
{
	const char *text = *(const char *const *)value;
	uint8_t name[STELE_NAME_MAX];
	if (stele_name_from_text(text, strlen(text), name) > 0)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT,
			  "is '%.64s' (expected a domain name such as example.org)", text);
}

int mgmtd_check_type(const void *value, struct stele_error *reterr)
{
	const char *text = *(const char *const *)value;
	int type = stele_rrtype_from_text(text, strlen(text));
	/* No data: OPT, and what is of use in questions alone. But ANY stands for all types. */
	bool is_meta = type == STELE_TYPE_OPT || (type >= 128 && type <= 255);
	if ((type > 0 && !is_meta) || type == STELE_TYPE_ANY)
		return 0;
	return stele_fail(
		reterr, STELE_E_INPUT,
		"is '%.64s' (expected a type of records such as AAAA or TYPE65280, or ANY)", text);
}

/* 32 bytes in base64: 43 digits, of which the last has two bits that are zero, and one '='. */
int mgmtd_check_pin(const void *value, struct stele_error *reterr)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *text = *(const char *const *)value;
	if (strlen(text) == 44 && strspn(text, digits) == 43 && text[43] == '=' &&
	    (strchr(digits, text[42]) - digits) % 4 == 0)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT,
			  "is '%.64s' (expected 32 bytes in base64: 43 digits and '=')", text);
}

int mgmtd_check_host(const void *value, struct stele_error *reterr)
{
	static const uint8_t zero[16];
	const struct stele_config_address *address = value;
	bool multicast = address->family == 4 ? address->addr[0] >= 224 : address->addr[0] == 0xff;
	if (memcmp(address->addr, zero, sizeof(zero)) != 0 && !multicast)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT, "is %s (expected the address of a host)",
			  multicast ? "a multicast or reserved address" :
				      "the unspecified address");
}

int mgmtd_check_groups(const void *value, struct stele_error *reterr)
{
	const struct stele_config_pairs *pairs = value;
	for (size_t i = 0; i < pairs->cnt; i++) {
		/* A group is a TXT record's string (RFC 9432 section 4.3.2). */
		if (strlen(pairs->items[i].key) > 255)
			return stele_fail(reterr, STELE_E_INPUT,
					  "has the group '%.64s…' (expected at most 255 bytes)",
					  pairs->items[i].key);
		if (*pairs->items[i].value == 0)
			return stele_fail(reterr, STELE_E_INPUT,
					  "has no template for '%.64s' (expected its id)",
					  pairs->items[i].key);
	}
	return 0;
}
