/* Reading a plan: the whole. */
#include "table/table_spec.h"

#include "base/text.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "table/table_spec_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char dho_spec_name_bytes[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

/* --- small readers, shared with the other files of a plan ---------------------------------------
 */

dho_status dho_spec_check_keys(const dho_yaml_node *map, const char *const *known)
{
    if (map->kind != DHO_YAML_MAP) return dho_yaml_fail(map, "expected a mapping of keys");
    for (const dho_yaml_node *child = map->first; child != NULL; child = child->next) {
        char list[256] = "";
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], child->key) != 0) i++;
        if (known[i] != NULL) continue;
        for (i = 0; known[i] != NULL; i++) {
            const size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", known[i]);
        }
        return dho_yaml_fail(child, "unknown key (known here: %s)", list);
    }
    return DHO_OK;
}

dho_status dho_spec_text(const dho_yaml_node *node, char **out)
{
    if (node->kind != DHO_YAML_SCALAR || node->text[0] == '\0' || dho_yaml_is_null(node))
        return dho_yaml_fail(node, "expected a text");
    return dho_strdup(out, node->text);
}

dho_status dho_spec_text_at(const dho_yaml_node *map, const char *key, const char *fallback,
                            char **out)
{
    const dho_yaml_node *node = dho_yaml_find(map, key);
    if (node != NULL) return dho_spec_text(node, out);
    if (fallback == NULL) return dho_yaml_fail(map, "%s is missing", key);
    return dho_strdup(out, fallback);
}

static bool is_name(const char *text)
{
    return text[0] != '\0' && text[0] != '.' && text[0] != '-' &&
           text[strspn(text, dho_spec_name_bytes)] == '\0';
}

dho_status dho_spec_name(const dho_yaml_node *node, char **out)
{
    if (node->kind != DHO_YAML_SCALAR || !is_name(node->text))
        return dho_yaml_fail(node, "expected a name of letters, digits, '_', '.', '-'");
    return dho_strdup(out, node->text);
}

dho_status dho_spec_check_pattern(const dho_table_spec *spec, const dho_yaml_node *node,
                                  const char *also)
{
    for (const char *at = node->text; *at != '\0'; at++) {
        const size_t length = dho_table_placeholder(at);
        if (length == 0 || (length == 4 && memcmp(at + 1, "seed", 4) == 0)) continue;
        if (also != NULL && strlen(also) == length && memcmp(at + 1, also, length) == 0) continue;
        size_t a = 0;
        while (a < spec->axis_count && (strlen(spec->axes[a].name) != length ||
                                        memcmp(spec->axes[a].name, at + 1, length) != 0))
            a++;
        if (a == spec->axis_count)
            return dho_yaml_fail(node, "{%.*s} is no axis of this table, nor {seed}",
                                 length < 64 ? (int)length : 64, at + 1);
    }
    return DHO_OK;
}

dho_status dho_spec_texts(const dho_table_spec *spec, const dho_yaml_node *map, const char *key,
                          bool patterns, dho_table_texts *out)
{
    const dho_yaml_node *list = dho_yaml_find(map, key);
    if (list == NULL) return DHO_OK;
    if (list->kind != DHO_YAML_LIST) return dho_yaml_fail(list, "expected a list of texts");
    DHO_TRY(dho_alloc_zero(&out->items, list->count, sizeof *out->items, "table"));
    for (const dho_yaml_node *item = list->first; item != NULL; item = item->next) {
        DHO_TRY(dho_spec_text(item, &out->items[out->count]));
        out->count++;
        if (!patterns) continue;
        if (strchr(item->text, '=') == NULL) return dho_yaml_fail(item, "expected key=value");
        DHO_TRY(dho_spec_check_pattern(spec, item, NULL));
    }
    return DHO_OK;
}

dho_status dho_spec_document_load(dho_spec_document *out, const char *path)
{
    uint8_t *text = NULL;
    size_t capacity = 0, bytes;
    *out = (dho_spec_document){.source = {.name = path}};
    dho_status status = dho_file_read_text(path, DHO_YAML_MAX_BYTES, &text, &capacity, &bytes);
    if (status == DHO_OK)
        status = dho_yaml_parse(&out->root, (const char *)text, bytes, &out->source);
    else if (status != DHO_ERR_MEMORY)
        status = DHO_ERR_CONFIG;
    dho_free(text);
    DHO_TRY(status);
    if (out->root != NULL && out->root->kind == DHO_YAML_MAP) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: expected a mapping of keys", path);
}

void dho_spec_document_free(dho_spec_document *document)
{
    dho_yaml_free(&document->root);
}

/* --- the rest -----------------------------------------------------------------------------------
 */

/* A table of published figures alone needs no configuration and no seeds. */
static bool has_runs(const dho_table_spec *spec)
{
    const size_t all = dho_table_combinations(spec, 0, spec->axis_count);
    for (size_t c = 0; c < all; c++)
        if (dho_table_has_run(spec, c)) return true;
    return false;
}

static dho_status read_seeds(dho_table_spec *spec, const dho_yaml_node *root)
{
    const dho_yaml_node *list = dho_yaml_find(root, "seeds");
    if (list == NULL && !has_runs(spec)) {
        spec->seeds[spec->seed_count++] = 1; /* no run asks for it */
        return DHO_OK;
    }
    if (list == NULL) return dho_yaml_fail(root, "seeds is missing");
    if (list->kind != DHO_YAML_LIST || list->count == 0 || list->count > DHO_TABLE_MAX_SEEDS)
        return dho_yaml_fail(list, "expected a list of 1 to %d seeds", DHO_TABLE_MAX_SEEDS);
    for (const dho_yaml_node *item = list->first; item != NULL; item = item->next) {
        const char *text = item->kind == DHO_YAML_SCALAR ? item->text : "";
        if (text[0] == '\0' || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text) ||
            (text[0] == '0' && text[1] != '\0'))
            return dho_yaml_fail(item, "expected a whole number");
        const uint64_t seed = strtoull(text, NULL, 10);
        for (size_t i = 0; i < spec->seed_count; i++)
            if (spec->seeds[i] == seed) return dho_yaml_fail(item, "is given twice");
        spec->seeds[spec->seed_count++] = seed;
    }
    if (dho_table_combinations(spec, 0, spec->axis_count) * spec->seed_count > DHO_TABLE_MAX_RUNS)
        return dho_yaml_fail(list, "more than %d runs", DHO_TABLE_MAX_RUNS);
    return DHO_OK;
}

dho_status dho_spec_run(const dho_table_spec *spec, const dho_yaml_node *node, char **out)
{
    DHO_TRY(dho_spec_text(node, out));
    DHO_TRY(dho_spec_check_pattern(spec, node, NULL));
    for (const char *at = *out; *at != '\0'; at++)
        if (strchr("/{}", *at) == NULL && strchr(dho_spec_name_bytes, *at) == NULL)
            return dho_yaml_fail(node, "expected a folder's name: letters, digits, '_', '.', '-', "
                                       "'/' and {axis}");
    if (**out == '/' || strstr(*out, "..") != NULL)
        return dho_yaml_fail(node, "expected a folder below the table's own");
    return DHO_OK;
}

/* The folder of a run: given, or the names of its values. Two runs must not share one. */
static dho_status read_run(dho_table_spec *spec, const dho_yaml_node *root)
{
    const dho_yaml_node *node = dho_yaml_find(root, "run");
    if (node == NULL) {
        for (size_t a = 0; a < spec->axis_count; a++) {
            char *longer;
            DHO_TRY(dho_asprintf(&longer, "%s%s{%s}", a > 0 ? spec->run : "", a > 0 ? "-" : "",
                                 spec->axes[a].name));
            dho_free(spec->run);
            spec->run = longer;
        }
        return DHO_OK;
    }
    DHO_TRY(dho_spec_run(spec, node, &spec->run));
    for (size_t a = 0; a < spec->axis_count; a++)
        if (!dho_table_names_axis(spec->run, &spec->axes[a]))
            return dho_yaml_fail(node, "{%s} is not in it: runs would share a folder",
                                 spec->axes[a].name);
    return DHO_OK;
}

static dho_status read_folder(dho_table_spec *spec, const dho_yaml_node *root)
{
    const dho_yaml_node *node = dho_yaml_find(root, "folder");
    return node != NULL ? dho_spec_name(node, &spec->folder)
                        : dho_strdup(&spec->folder, spec->name);
}

static dho_status read_config(dho_table_spec *spec, const dho_yaml_node *root)
{
    const dho_yaml_node *node = dho_yaml_find(root, "config");
    if (node == NULL && !has_runs(spec)) return DHO_OK;
    if (node == NULL) return dho_yaml_fail(root, "config is missing");
    if (node->kind != DHO_YAML_SCALAR || node->text[0] == '\0')
        return dho_yaml_fail(node, "expected a path, as seen from this file's folder");
    DHO_TRY(dho_yaml_check_path(node));
    DHO_TRY(dho_spec_check_pattern(spec, node, NULL));
    return dho_table_beside(spec->path, node->text, &spec->config);
}

static dho_status read_name(dho_table_spec *spec, const char *path)
{
    const char *base = dho_base_name(path);
    size_t length = strlen(base);
    if (length > 5 && dho_ends_with(base, ".yaml")) length -= 5;
    DHO_TRY(dho_strdup(&spec->path, path));
    DHO_TRY(dho_strndup(&spec->name, base, length));
    if (is_name(spec->name)) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "%s: a table's name, which is a folder's too, has letters, "
                    "digits, '_', '.', '-' only",
                    path);
}

/* Which checkpoint of a run is evaluated. */
static dho_status read_checkpoint(dho_table_spec *spec, const dho_yaml_node *root)
{
    const dho_yaml_node *node = dho_yaml_find(root, "checkpoint");
    if (node == NULL) return DHO_OK;
    spec->best = node->kind == DHO_YAML_SCALAR && strcmp(node->text, "best") == 0;
    if (spec->best || (node->kind == DHO_YAML_SCALAR && strcmp(node->text, "newest") == 0))
        return DHO_OK;
    return dho_yaml_fail(node, "expected newest or best");
}

static dho_status read_root(dho_table_spec *spec, const dho_yaml_node *root, const char *only)
{
    static const char *const keys[] = {
        "title",   "source", "notes", "config",    "folder",  "run",     "set",        "rows",
        "columns", "seeds",  "tests", "published", "compare", "prepare", "checkpoint", NULL};
    DHO_TRY(dho_spec_check_keys(root, keys));
    DHO_TRY(dho_spec_text_at(root, "title", NULL, &spec->title));
    DHO_TRY(dho_spec_text_at(root, "source", "", &spec->source));
    DHO_TRY(dho_spec_texts(spec, root, "notes", false, &spec->notes));
    DHO_TRY(dho_spec_axes(spec, root));
    DHO_TRY(dho_spec_texts(spec, root, "set", true, &spec->set));
    DHO_TRY(read_config(spec, root));
    DHO_TRY(read_seeds(spec, root));
    DHO_TRY(read_folder(spec, root));
    DHO_TRY(read_run(spec, root));
    DHO_TRY(read_checkpoint(spec, root));
    DHO_TRY(dho_spec_tests(spec, root));
    DHO_TRY(dho_spec_figures(spec, root));
    DHO_TRY(dho_spec_contrasts(spec, root));
    DHO_TRY(dho_spec_preparations(spec, root));
    return dho_spec_only(spec, only);
}

dho_status dho_table_spec_parse(dho_table_spec *out, const char *text, size_t bytes,
                                const char *path, const char *only)
{
    const dho_yaml_source source = {.name = path};
    dho_yaml_node *root = NULL;
    dho_status status;
    *out = (dho_table_spec){0};
    DHO_TRY_GOTO(read_name(out, path));
    DHO_TRY_GOTO(dho_yaml_parse(&root, text, bytes, &source));
    if (root == NULL)
        status = dho_fail(DHO_ERR_CONFIG, "%s: is empty", path);
    else
        status = read_root(out, root, only);
fail:
    dho_yaml_free(&root);
    return status;
}

dho_status dho_table_spec_load(dho_table_spec *out, const char *path, const char *only)
{
    dho_spec_document document;
    dho_status status;
    *out = (dho_table_spec){0};
    DHO_TRY_GOTO(dho_spec_document_load(&document, path));
    DHO_TRY_GOTO(read_name(out, path));
    status = read_root(out, document.root, only);
fail:
    dho_spec_document_free(&document);
    return status;
}

static void free_texts(dho_table_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++) dho_free(texts->items[i]);
    dho_free(texts->items);
}

void dho_table_spec_free(dho_table_spec *spec)
{
    for (size_t a = 0; a < spec->axis_count; a++) {
        dho_table_axis *axis = &spec->axes[a];
        for (size_t i = 0; i < axis->count; i++) {
            dho_free(axis->values[i].name);
            dho_free(axis->values[i].label);
            free_texts(&axis->values[i].set);
            dho_free(axis->values[i].run);
            dho_free(axis->values[i].no_runs);
            dho_free(axis->values[i].members);
            dho_spec_attributes_free(&axis->values[i].published);
        }
        dho_spec_attributes_free(&axis->published);
        dho_free(axis->values);
        dho_free(axis->name);
        dho_free(axis->label);
        free_texts(&axis->set);
    }
    for (size_t t = 0; t < spec->test_count; t++) {
        dho_free(spec->tests[t].name);
        dho_free(spec->tests[t].set);
        dho_free(spec->tests[t].label);
        dho_spec_attributes_free(&spec->tests[t].published);
    }
    for (size_t i = 0; i < spec->preparation_count; i++) {
        dho_free(spec->preparations[i].path);
        dho_free(spec->preparations[i].command);
    }
    for (size_t i = 0; i < spec->figure_count; i++) {
        dho_free(spec->figures[i].table);
        dho_free(spec->figures[i].remark);
    }
    dho_spec_attributes_free(&spec->published);
    free_texts(&spec->notes);
    free_texts(&spec->set);
    char *const texts[] = {spec->path,   spec->name,   spec->title, spec->source,
                           spec->config, spec->folder, spec->run};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) dho_free(texts[i]);
    dho_free(spec->tests);
    dho_free(spec->figures);
    dho_free(spec->contrasts);
    dho_free(spec->preparations);
    *spec = (dho_table_spec){0};
}
