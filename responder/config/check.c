/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of single values; those of several together stand in whole.c. */
#include "responder/config/check.h"

#include <ctype.h>
#include <string.h>

/* ---- devices ---- */

static const char *const vdevs[STELE_PORT_KIND_CNT] = {
	[STELE_PORT_TAP] = "net_tap",       [STELE_PORT_AF_PACKET] = "net_af_packet",
	[STELE_PORT_AF_XDP] = "net_af_xdp", [STELE_PORT_MEMIF] = "net_memif",
	[STELE_PORT_RING] = "net_ring",     [STELE_PORT_PCAP] = "net_pcap",
};

/* Domain, bus, device and function: 0000:01:00.0. */
static bool is_pci_address(const char *text)
{
	static const char form[] = "xxxx:xx:xx.f";
	if (strlen(text) != strlen(form))
		return false;
	for (size_t i = 0; form[i] != 0; i++) {
		bool fits = form[i] == 'x' ? isxdigit((unsigned char)text[i]) != 0 :
			    form[i] == 'f' ? text[i] >= '0' && text[i] <= '7' :
					     text[i] == form[i];
		if (!fits)
			return false;
	}
	return true;
}

enum stele_port_kind config_port_kind(const char *device)
{
	for (unsigned kind = 0; kind < STELE_PORT_KIND_CNT; kind++) {
		size_t len = vdevs[kind] != NULL ? strlen(vdevs[kind]) : 0;
		if (len > 0 && strncmp(device, vdevs[kind], len) == 0 &&
		    strspn(device + len, "0123456789") == strlen(device + len))
			return (enum stele_port_kind)kind;
	}
	return is_pci_address(device) ? STELE_PORT_PCI : STELE_PORT_KIND_CNT;
}

int config_check_device(const void *value, struct stele_error *reterr)
{
	const char *device = *(const char *const *)value;
	if (config_port_kind(device) != STELE_PORT_KIND_CNT)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT,
			  "is '%s' (expected a PCI address such as 0000:01:00.0, or net_tap, "
			  "net_af_packet, net_af_xdp, net_memif, net_ring or net_pcap with or "
			  "without a number)",
			  device);
}

/* An argument of a device as DPDK reads it: a comma ends it, except between brackets. */
static bool is_argument(const char *text)
{
	unsigned depth = 0;
	for (; *text != 0; text++) {
		if (*text == '[')
			depth++;
		else if (*text == ']' && depth > 0)
			depth--;
		else if (*text == ']' || (*text == ',' && depth == 0))
			return false;
	}
	return depth == 0;
}

int config_check_args(const void *value, struct stele_error *reterr)
{
	const struct stele_config_pairs *pairs = value;
	for (size_t i = 0; i < pairs->cnt; i++) {
		const struct stele_config_pair *pair = &pairs->items[i];
		for (const char *p = pair->key; *p != 0; p++)
			if (!isalnum((unsigned char)*p) && strchr("-_", *p) == NULL)
				return stele_fail(reterr, STELE_E_INPUT,
						  "has the name '%.64s' (expected letters, digits, "
						  "'-' and '_')",
						  pair->key);
		if (!is_argument(pair->value))
			return stele_fail(reterr, STELE_E_INPUT,
					  "has '%.64s' for '%s' (expected commas only between "
					  "brackets)",
					  pair->value, pair->key);
	}
	return 0;
}

/* ---- names ---- */

int config_check_port_name(const void *value, struct stele_error *reterr)
{
	const char *name = *(const char *const *)value;
	for (const char *p = name; *p != 0; p++)
		if (!isalnum((unsigned char)*p) && strchr("-_", *p) == NULL)
			return stele_fail(reterr, STELE_E_INPUT,
					  "is '%s' (expected letters, digits, '-' and '_')", name);
	return 0;
}

/* A name that is one component of a path, which those of interfaces and namespaces are. */
static int check_component(const char *name, struct stele_error *reterr)
{
	bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
	if (!dots && strpbrk(name, "/: \t%") == NULL)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT,
			  "is '%s' (expected a name without '/', ':', '%%' and spaces)", name);
}

int config_check_interface(const void *value, struct stele_error *reterr)
{
	return check_component(*(const char *const *)value, reterr);
}

int config_check_namespace(const void *value, struct stele_error *reterr)
{
	return check_component(*(const char *const *)value, reterr);
}

/* ---- addresses ---- */

/* What makes an address none that a server can be asked at; NULL if nothing does. */
static const char *find_address_fault(const struct stele_config_prefix *prefix)
{
	static const uint8_t loopback6[16] = {[15] = 1};
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t zero[16];
	const uint8_t *addr = prefix->addr;
	if (memcmp(addr, zero, sizeof(zero)) == 0)
		return "the unspecified address";
	if (prefix->family == 6) {
		if (addr[0] == 0xff)
			return "a multicast address";
		if (memcmp(addr, loopback6, sizeof(loopback6)) == 0)
			return "a loopback address";
		if (memcmp(addr, mapped, sizeof(mapped)) == 0)
			return "an IPv4 address in IPv6";
		/* Nothing there is a host's (RFC 4291 section 2.5.5.1), and addresses are looked
		 * up by a half that is not zero. */
		if (memcmp(addr, zero, 8) == 0)
			return "in ::/64";
		return NULL;
	}
	if (addr[0] == 0)
		return "an address of \"this network\"";
	if (addr[0] == 127)
		return "a loopback address";
	if (addr[0] >= 224)
		return addr[0] < 240 ? "a multicast address" : "a reserved address";
	if (prefix->len < 31) {
		uint32_t mask = prefix->len == 0 ? UINT32_MAX : UINT32_MAX >> prefix->len;
		uint32_t host = ((uint32_t)addr[0] << 24 | (uint32_t)addr[1] << 16 |
				 (uint32_t)addr[2] << 8 | addr[3]) &
				mask;
		if (host == 0)
			return "the address of the network itself";
		if (host == mask)
			return "the broadcast address of its network";
	}
	return NULL;
}

int config_check_service_address(const void *value, struct stele_error *reterr)
{
	const char *fault = find_address_fault(value);
	if (fault == NULL)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT, "is %s (expected the address of a host)", fault);
}

int config_check_mac(const void *value, struct stele_error *reterr)
{
	const struct stele_config_mac *mac = value;
	static const uint8_t zero[6];
	if ((mac->addr[0] & 1) == 0 && memcmp(mac->addr, zero, sizeof(zero)) != 0)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT, "is %s (expected a unicast MAC address)",
			  (mac->addr[0] & 1) != 0 ? "a multicast MAC address" : "all zero");
}

/* ---- the rest ---- */

int config_check_eal_arg(const void *value, struct stele_error *reterr)
{
	/* Arguments that the responder gives itself, and the options that they come from. */
	static const struct {
		const char *arg, *option;
	} own[] = {
		{"-a", "ports"},
		{"--allow", "ports"},
		{"-w", "ports"},
		{"-b", "ports"},
		{"--block", "ports"},
		{"--vdev", "ports"},
		{"-l", "cores"},
		{"--lcores", "cores"},
		{"-c", "cores"},
		{"--main-lcore", "main_core"},
		{"--no-huge", "memory"},
		{"--no-telemetry", "telemetry"},
		{"--telemetry", "telemetry"},
	};
	const char *arg = *(const char *const *)value;
	bool is_long = strncmp(arg, "--", 2) == 0;
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		size_t len = strlen(own[i].arg);
		/* "--vdev=x" and "-l1" carry their values with them. */
		bool is_own_long = strncmp(own[i].arg, "--", 2) == 0;
		if (strncmp(arg, own[i].arg, len) != 0 || is_long != is_own_long ||
		    (is_long && arg[len] != 0 && arg[len] != '='))
			continue;
		return stele_fail(reterr, STELE_E_INPUT, "is '%.64s' (expected '%s' to say that)",
				  arg, own[i].option);
	}
	return 0;
}

int config_check_power_of_two_16(const void *value, struct stele_error *reterr)
{
	uint16_t number = *(const uint16_t *)value;
	if (number > 0 && (number & (number - 1)) == 0)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT, "is %u (expected a power of two)", number);
}
