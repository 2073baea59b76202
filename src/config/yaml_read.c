/* A YAML text into its tree, by libyaml's events. */
#include "config/yaml_tree.h"
#include "dho/alloc.h"

#include <string.h>
#include <yaml.h>

typedef struct builder {
    yaml_parser_t parser;
    const dho_yaml_source *source;
    size_t nodes;
} builder;

static dho_status parser_error(const builder *b)
{
    const yaml_parser_t *p = &b->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return dho_fail(DHO_ERR_MEMORY, "%s: libyaml cannot allocate memory", b->source->name);
    const char *problem = p->problem != NULL ? p->problem : "unknown error";
    if (p->error == YAML_READER_ERROR)
        return dho_yaml_fail_at(b->source, 0, 0, "cannot be read at byte %zu: %s",
                                p->problem_offset, problem);
    const int line = (int)p->problem_mark.line + 1, column = (int)p->problem_mark.column + 1;
    if (p->context == NULL)
        return dho_yaml_fail_at(b->source, line, column, "not valid YAML: %s", problem);
    return dho_yaml_fail_at(b->source, line, column, "not valid YAML: %s (%s from line %d on)",
                            problem, p->context, (int)p->context_mark.line + 1);
}

static dho_status next_event(builder *b, yaml_event_t *event)
{
    return yaml_parser_parse(&b->parser, event) ? DHO_OK : parser_error(b);
}

static dho_status fail_mark(const builder *b, const yaml_mark_t *mark, const char *text)
{
    return dho_yaml_fail_at(b->source, (int)mark->line + 1, (int)mark->column + 1, "%s", text);
}

static dho_status count_node(builder *b, const yaml_mark_t *mark)
{
    if (++b->nodes <= DHO_YAML_MAX_NODES) return DHO_OK;
    return dho_yaml_fail_at(b->source, (int)mark->line + 1, (int)mark->column + 1,
                            "more than %d values", DHO_YAML_MAX_NODES);
}

/* What libyaml would accept and a configuration does not. */
static dho_status check_event(const builder *b, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return fail_mark(b, &event->start_mark,
                         "aliases (*name) are not supported: write the value out");
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        if (!dho_yaml_is_clean((const char *)event->data.scalar.value, event->data.scalar.length))
            return fail_mark(b, &event->start_mark,
                             "line breaks, tabs and control characters are not allowed in a value");
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
        return fail_mark(b, &event->start_mark,
                         "anchors (&name) are not supported: write the value out");
    if (tag != NULL) return fail_mark(b, &event->start_mark, "tags (!name) are not supported");
    return DHO_OK;
}

static void set_mark(dho_yaml_node *node, const yaml_mark_t *mark)
{
    node->line = (int)mark->line + 1;
    node->column = (int)mark->column + 1;
}

/* Adds the child for a key event, unless it is there already. */
static dho_status add_keyed(builder *b, dho_yaml_node *map, const yaml_event_t *event,
                            dho_yaml_node **out)
{
    DHO_TRY(check_event(b, event));
    if (event->type != YAML_SCALAR_EVENT)
        return fail_mark(b, &event->start_mark, "a key must be a word, not a list or a mapping");
    const char *key = (const char *)event->data.scalar.value;
    const size_t length = event->data.scalar.length;
    const dho_yaml_node *before = dho_yaml_child(map, key, length);
    if (before != NULL) {
        char path[DHO_YAML_PATH_BYTES];
        dho_yaml_path(before, path);
        return dho_yaml_fail_at(b->source, (int)event->start_mark.line + 1,
                                (int)event->start_mark.column + 1,
                                "%s: given twice (first at line %d)", path, before->line);
    }
    DHO_TRY(dho_yaml_add(out, map, key, length));
    set_mark(*out, &event->start_mark);
    return DHO_OK;
}

static dho_status build(builder *b, dho_yaml_node *node, const yaml_event_t *event, int depth);

static dho_status build_list(builder *b, dho_yaml_node *list, int depth)
{
    for (;;) {
        yaml_event_t event;
        DHO_TRY(next_event(b, &event));
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return DHO_OK;
        }
        dho_yaml_node *child;
        dho_status status = dho_yaml_add(&child, list, NULL, 0);
        if (status == DHO_OK) {
            set_mark(child, &event.start_mark);
            status = build(b, child, &event, depth);
        }
        yaml_event_delete(&event);
        DHO_TRY(status);
    }
}

static dho_status build_map(builder *b, dho_yaml_node *map, int depth)
{
    for (;;) {
        yaml_event_t event;
        DHO_TRY(next_event(b, &event));
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return DHO_OK;
        }
        dho_yaml_node *child = NULL;
        dho_status status = add_keyed(b, map, &event, &child);
        yaml_event_delete(&event);
        DHO_TRY(status);
        DHO_TRY(next_event(b, &event));
        status = build(b, child, &event, depth);
        yaml_event_delete(&event);
        DHO_TRY(status);
    }
}

/* Fills `node` from the event that starts its value and those that belong to it. */
static dho_status build(builder *b, dho_yaml_node *node, const yaml_event_t *event, int depth)
{
    DHO_TRY(count_node(b, &event->start_mark));
    DHO_TRY(check_event(b, event));
    if (depth > DHO_YAML_MAX_DEPTH)
        return dho_yaml_fail_at(b->source, (int)event->start_mark.line + 1,
                                (int)event->start_mark.column + 1, "nested more than %d deep",
                                DHO_YAML_MAX_DEPTH);
    switch (event->type) {
    case YAML_SEQUENCE_START_EVENT:
        node->kind = DHO_YAML_LIST;
        return build_list(b, node, depth + 1);
    case YAML_MAPPING_START_EVENT:
        node->kind = DHO_YAML_MAP;
        return build_map(b, node, depth + 1);
    case YAML_SCALAR_EVENT:
        node->kind = DHO_YAML_SCALAR;
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        return dho_strndup(&node->text, (const char *)event->data.scalar.value,
                           event->data.scalar.length);
    default:
        return dho_fail(DHO_ERR_INTERNAL, "%s: unexpected YAML event %d", b->source->name,
                        (int)event->type);
    }
}

/* The root, from the stream's first event on; *out may be a partial tree after a failure. */
static dho_status build_document(builder *b, dho_yaml_node **out)
{
    for (;;) {
        yaml_event_t event;
        DHO_TRY(next_event(b, &event));
        const yaml_event_type_t type = event.type;
        dho_status status = DHO_OK;
        if (type == YAML_DOCUMENT_START_EVENT && *out != NULL) {
            status = fail_mark(b, &event.start_mark, "more than one document (---) in the file");
        } else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
                   type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT) {
            status = dho_alloc_zero(out, 1, sizeof **out, "YAML node");
            if (status == DHO_OK) {
                (*out)->source = b->source;
                set_mark(*out, &event.start_mark);
                status = build(b, *out, &event, 1);
            }
        }
        yaml_event_delete(&event);
        DHO_TRY(status);
        if (type == YAML_STREAM_END_EVENT) return DHO_OK;
    }
}

dho_status dho_yaml_parse(dho_yaml_node **out, const char *text, size_t bytes,
                          const dho_yaml_source *source)
{
    *out = NULL;
    if (bytes > DHO_YAML_MAX_BYTES)
        return dho_yaml_fail_at(source, 0, 0, "%zu bytes, more than the %d allowed", bytes,
                                DHO_YAML_MAX_BYTES);
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* the mark some editors write */
        text += 3;
        bytes -= 3;
    }
    DHO_TRY(dho_yaml_check_text(text, bytes, source));
    builder b = {.source = source};
    if (!yaml_parser_initialize(&b.parser))
        return dho_fail(DHO_ERR_MEMORY, "%s: libyaml cannot allocate memory", source->name);
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, bytes);
    const dho_status status = build_document(&b, out);
    yaml_parser_delete(&b.parser);
    if (status != DHO_OK) dho_yaml_free(out);
    return status;
}
