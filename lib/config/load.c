/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config/internal.h"

#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Any list in a struct looks like this one. */
struct any_list {
	const void *items;
	size_t cnt;
};

static void *take(struct stele_config *config, size_t sz)
{
	void *taken = config_arena_take(&config->arena, sz);
	config->no_memory |= taken == NULL;
	return taken;
}

/* ---- maps of free keys ---- */

static void read_pairs(struct stele_config *config, const struct stele_config_option *option,
		       const struct config_node *node, void *field)
{
	char expected[CONFIG_EXPECTED_MAX];
	if (node->kind != CONFIG_MAP || node->cnt > config_max(option)) {
		bool is_map = node->kind == CONFIG_MAP;
		config_tell(config, node->mark, "%s is %s (expected %s)", option->name,
			    is_map ? "too long" : "no map", config_expected(option, expected));
		return;
	}
	struct stele_config_pair *items = take(config, node->cnt * sizeof(*items));
	if (items == NULL)
		return;
	size_t cnt = 0;
	/* Values are texts of any kind; none stands for a key alone. */
	const struct stele_config_option value = {.type = STELE_CONFIG_STRING};
	for (const struct config_node *child = node->first; child != NULL; child = child->next) {
		struct stele_config_pair *pair = &items[cnt++];
		pair->key = config_arena_text(&config->arena, child->key, strlen(child->key));
		pair->value = "";
		config->no_memory |= pair->key == NULL;
		bool alone = child->kind == CONFIG_SCALAR && child->len == 0;
		if (!alone && !config_read_value(config, &value, child, child->key, &pair->value))
			return;
		config_place(config, &pair->value, 0, child->mark);
	}
	const struct stele_config_pairs pairs = {items, cnt};
	memcpy(field, &pairs, sizeof(pairs));
	struct stele_error err;
	if (option->check != NULL && !config->no_memory && option->check(field, &err) < 0)
		config_tell(config, node->mark, "%s %s", option->name, err.text);
}

/* Reads `node` (NULL: nothing is given) as the map that `options` describe to `base`. `mark` is the
 * place of what was not given, `what` says in messages what is read. */
static void read_map(struct stele_config *config, const char *what,
		     const struct stele_config_option *options, const struct config_node *node,
		     struct config_mark mark, void *base, size_t base_sz);

/* ---- lists ---- */

static bool is_equal(const struct stele_config_option *option, const void *a, const void *b)
{
	const char *a_text, *b_text;
	switch (option->type) {
	case STELE_CONFIG_STRING:
	case STELE_CONFIG_PATH:
		memcpy(&a_text, a, sizeof(a_text));
		memcpy(&b_text, b, sizeof(b_text));
		return a_text != NULL && b_text != NULL && strcmp(a_text, b_text) == 0;
	case STELE_CONFIG_INTERFACE: {
		/* The address is what must be unique, whatever link it is said to be on. */
		const struct stele_config_prefix *x = a, *y = b;
		return x->family == y->family && memcmp(x->addr, y->addr, sizeof(x->addr)) == 0;
	}
	default:
		return memcmp(a, b, option->elem_sz) == 0;
	}
}

static void check_unique(struct stele_config *config, const struct stele_config_option *option,
			 const struct config_node *node, const uint8_t *items)
{
	size_t i = 0;
	for (const struct config_node *child = node->first; child != NULL; child = child->next, i++)
		for (size_t j = 0; j < i; j++) {
			char shown[CONFIG_SHOWN_MAX];
			if (!is_equal(option, items + i * option->elem_sz,
				      items + j * option->elem_sz))
				continue;
			config_tell(config, child->mark,
				    "%s stands in %s twice (expected different ones)",
				    config_show(child->text, child->len, shown), option->name);
			break;
		}
}

static void read_list(struct stele_config *config, const struct stele_config_option *option,
		      const struct config_node *node, void *field)
{
	char expected[CONFIG_EXPECTED_MAX], shown[CONFIG_SHOWN_MAX];
	config_expected(option, expected);
	if (node->kind != CONFIG_LIST) {
		if (node->kind == CONFIG_MAP)
			config_tell(config, node->mark, "%s is a map (expected a list of: %s)",
				    option->name, expected);
		else if (node->len == 0 && !node->quoted)
			config_tell(config, node->mark, "%s has no value (expected a list of: %s)",
				    option->name, expected);
		else
			config_tell(config, node->mark, "%s is %s (expected a list of: %s)",
				    option->name, config_show(node->text, node->len, shown),
				    expected);
		return;
	}
	if (node->cnt < option->list_min || node->cnt > option->list_max) {
		config_tell(config, node->mark, "%s has %zu elements (expected %zu to %zu)",
			    option->name, node->cnt, option->list_min, option->list_max);
		return;
	}
	uint8_t *items = take(config, node->cnt * option->elem_sz);
	if (items == NULL)
		return;
	if (node->cnt > 0)
		config_place(config, items, node->cnt * option->elem_sz, node->mark);

	char what[CONFIG_SHOWN_MAX];
	snprintf(what, sizeof(what), "an element of %s", option->name);
	bool sound = true;
	uint8_t *item = items;
	for (const struct config_node *child = node->first; child != NULL; child = child->next) {
		if (option->type == STELE_CONFIG_MAP) {
			read_map(config, what, option->options, child, child->mark, item,
				 option->elem_sz);
		} else {
			config_place(config, item, 0, child->mark);
			sound &= config_read_value(config, option, child, what, item);
		}
		item += option->elem_sz;
	}
	const struct any_list list = {items, node->cnt};
	memcpy(field, &list, sizeof(list));
	if (sound && !config->no_memory && (option->flags & STELE_CONFIG_UNIQUE) != 0)
		check_unique(config, option, node, items);
}

/* ---- maps ---- */

static void read_option(struct stele_config *config, const struct stele_config_option *option,
			const struct config_node *node, void *field)
{
	if ((option->flags & STELE_CONFIG_IS_LIST) != 0)
		read_list(config, option, node, field);
	else if (option->type == STELE_CONFIG_MAP)
		read_map(config, option->name, option->options, node, node->mark, field,
			 option->elem_sz);
	else if (option->type == STELE_CONFIG_PAIRS)
		read_pairs(config, option, node, field);
	else
		config_read_value(config, option, node, option->name, field);
}

/* Gives everything below `node` the same place. Bounded by the length of a default. */
static void set_marks(struct config_node *node, struct config_mark mark)
{
	node->mark = mark;
	for (struct config_node *child = node->first; child != NULL; child = child->next)
		set_marks(child, mark);
}

static void read_absent(struct stele_config *config, const struct stele_config_option *option,
			struct config_mark mark, void *field)
{
	if ((option->flags & STELE_CONFIG_REQUIRED) != 0) {
		char expected[CONFIG_EXPECTED_MAX];
		bool is_list = (option->flags & STELE_CONFIG_IS_LIST) != 0;
		config_tell(config, mark, "%s is missing (expected %s%s)", option->name,
			    is_list ? "a list of: " : "", config_expected(option, expected));
	} else if (option->type == STELE_CONFIG_MAP &&
		   (option->flags & STELE_CONFIG_IS_LIST) == 0) {
		read_map(config, option->name, option->options, NULL, mark, field, option->elem_sz);
	} else if (option->def != NULL) {
		struct config_node *node =
			config_yaml_parse(config, option->def, strlen(option->def));
		if (node != NULL) {
			set_marks(node, mark);
			read_option(config, option, node, field);
		}
	}
}

static void read_map(struct stele_config *config, const char *what,
		     const struct stele_config_option *options, const struct config_node *node,
		     struct config_mark mark, void *base, size_t base_sz)
{
	const struct config_node *given[STELE_CONFIG_KEYS_MAX] = {0};
	config_place(config, base, base_sz, mark);
	/* A heading under which all options are commented out. */
	bool empty = node != NULL && node->kind == CONFIG_SCALAR && node->len == 0 && !node->quoted;
	if (node != NULL && node->kind != CONFIG_MAP && !empty) {
		char shown[CONFIG_SHOWN_MAX];
		config_tell(config, mark, "%s is %s (expected a map, lines of 'key: value')", what,
			    node->kind == CONFIG_LIST ? "a list" :
							config_show(node->text, node->len, shown));
		return;
	}
	for (const struct config_node *child = node != NULL ? node->first : NULL; child != NULL;
	     child = child->next) {
		size_t i = 0;
		while (options[i].name != NULL && strcmp(options[i].name, child->key) != 0)
			i++;
		if (options[i].name == NULL)
			config_tell_unknown(config, options, child->key, child->key_mark);
		else
			given[i] = child;
	}
	for (size_t i = 0; options[i].name != NULL && !config->no_memory; i++) {
		void *field = (uint8_t *)base + options[i].off;
		if (given[i] == NULL) {
			read_absent(config, &options[i], mark, field);
		} else {
			bool is_map = options[i].type == STELE_CONFIG_MAP &&
				      (options[i].flags & STELE_CONFIG_IS_LIST) == 0;
			if (!is_map)
				config_place(config, field, 0, given[i]->mark);
			read_option(config, &options[i], given[i], field);
		}
	}
}

/* ---- the whole ---- */

static struct stele_config *new_config(const char *name, const struct stele_config_schema *schema)
{
	struct stele_config *config = calloc(1, sizeof(*config));
	if (config == NULL)
		return NULL;
	config->schema = schema;
	config->root = take(config, schema->root_sz);
	config->name = config_arena_text(&config->arena, name, strlen(name));
	config->no_memory |= config->name == NULL;
	return config;
}

/* 0, or what is wrong as loading reports it. */
static int report(const struct stele_config *config, struct stele_config_faults *faults,
		  struct stele_error *reterr)
{
	if (config->no_memory)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: out of memory", config->name);
	if (config->faults.cnt == 0)
		return 0;
	if (faults != NULL)
		*faults = config->faults;
	return stele_fail(reterr, STELE_E_INPUT, "%s", config->faults.items[0].text);
}

int stele_config_parse(const char *name, const void *text, size_t text_sz,
		       const struct stele_config_schema *schema, struct stele_config **ret_config,
		       struct stele_config_faults *faults, struct stele_error *reterr)
{
	if (faults != NULL) {
		faults->cnt = 0;
		faults->more_cnt = 0;
	}
	struct stele_config *config = new_config(name, schema);
	if (config == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: out of memory", name);
	if (text_sz > STELE_CONFIG_FILE_MAX) {
		config_tell(config, (struct config_mark){1, 1},
			    "the file is too large (expected at most %u bytes)",
			    STELE_CONFIG_FILE_MAX);
	} else if (!config->no_memory) {
		const struct config_node *node = config_yaml_parse(config, text, text_sz);
		if (node != NULL)
			read_map(config, "the file", schema->options, node, node->mark,
				 config->root, schema->root_sz);
	}
	if (config->faults.cnt == 0 && !config->no_memory && schema->finish != NULL)
		schema->finish(config, config->root);

	int status = report(config, faults, reterr);
	config_arena_free(&config->tree);
	free(config->places);
	config->places = NULL;
	config->place_cnt = 0;
	if (status < 0)
		stele_config_free(config);
	else
		*ret_config = config;
	return status;
}

/* All of a file, one byte more than it may have at most. */
static int read_file(const char *path, char **ret_text, size_t *ret_sz, struct stele_error *reterr)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return stele_fail_file(reterr, errno, "%s", path);
	char *text = NULL;
	size_t sz = 0, cap = 0;
	int status = 0;
	while (sz <= STELE_CONFIG_FILE_MAX) {
		if (sz == cap) {
			cap = cap > 0 ? cap * 2 : 16384;
			char *more = realloc(text, cap);
			if (more == NULL) {
				status = stele_fail(reterr, STELE_E_SYSTEM, "%s: out of memory",
						    path);
				break;
			}
			text = more;
		}
		ssize_t n = stele_file_read(fd, text + sz, cap - sz);
		if (n < 0)
			status = stele_fail_file(reterr, errno, "%s", path);
		if (n <= 0)
			break;
		sz += (size_t)n;
	}
	close(fd);
	if (status < 0) {
		free(text);
		return status;
	}
	*ret_text = text;
	*ret_sz = sz;
	return 0;
}

int stele_config_load(const char *path, const struct stele_config_schema *schema,
		      struct stele_config **ret_config, struct stele_config_faults *faults,
		      struct stele_error *reterr)
{
	char *text = NULL;
	size_t sz = 0;
	if (faults != NULL) {
		faults->cnt = 0;
		faults->more_cnt = 0;
	}
	int status = read_file(path, &text, &sz, reterr);
	if (status < 0)
		return status;
	status = stele_config_parse(path, text, sz, schema, ret_config, faults, reterr);
	free(text);
	return status;
}

const void *stele_config_root(const struct stele_config *config)
{
	return config->root;
}

void stele_config_free(struct stele_config *config)
{
	if (config == NULL)
		return;
	config_arena_free(&config->arena);
	free(config);
}

void *stele_config_alloc(struct stele_config *config, size_t sz)
{
	return take(config, sz);
}

void stele_config_defaults(struct stele_config *config, const struct stele_config_option *options,
			   void *base, size_t base_sz)
{
	read_map(config, "a default", options, NULL, (struct config_mark){1, 1}, base, base_sz);
}
