/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config/internal.h"

#include <string.h>

/* Bytes of a field of each type; 0: as many as the option says. */
static size_t size_of(enum stele_config_type type)
{
	switch (type) {
	case STELE_CONFIG_BOOL:
		return sizeof(bool);
	case STELE_CONFIG_SIZE:
	case STELE_CONFIG_DURATION:
		return sizeof(uint64_t);
	case STELE_CONFIG_STRING:
	case STELE_CONFIG_PATH:
		return sizeof(const char *);
	case STELE_CONFIG_ENUM:
		return sizeof(int);
	case STELE_CONFIG_ADDRESS:
		return sizeof(struct stele_config_address);
	case STELE_CONFIG_PREFIX:
	case STELE_CONFIG_INTERFACE:
		return sizeof(struct stele_config_prefix);
	case STELE_CONFIG_MAC:
		return sizeof(struct stele_config_mac);
	case STELE_CONFIG_PAIRS:
		return sizeof(struct stele_config_pairs);
	case STELE_CONFIG_INTEGER:
	case STELE_CONFIG_MAP:
		break;
	}
	return 0;
}

/* What is wrong with one option itself; NULL if nothing is. */
static const char *find_fault(const struct stele_config_option *option)
{
	bool is_list = (option->flags & STELE_CONFIG_IS_LIST) != 0;
	bool is_map = option->type == STELE_CONFIG_MAP;
	size_t sz = size_of(option->type);
	if (option->help == NULL || *option->help == 0)
		return "has no help";
	/* A table of markdown would end its cell or row there. */
	if (strpbrk(option->help, "|\n") != NULL)
		return "has a help with '|' or a line break";
	if (sz != 0 && option->elem_sz != sz)
		return "has a field of another size than its type";
	if (option->type == STELE_CONFIG_INTEGER && option->elem_sz != 1 && option->elem_sz != 2 &&
	    option->elem_sz != 4 && option->elem_sz != 8)
		return "has a field of no integer";
	if (option->type == STELE_CONFIG_INTEGER && option->elem_sz < 8 &&
	    ((config_max(option) | option->word_value) >> option->elem_sz * 8) != 0)
		return "has bounds that its field cannot hold";
	if (option->min > config_max(option))
		return "has bounds without anything between them";
	if (is_map != (option->options != NULL) || (is_map && option->elem_sz == 0))
		return "is a map without options, or no map with them";
	if ((option->type == STELE_CONFIG_ENUM) != (option->words != NULL))
		return "is an enum without words, or no enum with them";
	if (option->word != NULL &&
	    (is_map || option->type == STELE_CONFIG_ENUM || option->type == STELE_CONFIG_PAIRS))
		return "has a word in place of a value where none can be";
	if (is_list && (option->list_max == 0 || option->list_min > option->list_max))
		return "is a list that cannot have elements";
	if (is_list && option->type == STELE_CONFIG_PAIRS)
		return "is a list of free maps";
	/* A map that is not given has the defaults of its options; they say what is required. */
	if (is_map && !is_list && (option->flags & STELE_CONFIG_REQUIRED) != 0)
		return "is a map that is required";
	if (option->def != NULL && (is_map || (option->flags & STELE_CONFIG_REQUIRED) != 0))
		return "has a default and cannot have one";
	return NULL;
}

static int check_default(const struct stele_config_schema *schema,
			 const struct stele_config_option *option, struct stele_error *reterr)
{
	const struct stele_config_option alone[] = {*option, {0}};
	const struct stele_config_schema one = {
		.program = schema->program, .options = alone, .root_sz = schema->root_sz};
	struct stele_config *config;
	int status = stele_config_parse("default", "", 0, &one, &config, NULL, reterr);
	if (status == 0)
		stele_config_free(config);
	return status;
}

static int check_options(const struct stele_config_schema *schema,
			 const struct stele_config_option *options, size_t base_sz, unsigned depth,
			 struct stele_error *reterr)
{
	for (const struct stele_config_option *o = options; o->name != NULL; o++) {
		const char *fault = find_fault(o);
		bool is_list = (o->flags & STELE_CONFIG_IS_LIST) != 0;
		if (fault == NULL && depth == STELE_CONFIG_DEPTH_MAX / 2)
			fault = "is nested too deeply";
		if (fault == NULL &&
		    o->off + (is_list ? sizeof(void *) + sizeof(size_t) : o->elem_sz) > base_sz)
			fault = "lies outside of its struct";
		if (fault == NULL && (size_t)(o - options) >= STELE_CONFIG_KEYS_MAX)
			fault = "is one too many";
		for (const struct stele_config_option *other = options; other < o; other++)
			if (strcmp(other->name, o->name) == 0)
				fault = "stands in the table twice";
		if (fault != NULL)
			return stele_fail(reterr, STELE_E_USAGE, "%s: option '%s' %s",
					  schema->program, o->name, fault);
		if (o->type == STELE_CONFIG_MAP) {
			int status =
				check_options(schema, o->options, o->elem_sz, depth + 1, reterr);
			if (status < 0)
				return status;
		} else if (o->def != NULL) {
			/* Its offset is one in this struct, which may be larger than the whole. */
			struct stele_config_schema inner = *schema;
			struct stele_error detail;
			inner.root_sz = base_sz;
			if (check_default(&inner, o, &detail) < 0)
				return stele_fail(reterr, STELE_E_USAGE,
						  "%s: option '%s' has a bad default: %s",
						  schema->program, o->name, detail.text);
		}
	}
	return 0;
}

int stele_config_check_schema(const struct stele_config_schema *schema, struct stele_error *reterr)
{
	return check_options(schema, schema->options, schema->root_sz, 0, reterr);
}
