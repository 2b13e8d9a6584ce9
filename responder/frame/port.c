/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/frame/wire.h"

#include "lib/base/cpu.h"

#include <string.h>

const uint16_t stele_frame_reflector_ports[5] = {7, 13, 17, 19, 37};

static int set_link(struct stele_frame_port *port, const struct stele_frame_settings *settings,
		    struct stele_error *reterr)
{
	static const uint8_t none[6];
	if ((settings->mac[0] & 1) != 0 || memcmp(settings->mac, none, 6) == 0)
		return stele_fail(reterr, STELE_E_INPUT,
				  "the MAC address is a group's or zero (expected a station's)");
	if (settings->mtu < STELE_FRAME_MTU_MIN || settings->mtu > STELE_FRAME_MTU_MAX)
		return stele_fail(reterr, STELE_E_INPUT, "the MTU is %u (expected %d to %d)",
				  settings->mtu, STELE_FRAME_MTU_MIN, STELE_FRAME_MTU_MAX);
	if (settings->vlan_id > 4094)
		return stele_fail(reterr, STELE_E_INPUT, "the VLAN is %u (expected 0 to 4094)",
				  settings->vlan_id);
	uint8_t word[8] = {0};
	memcpy(word, settings->mac, 6);
	memcpy(port->mac, settings->mac, 6);
	port->mac_word = stele_get_le64(word);
	port->mtu = settings->mtu;
	port->vlan_id = settings->vlan_id;
	port->flags = settings->flags;
	return 0;
}

static int set_udp_ports(struct stele_frame_port *port, const struct stele_frame_settings *settings,
			 struct stele_error *reterr)
{
	if (settings->udp_port_cnt == 0 || settings->udp_port_cnt > STELE_FRAME_UDP_PORTS_MAX)
		return stele_fail(reterr, STELE_E_INPUT, "%u UDP ports (expected 1 to %d)",
				  settings->udp_port_cnt, STELE_FRAME_UDP_PORTS_MAX);
	for (unsigned i = 0; i < settings->udp_port_cnt; i++) {
		if (settings->udp_ports[i] == 0)
			return stele_fail(reterr, STELE_E_INPUT,
					  "UDP port 0 (expected 1 to 65535)");
		port->udp_ports[i] = __builtin_bswap16(settings->udp_ports[i]);
	}
	port->udp_port_cnt = settings->udp_port_cnt;

	/* Port 0 is always among them, so that one look decides. */
	port->reflectors[0] = 1;
	for (unsigned i = 0; i < settings->reflector_port_cnt; i++) {
		uint16_t reflector = settings->reflector_ports[i];
		port->reflectors[reflector / 64] |= UINT64_C(1) << reflector % 64;
		if (reflector > port->reflector_max)
			port->reflector_max = reflector;
	}
	return 0;
}

/* `first` is the first byte of an address that no query may come from. */
static void suspect4(struct stele_frame_port *port, uint32_t first)
{
	port->suspects4[first / 64] |= UINT64_C(1) << first % 64;
}

static void insert4(struct stele_frame_port *port, uint32_t address, enum slot_kind kind)
{
	uint32_t i = slot4_of(address);
	while (port->slots4[i & port->slot4_mask].address != 0)
		i++;
	port->slots4[i & port->slot4_mask].address = address;
	port->slots4[i & port->slot4_mask].kind = kind;
	suspect4(port, address & 0xff);
}

static int add_ipv4(struct stele_frame_port *port, const struct stele_frame_address *a,
		    struct stele_error *reterr)
{
	const uint8_t *bytes = a->address.addr;
	uint32_t address = stele_get_le32(bytes);
	if (bytes[0] == 0 || bytes[0] == 127 || bytes[0] >= 224)
		return stele_fail(reterr, STELE_E_INPUT, "%u.%u.%u.%u is no address of a host",
				  bytes[0], bytes[1], bytes[2], bytes[3]);
	if (find4(port, address) != SLOT_NONE)
		return stele_fail(
			reterr, STELE_E_INPUT,
			"%u.%u.%u.%u is there already, or the broadcast address of another",
			bytes[0], bytes[1], bytes[2], bytes[3]);
	insert4(port, address, SLOT_SERVICE);
	if (port->first4 == UINT64_MAX)
		port->first4 = address;
	return 0;
}

/* After all service addresses: one of them may be what would be a broadcast address. */
static int add_broadcast(struct stele_frame_port *port, const struct stele_frame_address *a,
			 struct stele_error *reterr)
{
	if (a->prefix_len == 0 || a->prefix_len > 30)
		return 0;
	const uint8_t *bytes = a->address.addr;
	uint8_t broadcast[4];
	stele_put_be32(broadcast, stele_get_be32(bytes) | UINT32_MAX >> a->prefix_len);
	enum slot_kind kind = find4(port, stele_get_le32(broadcast));
	if (kind == SLOT_SERVICE)
		return stele_fail(reterr, STELE_E_INPUT,
				  "%u.%u.%u.%u is the broadcast address of %u.%u.%u.%u/%u",
				  broadcast[0], broadcast[1], broadcast[2], broadcast[3], bytes[0],
				  bytes[1], bytes[2], bytes[3], a->prefix_len);
	if (kind == SLOT_NONE)
		insert4(port, stele_get_le32(broadcast), SLOT_BROADCAST);
	return 0;
}

static int add_ipv6(struct stele_frame_port *port, const struct stele_frame_address *a,
		    struct stele_error *reterr)
{
	const uint8_t *bytes = a->address.addr;
	if (bytes[0] == 0xff || stele_get_le64(bytes) == 0)
		return stele_fail(reterr, STELE_E_INPUT,
				  "an IPv6 address is a group's or in ::/64 (expected a host's)");
	if (find6(port, bytes))
		return stele_fail(reterr, STELE_E_INPUT, "an IPv6 address is there twice");
	uint64_t first = stele_get_le64(bytes), second = stele_get_le64(bytes + 8);
	uint32_t i = slot6_of(first, second);
	while ((port->slots6[i & port->slot6_mask].address[0] |
		port->slots6[i & port->slot6_mask].address[1]) != 0)
		i++;
	port->slots6[i & port->slot6_mask].address[0] = first;
	port->slots6[i & port->slot6_mask].address[1] = second;
	return 0;
}

/* Four slots for each of `cnt` keys, so that most searches see one. */
static uint32_t slot_mask(unsigned cnt)
{
	uint32_t slot_cnt = 4;
	while (slot_cnt < 4 * cnt)
		slot_cnt *= 2;
	return slot_cnt - 1;
}

static int set_addresses(struct stele_frame_port *port, const struct stele_frame_settings *settings,
			 struct stele_error *reterr)
{
	if (settings->address_cnt == 0 || settings->address_cnt > STELE_FRAME_ADDRESSES_MAX)
		return stele_fail(reterr, STELE_E_INPUT, "%u addresses (expected 1 to %d)",
				  settings->address_cnt, STELE_FRAME_ADDRESSES_MAX);
	unsigned cnt4 = 0, cnt6 = 0;
	for (unsigned i = 0; i < settings->address_cnt; i++) {
		cnt4 += settings->addresses[i].address.family == 4;
		cnt6 += settings->addresses[i].address.family == 6;
	}
	if (cnt4 + cnt6 != settings->address_cnt)
		return stele_fail(reterr, STELE_E_INPUT, "an address is neither IPv4 nor IPv6");
	if (cnt6 > 0 && settings->mtu < STELE_FRAME_MTU_IPV6_MIN)
		return stele_fail(reterr, STELE_E_INPUT,
				  "the MTU is %u (IPv6 addresses need at least %d)", settings->mtu,
				  STELE_FRAME_MTU_IPV6_MIN);
	/* Each IPv4 address may bring a broadcast address. */
	port->slot4_mask = slot_mask(2 * cnt4);
	port->slot6_mask = slot_mask(cnt6);
	port->first4 = UINT64_MAX;
	suspect4(port, 0);
	suspect4(port, 127);
	for (uint32_t first = 224; first < 256; first++)
		suspect4(port, first);
	for (unsigned i = 0; i < settings->address_cnt; i++) {
		const struct stele_frame_address *a = &settings->addresses[i];
		int status = a->address.family == 4 ? add_ipv4(port, a, reterr) :
						      add_ipv6(port, a, reterr);
		if (status != 0)
			return status;
		port->addresses[i] = *a;
	}
	port->address_cnt = settings->address_cnt;
	for (unsigned i = 0; i < settings->address_cnt; i++) {
		const struct stele_frame_address *a = &settings->addresses[i];
		int status = a->address.family == 4 ? add_broadcast(port, a, reterr) : 0;
		if (status != 0)
			return status;
	}
	return 0;
}

static void choose_code(struct stele_frame_port *port)
{
	port->parse = stele_frame_parse_portable;
	port->reply = stele_frame_reply_portable;
#if defined(__x86_64__)
	if (stele_cpu_has_avx2()) {
		port->parse = stele_frame_parse_avx2;
		port->reply = stele_frame_reply_avx2;
	}
#endif
}

int stele_frame_port_init(struct stele_frame_port *port,
			  const struct stele_frame_settings *settings, struct stele_error *reterr)
{
	memset(port, 0, sizeof(*port));
	choose_code(port);
	int status = set_link(port, settings, reterr);
	if (status == 0)
		status = set_udp_ports(port, settings, reterr);
	if (status == 0)
		status = set_addresses(port, settings, reterr);
	return status;
}
