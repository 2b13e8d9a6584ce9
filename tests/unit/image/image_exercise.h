/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_IMAGE_IMAGE_EXERCISE_H
#define STELE_TESTS_UNIT_IMAGE_IMAGE_EXERCISE_H

#include "lib/image/view.h"

/*
 * Asks a view that has been verified about its own names: at most `name_max` of them, each itself, a
 * name below it and a name beside it, for several types, with and without DO. Returns a hash over
 * all replies. Any fault in reading the image is for the sanitizers to find.
 */
uint64_t image_exercise(const struct stele_view *view, unsigned name_max);

#endif
