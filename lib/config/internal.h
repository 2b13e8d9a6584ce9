/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_CONFIG_INTERNAL_H
#define STELE_LIB_CONFIG_INTERNAL_H

/*
 * How a file becomes a struct: yaml.c makes a tree of it that knows nothing of options, load.c walks
 * tree and table together, value.c reads single values, fault.c keeps what is wrong and where.
 */

#include "lib/config/arena.h"
#include "lib/config/config.h"

struct config_mark {
	uint32_t line, column; /* from 1 */
};

enum config_node_kind {
	CONFIG_SCALAR,
	CONFIG_LIST,
	CONFIG_MAP,
};

struct config_node {
	enum config_node_kind kind;
	struct config_mark mark;
	struct config_node *next; /* in the list or map around it */

	/* If it stands in a map. */
	const char *key;
	struct config_mark key_mark;

	/* Of a scalar. May contain NULs; one more stands behind it. */
	const char *text;
	size_t len;
	bool quoted; /* in quotes or as a block: not a number, a word or nothing */

	/* Of a list or map. */
	struct config_node *first, *last;
	size_t cnt;
};

/* Where something of the filled struct was given. */
struct config_place {
	const void *at;
	size_t sz; /* of a map or of the elements of a list; 0: one value, just its address counts */
	struct config_mark mark;
};

struct stele_config {
	const struct stele_config_schema *schema;
	const char *name;          /* of the file, in messages */
	struct config_arena arena; /* what the filled struct points to, and itself */
	void *root;

	/* Of use while loading only. */
	struct config_arena tree;
	struct config_place *places;
	size_t place_cnt, place_cap;
	struct stele_config_faults faults;
	bool no_memory;
};

/* Everything below that fails for want of memory sets `config->no_memory`. */

/*
 * The tree of a document, in config->tree. NULL if there is no sound one; the fault is told then. Keys
 * of a map are different from one another: of those that are not, the first is kept and each
 * further one is told.
 */
struct config_node *config_yaml_parse(struct stele_config *config, const char *text,
				      size_t text_sz);

/* ---- faults and places (fault.c) ---- */

void config_tell(struct stele_config *config, struct config_mark mark, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void config_place(struct stele_config *config, const void *at, size_t sz, struct config_mark mark);

/* `text` in quotes as it may stand in a message: on one line, not too long. */
#define CONFIG_SHOWN_MAX 96
const char *config_show(const char *text, size_t len, char shown[CONFIG_SHOWN_MAX]);

/* Tells that `key` is not in the table, and what may have been meant. */
void config_tell_unknown(struct stele_config *config, const struct stele_config_option *options,
			 const char *key, struct config_mark mark);

/* ---- single values (value.c) ---- */

/* What may stand for one value of `option`, as the end of "expected …". */
#define CONFIG_EXPECTED_MAX 512
const char *config_expected(const struct stele_config_option *option,
			    char expected[CONFIG_EXPECTED_MAX]);

/*
 * Reads a scalar that is not of type MAP or PAIRS to `field`; false and told if it is none. `what` says
 * in messages what is read: "mtu", "an element of cores".
 */
bool config_read_value(struct stele_config *config, const struct stele_config_option *option,
		       const struct config_node *node, const char *what, void *field);

/* The bounds that hold where the table has none. */
uint64_t config_max(const struct stele_config_option *option);

#endif
