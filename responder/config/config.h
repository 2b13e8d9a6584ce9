/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_CONFIG_CONFIG_H
#define STELE_RESPONDER_CONFIG_CONFIG_H

/*
 * The responder's configuration: what its YAML says, as plain values. docs/configuration.md explains
 * each option; it is printed from the table in config.c. Nothing here needs DPDK, so a file can be
 * checked on any machine and without privileges.
 *
 * Whether devices, cores, users and files exist is not looked at: that is known only where and when
 * the responder starts.
 */

#include "lib/config/config.h"
#include "lib/serving/options.h"

#include <stdbool.h>
#include <stdint.h>

#define STELE_PORTS_MAX 32
#define STELE_PORT_CORES_MAX 64
#define STELE_PORT_ADDRESSES_MAX 64
#define STELE_CORE_MAX 1023 /* highest number of a core */
#define STELE_DEVICE_NAME_MAX 64

enum stele_huge_pages {
	STELE_HUGE_PAGES_AUTO, /* the largest there are, plain pages if there are none */
	STELE_HUGE_PAGES_1G,
	STELE_HUGE_PAGES_2M,
	STELE_HUGE_PAGES_NONE,
};

struct stele_memory_config {
	enum stele_huge_pages huge_pages;
	uint64_t image_arena;     /* bytes; reserved once, at start */
	uint32_t mbufs_per_queue; /* at least what queue, bursts and exception path hold; never 0 */
	STELE_CONFIG_LIST(const char *) eal_args; /* as given; none that the configuration sets */
};

enum stele_port_kind {
	STELE_PORT_PCI,
	STELE_PORT_TAP,
	STELE_PORT_AF_PACKET,
	STELE_PORT_AF_XDP,
	STELE_PORT_MEMIF,
	STELE_PORT_RING,
	STELE_PORT_PCAP,
	STELE_PORT_KIND_CNT,
};

/* Descriptors of a virtio-user device, each way: a burst of the kernel's. Its buffers come out of the port's. */
#define STELE_VIRTIO_DESCRIPTORS 1024

enum stele_exception_kind {
	STELE_EXCEPTION_AUTO, /* virtio-user where there is /dev/vhost-net, else TAP */
	STELE_EXCEPTION_TAP,
	STELE_EXCEPTION_VIRTIO_USER,
	STELE_EXCEPTION_NONE,
};

struct stele_exception_config {
	enum stele_exception_kind kind;
	const char *interface; /* of the kernel; never NULL; unique among ports */
	uint32_t rate;         /* packets/s to the kernel; 0: no limit */
	const char *namespace; /* network namespace of the interface; NULL: the program's */
};

struct stele_port_config {
	const char *device;             /* PCI address or name of a vdev ("net_tap") */
	const char *name;               /* unique; letters, digits, '-', '_' */
	struct stele_config_pairs args; /* of the device; none that the configuration sets */
	STELE_CONFIG_LIST(struct stele_config_prefix) addresses; /* at least one */
	struct stele_config_mac mac;                             /* not set: the device's own */
	uint16_t vlan;                                           /* 0: untagged */
	uint16_t mtu;                                            /* bytes of an IP packet */
	/* One queue for each, at least one; a core stands once in the whole configuration. */
	STELE_CONFIG_LIST(uint16_t) cores;
	uint16_t rx_descriptors, tx_descriptors; /* of each queue; powers of two */
	struct stele_exception_config exception;

	enum stele_port_kind kind; /* derived from `device` */
};

enum stele_idle_mode {
	STELE_IDLE_BUSY,  /* polls on */
	STELE_IDLE_PAUSE, /* pause instructions between polls */
	STELE_IDLE_SLEEP, /* sleeps between polls */
};

struct stele_idle_config {
	enum stele_idle_mode mode;
	uint64_t max_delay; /* ns: no packet waits longer for the sake of idling */
};

struct stele_responder_answers_config {
	struct stele_answers_config common; /* first: STELE_ANSWERS_OPTIONS */
	uint16_t port;                      /* UDP port of queries */
};

struct stele_drop_config {
	STELE_CONFIG_LIST(uint16_t) source_ports;
};

struct stele_responder_config {
	const char *image;     /* served first, unless state_dir remembers a later good one */
	const char *state_dir; /* remembers the last good image */
	const char *control;   /* Unix socket; at most STELE_CTL_PATH_MAX bytes */
	const char *user;      /* whom to become after start; NULL: nobody else */
	uint16_t main_core;    /* for all but polling; STELE_CORE_AUTO: chosen at start */
	struct stele_memory_config memory;
	STELE_CONFIG_LIST(struct stele_port_config) ports; /* 1 … STELE_PORTS_MAX */
	struct stele_idle_config idle;
	struct stele_responder_answers_config answers;
	struct stele_cookies_config cookies;
	struct stele_rrl_config rrl;
	struct stele_drop_config drop;
	bool telemetry;

	struct stele_config *owner; /* all memory that is pointed to; for ..._free */
};

#define STELE_CORE_AUTO UINT16_MAX

/* The table; for the reference page and tests. */
extern const struct stele_config_schema stele_responder_schema;

/*
 * Reads and checks `path`. `*ret_config` is freed with stele_responder_config_free; it never changes,
 * so any thread may read it. STELE_E_INPUT if the file is wrong: `faults` (may be NULL) has all that is
 * wrong as `FILE:LINE:COLUMN: …`, `reterr` the first of it. STELE_E_SYSTEM if it cannot be read.
 */
int stele_responder_config_load(const char *path, const struct stele_responder_config **ret_config,
				struct stele_config_faults *faults, struct stele_error *reterr);
void stele_responder_config_free(const struct stele_responder_config *config); /* NULL is fine */

/* The name by which DPDK knows the device of port `index`. `ret` has STELE_DEVICE_NAME_MAX bytes. */
void stele_responder_device_name(const struct stele_responder_config *config, unsigned index,
				 char *ret);

/* Queues of all ports together: one worker for each. */
unsigned stele_responder_worker_cnt(const struct stele_responder_config *config);

#endif
