/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/error.h"
#include "lib/daemon/log.h"
#include "lib/daemon/options.h"
#include "mgmt/config/config.h"
#include "mgmt/daemon.h"

static const char usage[] =
	"usage: stele-mgmtd -c FILE [--check [--files]] [--verbose]\n"
	"\n"
	"Looks after zones: transfers, NOTIFY, UPDATE, TSIG, catalogs; has changes compiled and\n"
	"served; answers over TCP and TLS, and over UDP where no responder does.\n"
	"\n"
	"  -c, --config FILE   configuration in YAML: see mgmtd.example.yaml and\n"
	"                      configuration.md\n"
	"      --check         only look whether FILE is right, and at no other; needs no privileges\n"
	"      --files         with --check: as its user, also look at what FILE names: keys,\n"
	"                      certificates, secrets, the compiler\n"
	"  -v, --verbose       say more\n"
	"  -h, --help          this text\n"
	"      --version       the version\n"
	"\n"
	"It stays in the foreground and logs to standard error. On SIGHUP it reads its configuration,\n"
	"keys, cookie secrets and certificates again; on SIGTERM and SIGINT it ends.\n"
	"\n"
	"Exit status: 0 done, 1 the configuration is wrong or not there, 2 usage, 3 the system failed.\n";

static int load_config(const char *path, const struct stele_mgmtd_config **ret_config)
{
	static struct stele_config_faults faults;
	struct stele_error error;
	int status = stele_mgmtd_config_load(path, ret_config, &faults, &error);

	if (status < 0)
		stele_daemon_log_faults(&faults, &error);
	return status;
}

static int serve(const struct stele_mgmtd_config *config, const char *path)
{
	static struct stele_daemon daemon;
	struct stele_error error;
	int status = stele_daemon_start(&daemon, config, path, &error);

	if (status < 0) {
		stele_log(STELE_LOG_ERROR, "%s", error.text);
		return status;
	}
	stele_daemon_run(&daemon);
	stele_daemon_stop(&daemon);
	stele_log(STELE_LOG_NOTICE, "ended");
	return 0;
}

int main(int argc, char **argv)
{
	const struct stele_mgmtd_config *config;
	struct stele_daemon_options options;
	int exit_status = stele_daemon_options_read("stele-mgmtd", usage, argc, argv, &options);

	if (exit_status >= 0)
		return exit_status;
	enum stele_log_level level = options.verbose ? STELE_LOG_DEBUG : STELE_LOG_INFO;
	stele_log_open("stele-mgmtd", level, false);
	int status = load_config(options.config, &config);
	if (status < 0)
		return stele_exit_status(status);
	if (options.check) {
		status = options.files ? stele_daemon_check(config) : 0;
		exit_status = status < 0 ? stele_exit_status(status) :
					   stele_daemon_say_right("stele-mgmtd");
	} else {
		stele_log_open("stele-mgmtd", level, config->log.format == STELE_LOG_FORMAT_JSON);
		stele_log_set_audit(config->log.audit);
		exit_status = stele_exit_status(serve(config, options.config));
	}
	stele_mgmtd_config_release(config);
	return exit_status;
}
