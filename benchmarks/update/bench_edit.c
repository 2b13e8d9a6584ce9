/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it takes to commit a change of one record to a large zone: the edit session, and the commit, most of
 * which is waiting for the disk. Beside it in turns: a page appended to a file and synced, twice, which is what
 * a commit of LMDB cannot go below (its pages, then its meta page). See usage below.
 */
#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/store/node.h"
#include "lib/zone/edit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: bench_edit DIR [NAMES [ROUNDS]]\n"
	"\n"
	"  DIR     a directory on the disk that is to be measured; gets a store and a file, made anew\n"
	"  NAMES   of the zone, one address each (1000000)\n"
	"  ROUNDS  changes of one address and the serial, each with a commit of its own (300)\n";

static struct stele_error err;

static void must(int status, const char *what)
{
	if (status < 0) {
		fprintf(stderr, "bench_edit: %s: %s\n", what, err.text);
		exit(3);
	}
}

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- the zone ---- */

static const uint8_t apex[] = "\4edit";

struct source {
	uint32_t at, cnt;
	uint8_t key[16], node[128];
};

static int next_node(void *user, struct stele_store_item *item, struct stele_error *reterr)
{
	(void)reterr;
	struct source *s = user;
	if (s->at > s->cnt)
		return 0;
	*item = (struct stele_store_item){.key = s->key, .node = s->node};
	if (s->at == 0) {
		static const uint8_t soa[22] = {0}, ns[] = "\2ns";
		item->node_sz = stele_node_put_rr(s->node, STELE_TYPE_NS, 300, ns, sizeof(ns));
		item->node_sz += stele_node_put_rr(s->node + item->node_sz, STELE_TYPE_SOA, 300,
						   soa, sizeof(soa));
	} else {
		uint8_t address[4];
		stele_put_be32(address, s->at);
		item->key_len =
			(size_t)snprintf((char *)s->key, sizeof(s->key), "n%09u", s->at) + 1;
		item->node_sz =
			stele_node_put_rr(s->node, STELE_TYPE_A, 300, address, sizeof(address));
	}
	s->at++;
	return 1;
}

static void fill(struct stele_store *store, uint32_t cnt)
{
	struct stele_store_write *write;
	struct source source = {.cnt = cnt};
	must(stele_store_write_begin(store, &write, &err), "filling");
	must(stele_store_zone_replace(write, apex, next_node, &source, NULL, NULL, NULL, &err),
	     "filling");
	must(stele_store_commit(write, NULL, &err), "filling");
}

/* ---- one change ---- */

static void change(struct stele_store *store, uint32_t name, uint32_t round, double *ret_edit_ms,
		   double *ret_commit_ms)
{
	uint8_t owner[STELE_NAME_MAX] = {10};
	char digits[16];
	snprintf(digits, sizeof(digits), "n%09u", name);
	memcpy(owner + 1, digits, 10);
	memcpy(owner + 11, apex, sizeof(apex));
	uint8_t address[4];
	stele_put_be32(address, UINT32_MAX - round);
	struct stele_store_write *write;
	struct stele_zone_edit *edit;
	double begin = now_ms();
	must(stele_store_write_begin(store, &write, &err), "a write");
	must(stele_zone_edit_begin(write, apex, STELE_ZONE_EDIT_LENIENT, "bench", &edit, &err),
	     "a session");
	must(stele_zone_edit_delete_rrset(edit, owner, STELE_TYPE_A, &err), "a change");
	must(stele_zone_edit_add(edit, owner, STELE_TYPE_A, 300, address, 4, &err), "a change");
	must(stele_zone_edit_set_serial(edit, round, &err), "the serial");
	must(stele_zone_edit_apply(edit, NULL, &err), "a change");
	stele_zone_edit_end(edit);
	double middle = now_ms();
	must(stele_store_commit(write, NULL, &err), "a commit");
	*ret_edit_ms = middle - begin;
	*ret_commit_ms = now_ms() - middle;
}

static double sync_two_pages(int fd)
{
	static const uint8_t page[4096];
	double begin = now_ms();
	for (unsigned i = 0; i < 2; i++)
		if (write(fd, page, sizeof(page)) != sizeof(page) || fdatasync(fd) != 0) {
			perror("bench_edit: two pages");
			exit(3);
		}
	return now_ms() - begin;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void print(const char *what, double *ms, size_t cnt)
{
	qsort(ms, cnt, sizeof(*ms), compare);
	printf("%-28s %8.3f %8.3f %8.3f\n", what, ms[cnt / 2], ms[cnt * 9 / 10],
	       ms[cnt * 99 / 100]);
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 4 || argv[1][0] == '-') {
		fputs(usage, stderr);
		return 2;
	}
	uint32_t names = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000;
	size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 300;
	if (names == 0 || names > 999999999 || rounds == 0) {
		fputs(usage, stderr);
		return 2;
	}
	char path[4096];
	snprintf(path, sizeof(path), "%s/pages", argv[1]);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		perror(path);
		return 3;
	}
	snprintf(path, sizeof(path), "%s/store", argv[1]);
	struct stele_store *store;
	must(stele_store_open(path, STELE_STORE_CREATE, &store, &err), "the store");
	fill(store, names);
	double *ms = calloc(3 * rounds, sizeof(*ms));
	if (ms == NULL)
		return 3;
	uint64_t random = 1;
	for (size_t i = 0; i < rounds; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		uint32_t name = 1 + (uint32_t)((random >> 33) % names);
		change(store, name, (uint32_t)i + 1, &ms[i], &ms[rounds + i]);
		ms[2 * rounds + i] = sync_two_pages(fd);
	}
	printf("%u names, %zu changes           median      90 %%     99 %%   ms\n", names, rounds);
	print("edit session", ms, rounds);
	print("commit", ms + rounds, rounds);
	print("two pages, each synced", ms + 2 * rounds, rounds);
	free(ms);
	stele_store_close(store);
	close(fd);
	return 0;
}
