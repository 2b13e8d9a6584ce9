/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_PUBLISH_BOOT_H
#define STELE_MGMT_PUBLISH_BOOT_H

/*
 * Whether the machine has crashed while an image was being changed.
 *
 * Updates are served before the disk has them. A program that dies takes nothing with it, since the
 * system has what was written; but after a crash of the machine a root may be there without all that it
 * reaches. So a file beside the image (IMAGE.boot) says during which boot there may be such a
 * root: it is there, durably, before the first of them, and goes when the image has been synced. If it is
 * there at start and names another boot, the image has to be verified.
 */

#include "lib/base/error.h"

#include <stdbool.h>

/* Whether the image may be damaged by a crash: the mark is there, and of another boot, or cannot be read. */
bool stele_boot_is_suspect(const char *image);

/* Leaves the mark of this boot, durably. STELE_E_SYSTEM: then nothing may be served before it is synced. */
int stele_boot_mark(const char *image, struct stele_error *reterr);

/* Syncs the image and takes the mark away; leaves it where it is if that fails. */
void stele_boot_unmark(const char *image);

#endif
