/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMAGE_LOCK_H
#define STELE_ZONECOMPILER_IMAGE_LOCK_H

/*
 * Whoever changes an image holds its lock, and so does whoever puts another file in its place: a
 * copy that is made of the image under the lock is still one of the image when it takes the name.
 * Readers need none.
 *
 * The lock is one of a file, not of a name (flock). Who gets it looks whether the file still has
 * the name.
 */

#include "lib/base/error.h"

/*
 * Where the image itself stands if `path` is a symbolic link: it is that file that is appended to, and so the one to be
 * replaced. Else `path` as it is. To be freed. STELE_E_INPUT: the link leads nowhere; STELE_E_SYSTEM.
 */
int stele_image_real_path(const char *path, char **ret_path, struct stele_error *reterr);

/*
 * Opens the image at `path` for writing and locks it; waits for others, who may put another file in
 * its place. The lock ends with the descriptor, which is the caller's. STELE_E_INPUT,
 * STELE_E_SYSTEM.
 */
int stele_image_lock(const char *path, int *ret_fd, struct stele_error *reterr);

/*
 * The same for whoever has a file ready that is to be put in the place of what is at `path`, which
 * need not be an image, nor writable. `*ret_fd` gets -1 where nothing is there, since nobody can hold a
 * lock then, and where it may not be read: to replace it takes rights to the folder alone.
 */
int stele_image_lock_place(const char *path, int *ret_fd, struct stele_error *reterr);

/*
 * Whether the image locked by `fd` still has its name: `mv` knows of no lock. Before another file takes the place,
 * which would be that of a file nobody has looked at. STELE_E_SYSTEM: it has not.
 */
int stele_image_check_name(int fd, const char *path, struct stele_error *reterr);

#endif
