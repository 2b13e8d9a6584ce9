/* SPDX-License-Identifier: Apache-2.0 */
/* Words to the service manager: they arrive, and one that nobody reads holds nobody up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/daemon/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The manager: a socket in the abstract namespace, which NOTIFY_SOCKET names. */
static int listen_as_manager(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char name[64];
	int len = snprintf(name, sizeof(name), "@stele-test-notify-%ld", (long)getpid());
	assert_true(len > 0 && (size_t)len < sizeof(name));
	memcpy(addr.sun_path + 1, name + 1, (size_t)len - 1);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	socklen_t addr_sz = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, addr_sz), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void expect(int manager, const char *state)
{
	char text[64];
	ssize_t len = recv(manager, text, sizeof(text), 0);
	assert_int_equal(len, strlen(state));
	assert_memory_equal(text, state, strlen(state));
}

static void test_it_arrives(void **state)
{
	(void)state;
	int manager = listen_as_manager();
	stele_notify("READY=1");
	expect(manager, "READY=1");
	close(manager);
	stele_notify("STOPPING=1"); /* to nobody */
	unsetenv("NOTIFY_SOCKET");
	stele_notify("STOPPING=1");
}

static void test_manager_that_does_not_read(void **state)
{
	(void)state;
	enum { MORE_THAN_ANY_QUEUE = 600, SOME = 3 };
	char text[64];
	int manager = listen_as_manager(), sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;
	socklen_t addr_sz = sizeof(addr);
	assert_int_equal(getsockname(manager, (struct sockaddr *)&addr, &addr_sz), 0);
	unsigned sent = 0;
	while (sendto(sender, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&addr, addr_sz) == 1 &&
	       sent < MORE_THAN_ANY_QUEUE)
		sent++;
	assert_in_range(sent, 1, MORE_THAN_ANY_QUEUE - 1);
	/* That these come back is what is tested. */
	for (unsigned i = 0; i < SOME; i++)
		stele_notify("WATCHDOG=1");
	for (unsigned i = 0; i < sent; i++)
		expect(manager, "x");
	assert_int_equal(recv(manager, text, sizeof(text), 0), -1);
	stele_notify("WATCHDOG=1");
	expect(manager, "WATCHDOG=1");
	close(sender);
	close(manager);
	unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_arrives),
		cmocka_unit_test(test_manager_that_does_not_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
