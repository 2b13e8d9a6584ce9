/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_FRAME_FRAME_H
#define STELE_RESPONDER_FRAME_FRAME_H

/*
 * Ethernet frames: which of them are queries, and what leaves in their place.
 *
 * Everything that a port receives is handed to stele_frame_parse(), which tells one of four things
 * about it:
 *
 *   QUERY  a whole, sound UDP datagram for a service address and port. The worker gives its payload to
 *          lib/answer, which writes the reply over it, and then calls stele_frame_reply().
 *   LOCAL  what keeps a port reachable with no kernel beside it: ARP request, neighbour
 *          solicitation, echo request for a service address. stele_frame_local_reply() answers in place.
 *   PUNT   for the kernel behind the exception path: sound as far as it was read, and not for us. What the
 *          kernel checks itself (addresses, checksums, state) is not checked here.
 *   DROP   nobody's: damaged, forged, or of a kind that only costs.
 *
 * Plain byte buffers; no DPDK, no allocation, no locks. A frame is one contiguous piece of memory: chained
 * buffers are the caller's to join or to count as STELE_FRAME_DROP_TOO_LONG. No byte is read before the
 * length that covers it was checked. Replies are not padded to Ethernet's 60 bytes: network cards
 * do that, virtual ports do not need it.
 */

#include "lib/answer/answer.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum stele_frame_verdict {
	STELE_FRAME_QUERY,
	STELE_FRAME_LOCAL,
	STELE_FRAME_PUNT,
	STELE_FRAME_DROP,
};

/*
 * Why the kernel gets it. X(NAME, name of its counter, meaning)
 */
#define STELE_FRAME_PUNT_REASONS(X)                                                                \
	X(ETHERTYPE, ethertype, "neither IP nor ARP: LLDP, LACP, 802.3 with a length")             \
	X(VLAN, vlan, "of a VLAN, to a port without one: with its tag")                            \
	X(ARP, arp, "ARP other than a request for a service address")                              \
	X(GROUP, group, "IP multicast or broadcast")                                               \
	X(ADDRESS, address, "an IP address that is not a service address")                         \
	X(OPTIONS, options, "IPv4 options")                                                        \
	X(EXTENSION, extension, "IPv6 extension headers without a fragment of UDP or ICMP")        \
	X(TCP, tcp, "TCP to a service address")                                                    \
	X(UDP_PORT, udp_port, "UDP to a service address and another port")                         \
	X(ICMP, icmp, "ICMP other than an echo request, ND not for a service address")             \
	X(PROTOCOL, protocol, "another protocol over IP")

/*
 * Why nobody gets it. X(NAME, name of its counter, meaning)
 *
 * Fragments of UDP and ICMP to a service address are dropped, not punted: no query needs them, and
 * the kernel's reassembly is what a flood of them aims at. Fragments of anything else are the kernel's.
 */
#define STELE_FRAME_DROP_REASONS(X)                                                                \
	X(SHORT, too_short, "ends within a header")                                                \
	X(OTHER_HOST, other_host, "destination MAC of another host")                               \
	X(SOURCE_MAC, source_mac, "source MAC is a group's or our own")                            \
	X(VLAN, vlan, "not of the port's VLAN")                                                    \
	X(VLAN_NESTED, vlan_nested, "more than one VLAN tag")                                      \
	X(TOO_LONG, too_long, "larger than the MTU")                                               \
	X(IP_HEADER, ip_header, "IP version is not that of the frame, or IHL below 5")             \
	X(IP_LENGTH, ip_length, "IP length smaller than its header or larger than the frame")      \
	X(IP_CHECKSUM, ip_checksum, "IPv4 header checksum")                                        \
	X(FRAGMENT, fragment, "fragment of UDP or ICMP")                                           \
	X(EXTENSION, extension, "IPv6 extension headers cut off, or more than eight")              \
	X(LINK_GROUP, link_group, "to a service address in a frame to a group (RFC 1122 3.3.6)")   \
	X(SOURCE_ADDRESS, source_address, "source is our own, a group's, loopback or unspecified") \
	X(SOURCE_PORT, source_port, "source port 0, or one that reflects")                         \
	X(UDP_LENGTH, udp_length, "UDP length smaller than its header or larger than the packet")  \
	X(UDP_CHECKSUM, udp_checksum, "UDP checksum wrong, or none over IPv6")                     \
	X(ARP, arp, "ARP request that cannot be true")                                             \
	X(ICMP, icmp, "echo request or neighbour solicitation that is damaged or from off link")

#define STELE_FRAME_PUNT_ENUM(name, counter, meaning) STELE_FRAME_PUNT_##name,
#define STELE_FRAME_DROP_ENUM(name, counter, meaning) STELE_FRAME_DROP_##name,
enum stele_frame_punt_reason {
	STELE_FRAME_PUNT_REASONS(STELE_FRAME_PUNT_ENUM) STELE_FRAME_PUNT_REASON_CNT
};
enum stele_frame_drop_reason {
	STELE_FRAME_DROP_REASONS(STELE_FRAME_DROP_ENUM) STELE_FRAME_DROP_REASON_CNT
};
#undef STELE_FRAME_PUNT_ENUM
#undef STELE_FRAME_DROP_ENUM

enum stele_frame_local {
	STELE_FRAME_LOCAL_ARP,
	STELE_FRAME_LOCAL_NS,
	STELE_FRAME_LOCAL_ECHO4,
	STELE_FRAME_LOCAL_ECHO6,
	STELE_FRAME_LOCAL_CNT,
};

/* ---- A port ---- */

/* More would still work but probe a table that no longer fits in the first-level cache. */
#define STELE_FRAME_ADDRESSES_MAX 256
#define STELE_FRAME_UDP_PORTS_MAX 8

/* Below, a reply of 512 bytes or an IPv4 datagram that everybody must take does not fit; above, no
 * Ethernet goes. IPv6 needs 1280 (RFC 8200 section 5). */
#define STELE_FRAME_MTU_MIN 576
#define STELE_FRAME_MTU_MAX 9216
#define STELE_FRAME_MTU_IPV6_MIN 1280

/* The least buffer behind a frame, from its first byte on: 512 bytes of reply behind the longest headers
 * (Ethernet, tag, IPv6, UDP), and any local reply. */
#define STELE_FRAME_CAP_MIN (18 + 40 + 8 + 512)

/* What is left to the NIC, or to the kernel. */
enum stele_frame_port_flag {
	STELE_FRAME_TX_IP_CKSUM = 1, /* the NIC fills in the IPv4 header checksum */
	STELE_FRAME_TX_UDP_CKSUM =
		2,               /* the NIC completes the UDP checksum from the pseudo-header's */
	STELE_FRAME_TX_VLAN = 4, /* the NIC inserts the tag into announcements */
	STELE_FRAME_KERNEL_LOCAL = 8, /* ARP, ND and echo are punted: the kernel owns them */
};

struct stele_frame_address {
	struct stele_client address;
	uint8_t prefix_len; /* of its link; IPv4 only: 1 … 30 makes the broadcast address known, which
			       * is no source of a query. 0, 31, 32: none. */
};

/* What a port is made of. Only read during stele_frame_port_init(). */
struct stele_frame_settings {
	uint8_t mac[6];
	uint16_t mtu;     /* of IP packets, without Ethernet's header */
	uint16_t vlan_id; /* 1 … 4094; 0: frames are untagged (or carry only a priority) */
	uint32_t flags;   /* enum stele_frame_port_flag */
	const struct stele_frame_address *addresses;
	unsigned address_cnt; /* of both families */
	uint16_t udp_ports[STELE_FRAME_UDP_PORTS_MAX];
	unsigned udp_port_cnt;
	/* Source ports that get no reply, since what listens there talks back (7, 13, 17, 19, 37). Port 0
	 * never gets one. 53 may be listed but is the source port of some honest old resolvers. */
	const uint16_t *reflector_ports;
	unsigned reflector_port_cnt;
};

/* Ports 7, 13, 17, 19, 37: echo, daytime, quotation, character generator, time. */
extern const uint16_t stele_frame_reflector_ports[5];

enum { STELE_FRAME_SLOT_CNT = 4 * STELE_FRAME_ADDRESSES_MAX };

/*
 * Read by every worker, written by none: made once by stele_frame_port_init(). Members are for the
 * code of this folder, except those marked public. About 32 KiB, of which a query touches few lines.
 */
struct stele_frame;
struct stele_frame_port {
	/* The code for this processor. */
	void (*parse)(const struct stele_frame_port *port, const uint8_t *frame, uint32_t len,
		      uint32_t cap, uint32_t offload, struct stele_frame *ret);
	uint32_t (*reply)(const struct stele_frame_port *port, const struct stele_frame *f,
			  uint8_t *frame, const struct stele_reply *reply);
	uint64_t mac_word; /* the first 8 bytes of a frame for us, as little-endian, upper 16 bits 0 */
	uint32_t flags;    /* public */
	uint16_t mtu;      /* public */
	uint16_t vlan_id;                              /* public */
	uint16_t udp_ports[STELE_FRAME_UDP_PORTS_MAX]; /* byte order of the packet */
	uint32_t udp_port_cnt;
	uint32_t reflector_max; /* the highest port in `reflectors` */
	uint32_t slot4_mask, slot6_mask;
	uint64_t first4;       /* the first IPv4 address, as a key; UINT64_MAX: none */
	uint64_t suspects4[4]; /* bit set: some source with this first byte is forged */
	uint8_t mac[6];        /* public */
	uint32_t address_cnt;  /* public */
	struct stele_frame_address addresses[STELE_FRAME_ADDRESSES_MAX]; /* public */
	/* Open addressing. A key is an address in the byte order of the packet, 0 for none. */
	struct stele_frame_slot4 {
		uint32_t address;
		uint32_t kind;
	} slots4[STELE_FRAME_SLOT_CNT];
	struct stele_frame_slot6 {
		uint64_t address[2];
	} slots6[STELE_FRAME_SLOT_CNT];
	uint64_t reflectors[65536 / 64]; /* bit set: no reply to this source port */
};

/*
 * Makes `port` from `settings`, which may go afterwards. STELE_E_INPUT: the MAC is zero or a group's; MTU
 * or VLAN id out of range; IPv6 addresses with an MTU below 1280; no address, too many, one twice, or one
 * that no host may have; no UDP port, too many or port 0.
 */
int stele_frame_port_init(struct stele_frame_port *port,
			  const struct stele_frame_settings *settings, struct stele_error *reterr);

/* ---- A frame ---- */

/* Whether a frame's destination is one that no bridge forwards (01-80-C2-00-00-0X: LLDP, LACP, spanning tree, pause).
 * What is said there concerns the link, and carries no tag. 6 bytes are read. */
static inline bool stele_frame_is_for_link(const uint8_t *frame)
{
	return memcmp(frame, "\x01\x80\xc2\0\0", 5) == 0 && frame[5] < 16;
}

/*
 * What the NIC found out about a received frame. Only good news: what it calls bad or does not know is
 * looked at here, since cards differ in what they call bad.
 */
enum stele_frame_offload {
	STELE_FRAME_RX_IP_GOOD = 1,  /* IPv4 header checksum is right */
	STELE_FRAME_RX_UDP_GOOD = 2, /* UDP checksum is right, or 0: none */
	STELE_FRAME_RX_VLAN =
		4, /* a tag was taken out; its TCI is in the upper 16 bits. Ask the NIC for
				     * that only if it also inserts: the tag of the reply is the
				     * caller's, and so is that of a punted frame. */
	STELE_FRAME_RX_TCI_SHIFT = 16,
};

struct stele_frame {
	uint8_t verdict; /* enum stele_frame_verdict */
	uint8_t reason;  /* by verdict: enum stele_frame_punt_reason, …_drop_reason, …_local */
	uint8_t family;  /* QUERY: 4 or 6 */
	uint8_t l3_off; /* QUERY, LOCAL: of the IP header or ARP: 14, or 18 behind a tag. `l2_len` of mbufs */
	uint16_t payload_off; /* QUERY: from the beginning of the frame */
	uint16_t payload_len; /* QUERY: 0 is possible */
	uint16_t payload_max; /* QUERY: the longest reply that fits into buffer and MTU; at least 512 */
	uint16_t client_port; /* QUERY: as a number */
};

/*
 * Classifies the frame of `len` bytes at `frame`. `cap` is the size of the buffer from `frame` on: not read
 * here, but replies will go there; at least STELE_FRAME_CAP_MIN. `offload` is of enum
 * stele_frame_offload. Fills the members of `ret` that belong to the verdict, and touches nothing else.
 * Cannot fail.
 */
static inline void stele_frame_parse(const struct stele_frame_port *port, const uint8_t *frame,
				     uint32_t len, uint32_t cap, uint32_t offload,
				     struct stele_frame *ret)
{
	port->parse(port, frame, len, cap, offload, ret);
}

/* The query and where its reply goes: over it. `ret_reply` gets `buf` and `cap` only. */
static inline void stele_frame_query(const struct stele_frame *f, uint8_t *frame,
				     struct stele_query *ret_query, struct stele_reply *ret_reply)
{
	const uint8_t *ip = frame + f->l3_off;
	ret_query->msg = frame + f->payload_off;
	ret_query->len = f->payload_len;
	ret_query->tcp = false;
	ret_query->reserve = 0;
	ret_query->client.family = f->family;
	if (f->family == 4)
		memcpy(ret_query->client.addr, ip + 12, 4);
	else
		memcpy(ret_query->client.addr, ip + 8, 16);
	ret_reply->buf = frame + f->payload_off;
	ret_reply->cap = f->payload_max;
}

/*
 * Makes a reply of the QUERY `f`, whose payload is now the `reply->len` bytes that lib/answer wrote over it
 * (at most payload_max). Returns the length of the frame to send.
 *
 * Addresses and ports are swapped, the tag stays. IPv4: TTL 64, no options, DF with identification 0
 * (RFC 6864): replies fit the MTU here, and where a path is narrower, fragments would get lost or forged
 * more often than a truncated reply costs a retry by TCP (RFC 9715). IPv6: hop limit 64, traffic class
 * and flow label 0. The UDP checksum is always there; it reads what lies outside of the reply's body, whose
 * sum is known. With STELE_FRAME_TX_…_CKSUM it is the pseudo-header's, and the IPv4 header's is 0,
 * as DPDK wants both.
 */
static inline uint32_t stele_frame_reply(const struct stele_frame_port *port,
					 const struct stele_frame *f, uint8_t *frame,
					 const struct stele_reply *reply)
{
	return port->reply(port, f, frame, reply);
}

/*
 * Answers the LOCAL frame `f` in place. Returns the length of the frame to send. All checksums are
 * complete, whatever the port's flags. Rates are the caller's to limit. RFC 826, 792, 4443, 4861.
 */
uint32_t stele_frame_local_reply(const struct stele_frame_port *port, const struct stele_frame *f,
				 uint8_t *frame);

/*
 * Tells the link where the port's address `index` (below address_cnt) is now: a gratuitous ARP request (RFC 5227
 * section 3) or an unsolicited neighbour advertisement (RFC 4861 section 7.2.6). For when a link comes up.
 * Writes to `frame`, which has STELE_FRAME_CAP_MIN bytes. Returns the length of the frame. It carries the
 * port's VLAN tag unless STELE_FRAME_TX_VLAN.
 */
uint32_t stele_frame_announce(const struct stele_frame_port *port, unsigned index, uint8_t *frame);

#endif
