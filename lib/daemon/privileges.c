/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/daemon/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

void stele_privileges_bar_return(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int look_up(const char *user, const struct passwd **ret_entry, struct stele_error *reterr)
{
	errno = 0;
	*ret_entry = getpwnam(user);
	if (*ret_entry)
		return 0;
	return errno ? stele_fail_errno(reterr, errno, "user '%s' cannot be looked up", user) :
		       stele_fail(reterr, STELE_E_INPUT, "there is no user '%s'", user);
}

int stele_privileges_drop(const char *user, unsigned keep, struct stele_error *reterr)
{
	const struct passwd *entry;

	if (geteuid() != 0)
		return 0;
	int rc = look_up(user, &entry, reterr);
	if (rc)
		return rc;
	capng_clear(CAPNG_SELECT_BOTH);
	if (keep & STELE_KEEP_NET)
		capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN,
			      CAP_NET_RAW, -1);
	if (keep & STELE_KEEP_BIND)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_BIND_SERVICE);
	rc = capng_change_id((int)entry->pw_uid, (int)entry->pw_gid,
			     CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	if (rc)
		return stele_fail(reterr, STELE_E_SYSTEM,
				  "cannot become user '%s' (libcap-ng says %d)", user, rc);
	stele_privileges_bar_return();
	return 0;
}

int stele_privileges_try(const char *user, struct stele_error *reterr)
{
	const struct passwd *entry;
	int rc = look_up(user, &entry, reterr);

	return rc ? rc : stele_privileges_drop(user, 0, reterr);
}

gid_t stele_privileges_group(const char *user)
{
	const struct passwd *entry = user ? getpwnam(user) : NULL;

	return entry ? entry->pw_gid : (gid_t)-1;
}
