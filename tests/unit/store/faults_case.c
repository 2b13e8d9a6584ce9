/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/faults_case.h"

#include "tests/unit/store/store_dir.h"

#include "lib/dns/rrtype.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

const uint8_t apex[13] = "\7example\3com";

char dir[64];

int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/stele-test-faults-XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

int teardown(void **state)
{
	(void)state;
	store_dir_remove(dir);
	return 0;
}

struct stele_store *open_store(enum stele_store_mode mode)
{
	struct stele_store *store = NULL;
	struct stele_error err = {""};
	CHECK(stele_store_open(dir, mode, &store, &err) == 0);
	return store;
}

void commit_bulk(struct stele_store *store, uint32_t serial, uint32_t cnt)
{
	struct stele_store_write *write;
	struct stele_error err = {""};
	CHECK(stele_store_write_begin(store, &write, &err) == 0);
	CHECK(bulk_replace(write, apex, serial, cnt, false, NULL, &err) == 0);
	CHECK(stele_store_commit(write, NULL, &err) == 0);
}

uint32_t check_bulk(struct stele_store_read *read)
{
	struct stele_error err = {""};
	struct stele_zone_info info;
	CHECK(stele_store_zone_find(read, apex, &info, &err) == 0);
	char text[16];
	size_t text_len = (size_t)snprintf(text, sizeof(text), "%u", info.serial);
	struct stele_store_cursor *cursor;
	struct stele_store_item item;
	CHECK(stele_store_cursor_open(read, STELE_STORE_NODES, info.id, NULL, 0, NULL, 0, &cursor,
				      &err) == 0);
	uint64_t cnt = 0;
	while (stele_store_cursor_next(cursor, &item, &err) == 1) {
		struct stele_node_rrset rrset;
		if (cnt++ == 0)
			continue;
		CHECK(stele_node_find(item.node, item.node_sz, STELE_TYPE_TXT, &rrset));
		CHECK(rrset.data_sz == 2 + text_len);
		CHECK(memcmp(rrset.data + 2, text, text_len) == 0);
	}
	CHECK(cnt == info.node_cnt);
	stele_store_cursor_close(cursor);
	return info.serial;
}

uint32_t check_store(struct stele_store *store)
{
	struct stele_store_read *read;
	struct stele_error err = {""};
	CHECK(stele_store_read_begin(store, &read, &err) == 0);
	uint32_t serial = check_bulk(read);
	stele_store_read_end(read);
	return serial;
}

pid_t start(void (*body)(int fd), int fd)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body(fd);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

void expect_done(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

void kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
