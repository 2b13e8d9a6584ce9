/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/control/internal.h"

#include "lib/base/clock.h"

#include <arpa/inet.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <unistd.h>

unsigned operations_core_cnt(const struct stele_responder *responder)
{
	unsigned cnt = 0;

	for (unsigned i = 0; i < responder->worker_cnt; i++)
		cnt += stele_images_served_by(responder->images, responder->workers[i]);
	return cnt;
}

static json_t *image_json(bool there, const struct stele_serve_image *image)
{
	if (!there)
		return json_null();
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "name",
			 stele_ctl_text(image->name), "generation", (json_int_t)image->generation,
			 "zones", (json_int_t)image->zone_cnt, "names", (json_int_t)image->name_cnt,
			 "records", (json_int_t)image->rr_cnt, "bytes",
			 (json_int_t)image->shards_sz, "loaded_at", (json_int_t)image->loaded_at,
			 "served_from", image->mapped ? "mapping" : "arena");
}

static json_t *arena_json(const struct stele_arena_use *arena)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:s}", "size", (json_int_t)arena->size, "used",
			 (json_int_t)arena->used_sz, "used_max", (json_int_t)arena->used_max_sz,
			 "largest_free", (json_int_t)arena->largest_free_sz, "pages",
			 stele_arena_pages_text(arena->pages));
}

static json_t *address_json(const struct stele_config_prefix *address)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->addr, text, sizeof(text));
	return json_string(text);
}

/* Each once, though several ports may serve it. */
static json_t *addresses_json(const struct stele_responder *responder)
{
	json_t *addresses = json_array();

	for (unsigned i = 0; i < responder->port_cnt; i++) {
		const struct stele_port_config *config = responder->ports[i].config;
		for (size_t j = 0; j < config->addresses.cnt; j++) {
			json_t *address = address_json(&config->addresses.items[j]), *known;
			size_t at;
			bool found = false;
			json_array_foreach(addresses, at, known)
				found |= json_equal(known, address) == 1;
			if (found)
				json_decref(address);
			else
				json_array_append_new(addresses, address);
		}
	}
	return addresses;
}

static json_t *port_json(const struct stele_port *port, const struct stele_exception *exception)
{
	struct rte_eth_link link = {0};
	char mac[18];
	json_t *addresses = json_array();

	rte_eth_link_get_nowait(port->id, &link);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", port->frame.mac[0],
		 port->frame.mac[1], port->frame.mac[2], port->frame.mac[3], port->frame.mac[4],
		 port->frame.mac[5]);
	for (size_t i = 0; i < port->config->addresses.cnt; i++)
		json_array_append_new(addresses, address_json(&port->config->addresses.items[i]));
	bool known_speed = link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN;
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:o, s:s?, s:I, s:I}", "name",
			 port->config->name, "device", port->config->device, "mac", mac, "link",
			 link.link_status == RTE_ETH_LINK_UP ? "up" : "down", "speed_mbps",
			 known_speed ? (json_int_t)link.link_speed : 0, "mtu",
			 (int)port->config->mtu, "addresses", addresses, "interface",
			 exception ? port->config->exception.interface : NULL, "missed",
			 (json_int_t)port->missed, "errors", (json_int_t)port->errors);
}

static json_t *cores_json(const struct stele_responder *responder)
{
	json_t *cores = json_array();
	unsigned worker = 0;

	for (unsigned i = 0; i < responder->port_cnt; i++)
		for (unsigned j = 0; j < responder->ports[i].queue_cnt; j++, worker++) {
			const struct stele_port_config *config = responder->ports[i].config;
			struct stele_worker *w = responder->workers[worker];
			json_array_append_new(
				cores,
				json_pack("{s:i, s:i, s:s, s:i, s:I, s:s}", "core",
					  (int)config->cores.items[j], "numa", stele_worker_node(w),
					  "port", config->name, "queue", (int)j, "generation",
					  (json_int_t)stele_worker_generation(w), "state",
					  responder->stuck[worker] ? "stuck" : "running"));
		}
	return cores;
}

static bool is_healthy(const struct stele_responder *responder, bool has_image)
{
	bool up = false, moving = true;

	for (unsigned i = 0; i < responder->port_cnt; i++)
		up |= responder->ports[i].link_up;
	for (unsigned i = 0; i < responder->worker_cnt; i++)
		moving &= !responder->stuck[i];
	return has_image && up && moving && !responder->draining;
}

int operations_status(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct stele_responder *responder = user;
	struct stele_serve_status status;
	json_t *ports = json_array(), *part;
	int rc = stele_ctl_unpack(call, reterr, "");

	if (rc) {
		json_decref(ports);
		return rc;
	}
	stele_images_status(responder->images, &status);
	for (unsigned i = 0; i < responder->port_cnt; i++)
		json_array_append_new(ports,
				      port_json(&responder->ports[i], responder->exceptions[i]));
	part = json_pack("{s:s, s:I, s:I, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:s}",
			 "version", STELE_VERSION, "pid", (json_int_t)getpid(), "uptime_s",
			 (json_int_t)((stele_clock_ns() - responder->started_ns) / 1000000000),
			 "healthy", is_healthy(responder, status.has_current), "drained",
			 responder->draining, "withdrawn",
			 stele_images_were_withdrawn(responder->images), "image",
			 image_json(status.has_current, &status.current), "previous",
			 image_json(status.has_previous, &status.previous), "arena",
			 arena_json(&status.arena), "addresses", addresses_json(responder), "ports",
			 ports, "cores", cores_json(responder), "stats",
			 stele_stats_path(responder->stats));
	if (part && responder->config->telemetry) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/dpdk_telemetry.v2", rte_eal_get_runtime_dir());
		json_object_set_new(part, "telemetry", stele_ctl_text(path));
	}
	if (!part || json_object_update(call->response, part) != 0)
		rc = stele_fail(reterr, STELE_E_SYSTEM, "no memory for a response");
	json_decref(part);
	return rc;
}
