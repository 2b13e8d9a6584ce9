/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it takes to serve an image from nothing: copy, digests, verification; and the same with what a
 * verification before it found out. A process each, since memory that was used before is cheaper.
 */
#include "lib/image/findings_file.h"
#include "responder/serve/serve.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage[] = "usage: bench_start [--threads N] [--rounds N] IMAGE\n";

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* Loads once, and saves findings if there are none. 0 or an exit status. */
static int start(const char *path, const char *dir, unsigned threads)
{
	struct stele_findings findings = {.bytes = NULL};
	struct stele_serve_load_info info;
	struct stele_serve *serve = NULL;
	struct stele_error err;
	struct rusage begin, end;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		perror(path);
		return 3;
	}
	const struct stele_serve_options options = {
		.arena = {(size_t)st.st_size + ((size_t)64 << 20), STELE_ARENA_PAGES_PLAIN, -1},
		.start_threads = threads,
	};
	getrusage(RUSAGE_SELF, &begin);
	int rc = stele_serve_open(&options, &serve, &err);
	if (rc == 0 && stele_findings_load(dir, &findings, NULL) == 0)
		stele_serve_trust(serve, &findings, NULL);
	if (rc == 0)
		rc = stele_serve_load(serve, fd, path, &info, &err);
	getrusage(RUSAGE_SELF, &end);
	if (rc != 0) {
		fprintf(stderr, "bench_start: %s\n", err.text);
		return 1;
	}
	printf("%-8s user %.2f s, system %.2f s; wall: head %.3f s, copy %.3f s, verify %.3f s\n",
	       info.recalled ? "recalled" : "in full",
	       seconds(end.ru_utime) - seconds(begin.ru_utime),
	       seconds(end.ru_stime) - seconds(begin.ru_stime), (double)info.head_ns / 1e9,
	       (double)info.copy_ns / 1e9, (double)info.verify_ns / 1e9);
	if (!info.recalled) {
		getrusage(RUSAGE_SELF, &begin);
		rc = stele_serve_findings(serve, &findings, &err);
		if (rc == 0)
			rc = stele_findings_save(dir, &findings, &err);
		getrusage(RUSAGE_SELF, &end);
		if (rc == 0)
			printf("findings: %zu bytes, saved in %.3f s of processor time\n",
			       findings.sz,
			       seconds(end.ru_utime) + seconds(end.ru_stime) -
				       seconds(begin.ru_utime) - seconds(begin.ru_stime));
		else
			fprintf(stderr, "bench_start: %s\n", err.text);
	}
	stele_findings_close(&findings);
	stele_serve_close(serve);
	close(fd);
	return rc == 0 ? 0 : 3;
}

static int run(const char *path, const char *dir, unsigned threads)
{
	int status = 0;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		exit(start(path, dir, threads));
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 3;
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"threads", required_argument, NULL, 't'},
					      {"rounds", required_argument, NULL, 'r'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	unsigned threads = 0, rounds = 3;
	for (int option; (option = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		if (option == 't')
			threads = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'r')
			rounds = (unsigned)strtoul(optarg, NULL, 10);
		else
			return fputs(usage, option == 'h' ? stdout : stderr), option == 'h' ? 0 : 2;
	}
	if (optind + 1 != argc)
		return fputs(usage, stderr), 2;
	char dir[] = "/tmp/stele-start-XXXXXX", file[64];
	if (mkdtemp(dir) == NULL)
		return perror(dir), 3;
	snprintf(file, sizeof(file), "%s/verified", dir);
	int status = 0;
	for (unsigned i = 0; i < rounds && status == 0; i++) {
		unlink(file);
		status = run(argv[optind], dir, threads);
		if (status == 0)
			status = run(argv[optind], dir, threads);
	}
	unlink(file);
	rmdir(dir);
	return status;
}
