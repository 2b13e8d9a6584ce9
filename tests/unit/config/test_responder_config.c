/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The responder's table: what files give, and what each wrong file in tests/golden/config is told. The
 * argument is the root of the source tree.
 */
#include "lib/ctl/ctl.h"
#include "responder/config/config.h"

#include "tests/unit/config/config_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *source_dir;
static struct stele_config_faults faults;

static const struct stele_responder_config *parse(const char *text)
{
	struct stele_config *config;
	struct stele_error err;
	if (stele_config_parse("t", text, strlen(text), &stele_responder_schema, &config, &faults,
			       &err) < 0)
		fail_msg("%s", err.text);
	const struct stele_responder_config *root = stele_config_root(config);
	assert_ptr_equal(root->owner, config);
	return root;
}

static void test_table(void **state)
{
	(void)state;
	struct stele_error err;
	if (stele_config_check_schema(&stele_responder_schema, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_least(void **state)
{
	(void)state;
	const struct stele_responder_config *c = parse(
		"image: /i\n"
		"ports: [{device: net_tap0, name: a, addresses: [10.53.0.2/24], cores: [1]}]");
	assert_string_equal(c->image, "/i");
	assert_string_equal(c->state_dir, "/var/lib/stele/responder");
	assert_string_equal(c->control, "/run/stele/responder.sock");
	assert_string_equal(c->user, "stele");
	assert_int_equal(c->main_core, STELE_CORE_AUTO);
	assert_int_equal(c->memory.huge_pages, STELE_HUGE_PAGES_AUTO);
	assert_true(c->memory.image_arena == UINT64_C(4) << 30);
	assert_int_equal(c->memory.mbufs_per_queue, 4608);
	assert_int_equal(c->memory.eal_args.cnt, 0);
	assert_int_equal(c->ports.cnt, 1);
	const struct stele_port_config *port = &c->ports.items[0];
	assert_int_equal(port->kind, STELE_PORT_TAP);
	assert_int_equal(port->args.cnt, 0);
	assert_false(port->mac.set);
	assert_int_equal(port->vlan, 0);
	assert_int_equal(port->mtu, 1500);
	assert_int_equal(port->rx_descriptors, 1024);
	assert_int_equal(port->tx_descriptors, 1024);
	assert_int_equal(port->exception.kind, STELE_EXCEPTION_AUTO);
	assert_string_equal(port->exception.interface, "x-a");
	assert_int_equal(port->exception.rate, 20000);
	assert_null(port->exception.namespace);
	assert_int_equal(c->idle.mode, STELE_IDLE_PAUSE);
	assert_true(c->idle.max_delay == 50000);
	assert_int_equal(c->answers.port, 53);
	assert_int_equal(c->answers.common.udp_size, 1232);
	assert_true(c->answers.common.any_minimal);
	assert_null(c->answers.common.nsid);
	assert_null(c->answers.common.chaos.version);
	assert_null(c->answers.common.chaos.id);
	assert_true(c->cookies.enabled);
	assert_null(c->cookies.secret_file);
	assert_false(c->rrl.enabled);
	assert_int_equal(c->rrl.answers_per_second, 1000);
	assert_int_equal(c->rrl.slip, 2);
	assert_int_equal(c->rrl.ipv4_prefixes.cnt, 2);
	assert_int_equal(c->rrl.ipv4_prefixes.items[1], 32);
	assert_int_equal(c->rrl.ipv6_prefixes.items[0], 48);
	assert_int_equal(c->drop.source_ports.cnt, 5);
	assert_int_equal(c->drop.source_ports.items[4], 19);
	assert_true(c->telemetry);
	stele_responder_config_free(c);
}

static void test_whole(void **state)
{
	(void)state;
	const struct stele_responder_config *c = parse(
		"image: /i\n"
		"user: none\n"
		"main_core: 0\n"
		"memory: {huge_pages: 2M, eal_args: [--log-level=8]}\n"
		"ports:\n"
		"  - device: 0000:af:00.1\n"
		"    name: a\n"
		"    addresses: [10.53.0.2/31, fd53::2/64]\n"
		"    cores: [1, 2]\n"
		"    mac: 02:00:00:00:00:01\n"
		"    vlan: 4094\n"
		"    mtu: 9216\n"
		"    exception: {kind: none}\n"
		"  - device: net_af_packet\n"
		"    name: b\n"
		"    args: {iface: eth1, blocksz: '4096'}\n"
		"    addresses: [10.53.0.2/31]\n"
		"    cores: [3]\n"
		"    exception: {kind: virtio-user, rate: unlimited, interface: x0, namespace: n}\n"
		"  - device: net_memif\n"
		"    name: c\n"
		"    addresses: [10.53.0.2/31]\n"
		"    cores: [4]\n"
		"    exception: {interface: x0}\n"
		"answers: {nsid: n1, chaos: {id: n1}}\n"
		"rrl: {nxdomains_per_second: unlimited, ipv4_prefixes: [24], exempt: [10.0.0.0/8]}\n"
		"drop: {source_ports: []}\n");
	assert_null(c->user);
	assert_int_equal(c->main_core, 0);
	assert_int_equal(c->memory.huge_pages, STELE_HUGE_PAGES_2M);
	assert_string_equal(c->memory.eal_args.items[0], "--log-level=8");
	assert_int_equal(stele_responder_worker_cnt(c), 4);
	const struct stele_port_config *ports = c->ports.items;
	assert_int_equal(ports[0].kind, STELE_PORT_PCI);
	assert_int_equal(ports[1].kind, STELE_PORT_AF_PACKET);
	assert_int_equal(ports[2].kind, STELE_PORT_MEMIF);
	assert_int_equal(ports[0].addresses.items[1].family, 6);
	assert_int_equal(ports[0].cores.items[1], 2);
	assert_true(ports[0].mac.set);
	assert_int_equal(ports[0].vlan, 4094);
	assert_int_equal(ports[1].args.cnt, 2);
	assert_string_equal(ports[1].args.items[1].value, "4096");
	assert_int_equal(ports[1].exception.kind, STELE_EXCEPTION_VIRTIO_USER);
	assert_int_equal(ports[1].exception.rate, 0);
	/* The same name in another namespace is another interface. */
	assert_string_equal(ports[1].exception.interface, "x0");
	assert_string_equal(ports[1].exception.namespace, "n");
	assert_string_equal(ports[2].exception.interface, "x0");
	assert_string_equal(c->answers.common.nsid, "n1");
	assert_string_equal(c->answers.common.chaos.id, "n1");
	assert_int_equal(c->rrl.nxdomains_per_second, 0);
	assert_int_equal(c->rrl.ipv4_prefixes.cnt, 1);
	assert_int_equal(c->rrl.exempt.items[0].len, 8);
	assert_int_equal(c->drop.source_ports.cnt, 0);
	stele_responder_config_free(c);
}

static void test_example(void **state)
{
	(void)state;
	char path[4096];
	struct stele_error err;
	const struct stele_responder_config *config;
	snprintf(path, sizeof(path), "%s/config/responder.example.yaml", source_dir);
	if (stele_responder_config_load(path, &config, &faults, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(stele_responder_worker_cnt(config), 5);
	stele_responder_config_free(config);
	char *text = config_cases_example(path, stele_responder_schema.options);
	stele_responder_config_free(parse(text));
	free(text);
}

static const struct {
	const char *ports;
	uint32_t least, chosen;
} buffer_cases[] = {
#define PORT(more) "{device: net_tap0, name: a, addresses: [10.53.0.2/24], cores: [1]" more "}"
#define FEW(kind) PORT(", rx_descriptors: 256, tx_descriptors: 256, exception: {kind: " kind "}")
	/* A virtio-user device takes up to 1024 buffers each way, whatever the port has. */
	{FEW("virtio-user"), 256 + 256 + 512 + 2048, 4096},
	{FEW("auto"), 256 + 256 + 512 + 2048, 4096},
	{FEW("tap"), 256 + 256 + 512, 4096},
	{FEW("none"), 256 + 256 + 512, 4096},
	{PORT(), 1024 + 1024 + 512 + 2048, 4608},
	{PORT(", rx_descriptors: 4096, exception: {kind: none}"), 4096 + 1024 + 512, 5632},
	{FEW("none") ", {device: net_tap1, name: b, addresses: [10.53.0.2/24], cores: [2]}",
	 1024 + 1024 + 512 + 2048, 4608},
};

static int parse_buffers(const char *ports, const char *cnt, uint32_t *ret_cnt)
{
	char text[1024];
	struct stele_config *config;
	struct stele_error err;
	snprintf(text, sizeof(text), "image: /i\nports: [%s]\nmemory: {mbufs_per_queue: %s}\n",
		 ports, cnt);
	int rc = stele_config_parse("t", text, strlen(text), &stele_responder_schema, &config,
				    &faults, &err);
	if (rc == 0) {
		const struct stele_responder_config *c = stele_config_root(config);
		*ret_cnt = c->memory.mbufs_per_queue;
		stele_responder_config_free(c);
	}
	return rc;
}

static void test_buffers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(buffer_cases) / sizeof(buffer_cases[0]); i++) {
		const char *ports = buffer_cases[i].ports;
		uint32_t least = buffer_cases[i].least, cnt = 0;
		char text[16];
		snprintf(text, sizeof(text), "%u", least);
		assert_int_equal(parse_buffers(ports, text, &cnt), 0);
		assert_int_equal(cnt, least);
		snprintf(text, sizeof(text), "%u", least - 1);
		assert_int_equal(parse_buffers(ports, text, &cnt), STELE_E_INPUT);
		assert_int_equal(parse_buffers(ports, "auto", &cnt), 0);
		assert_int_equal(cnt, buffer_cases[i].chosen);
	}
}

/* What the configuration takes, the control socket takes too. */
static void test_control_path(void **state)
{
	(void)state;
	char path[STELE_CTL_PATH_MAX + 2], text[512];
	for (unsigned over = 0; over < 2; over++) {
		struct stele_config *config;
		struct stele_error err;
		memset(path, 'a', sizeof(path));
		path[0] = '/';
		path[STELE_CTL_PATH_MAX + over] = '\0';
		snprintf(
			text, sizeof(text),
			"image: /i\n"
			"control: %s\n"
			"ports: [{device: net_tap0, name: a, addresses: [10.53.0.2/24], cores: [1]}]",
			path);
		int rc = stele_config_parse("t", text, strlen(text), &stele_responder_schema,
					    &config, &faults, &err);
		assert_int_equal(rc, over ? STELE_E_INPUT : 0);
		if (rc == 0)
			stele_responder_config_free(stele_config_root(config));
	}
}

static void test_missing_file(void **state)
{
	(void)state;
	struct stele_error err;
	const struct stele_responder_config *config = NULL;
	assert_int_equal(stele_responder_config_load("/nonexistent", &config, &faults, &err),
			 STELE_E_INPUT);
	assert_int_equal(faults.cnt, 0);
	assert_null(config);
	stele_responder_config_free(NULL);
}

static void test_golden(void **state)
{
	(void)state;
	char dir[4096];
	snprintf(dir, sizeof(dir), "%s/tests/golden/config", source_dir);
	assert_true(config_cases_golden(dir, &stele_responder_schema) > 30);
}

int main(int argc, char **argv)
{
	source_dir = argc > 1 ? argv[1] : ".";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),        cmocka_unit_test(test_least),
		cmocka_unit_test(test_whole),        cmocka_unit_test(test_example),
		cmocka_unit_test(test_missing_file), cmocka_unit_test(test_golden),
		cmocka_unit_test(test_control_path), cmocka_unit_test(test_buffers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
