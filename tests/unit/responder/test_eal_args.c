/* SPDX-License-Identifier: Apache-2.0 */
/* From configurations to what DPDK is told, on machines that exist only here. */
#include "responder/eal/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "image: /i\ncontrol: /run/c.sock\n"
#define PORT(device, more)                                                                         \
	"ports: [{device: " device ", name: p0, addresses: [192.0.2.1/24]" more "}]\n"

static const struct stele_responder_config *parse(const char *text)
{
	const struct stele_responder_config *config;
	struct stele_error error;
	char path[] = "/tmp/stele-eal-args-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	if (stele_responder_config_load(path, &config, NULL, &error) != 0)
		fail_msg("%s", error.text);
	unlink(path);
	return config;
}

/* Eight processors, no huge pages. */
static struct stele_machine plain_machine(void)
{
	struct stele_machine machine = {0};

	for (int i = 0; i < 8; i++)
		CPU_SET(i, &machine.cpus);
	machine.reachable = machine.cpus;
	return machine;
}

static struct stele_eal_args args; /* large */

static int make(const char *text, const struct stele_machine *machine, struct stele_error *error)
{
	const struct stele_responder_config *config = parse(text);
	int rc = stele_eal_args_make(config, machine, &args, error);

	stele_responder_config_free(config);
	return rc;
}

static void make_well(const char *text, const struct stele_machine *machine)
{
	struct stele_error error;

	if (make(text, machine, &error) != 0)
		fail_msg("%s", error.text);
	assert_null(args.argv[args.argc]);
}

static bool has(const char *arg)
{
	for (int i = 0; i < args.argc; i++)
		if (strcmp(args.argv[i], arg) == 0)
			return true;
	return false;
}

static void virtual_ports(void **state)
{
	struct stele_machine machine = plain_machine();

	(void)state;
	make_well(HEAD PORT("net_tap", ", cores: [1], args: {iface: t0}"), &machine);
	assert_true(has("--vdev=net_tap0,iface=t0"));
	assert_true(has("--no-pci"));
	assert_true(has("--no-huge"));
	assert_true(has("--lcores=0@(0,2,3,4,5,6,7),1@1"));

	/* As many queues as cores, where the driver has to be told. */
	make_well(HEAD PORT("net_af_packet", ", cores: [3, 2], args: {iface: e0}"), &machine);
	assert_true(has("--vdev=net_af_packet0,iface=e0,qpairs=2"));
	assert_true(has("--lcores=0@(0,1,4,5,6,7),1@3,2@2"));
	make_well(HEAD PORT("net_af_xdp7", ", cores: [1], args: {iface: e0}"), &machine);
	assert_true(has("--vdev=net_af_xdp7,iface=e0,queue_count=1"));
}

static void cards(void **state)
{
	struct stele_machine machine = plain_machine();

	(void)state;
	make_well(HEAD PORT("'0000:01:00.0'", ", cores: [1]"), &machine);
	assert_true(has("--allow=0000:01:00.0"));
	assert_false(has("--no-pci"));
}

static void control_cores(void **state)
{
	struct stele_machine machine = plain_machine();

	(void)state;
	make_well(HEAD "main_core: 5\n" PORT("net_tap", ", cores: [1]"), &machine);
	assert_true(has("--lcores=0@(5),1@1"));

	/* With no core to spare, the control thread shares. */
	CPU_ZERO(&machine.cpus);
	CPU_SET(4, &machine.cpus);
	machine.reachable = machine.cpus;
	make_well(HEAD PORT("net_tap", ", cores: [4]"), &machine);
	assert_true(has("--lcores=0@(4),1@4"));
}

/* With isolcpus, nobody is given the isolated cores, and everybody may have them. */
static void isolated_cores(void **state)
{
	struct stele_machine machine = plain_machine();

	(void)state;
	for (int i = 2; i < 8; i++)
		CPU_CLR(i, &machine.cpus);
	make_well(HEAD PORT("net_tap", ", cores: [2, 3]"), &machine);
	assert_true(has("--lcores=0@(0,1),1@2,2@3"));
	make_well(HEAD "main_core: 7\n" PORT("net_tap", ", cores: [2, 1]"), &machine);
	assert_true(has("--lcores=0@(7),1@2,2@1"));
}

/* Looking changes nothing, and finds what a narrow affinity hides. */
static void a_narrow_affinity(void **state)
{
	struct stele_machine wide, narrow;
	cpu_set_t before, one, after;
	int cpu = 0;

	(void)state;
	stele_machine_look(&wide);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_true(CPU_EQUAL(&wide.cpus, &before));
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	stele_machine_look(&narrow);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	sched_setaffinity(0, sizeof(before), &before);
	assert_true(CPU_EQUAL(&after, &one));
	assert_true(CPU_EQUAL(&narrow.cpus, &one));
	assert_true(CPU_EQUAL(&narrow.reachable, &wide.reachable));
}

static void huge_pages(void **state)
{
	struct stele_machine machine = plain_machine();
	struct stele_error error;

	(void)state;
	/* Too few: the same as none. */
	machine.huge_free[0] = 16 << 20;
	make_well(HEAD PORT("net_tap", ", cores: [1]"), &machine);
	assert_true(has("--no-huge"));
	assert_false(args.huge);
	assert_int_equal(make(HEAD "memory: {huge_pages: 2M}\n" PORT("net_tap", ", cores: [1]"),
			      &machine, &error),
			 STELE_E_SYSTEM);
	assert_non_null(strstr(error.text, "16 MB are free"));

	machine.huge_free[0] = 1024 << 20;
	make_well(HEAD PORT("net_tap", ", cores: [1]"), &machine);
	assert_true(has("--in-memory"));
	assert_false(has("--no-huge"));
	assert_true(args.huge);
	make_well(HEAD "memory: {huge_pages: none}\n" PORT("net_tap", ", cores: [1]"), &machine);
	assert_true(has("--no-huge"));
}

/* What others are to have all of at once is in one file. */
static void memory_that_is_lent(void **state)
{
	struct stele_machine machine = plain_machine();

	(void)state;
	make_well(HEAD PORT("net_memif", ", cores: [1], args: {role: client, zero-copy: yes}"),
		  &machine);
	assert_true(has("--vdev=net_memif0,role=client,zero-copy=yes"));
	assert_true(has("--single-file-segments"));
	make_well(HEAD PORT("net_memif", ", cores: [1], args: {role: client, zero-copy: no}"),
		  &machine);
	assert_false(has("--single-file-segments"));
	make_well(HEAD PORT("net_memif", ", cores: [1], args: {role: server}"), &machine);
	assert_false(has("--single-file-segments"));

	machine.vhost_net = true;
	make_well(HEAD PORT("net_tap", ", cores: [1]"), &machine);
	assert_false(has("--single-file-segments"));
	machine.huge_free[0] = 1024 << 20;
	make_well(HEAD PORT("net_tap", ", cores: [1]"), &machine);
	assert_true(has("--single-file-segments"));
}

static void further_arguments(void **state)
{
	struct stele_machine machine = plain_machine();

	(void)state;
	make_well(HEAD
		  "telemetry: false\nmemory: {eal_args: [--log-level, 'pmd.net.tap:debug']}\n" PORT(
			  "net_tap", ", cores: [1]"),
		  &machine);
	assert_true(has("--no-telemetry"));
	assert_string_equal(args.argv[args.argc - 1], "pmd.net.tap:debug");
	assert_string_equal(args.argv[args.argc - 2], "--log-level");
}

static void missing_core(void **state)
{
	struct stele_machine machine = plain_machine();
	struct stele_error error;

	(void)state;
	assert_int_equal(make(HEAD PORT("net_tap", ", cores: [8]"), &machine, &error),
			 STELE_E_INPUT);
	assert_non_null(strstr(error.text, "core 8"));
	assert_int_equal(make(HEAD "main_core: 9\n" PORT("net_tap", ", cores: [1]"), &machine,
			      &error),
			 STELE_E_INPUT);
}

/* Another responder has another control socket, and so another folder of DPDK's. */
static void one_prefix_for_each(void **state)
{
	struct stele_machine machine = plain_machine();
	char first[64];

	(void)state;
	make_well(HEAD PORT("net_tap", ", cores: [1]"), &machine);
	snprintf(first, sizeof(first), "%s", args.argv[1]);
	make_well(HEAD PORT("net_tap", ", cores: [1]"), &machine);
	assert_string_equal(args.argv[1], first);
	make_well("image: /i\ncontrol: /run/d.sock\n" PORT("net_tap", ", cores: [1]"), &machine);
	assert_string_not_equal(args.argv[1], first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(virtual_ports),       cmocka_unit_test(cards),
		cmocka_unit_test(control_cores),       cmocka_unit_test(isolated_cores),
		cmocka_unit_test(a_narrow_affinity),   cmocka_unit_test(huge_pages),
		cmocka_unit_test(memory_that_is_lent), cmocka_unit_test(further_arguments),
		cmocka_unit_test(missing_core),        cmocka_unit_test(one_prefix_for_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
