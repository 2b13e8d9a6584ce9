/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes a zone by AXFR as fast as it comes: axfr_client PORT ZONE
 *
 * Counts records by the counts of the headers and looks at nothing else, so that what is measured is the server.
 * Prints the seconds from the question to the end, records, messages and bytes as JSON. The end is the connection's:
 * a message that ends with a SOA would have to be read to be known, so the client closes after a
 * second without data.
 */
#include "lib/base/bytes.h"
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int ask(uint16_t port, const char *zone)
{
	static struct stele_writer writer;
	uint8_t name[STELE_NAME_MAX], msg[2 + 512];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval second = {.tv_sec = 1};
	int name_len = stele_name_from_text(zone, strlen(zone), name);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (name_len < 0 || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	stele_writer_init(&writer, msg + 2, sizeof(msg) - 2);
	stele_writer_begin(&writer, 1, 0);
	stele_writer_question(&writer, name, (size_t)name_len, STELE_TYPE_AXFR, STELE_CLASS_IN);
	size_t len = stele_writer_end(&writer);
	stele_put_be16(msg, (uint16_t)len);
	return write(fd, msg, len + 2) == (ssize_t)(len + 2) ? fd : -1;
}

int main(int argc, char **argv)
{
	static uint8_t buf[4 << 20];
	unsigned long record_cnt = 0, message_cnt = 0, sz = 0;
	size_t len = 0;
	if (argc != 3) {
		fputs("usage: axfr_client PORT ZONE\n", stderr);
		return 2;
	}
	double begun_at = now(), ended_at = begun_at;
	int fd = ask((uint16_t)strtoul(argv[1], NULL, 10), argv[2]);
	if (fd < 0) {
		perror("axfr_client");
		return 3;
	}
	for (;;) {
		ssize_t got = read(fd, buf + len, sizeof(buf) - len);
		if (got <= 0)
			break;
		ended_at = now();
		sz += (size_t)got;
		len += (size_t)got;
		size_t at = 0;
		while (len - at >= 2 && len - at - 2 >= stele_get_be16(buf + at)) {
			record_cnt += stele_get_be16(buf + at + 2 + 6);
			message_cnt++;
			at += 2u + stele_get_be16(buf + at);
		}
		memmove(buf, buf + at, len - at);
		len -= at;
	}
	close(fd);
	printf("{\"seconds\": %.6f, \"records\": %lu, \"messages\": %lu, \"bytes\": %lu}\n",
	       ended_at - begun_at, record_cnt, message_cnt, sz);
	return 0;
}
