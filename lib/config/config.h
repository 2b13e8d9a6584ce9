/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_CONFIG_CONFIG_H
#define STELE_LIB_CONFIG_CONFIG_H

/*
 * Configuration: one table per program, from which everything else comes.
 *
 * A program describes its options in an array of `struct stele_config_option`: name, type, unit,
 * range, default, check, help. The table drives the parser (YAML in, a plain C struct out, filled by
 * offset), every error message, and the reference page in docs/. An option that is not in the table
 * does not exist, and one that is has a help text and a default which the page shows.
 *
 * The YAML is a plain one: a single document of maps, lists and scalars. Anchors, aliases, tags and
 * complex keys are refused, and so is a key given twice. What a scalar means follows from the type of
 * its option, never from how it looks: `no` is a string where a string is expected. A key without a
 * value is an error, except where a map is expected: there it is an empty one.
 *
 * All faults of a file are told, in the order of their places, each as
 * `FILE:LINE:COLUMN: what is wrong (what was expected)`; lines and columns count from 1, columns in
 * characters.
 *
 * A loaded configuration owns the struct and all that it points to, and never changes: any number of
 * threads may read it. Functions here are safe to call from different threads on different objects.
 */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Too low, and a long list of zones is refused; too high, and a file that was named by mistake (an
 * image, say) is read into memory before it is. */
#define STELE_CONFIG_FILE_MAX (16u << 20)

/* Maps and lists within one another. No table goes deeper than 5; libyaml's cost grows with it. */
#define STELE_CONFIG_DEPTH_MAX 16

/* Keys of one map: the search for a duplicate is quadratic. No table has more than 30. */
#define STELE_CONFIG_KEYS_MAX 256

/* Scalars, lists and maps of a file; each takes about 100 bytes while it is read. */
#define STELE_CONFIG_NODES_MAX (1u << 20)

/* ---- values ---- */

enum stele_config_type {
	STELE_CONFIG_BOOL,      /* bool: true, false, yes, no, on, off */
	STELE_CONFIG_INTEGER,   /* uint8_t … uint64_t: decimal digits; no sign, no leading zero */
	STELE_CONFIG_SIZE,      /* uint64_t, bytes: 4096, 64K, 2M, 4G, 1T (powers of 1024) */
	STELE_CONFIG_DURATION,  /* uint64_t, nanoseconds: 50us, 10s; ns us ms s m h d; 0 */
	STELE_CONFIG_STRING,    /* const char *: UTF-8, without control characters */
	STELE_CONFIG_PATH,      /* const char *: absolute */
	STELE_CONFIG_ENUM,      /* int: one of `words` */
	STELE_CONFIG_ADDRESS,   /* struct stele_config_address: 192.0.2.1, 2001:db8::1 */
	STELE_CONFIG_PREFIX,    /* struct stele_config_prefix: 192.0.2.0/24, host bits zero; an
				 * address alone is a prefix of full length */
	STELE_CONFIG_INTERFACE, /* struct stele_config_prefix: 192.0.2.1/24, an address of a host
				 * and the length of its link's prefix */
	STELE_CONFIG_MAC,       /* struct stele_config_mac: 02:00:5e:10:00:01 */
	STELE_CONFIG_PAIRS,     /* struct stele_config_pairs: a map of free keys to strings */
	STELE_CONFIG_MAP,       /* a struct of its own, described by `options` */
};

struct stele_config_address {
	uint8_t family;   /* 4 or 6; 0: none */
	uint8_t addr[16]; /* 4 or 16 bytes, network order; the rest is zero */
};

struct stele_config_prefix {
	uint8_t family;   /* 4 or 6; 0: none */
	uint8_t len;      /* bits; at most 32 or 128 */
	uint8_t addr[16]; /* 4 or 16 bytes, network order; the rest is zero */
};

struct stele_config_mac {
	bool set;
	uint8_t addr[6];
};

struct stele_config_pair {
	const char *key;
	const char *value;
};

/*
 * A list in a filled struct: an array and its length, whatever the type of the elements.
 * STELE_CONFIG_LIST(uint16_t) cores; …  cores.items[i], i < cores.cnt. An empty list may have
 * a NULL array.
 */
#define STELE_CONFIG_LIST(type)                                                                    \
	struct {                                                                                   \
		type const *items;                                                                 \
		size_t cnt;                                                                        \
	}

/* In the order of the file; a key stands once. */
struct stele_config_pairs {
	const struct stele_config_pair *items;
	size_t cnt;
};

/* ---- tables ---- */

enum stele_config_flag {
	STELE_CONFIG_REQUIRED = 1, /* has no default and must be given */
	STELE_CONFIG_IS_LIST = 2,  /* a list of `type`; the field is a STELE_CONFIG_LIST */
	STELE_CONFIG_UNIQUE = 4,   /* no element of the list stands in it twice */
};

/*
 * One option. A table is an array of these that ends with one without a name.
 *
 * `check` looks at one value (of a list: at each element) that has passed all else: a pointer to the field
 * in, 0 or a negative status with the text of the fault in `reterr` out. The caller puts place and name of
 * the option in front of that text, so that it reads "device is …". Not called for `word`. Called once per
 * value, defaults included.
 */
struct stele_config_option {
	const char *name;
	const char *help; /* sentences for the reference page; may contain markdown */
	enum stele_config_type type;
	unsigned flags; /* enum stele_config_flag */

	/* The default as it would stand in the file, "[24, 32]" for a list. NULL: all zero (an empty
	 * list, a NULL string), or required. Maps have the defaults of their options. */
	const char *def;

	/* Where the value goes: STELE_CONFIG_AT, or STELE_CONFIG_LIST_AT for a list. */
	size_t off;     /* bytes from the beginning of the enclosing struct */
	size_t elem_sz; /* bytes of one value */

	/* Bounds, both inclusive: of an integer, of a size in bytes, of a duration in nanoseconds,
	 * of the length of a string or path in bytes. `max` 0: what the field can hold, and 4095 bytes
	 * for strings. Of PAIRS: how many there may be. */
	uint64_t min, max;
	const char *unit; /* of an integer, for messages and the page: "packets/s"; or NULL */

	/* How many elements a list may have. list_max is at least 1. */
	size_t list_min, list_max;

	/* ENUM: the words, ends with NULL; the value is the place in the array. */
	const char *const *words;

	/* A word that may stand in place of a value: "auto", "none". It gives `word_value` for
	 * integers, sizes and durations, and all zero for the rest. Not bound by min and max. */
	const char *word;
	uint64_t word_value;

	int (*check)(const void *value, struct stele_error *reterr);

	const struct stele_config_option *options; /* of a MAP */
};

/* Offset and size of a field; `list_flags` besides STELE_CONFIG_IS_LIST, or 0. */
#define STELE_CONFIG_AT(type, field)                                                               \
	.off = offsetof(struct type, field), .elem_sz = sizeof(((struct type *)NULL)->field)
#define STELE_CONFIG_LIST_AT(type, field, list_flags)                                              \
	.off = offsetof(struct type, field),                                                       \
	.elem_sz = sizeof(*((struct type *)NULL)->field.items),                                    \
	.flags = (list_flags) | STELE_CONFIG_IS_LIST

struct stele_config;

/* The table of one program. */
struct stele_config_schema {
	const char *program; /* "stele-responder": heads its part of the reference page */
	const char *about;   /* one paragraph for the page */
	const struct stele_config_option *options;
	size_t root_sz; /* bytes of the struct that is filled */

	/* What no single option can tell: called once after all values are in place and only if
	 * there is no fault so far. Reports with stele_config_fault; may fill fields that are derived
	 * from others and take memory with stele_config_alloc. Or NULL. */
	void (*finish)(struct stele_config *config, void *root);
};

/* ---- loading ---- */

/* More than fit a screen help nobody: the first ones explain the later ones. */
#define STELE_CONFIG_FAULTS_MAX 16

struct stele_config_fault {
	uint32_t line, column; /* from 1; 0 if it concerns the file as a whole */
	char text[1024];       /* with file, line and column in front; cut if it is longer */
};

/* Everything that is wrong with a file, by place. The caller's; need not be initialized. */
struct stele_config_faults {
	unsigned cnt;      /* of `items` */
	unsigned more_cnt; /* faults that found no room there */
	struct stele_config_fault items[STELE_CONFIG_FAULTS_MAX];
};

/*
 * Reads the file at `path`. On success `*ret_config` owns everything; free it with
 * stele_config_free. STELE_E_INPUT if the content is wrong: `faults` (may be NULL) has all that is
 * wrong, `reterr` the first of it. STELE_E_SYSTEM if the file cannot be read or memory is out: then
 * `faults` has none.
 */
int stele_config_load(const char *path, const struct stele_config_schema *schema,
		      struct stele_config **ret_config, struct stele_config_faults *faults,
		      struct stele_error *reterr);

/* The same with text in memory. `name` stands in messages for the file. */
int stele_config_parse(const char *name, const void *text, size_t text_sz,
		       const struct stele_config_schema *schema, struct stele_config **ret_config,
		       struct stele_config_faults *faults, struct stele_error *reterr);

/* The filled struct; lives as long as `config`. */
const void *stele_config_root(const struct stele_config *config);

void stele_config_free(struct stele_config *config); /* NULL is fine */

/* ---- for `finish` ---- */

/*
 * Tells a fault at the place where `field` was given, a pointer into the filled struct or to an
 * element of one of its lists. A field that was not given has the place of the map around it.
 */
void stele_config_fault(struct stele_config *config, const void *field, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The line at which `field` was given, for messages that speak of a second place. */
uint32_t stele_config_line(const struct stele_config *config, const void *field);

/* Zeroed memory that lives as long as `config`. NULL when memory is out; loading then fails with
 * STELE_E_SYSTEM whatever `finish` does. */
void *stele_config_alloc(struct stele_config *config, size_t sz);

/* Fills a struct as an empty map of these options would: what is referred to by a default that no file
 * gives. `base` is zeroed memory of `base_sz` bytes. None of the options may be required. */
void stele_config_defaults(struct stele_config *config, const struct stele_config_option *options,
			   void *base, size_t base_sz);

/* ---- the reference page ---- */

/*
 * Writes the reference of all options as markdown to `out`, the caller's stream; what tables contain
 * is all it depends on. STELE_E_SYSTEM if writing fails.
 */
int stele_config_reference(FILE *out, const struct stele_config_schema *const *schemas,
			   size_t schema_cnt, struct stele_error *reterr);

/*
 * What is wrong with a table itself: a missing help text, bounds that the field cannot hold, a default
 * that does not pass its own check. For tests. STELE_E_USAGE with the first fault in `reterr`.
 */
int stele_config_check_schema(const struct stele_config_schema *schema, struct stele_error *reterr);

#endif
