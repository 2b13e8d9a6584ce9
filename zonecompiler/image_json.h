/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMAGE_JSON_H
#define STELE_ZONECOMPILER_IMAGE_JSON_H

/* The path of an image in a summary: a path is any bytes, a text of JSON is UTF-8. */

#include <jansson.h>

/*
 * Sets the member "image" to `path`. If that is not UTF-8, what is not stands there as U+FFFD, and a member "image_hex"
 * has all bytes of the path in hexadecimal digits.
 */
void stele_image_json_set(json_t *summary, const char *path);

#endif
