/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config/internal.h"

#include "lib/base/hex.h"

#include <arpa/inet.h>
#include <string.h>

#define TEXT_MAX 4095 /* bytes of a string or path whose option sets no bound: PATH_MAX - 1 */

/* ---- units ---- */

struct unit {
	const char *name;
	uint64_t factor;
};

/* From small to large, the last one without a name. */
static const struct unit size_units[] = {
	{"", 1}, {"K", 1ull << 10}, {"M", 1ull << 20}, {"G", 1ull << 30}, {"T", 1ull << 40}, {0},
};
static const struct unit duration_units[] = {
	{"ns", 1},
	{"us", 1000},
	{"ms", 1000 * 1000},
	{"s", 1000 * 1000 * 1000},
	{"m", 60ull * 1000 * 1000 * 1000},
	{"h", 3600ull * 1000 * 1000 * 1000},
	{"d", 86400ull * 1000 * 1000 * 1000},
	{0},
};

static const struct unit *units_of(enum stele_config_type type)
{
	static const struct unit none[] = {{"", 1}, {0}};
	switch (type) {
	case STELE_CONFIG_SIZE:
		return size_units;
	case STELE_CONFIG_DURATION:
		return duration_units;
	default:
		return none;
	}
}

/* Prints a size or a duration in the largest unit that is exact: 4096 as "4K". */
#define AMOUNT_MAX 24
static const char *amount_text(enum stele_config_type type, uint64_t value, char amount[AMOUNT_MAX])
{
	const struct unit *unit = units_of(type), *best = unit;
	for (; unit->name != NULL; unit++)
		if (value > 0 && value % unit->factor == 0)
			best = unit;
	snprintf(amount, AMOUNT_MAX, "%llu%s", (unsigned long long)(value / best->factor),
		 best->name);
	return amount;
}

/*
 * Digits and a unit. Refused are a sign, a leading zero (some take 010 for 8) and whatever does not
 * fit 64 bits.
 */
static bool parse_amount(const char *text, size_t len, const struct unit *units,
			 uint64_t *ret_amount)
{
	uint64_t amount = 0;
	size_t digits = 0;
	for (; digits < len && text[digits] >= '0' && text[digits] <= '9'; digits++) {
		uint64_t digit = (uint64_t)(text[digits] - '0');
		if (__builtin_mul_overflow(amount, 10, &amount) ||
		    __builtin_add_overflow(amount, digit, &amount))
			return false;
	}
	if (digits == 0 || (digits > 1 && text[0] == '0'))
		return false;
	if (amount == 0 && digits == len) {
		*ret_amount = 0; /* nothing is nothing in any unit */
		return true;
	}
	for (; units->name != NULL; units++)
		if (strlen(units->name) == len - digits &&
		    memcmp(units->name, text + digits, len - digits) == 0)
			return !__builtin_mul_overflow(amount, units->factor, ret_amount);
	return false;
}

/* ---- what is expected ---- */

uint64_t config_max(const struct stele_config_option *option)
{
	if (option->max > 0)
		return option->max;
	if (option->type == STELE_CONFIG_STRING || option->type == STELE_CONFIG_PATH)
		return TEXT_MAX;
	return option->elem_sz >= 8 ? UINT64_MAX : (UINT64_C(1) << option->elem_sz * 8) - 1;
}

const char *config_expected(const struct stele_config_option *option,
			    char expected[CONFIG_EXPECTED_MAX])
{
	char low[AMOUNT_MAX], high[AMOUNT_MAX];
	amount_text(option->type, option->min, low);
	amount_text(option->type, config_max(option), high);
	const char *unit = option->unit != NULL ? option->unit : "";
	size_t n = 0;

#define ADD(...)                                                                                   \
	do {                                                                                       \
		int added = snprintf(expected + n, CONFIG_EXPECTED_MAX - n, __VA_ARGS__);          \
		n += added > 0 ? (size_t)added : 0;                                                \
		if (n >= CONFIG_EXPECTED_MAX)                                                      \
			return expected;                                                           \
	} while (0)

	switch (option->type) {
	case STELE_CONFIG_BOOL:
		ADD("true or false");
		break;
	case STELE_CONFIG_INTEGER:
		ADD("a whole number from %s to %s%s%s", low, high, *unit ? " " : "", unit);
		break;
	case STELE_CONFIG_SIZE:
		ADD("a size from %s to %s, in K, M, G or T", low, high);
		break;
	case STELE_CONFIG_DURATION:
		ADD("a duration from %s to %s, in ns, us, ms, s, m, h or d", low, high);
		break;
	case STELE_CONFIG_STRING:
		if (option->min > 1)
			ADD("a text of %s to %s bytes", low, high);
		else
			ADD("a text of at most %s bytes%s", high,
			    option->min > 0 ? "" : ", or \"\"");
		break;
	case STELE_CONFIG_PATH:
		ADD("an absolute path of at most %s bytes", high);
		break;
	case STELE_CONFIG_ENUM:
		for (const char *const *word = option->words; *word != NULL; word++)
			ADD("%s%s", word == option->words ? "one of: " : ", ", *word);
		break;
	case STELE_CONFIG_ADDRESS:
		ADD("an address such as 192.0.2.1 or 2001:db8::1");
		break;
	case STELE_CONFIG_PREFIX:
		ADD("a prefix such as 192.0.2.0/24 or 2001:db8::/32");
		break;
	case STELE_CONFIG_INTERFACE:
		ADD("an address with the length of its prefix, such as 192.0.2.1/24 or "
		    "2001:db8::1/64");
		break;
	case STELE_CONFIG_MAC:
		ADD("a MAC address such as 02:00:5e:10:00:01");
		break;
	case STELE_CONFIG_PAIRS:
		ADD("a map of at most %s names to values", high);
		break;
	case STELE_CONFIG_MAP:
		ADD("a map");
		break;
	}
	if (option->word != NULL)
		ADD(", or '%s'", option->word);
#undef ADD
	return expected;
}

/* ---- types ---- */

static bool equals(const struct config_node *node, const char *word)
{
	return node->len == strlen(word) && memcmp(node->text, word, node->len) == 0;
}

static bool parse_bool(const struct config_node *node, bool *ret_value)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
	for (unsigned i = 0; i < 6 && !node->quoted; i++)
		if (equals(node, words[i])) {
			*ret_value = i % 2 == 1;
			return true;
		}
	return false;
}

/* The field is as wide as its type; the table's bounds keep the value within it. */
static void store_integer(void *field, size_t sz, uint64_t value)
{
	switch (sz) {
	case 1:
		*(uint8_t *)field = (uint8_t)value;
		break;
	case 2:
		*(uint16_t *)field = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)field = (uint32_t)value;
		break;
	default:
		*(uint64_t *)field = value;
	}
}

static bool parse_enum(const struct stele_config_option *option, const struct config_node *node,
		       int *ret_value)
{
	for (int i = 0; option->words[i] != NULL; i++)
		if (equals(node, option->words[i])) {
			*ret_value = i;
			return true;
		}
	return false;
}

/* An address alone. inet_pton refuses leading zeros, zones and short forms of IPv4. */
static bool parse_address(const char *text, struct stele_config_address *ret_address)
{
	struct stele_config_address address = {0};
	if (inet_pton(AF_INET, text, address.addr) == 1)
		address.family = 4;
	else if (inet_pton(AF_INET6, text, address.addr) == 1)
		address.family = 6;
	else
		return false;
	*ret_address = address;
	return true;
}

static bool parse_prefix(const struct stele_config_option *option, const struct config_node *node,
			 struct stele_config_prefix *ret_prefix)
{
	char text[INET6_ADDRSTRLEN];
	struct stele_config_address address;
	const char *slash = memchr(node->text, '/', node->len);
	size_t address_len = slash != NULL ? (size_t)(slash - node->text) : node->len;
	if (address_len >= sizeof(text))
		return false;
	memcpy(text, node->text, address_len);
	text[address_len] = 0;
	if (!parse_address(text, &address))
		return false;

	static const struct unit bits[] = {{"", 1}, {0}};
	unsigned bit_cnt = address.family == 4 ? 32 : 128;
	uint64_t len = bit_cnt;
	if (slash == NULL && option->type == STELE_CONFIG_INTERFACE)
		return false;
	if (slash != NULL && !parse_amount(slash + 1, node->len - address_len - 1, bits, &len))
		return false;
	if (len > bit_cnt)
		return false;

	*ret_prefix = (struct stele_config_prefix){.family = address.family, .len = (uint8_t)len};
	memcpy(ret_prefix->addr, address.addr, sizeof(address.addr));
	return true;
}

static bool has_host_bits(const struct stele_config_prefix *prefix)
{
	for (unsigned bit = prefix->len; bit < (prefix->family == 4 ? 32 : 128); bit++)
		if (prefix->addr[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

static bool parse_mac(const struct config_node *node, struct stele_config_mac *ret_mac)
{
	struct stele_config_mac mac = {.set = true};
	if (node->len != 17)
		return false;
	for (unsigned i = 0; i < 6; i++) {
		const char *p = node->text + i * 3;
		int high = stele_hex_digit(p[0]), low = stele_hex_digit(p[1]);
		if (high < 0 || low < 0 || (i < 5 && p[2] != ':'))
			return false;
		mac.addr[i] = (uint8_t)(high << 4 | low);
	}
	*ret_mac = mac;
	return true;
}

static bool has_control(const struct config_node *node)
{
	for (size_t i = 0; i < node->len; i++)
		if ((uint8_t)node->text[i] < 0x20 || node->text[i] == 0x7f)
			return true;
	return false;
}

static bool parse_text(struct stele_config *config, const struct stele_config_option *option,
		       const struct config_node *node, const char **ret_text)
{
	if (has_control(node) || node->len < option->min || node->len > config_max(option))
		return false;
	if (option->type == STELE_CONFIG_PATH && node->text[0] != '/')
		return false;
	const char *text = config_arena_text(&config->arena, node->text, node->len);
	config->no_memory |= text == NULL;
	*ret_text = text;
	return true;
}

static bool parse_value(struct stele_config *config, const struct stele_config_option *option,
			const struct config_node *node, void *field)
{
	uint64_t amount;
	switch (option->type) {
	case STELE_CONFIG_BOOL:
		return parse_bool(node, field);
	case STELE_CONFIG_INTEGER:
	case STELE_CONFIG_SIZE:
	case STELE_CONFIG_DURATION:
		if (node->quoted ||
		    !parse_amount(node->text, node->len, units_of(option->type), &amount) ||
		    amount < option->min || amount > config_max(option))
			return false;
		store_integer(field, option->elem_sz, amount);
		return true;
	case STELE_CONFIG_STRING:
	case STELE_CONFIG_PATH:
		return parse_text(config, option, node, field);
	case STELE_CONFIG_ENUM:
		return parse_enum(option, node, field);
	case STELE_CONFIG_ADDRESS:
		return !has_control(node) && parse_address(node->text, field);
	case STELE_CONFIG_PREFIX:
	case STELE_CONFIG_INTERFACE:
		return !has_control(node) && parse_prefix(option, node, field);
	case STELE_CONFIG_MAC:
		return parse_mac(node, field);
	case STELE_CONFIG_PAIRS:
	case STELE_CONFIG_MAP:
		break;
	}
	return false;
}

/* Sets what `option->word` stands for. The field is all zero yet. */
static void store_word(const struct stele_config_option *option, void *field)
{
	switch (option->type) {
	case STELE_CONFIG_INTEGER:
	case STELE_CONFIG_SIZE:
	case STELE_CONFIG_DURATION:
		store_integer(field, option->elem_sz, option->word_value);
		break;
	default:
		break;
	}
}

bool config_read_value(struct stele_config *config, const struct stele_config_option *option,
		       const struct config_node *node, const char *what, void *field)
{
	char expected[CONFIG_EXPECTED_MAX], shown[CONFIG_SHOWN_MAX];
	config_expected(option, expected);
	if (node->kind != CONFIG_SCALAR) {
		config_tell(config, node->mark, "%s is a %s (expected %s)", what,
			    node->kind == CONFIG_MAP ? "map" : "list", expected);
		return false;
	}
	if (node->len == 0 && !node->quoted) {
		config_tell(config, node->mark, "%s has no value (expected %s)", what, expected);
		return false;
	}
	if (option->word != NULL && !node->quoted && equals(node, option->word)) {
		store_word(option, field);
		return true;
	}
	if (!parse_value(config, option, node, field)) {
		config_tell(config, node->mark, "%s is %s%s (expected %s)", what,
			    config_show(node->text, node->len, shown),
			    node->quoted ? " in quotes" : "", expected);
		return false;
	}
	if (option->type == STELE_CONFIG_PREFIX && has_host_bits(field)) {
		config_tell(config, node->mark,
			    "%s is %s, which has bits set behind its length (expected %s)", what,
			    config_show(node->text, node->len, shown), expected);
		return false;
	}
	struct stele_error err;
	if (option->check != NULL && !config->no_memory && option->check(field, &err) < 0) {
		config_tell(config, node->mark, "%s %s", what, err.text);
		return false;
	}
	return true;
}
