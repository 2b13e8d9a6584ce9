/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files without a fuzzing engine: each argument is a file, or a directory of
 * files. Linked with one target. A target that finds a fault aborts; else the status is 0, and 1
 * when there was nothing to run, since a corpus that is lost is a fault too.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned run_cnt;

static void run_file(const char *path)
{
	FILE *in = fopen(path, "rbe");
	struct stat st;
	if (in == NULL || fstat(fileno(in), &st) < 0) {
		perror(path);
		exit(1);
	}
	size_t size = (size_t)st.st_size;
	/* Exactly the bytes: a read behind them is seen by ASan. */
	uint8_t *data = malloc(size > 0 ? size : 1);
	if (data == NULL || fread(data, 1, size, in) != size) {
		perror(path);
		exit(1);
	}
	fclose(in);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	run_cnt++;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void run_path(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0) {
		perror(path);
		exit(1);
	}
	if (!S_ISDIR(st.st_mode)) {
		run_file(path);
		return;
	}
	struct dirent **entries;
	int cnt = scandir(path, &entries, is_visible, alphasort);
	for (int i = 0; i < cnt; i++) {
		char *file;
		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
			exit(1);
		run_path(file);
		free(file);
		free(entries[i]);
	}
	if (cnt >= 0)
		free(entries);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	printf("replayed %u files\n", run_cnt);
	return run_cnt > 0 ? 0 : 1;
}
