/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/configuration.md is what the tables print. Without an argument prints the page; with a file,
 * compares: 0 if it is the page, 1 with the first line that differs.
 */
#include "lib/tsig/keys.h"
#include "mgmt/config/config.h"
#include "responder/config/config.h"

#include <stdlib.h>
#include <string.h>

static const struct stele_config_schema *const schemas[] = {
	&stele_responder_schema,
	&stele_mgmtd_schema,
	&stele_tsig_keys_schema,
};

static int compare(const char *path, const char *page)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	unsigned line_no = 1;
	if (in == NULL) {
		perror(path);
		return 1;
	}
	for (ssize_t len; (len = getline(&line, &cap, in)) >= 0; line_no++) {
		if (strncmp(page, line, (size_t)len) != 0)
			break;
		page += len;
	}
	int status = feof(in) && *page == 0 ? 0 : 1;
	if (status != 0)
		printf("%s:%u: not what the tables say (expected '%.*s'); to renew it: "
		       "BUILD/tests/unit/config/configuration_page > docs/configuration.md\n",
		       path, line_no, (int)strcspn(page, "\n"), page);
	free(line);
	fclose(in);
	return status;
}

int main(int argc, char **argv)
{
	char *page = NULL;
	size_t sz = 0;
	struct stele_error err;
	FILE *out = open_memstream(&page, &sz);
	if (out == NULL)
		return 1;
	int status =
		stele_config_reference(out, schemas, sizeof(schemas) / sizeof(schemas[0]), &err);
	fclose(out);
	if (status < 0)
		fprintf(stderr, "%s\n", err.text);
	else if (argc > 1)
		status = compare(argv[1], page);
	else
		fputs(page, stdout);
	free(page);
	return status == 0 ? 0 : 1;
}
