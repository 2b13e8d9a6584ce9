/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/answer/setup.h"

#include "lib/base/hex.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

void answer_setup_begin(struct answer_setup *setup)
{
	*setup = (struct answer_setup){
		.client = {.family = 4, .addr = {127, 0, 0, 1}},
		.verify = true,
	};
	stele_answer_settings_default(&setup->settings);
	setup->settings.packet_cache = false; /* each reply is composed anew */
}

/* Parses an IPv4 or IPv6 address. False if it is none. */
static bool parse_address(const char *text, struct stele_client *ret_client)
{
	struct stele_client client = {0};
	if (inet_pton(AF_INET, text, client.addr) == 1)
		client.family = 4;
	else if (inet_pton(AF_INET6, text, client.addr) == 1)
		client.family = 6;
	else
		return false;
	*ret_client = client;
	return true;
}

static int too_long(const char *command, const char *option, size_t max)
{
	return stele_cmd_usage(command, "%s takes at most %zu bytes", option, max);
}

/* 0, or the exit status after an error was printed. */
static int apply(struct answer_setup *setup, const char *command, int id, const char *value)
{
	struct stele_answer_settings *settings = &setup->settings;
	size_t len = strlen(value);
	uint64_t number;
	switch (id) {
	case ANSWER_OPTION_CLIENT:
		if (!parse_address(value, &setup->client))
			return stele_cmd_usage(command, "'%s' is not an address", value);
		break;
	case ANSWER_OPTION_NSID:
		if (len > STELE_NSID_MAX)
			return too_long(command, "--nsid", STELE_NSID_MAX);
		memcpy(settings->nsid, value, len);
		settings->nsid_len = (uint8_t)len;
		break;
	case ANSWER_OPTION_COOKIE_SECRET:
		if (settings->cookie_secret_cnt == 2)
			return stele_cmd_usage(command, "more than two cookie secrets");
		if (!stele_hex_decode(value, settings->cookie_secrets[settings->cookie_secret_cnt],
				      sizeof(settings->cookie_secrets[0])))
			return stele_cmd_usage(command,
					       "a cookie secret has 32 hexadecimal digits");
		settings->cookie_secret_cnt++;
		settings->cookies = true;
		break;
	case ANSWER_OPTION_CHAOS_VERSION:
		if (len > STELE_CHAOS_TEXT_MAX)
			return too_long(command, "--chaos-version", STELE_CHAOS_TEXT_MAX);
		memcpy(settings->chaos_version, value, len + 1);
		break;
	case ANSWER_OPTION_CHAOS_ID:
		if (len > STELE_CHAOS_TEXT_MAX)
			return too_long(command, "--chaos-id", STELE_CHAOS_TEXT_MAX);
		memcpy(settings->chaos_id, value, len + 1);
		break;
	case ANSWER_OPTION_UDP_MAX:
		if (!stele_cmd_number(value, 512, 65535, &number))
			return stele_cmd_usage(command, "--udp-max is a number from 512 to 65535");
		settings->udp_max = (uint16_t)number;
		break;
	case ANSWER_OPTION_ANY_FULL:
		settings->any_minimal = false;
		break;
	case ANSWER_OPTION_NOW:
		if (!stele_cmd_number(value, 1, UINT32_MAX, &number))
			return stele_cmd_usage(command, "--now is a number of seconds");
		setup->now = (uint32_t)number;
		break;
	case ANSWER_OPTION_NO_VERIFY:
		setup->verify = false;
		break;
	default:
		return stele_cmd_usage(command, "unknown option");
	}
	return 0;
}

int answer_setup_next_option(struct answer_setup *setup, const struct stele_cmd_spec *spec,
			     int argc, char **argv, const char **ret_value, int *ret_exit)
{
	for (;;) {
		int id = stele_cmd_next_option(spec, argc, argv, ret_value, ret_exit);
		if (id < ANSWER_OPTION_CLIENT)
			return id;
		*ret_exit = apply(setup, spec->name, id, *ret_value);
		if (*ret_exit != 0)
			return STELE_CMD_EXIT;
	}
}

int answer_setup_open(struct answer_setup *setup, const char *path, struct stele_error *reterr)
{
	int status = stele_view_open_file(path, &setup->view, reterr);
	if (status != 0 || !setup->verify)
		return status;
	struct stele_error fault;
	status = stele_view_verify(&setup->view, &fault);
	if (status == 0)
		return 0;
	stele_view_close(&setup->view);
	return stele_fail(reterr, status, "%s: %s", path, fault.text);
}

uint32_t answer_setup_now(const struct answer_setup *setup)
{
	return setup->now != 0 ? setup->now : (uint32_t)time(NULL);
}

void answer_setup_end(struct answer_setup *setup)
{
	stele_view_close(&setup->view);
}
