/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_METRICS_EXPOSITION_H
#define STELE_MGMT_METRICS_EXPOSITION_H

/* The text exposition format of Prometheus, version 0.0.4: families with samples. */

#include <stdint.h>
#include <stdio.h>

/* Begins a family: its help and its type, "counter" or "gauge". All its samples follow. */
void exposition_family(FILE *out, const char *name, const char *type, const char *help);

/* A sample. Labels are pairs of name and value, a NULL behind the last; values of any bytes. */
void exposition_sample(FILE *out, const char *name, const char *const *labels, double value);
void exposition_count(FILE *out, const char *name, const char *const *labels, uint64_t value);

/* A family with one sample that has no labels. */
void exposition_single(FILE *out, const char *name, const char *type, const char *help,
		       double value);

#endif
