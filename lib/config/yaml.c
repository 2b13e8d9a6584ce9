/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/shown.h"
#include "lib/config/internal.h"

#include <string.h>
#include <yaml.h>

struct reader {
	struct stele_config *config;
	const char *text;
	size_t text_sz;
	yaml_parser_t parser;

	struct config_node *root;
	struct config_node *around[STELE_CONFIG_DEPTH_MAX]; /* the lists and maps begun */
	unsigned depth;
	unsigned node_cnt;

	/* The key whose value comes next, in the innermost map. */
	const char *key;
	struct config_mark key_mark;
};

static struct config_mark mark_of(const yaml_mark_t *mark)
{
	return (struct config_mark){(uint32_t)mark->line + 1, (uint32_t)mark->column + 1};
}

/* ---- characters ---- */

/* Walks to the first byte at or behind `end` or to the first that is not text; `ret_mark` is its place. */
static size_t walk_text(const char *text, size_t end, struct config_mark *ret_mark)
{
	struct config_mark mark = {1, 1};
	size_t i = 0;
	while (i < end) {
		size_t len = stele_utf8_length(text + i, end - i);
		bool control = (uint8_t)text[i] < 0x20 && strchr("\t\n\r", text[i]) == NULL;
		if (len == 0 || text[i] == 0 || control || text[i] == 0x7f)
			break;
		mark.column++;
		if (text[i] == '\n') {
			mark.line++;
			mark.column = 1;
		}
		i += len;
	}
	*ret_mark = mark;
	return i;
}

static bool check_text(struct reader *r)
{
	struct config_mark mark;
	size_t end = walk_text(r->text, r->text_sz, &mark);
	if (end == r->text_sz)
		return true;
	uint8_t byte = (uint8_t)r->text[end];
	if (byte == 0)
		config_tell(r->config, mark, "a NUL byte (expected text)");
	else if (byte < 0x80)
		config_tell(r->config, mark, "control character 0x%02x (expected text)", byte);
	else
		config_tell(r->config, mark, "byte 0x%02x is not UTF-8 (expected UTF-8 text)",
			    byte);
	return false;
}

/* ---- faults of the syntax ---- */

/* The byte at a place, or 0. */
static char byte_at(const struct reader *r, struct config_mark mark)
{
	struct config_mark here = {1, 1};
	for (size_t i = 0; i < r->text_sz; i += stele_utf8_length(r->text + i, r->text_sz - i)) {
		if (here.line == mark.line && here.column == mark.column)
			return r->text[i];
		here.column++;
		if (r->text[i] == '\n') {
			here.line++;
			here.column = 1;
		}
	}
	return 0;
}

static void tell_syntax(struct reader *r)
{
	const yaml_parser_t *parser = &r->parser;
	struct config_mark mark;
	const char *problem = parser->problem != NULL ? parser->problem : "no YAML";
	switch (parser->error) {
	case YAML_MEMORY_ERROR:
		r->config->no_memory = true;
		return;
	case YAML_READER_ERROR:
		walk_text(r->text, parser->problem_offset, &mark);
		break;
	default:
		mark = mark_of(&parser->problem_mark);
	}
	if (byte_at(r, mark) == '\t')
		config_tell(r->config, mark, "a tab (expected spaces, YAML is indented with them)");
	else if (parser->context != NULL && parser->error != YAML_READER_ERROR)
		config_tell(r->config, mark, "%s %s (which begins on line %zu)", problem,
			    parser->context, parser->context_mark.line + 1);
	else
		config_tell(r->config, mark, "%s (expected YAML)", problem);
}

/* ---- events ---- */

/* A new node behind its elder ones; NULL if that cannot be. */
static struct config_node *add_node(struct reader *r, enum config_node_kind kind,
				    struct config_mark mark)
{
	if (r->node_cnt++ >= STELE_CONFIG_NODES_MAX) {
		config_tell(r->config, mark, "too many values (expected at most %u)",
			    STELE_CONFIG_NODES_MAX);
		return NULL;
	}
	struct config_node *node = config_arena_take(&r->config->tree, sizeof(*node));
	if (node == NULL) {
		r->config->no_memory = true;
		return NULL;
	}
	node->kind = kind;
	node->mark = mark;
	if (r->depth == 0) {
		r->root = node;
		return node;
	}

	struct config_node *parent = r->around[r->depth - 1];
	if (parent->kind == CONFIG_MAP) {
		node->key = r->key;
		node->key_mark = r->key_mark;
		r->key = NULL;
		for (const struct config_node *other = parent->first; other != NULL;
		     other = other->next)
			if (strcmp(other->key, node->key) == 0) {
				char shown[CONFIG_SHOWN_MAX];
				config_tell(r->config, node->key_mark,
					    "key %s for the second time (the first is on line %u)",
					    config_show(node->key, strlen(node->key), shown),
					    other->key_mark.line);
				return node; /* read on, but nowhere to be found */
			}
		if (parent->cnt >= STELE_CONFIG_KEYS_MAX) {
			config_tell(r->config, node->key_mark,
				    "too many keys in one map (expected at most %d)",
				    STELE_CONFIG_KEYS_MAX);
			return NULL;
		}
	}
	if (parent->last != NULL)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->cnt++;
	return node;
}

/* Whether what comes is a key. */
static bool at_key(const struct reader *r)
{
	return r->depth > 0 && r->around[r->depth - 1]->kind == CONFIG_MAP && r->key == NULL;
}

static bool take_key(struct reader *r, const yaml_event_t *event, struct config_mark mark)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct config_mark unused;
	if (len == 0 || walk_text(text, len, &unused) != len || memchr(text, '\n', len) != NULL) {
		config_tell(r->config, mark, "a key that is %s (expected the name of an option)",
			    len == 0 ? "empty" : "not one line of text");
		return false;
	}
	r->key = config_arena_text(&r->config->tree, text, len);
	r->key_mark = mark;
	r->config->no_memory |= r->key == NULL;
	return r->key != NULL;
}

static bool take_scalar(struct reader *r, const yaml_event_t *event, struct config_mark mark)
{
	if (at_key(r))
		return take_key(r, event, mark);
	struct config_node *node = add_node(r, CONFIG_SCALAR, mark);
	if (node == NULL)
		return false;
	node->len = event->data.scalar.length;
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text = config_arena_text(&r->config->tree, (const char *)event->data.scalar.value,
				       node->len);
	r->config->no_memory |= node->text == NULL;
	return node->text != NULL;
}

static bool begin(struct reader *r, enum config_node_kind kind, struct config_mark mark)
{
	if (at_key(r)) {
		config_tell(r->config, mark, "a key that is a %s (expected the name of an option)",
			    kind == CONFIG_MAP ? "map" : "list");
		return false;
	}
	struct config_node *node = add_node(r, kind, mark);
	if (node == NULL)
		return false;
	if (r->depth == STELE_CONFIG_DEPTH_MAX) {
		config_tell(r->config, mark, "nested too deeply (expected at most %d levels)",
			    STELE_CONFIG_DEPTH_MAX);
		return false;
	}
	r->around[r->depth++] = node;
	return true;
}

/* What YAML has and a configuration does not need; each would make a file mean more than it shows. */
static bool check_plain(struct reader *r, const yaml_event_t *event, struct config_mark mark)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		config_tell(r->config, mark,
			    "an alias (expected a value; text that begins with * "
			    "stands in quotes)");
		return false;
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	default:
		break;
	}
	if (anchor != NULL)
		config_tell(r->config, mark,
			    "an anchor (expected a value; text that begins with & "
			    "stands in quotes)");
	else if (tag != NULL)
		config_tell(r->config, mark,
			    "a tag (expected a value; text that begins with ! "
			    "stands in quotes)");
	return anchor == NULL && tag == NULL;
}

static bool take_event(struct reader *r, const yaml_event_t *event)
{
	struct config_mark mark = mark_of(&event->start_mark);
	if (!check_plain(r, event, mark))
		return false;
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (r->root == NULL)
			return true;
		config_tell(r->config, mark, "a second document (expected one in a file)");
		return false;
	case YAML_SCALAR_EVENT:
		return take_scalar(r, event, mark);
	case YAML_SEQUENCE_START_EVENT:
		return begin(r, CONFIG_LIST, mark);
	case YAML_MAPPING_START_EVENT:
		return begin(r, CONFIG_MAP, mark);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		return true;
	default:
		return true;
	}
}

struct config_node *config_yaml_parse(struct stele_config *config, const char *text, size_t text_sz)
{
	struct reader r = {.config = config, .text = text, .text_sz = text_sz};
	if (!check_text(&r))
		return NULL;
	if (yaml_parser_initialize(&r.parser) == 0) {
		config->no_memory = true;
		return NULL;
	}
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, text_sz);

	bool sound = true, end = false;
	while (sound && !end) {
		yaml_event_t event;
		if (yaml_parser_parse(&r.parser, &event) == 0) {
			tell_syntax(&r);
			sound = false;
			break;
		}
		sound = take_event(&r, &event);
		end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	if (sound && r.root == NULL) {
		/* A file without a document says as much as an empty map. */
		sound = add_node(&r, CONFIG_MAP, (struct config_mark){1, 1}) != NULL;
	}
	yaml_parser_delete(&r.parser);
	return sound ? r.root : NULL;
}
