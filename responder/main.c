/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/error.h"
#include "responder/config/config.h"
#include "responder/control/control.h"
#include "lib/daemon/log.h"
#include "lib/daemon/options.h"
#include "lib/daemon/notify.h"
#include "responder/responder.h"

static const char usage[] =
	"usage: stele-responder -c FILE [--check [--files]] [--verbose]\n"
	"\n"
	"Answers DNS queries from a compiled image, on ports that DPDK drives.\n"
	"\n"
	"  -c, --config FILE   configuration in YAML: see responder.example.yaml and\n"
	"                      configuration.md\n"
	"      --check         only look whether FILE is right, and at no other; needs no privileges\n"
	"      --files         with --check: as its user, also look at what FILE names: secrets and\n"
	"                      cores\n"
	"  -v, --verbose       say more\n"
	"  -h, --help          this text\n"
	"      --version       the version\n"
	"\n"
	"It stays in the foreground and logs to standard error. On SIGHUP it reads the sections\n"
	"answers, cookies and rrl of its configuration, the exception.rate of its ports, and the cookie\n"
	"secrets again; on SIGTERM and SIGINT it ends, once what it has received is answered.\n"
	"\n"
	"Exit status: 0 done, 1 the configuration is wrong or not there, 2 usage, 3 the system failed.\n";

static int load_config(const char *path, const struct stele_responder_config **ret_config)
{
	struct stele_config_faults faults = {0};
	struct stele_error error;
	int rc = stele_responder_config_load(path, ret_config, &faults, &error);

	if (rc)
		stele_daemon_log_faults(&faults, &error);
	return rc;
}

static int serve(const struct stele_responder_config *config, const char *path)
{
	struct stele_responder responder;
	struct stele_error error;

	stele_control_block_signals();
	int rc = stele_responder_start(&responder, config, path, &error);
	if (!rc) {
		rc = stele_control_run(&responder, &error);
		stele_responder_stop(&responder);
	}
	if (rc)
		stele_log(STELE_LOG_ERROR, "%s", error.text);
	else
		stele_log(STELE_LOG_NOTICE, "ended");
	return rc;
}

int main(int argc, char **argv)
{
	const struct stele_responder_config *config;
	struct stele_daemon_options options;

	int status = stele_daemon_options_read("stele-responder", usage, argc, argv, &options);
	if (status >= 0)
		return status;
	stele_log_open("stele-responder", options.verbose ? STELE_LOG_DEBUG : STELE_LOG_INFO,
		       false);
	int rc = load_config(options.config, &config);
	if (rc)
		return stele_exit_status(rc);
	rc = options.files ? stele_responder_check(config) : 0;
	if (rc)
		status = stele_exit_status(rc);
	else if (options.check)
		status = stele_daemon_say_right("stele-responder");
	else
		status = stele_exit_status(serve(config, options.config));
	stele_responder_config_free(config);
	return status;
}
