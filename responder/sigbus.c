/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/sigbus.h"

#include "responder/serve/serve.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* Written as it is: the log may be in use by the very thread that the signal interrupted. */
static const char cut_text[] =
	"<3>stele-responder: the image file was cut, or cannot be read, while it was served from its "
	"mapping; ends, so that nothing wrong is answered\n";
static const char other_text[] =
	"<3>stele-responder: memory cannot be read (SIGBUS): a huge page or a file is gone\n";

static void explain(int number, siginfo_t *info, void *context)
{
	int error_number = errno;

	(void)context;
	if (stele_serve_is_mapped(info->si_addr))
		(void)!write(STDERR_FILENO, cut_text, sizeof(cut_text) - 1);
	else
		(void)!write(STDERR_FILENO, other_text, sizeof(other_text) - 1);
	/* SA_RESETHAND: the same access again ends the process, and a core shows where. Not so if somebody else
	 * has sent the signal. */
	if (info->si_code <= 0)
		raise(number);
	errno = error_number;
}

int stele_sigbus_explain(struct stele_error *reterr)
{
	struct sigaction action = {
		.sa_sigaction = explain,
		.sa_flags = SA_SIGINFO | (int)SA_RESETHAND,
	};

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, &action, NULL) != 0)
		return stele_fail_errno(reterr, errno, "a handler of SIGBUS");
	return 0;
}
