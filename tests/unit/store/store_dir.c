/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/store_dir.h"

#include <stdio.h>
#include <unistd.h>

void store_dir_remove(const char *dir)
{
	static const char *const names[] = {"data.mdb", "lock.mdb"};
	for (unsigned i = 0; i < 2; i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}
