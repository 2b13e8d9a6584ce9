/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_ABSENT_H
#define STELE_LIB_ANSWER_ABSENT_H

#include "lib/answer/work.h"

/*
 * The short way for names that are not there: nothing exists one label below the apex of a zone with
 * NSEC3, DO is set, and the apex was met lately. That is what a flood of random names is made of. All that is left to do is
 * one hash and one search for the record that covers it; both are done for all such queries of a batch
 * together. Whatever does not fit is left to the general way.
 */

/* True if `w`, whose name was looked up and not found, can go this way. */
bool stele_absent_fits(const struct work *w);

/* Answers them. Those for which it turns out not to work are left in `works`: returns how many. */
unsigned stele_absent_answer(struct work **works, unsigned cnt);

#endif
