#define _GNU_SOURCE
#include "dho/config.h"

#include "config/config_value.h"
#include "config/plain_numbers.h"
#include "config/schema.h"
#include "config/yaml_tree.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <stdio.h>
#include <string.h>

/* --- from the tree into a structure ---------------------------------------------------------- */

static dho_status unknown_key(const dho_schema *schema, const dho_yaml_node *node, const char *path)
{
    char full[DHO_YAML_PATH_BYTES], near[DHO_SCHEMA_TEXT_BYTES];
    const char *last = node->key;
    if (strchr(last, '.') != NULL && dho_schema_find(schema, path) != NULL) {
        const char *dot = strchr(last, '.');
        return dho_yaml_fail(node,
                             "keys are nested in a file: write \"%.*s:\", and in the line "
                             "below \"  %.60s:\"",
                             (int)(dot - last), last, dot + 1);
    }
    if (!dho_schema_suggest(schema, path, near)) return dho_yaml_fail(node, "unknown key");
    /* What stands in front of the table's own path: "eval.sets[0]." */
    dho_yaml_path(node, full);
    const size_t length = strlen(full), own = strlen(path);
    const size_t front = length >= own ? length - own : 0;
    return dho_yaml_fail(node, "unknown key (did you mean %.*s%s?)", (int)front, full, near);
}

/* Reads what stands in `map`, the section `section` ("" or "train.") of the table, but passes over
 * keys that `decides` does not name. */
static dho_status read_section(const dho_schema *schema, const dho_yaml_node *map,
                               const char *section, unsigned decides, void *structure)
{
    for (const dho_yaml_node *child = map->first; child != NULL; child = child->next) {
        char path[DHO_YAML_PATH_BYTES];
        const int length = snprintf(path, sizeof path - 1, "%s%s", section, child->key);
        if (length >= (int)sizeof path - 1) return dho_yaml_fail(child, "unknown key");
        const dho_field *field = dho_schema_find(schema, path);
        if (field != NULL && strchr(child->key, '.') == NULL) {
            if (field->type != DHO_FIELD_SETS && (field->decides & decides) != 0)
                DHO_TRY(dho_field_read(field, child, structure));
        } else if (dho_schema_is_section(schema, path) && strchr(child->key, '.') == NULL) {
            if (dho_yaml_is_null(child))
                return dho_yaml_fail(child, "expected a mapping of keys, got nothing (leave the "
                                            "section out)");
            if (child->kind != DHO_YAML_MAP)
                return dho_yaml_fail(child, "expected a mapping of keys, got a %s",
                                     child->kind == DHO_YAML_LIST ? "list" : "single value");
            path[length] = '.';
            path[length + 1] = '\0';
            DHO_TRY(read_section(schema, child, path, decides, structure));
        } else {
            return unknown_key(schema, child, path);
        }
    }
    return DHO_OK;
}

static dho_status read_set(const dho_config *config, const dho_yaml_node *node, dho_config_set *set)
{
    if (node->kind != DHO_YAML_MAP)
        return dho_yaml_fail(node, "expected a mapping with name, root ..., got %s",
                             node->kind == DHO_YAML_LIST ? "a list"
                             : dho_yaml_is_null(node)    ? "nothing"
                                                         : "a single value");
    DHO_TRY(read_section(&dho_schema_set, node, "", DHO_DECIDES_ALL, set));
    for (size_t i = 0; i < dho_schema_set.count; i++) {
        const dho_field *field = &dho_schema_set.fields[i];
        if (dho_yaml_find(node, field->key) != NULL) continue;
        if (field->inherit != NULL) {
            const dho_field *from = dho_schema_find(&dho_schema_config, field->inherit);
            DHO_TRY(dho_field_inherit(field, set, from, config));
        } else if (field->fallback != NULL) {
            DHO_TRY(dho_field_read_default(field, set));
        } else {
            return dho_yaml_fail(node, "%s is missing", field->key);
        }
    }
    return DHO_OK;
}

/* After everything else, because the entries' defaults are other keys' values. */
static dho_status read_sets(dho_config *config, const dho_yaml_node *node)
{
    if (node == NULL) return DHO_OK;
    const dho_field *field = dho_schema_find(&dho_schema_config, "eval.sets");
    if (node->kind != DHO_YAML_LIST)
        return dho_field_mismatch(field, node,
                                  dho_yaml_is_null(node) ? " (write [] for none)" : "");
    if (node->count == 0) return DHO_OK;
    DHO_TRY(dho_alloc_zero(&config->eval.sets, node->count, sizeof *config->eval.sets, field->key));
    config->eval.set_count = node->count;
    size_t i = 0;
    for (const dho_yaml_node *item = node->first; item != NULL; item = item->next)
        DHO_TRY(read_set(config, item, &config->eval.sets[i++]));
    return DHO_OK;
}

static dho_status read_root(dho_config *config, const dho_yaml_node *root, unsigned decides)
{
    if (root == NULL || dho_yaml_is_null(root)) return DHO_OK;
    if (root->kind != DHO_YAML_MAP)
        return dho_yaml_fail(root, "expected a mapping of keys, got a %s",
                             root->kind == DHO_YAML_LIST ? "list" : "single value");
    return read_section(&dho_schema_config, root, "", decides, config);
}

static dho_status read_config(dho_config *config, const dho_yaml_node *root,
                              const dho_yaml_source *file)
{
    DHO_TRY(read_root(config, root, DHO_DECIDES_ALL));
    for (size_t i = 0; i < dho_schema_config.count; i++) {
        dho_field field = dho_schema_config.fields[i];
        if (dho_yaml_find(root, field.key) != NULL) continue;
        char text[DHO_NUMBER_BYTES];
        const char *reference = dho_compat_default(config, root, field.key, text);
        if (reference != NULL) field.fallback = reference;
        DHO_TRY(dho_field_read_default(&field, config));
    }
    DHO_TRY(dho_config_settle_length(config, root, file));
    DHO_TRY(dho_config_settle_holdout(config, root));
    DHO_TRY(dho_compat_check(config, root, file));
    DHO_TRY(read_sets(config, dho_yaml_find(root, "eval.sets")));
    return dho_config_check(config, root, file);
}

/* --- the public functions --------------------------------------------------------------------- */

static dho_status parse_all(dho_config *out, const char *text, size_t bytes, const char *name,
                            const char *const *overrides, size_t override_count)
{
    dho_status status;
    dho_yaml_node *root = NULL;
    dho_yaml_source *sources;
    DHO_TRY(dho_alloc(&sources, override_count + 1, sizeof *sources, "configuration"));
    sources[0] = (dho_yaml_source){.name = name};
    DHO_TRY_GOTO(dho_yaml_parse(&root, text, bytes, &sources[0]));
    for (size_t i = 0; i < override_count; i++) {
        sources[i + 1] = (dho_yaml_source){.name = overrides[i], .is_override = true};
        DHO_TRY_GOTO(dho_yaml_override(&root, &sources[i + 1]));
    }
    DHO_TRY_GOTO(read_config(out, root, &sources[0]));
fail:
    dho_yaml_free(&root);
    dho_free(sources);
    return status;
}

dho_status dho_config_parse(dho_config *out, const char *text, size_t bytes, const char *name,
                            const char *const *overrides, size_t override_count)
{
    *out = (dho_config){0};
    dho_plain_numbers numbers;
    DHO_TRY(dho_plain_numbers_begin(&numbers));
    const dho_status status = parse_all(out, text, bytes, name, overrides, override_count);
    dho_plain_numbers_end(&numbers);
    if (status != DHO_OK) dho_config_free(out);
    return status;
}

static dho_status read_keys(dho_config *config, const dho_yaml_node *root, unsigned decides)
{
    DHO_TRY(read_root(config, root, decides));
    for (size_t i = 0; i < dho_schema_config.count; i++) {
        const dho_field *field = &dho_schema_config.fields[i];
        if ((field->decides & decides) == 0 || dho_yaml_find(root, field->key) == NULL)
            DHO_TRY(dho_field_read_default(field, config));
    }
    return DHO_OK;
}

dho_status dho_config_parse_keys(dho_config *out, const char *text, const char *name,
                                 unsigned decides)
{
    const dho_yaml_source source = {.name = name};
    dho_yaml_node *root = NULL;
    dho_plain_numbers numbers;
    *out = (dho_config){0};
    DHO_TRY(dho_plain_numbers_begin(&numbers));
    dho_status status = dho_yaml_parse(&root, text, strlen(text), &source);
    if (status == DHO_OK) status = read_keys(out, root, decides);
    dho_plain_numbers_end(&numbers);
    dho_yaml_free(&root);
    if (status != DHO_OK) dho_config_free(out);
    return status;
}

dho_status dho_config_load(dho_config *out, const char *path, const char *const *overrides,
                           size_t override_count)
{
    *out = (dho_config){0};
    uint8_t *text = NULL;
    size_t capacity = 0, bytes;
    dho_status status = dho_file_read_text(path, DHO_YAML_MAX_BYTES, &text, &capacity, &bytes);
    if (status == DHO_OK)
        status = dho_config_parse(out, (const char *)text, bytes, path, overrides, override_count);
    else if (status != DHO_ERR_MEMORY)
        status = DHO_ERR_CONFIG; /* no such file, too large ...: the user named the wrong one */
    dho_free(text);
    return status;
}

void dho_config_free(dho_config *config)
{
    for (size_t i = 0; i < config->eval.set_count; i++)
        for (size_t k = 0; k < dho_schema_set.count; k++)
            dho_field_free(&dho_schema_set.fields[k], &config->eval.sets[i]);
    dho_free(config->eval.sets);
    for (size_t i = 0; i < dho_schema_config.count; i++)
        dho_field_free(&dho_schema_config.fields[i], config);
    *config = (dho_config){0};
}

/* The word of a WORD key for a value; "?" for a value that has none. */
static const char *word_of(const char *key, int value)
{
    const dho_field *field = dho_schema_find(&dho_schema_config, key);
    for (int i = 0; field->words[i] != NULL; i++)
        if (i == value) return field->words[i];
    return "?";
}

/* The value of a WORD key for a word; false when it has no such word. */
static bool find_word(const char *key, const char *name, int *out)
{
    const dho_field *field = dho_schema_find(&dho_schema_config, key);
    for (*out = 0; field->words[*out] != NULL; ++*out)
        if (strcmp(name, field->words[*out]) == 0) return true;
    return false;
}

const char *dho_method_name(dho_method method)
{
    return word_of("method", (int)method);
}

const dho_dataset_layout *dho_dataset_layout_of(dho_format format)
{
    static const dho_dataset_layout layouts[] = {
#define DHO_LAYOUT(id, word, ...) [DHO_FORMAT_##id] = {__VA_ARGS__},
#include "dho/layout_rows.h"
#undef DHO_LAYOUT
    };
    return &layouts[format];
}

const char *dho_filter_name(dho_filter filter)
{
    return word_of("data.interpolation", (int)filter);
}

const char *dho_keep_best_name(dho_keep_best metric)
{
    return word_of("train.keep_best", (int)metric);
}

bool dho_keep_best_find(const char *name, dho_keep_best *out)
{
    int value;
    const bool found = find_word("train.keep_best", name, &value);
    if (found) *out = (dho_keep_best)value;
    return found;
}

const char *dho_config_eval_on(const dho_config *config)
{
    return config->train.eval_on[0] != '\0' ? config->train.eval_on : config->eval.select_on;
}

bool dho_method_find(const char *name, dho_method *out)
{
    int value;
    const bool found = find_word("method", name, &value);
    if (found) *out = (dho_method)value;
    return found;
}
