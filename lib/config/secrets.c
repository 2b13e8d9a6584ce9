/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Two lines and much comment. */
#define FILE_MAX 4096

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Digits read before the first fault; 2 * STELE_SECRET_SZ if it is a secret. */
static size_t parse_hex(const char *text, size_t len, uint8_t secret[STELE_SECRET_SZ])
{
	size_t i = 0;
	while (i < len && i < (size_t)2 * STELE_SECRET_SZ) {
		int digit = hex_digit(text[i]);
		if (digit < 0)
			break;
		secret[i / 2] = (uint8_t)(secret[i / 2] << 4 | digit);
		i++;
	}
	return i;
}

int stele_secrets_parse(const char *name, const char *text, size_t text_sz,
			struct stele_secrets *ret_secrets, struct stele_error *reterr)
{
	struct stele_secrets secrets = {0};
	size_t line_no = 0, begin = 0;
	int status = 0;
	while (begin < text_sz && status == 0) {
		const char *newline = memchr(text + begin, '\n', text_sz - begin);
		size_t end = newline != NULL ? (size_t)(newline - text) : text_sz;
		size_t next = end + 1, first = begin;
		line_no++;
		while (first < end && is_space(text[first]))
			first++;
		while (end > first && is_space(text[end - 1]))
			end--;
		size_t column = first - begin + 1, len = end - first;
		begin = next;
		if (len == 0 || text[first] == '#')
			continue;
		if (secrets.cnt == STELE_SECRETS_MAX) {
			status = stele_fail(reterr, STELE_E_INPUT,
					    "%s:%zu:%zu: one secret too many (expected at most %d)",
					    name, line_no, column, STELE_SECRETS_MAX);
			break;
		}
		uint8_t *secret = secrets.secrets[secrets.cnt];
		size_t digits = parse_hex(text + first, len, secret);
		if (digits != len || len != (size_t)2 * STELE_SECRET_SZ)
			status = stele_fail(reterr, STELE_E_INPUT,
					    "%s:%zu:%zu: %s (expected %d hexadecimal digits)", name,
					    line_no, column + digits,
					    digits == len ? "too few digits" :
					    digits == (size_t)2 * STELE_SECRET_SZ ?
							    "more than a secret" :
							    "not a hexadecimal digit",
					    2 * STELE_SECRET_SZ);
		else if (secrets.cnt == 1 &&
			 memcmp(secret, secrets.secrets[0], STELE_SECRET_SZ) == 0)
			status = stele_fail(reterr, STELE_E_INPUT,
					    "%s:%zu:%zu: the first secret once more (expected "
					    "another one)",
					    name, line_no, column);
		else
			secrets.cnt++;
	}
	if (status == 0 && secrets.cnt == 0)
		status = stele_fail(reterr, STELE_E_INPUT,
				    "%s:1:1: no secret (expected a line of %d hexadecimal digits)",
				    name, 2 * STELE_SECRET_SZ);
	if (status == 0)
		*ret_secrets = secrets;
	stele_secrets_wipe(&secrets);
	return status;
}

/* Reads at most FILE_MAX + 1 bytes; the count, or -1 with errno. */
static ssize_t read_all(int fd, char *text)
{
	size_t sz = 0;
	while (sz <= FILE_MAX) {
		ssize_t n = read(fd, text + sz, FILE_MAX + 1 - sz);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		sz += (size_t)n;
	}
	return (ssize_t)sz;
}

int stele_secrets_load(const char *path, struct stele_secrets *ret_secrets,
		       struct stele_error *reterr)
{
	/* Not blocking: the open of a pipe without a writer would never return. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return stele_fail_errno(reterr, errno, "%s", path);
	char text[FILE_MAX + 1];
	struct stat st;
	int status;
	if (fstat(fd, &st) < 0) {
		status = stele_fail_errno(reterr, errno, "%s", path);
	} else if (!S_ISREG(st.st_mode)) {
		status = stele_fail(reterr, STELE_E_INPUT, "%s: not a regular file (expected one)",
				    path);
	} else if ((st.st_mode & 077) != 0) {
		status = stele_fail(reterr, STELE_E_INPUT,
				    "%s: mode %04o lets others in (expected 0600: its owner only)",
				    path, (unsigned)st.st_mode & 07777);
	} else {
		ssize_t sz = read_all(fd, text);
		if (sz < 0)
			status = stele_fail_errno(reterr, errno, "%s", path);
		else if (sz > FILE_MAX)
			status = stele_fail(reterr, STELE_E_INPUT,
					    "%s: too large (expected at most %d bytes)", path,
					    FILE_MAX);
		else
			status = stele_secrets_parse(path, text, (size_t)sz, ret_secrets, reterr);
	}
	explicit_bzero(text, sizeof(text));
	close(fd);
	return status;
}

void stele_secrets_wipe(struct stele_secrets *secrets)
{
	explicit_bzero(secrets, sizeof(*secrets));
}
