/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_ANSWER_SETUP_H
#define STELE_ZONECOMPILER_ANSWER_SETUP_H

/*
 * What `answer` and `query` have in common: an image, and settings that the command line may change
 * so that a test can ask for every behaviour of a server.
 */

#include "lib/answer/answer.h"
#include "zonecompiler/command.h"

struct answer_setup {
	struct stele_view view;
	struct stele_answer_settings settings;
	struct stele_client client; /* 127.0.0.1 unless an option says otherwise */
	uint32_t now;               /* 0: by the clock */
	bool verify;                /* check the image before anything is answered */
};

/* The rows that each command puts into its table of options. Ids from 200 on. */
enum {
	ANSWER_OPTION_CLIENT = 200,
	ANSWER_OPTION_NSID,
	ANSWER_OPTION_COOKIE_SECRET,
	ANSWER_OPTION_CHAOS_VERSION,
	ANSWER_OPTION_CHAOS_ID,
	ANSWER_OPTION_UDP_MAX,
	ANSWER_OPTION_ANY_FULL,
	ANSWER_OPTION_NOW,
	ANSWER_OPTION_NO_VERIFY,
};
/* clang-format off */
#define ANSWER_OPTIONS                                                                             \
	{"client", ANSWER_OPTION_CLIENT, "ADDR", "address that queries come from (127.0.0.1)"},    \
	{"nsid", ANSWER_OPTION_NSID, "TEXT", "identity of the server (RFC 5001)"},                 \
	{"cookie-secret", ANSWER_OPTION_COOKIE_SECRET, "HEX",                                      \
	 "answer cookies; 32 digits, at most twice"},                                              \
	{"chaos-version", ANSWER_OPTION_CHAOS_VERSION, "TEXT", "what version.bind says"},          \
	{"chaos-id", ANSWER_OPTION_CHAOS_ID, "TEXT", "what id.server says"},                       \
	{"udp-max", ANSWER_OPTION_UDP_MAX, "N", "bytes of the longest UDP reply (1232)"},          \
	{"any-full", ANSWER_OPTION_ANY_FULL, NULL, "all RRsets for ANY over UDP too"},             \
	{"now", ANSWER_OPTION_NOW, "SECONDS", "time since 1970, for cookies (now)"},               \
	{"no-verify", ANSWER_OPTION_NO_VERIFY, NULL, "trust the image as it is"}
/* clang-format on */

/* Defaults; the view is not open. */
void answer_setup_begin(struct answer_setup *setup);

/* The next option of the command's own, as stele_cmd_next_option(); those of ANSWER_OPTIONS are applied. */
int answer_setup_next_option(struct answer_setup *setup, const struct stele_cmd_spec *spec,
			     int argc, char **argv, const char **ret_value, int *ret_exit);

/* Opens the image and checks it, unless told not to. */
int answer_setup_open(struct answer_setup *setup, const char *path, struct stele_error *reterr);

/* The time that replies are made at. */
uint32_t answer_setup_now(const struct answer_setup *setup);

void answer_setup_end(struct answer_setup *setup);

#endif
