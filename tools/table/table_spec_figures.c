/* Reading a plan: test sets, published figures, comparisons, preparations; and the part that is
 * wanted. */
#include "config/schema.h"
#include "dho/alloc.h"
#include "table/table_spec_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dho_status read_test(dho_table_spec *spec, const dho_yaml_node *node, dho_table_test *out)
{
    static const char *const keys[] = {"set", "name", "label", "head", "published", NULL};
    const dho_yaml_node *set = node;
    if (node->kind != DHO_YAML_SCALAR) {
        DHO_TRY(dho_spec_check_keys(node, keys));
        set = dho_yaml_find(node, "set");
        if (set == NULL) return dho_yaml_fail(node, "set is missing");
    }
    DHO_TRY(dho_spec_name(set, &out->set));
    const dho_yaml_node *name = dho_yaml_find(node, "name"), *label = dho_yaml_find(node, "label");
    const dho_yaml_node *head = dho_yaml_find(node, "head");
    DHO_TRY(dho_spec_name(name != NULL ? name : set, &out->name));
    DHO_TRY(label != NULL ? dho_spec_text(label, &out->label) : dho_strdup(&out->label, out->name));
    for (size_t t = 0; &spec->tests[t] != out; t++)
        if (strcmp(spec->tests[t].name, out->name) == 0)
            return dho_yaml_fail(node, "two tests are named \"%.64s\"", out->name);
    if (node->kind != DHO_YAML_SCALAR) DHO_TRY(dho_spec_attributes(spec, node, &out->published));
    if (head == NULL) return DHO_OK;
    for (int h = 0; h < DHO_SCORE_KINDS && head->kind == DHO_YAML_SCALAR; h++) {
        if (strcmp(head->text, dho_score_names[h]) != 0) continue;
        out->head = (dho_score_kind)h;
        return DHO_OK;
    }
    return dho_yaml_fail(head, "expected one of combined, ce_head, kd_head, exact, fixed, entropy");
}

dho_status dho_spec_tests(dho_table_spec *spec, const dho_yaml_node *root)
{
    const dho_yaml_node *list = dho_yaml_find(root, "tests");
    if (list == NULL) return dho_yaml_fail(root, "tests is missing");
    if (list->kind != DHO_YAML_LIST || list->count == 0 || list->count > DHO_TABLE_MAX_TESTS)
        return dho_yaml_fail(list, "expected a list of 1 to %d test sets", DHO_TABLE_MAX_TESTS);
    DHO_TRY(dho_alloc_zero(&spec->tests, list->count, sizeof *spec->tests, "table"));
    for (const dho_yaml_node *item = list->first; item != NULL; item = item->next)
        DHO_TRY(read_test(spec, item, &spec->tests[spec->test_count++]));
    return DHO_OK;
}

/* The value of an axis that a node names. */
static dho_status read_place(const dho_table_axis *axis, const dho_yaml_node *node, size_t *out)
{
    *out = node->kind == DHO_YAML_SCALAR ? dho_spec_find_value(axis, node->text) : DHO_TABLE_ANY;
    if (*out != DHO_TABLE_ANY) return DHO_OK;
    return dho_yaml_fail(node, "expected a value of the axis %.64s", axis->name);
}

dho_status dho_spec_percent(const dho_yaml_node *node, double *out, int *decimals)
{
    char *end = NULL;
    if (node->kind == DHO_YAML_SCALAR && strspn(node->text, "0123456789.") == strlen(node->text))
        *out = strtod(node->text, &end);
    if (end == NULL || end == node->text || *end != '\0' || !(*out >= 0 && *out <= 100))
        return dho_yaml_fail(node, "expected a percentage, 0 to 100");
    const char *point = strchr(node->text, '.');
    *decimals =
        point != NULL && strlen(point) > 2 ? (strlen(point) > 4 ? 3 : (int)strlen(point) - 1) : 1;
    return DHO_OK;
}

static dho_status read_figure(const dho_table_spec *spec, const dho_yaml_node *node,
                              dho_table_figure *out)
{
    const dho_yaml_node *top1 = dho_yaml_find(node, "top1"), *test = dho_yaml_find(node, "test");
    if (top1 == NULL) return dho_yaml_fail(node, "expected {axis: value, ..., top1: percent}");
    DHO_TRY(dho_spec_percent(top1, &out->top1, &out->decimals));
    for (size_t a = 0; a < DHO_TABLE_MAX_AXES; a++) out->at[a] = DHO_TABLE_ANY;
    for (const dho_yaml_node *child = node->first; child != NULL; child = child->next) {
        const size_t a = dho_spec_find_axis(spec, child->key);
        if (child == top1 || child == test) continue;
        if (a == DHO_TABLE_ANY) return dho_yaml_fail(child, "is no axis of this table");
        DHO_TRY(read_place(&spec->axes[a], child, &out->at[a]));
    }
    if (test == NULL && spec->test_count > 1)
        return dho_yaml_fail(node, "test is missing: this table has %zu", spec->test_count);
    if (test == NULL) return DHO_OK;
    while (out->test < spec->test_count &&
           (test->kind != DHO_YAML_SCALAR || strcmp(spec->tests[out->test].name, test->text) != 0))
        out->test++;
    return out->test < spec->test_count ? DHO_OK : dho_yaml_fail(test, "is no test of this table");
}

/* True when some cell would have both figures. */
static bool overlap(const dho_table_spec *spec, const dho_table_figure *a,
                    const dho_table_figure *b)
{
    if (a->test != b->test) return false;
    for (size_t i = 0; i < spec->axis_count; i++)
        if (a->at[i] != b->at[i] && a->at[i] != DHO_TABLE_ANY && b->at[i] != DHO_TABLE_ANY)
            return false;
    return true;
}

dho_status dho_spec_figures(dho_table_spec *spec, const dho_yaml_node *root)
{
    const dho_yaml_node *list = dho_yaml_find(root, "published");
    if (list == NULL) return DHO_OK;
    if (list->kind == DHO_YAML_MAP) return dho_spec_figures_of_file(spec, list);
    if (list->kind != DHO_YAML_LIST)
        return dho_yaml_fail(list, "expected a list of figures, or {file: PATH, select: [...]}");
    if (list->count > 0 && spec->source[0] == '\0')
        return dho_yaml_fail(list, "source is missing: say where these figures stand");
    DHO_TRY(dho_alloc_zero(&spec->figures, list->count, sizeof *spec->figures, "table"));
    for (const dho_yaml_node *item = list->first; item != NULL; item = item->next) {
        dho_table_figure *figure = &spec->figures[spec->figure_count++];
        DHO_TRY(read_figure(spec, item, figure));
        for (size_t f = 0; f + 1 < spec->figure_count; f++)
            if (overlap(spec, &spec->figures[f], figure))
                return dho_yaml_fail(item, "a cell would have this figure and published[%zu]'s", f);
    }
    return DHO_OK;
}

dho_status dho_spec_contrasts(dho_table_spec *spec, const dho_yaml_node *root)
{
    static const char *const keys[] = {"axis", "value", "minus", NULL};
    const dho_yaml_node *list = dho_yaml_find(root, "compare");
    if (list == NULL) return DHO_OK;
    if (list->kind != DHO_YAML_LIST) return dho_yaml_fail(list, "expected a list of comparisons");
    DHO_TRY(dho_alloc_zero(&spec->contrasts, list->count, sizeof *spec->contrasts, "table"));
    for (const dho_yaml_node *item = list->first; item != NULL; item = item->next) {
        dho_table_contrast *contrast = &spec->contrasts[spec->contrast_count++];
        DHO_TRY(dho_spec_check_keys(item, keys));
        for (int k = 0; k < 3; k++)
            if (dho_yaml_find(item, keys[k]) == NULL)
                return dho_yaml_fail(item, "%s is missing", keys[k]);
        const dho_yaml_node *axis = dho_yaml_find(item, "axis");
        contrast->axis =
            axis->kind == DHO_YAML_SCALAR ? dho_spec_find_axis(spec, axis->text) : DHO_TABLE_ANY;
        if (contrast->axis == DHO_TABLE_ANY) return dho_yaml_fail(axis, "is no axis of this table");
        const dho_table_axis *of = &spec->axes[contrast->axis];
        DHO_TRY(read_place(of, dho_yaml_find(item, "value"), &contrast->of));
        DHO_TRY(read_place(of, dho_yaml_find(item, "minus"), &contrast->minus));
        if (contrast->of == contrast->minus)
            return dho_yaml_fail(item, "is a comparison of a value with itself");
    }
    return DHO_OK;
}

static dho_status read_preparations(dho_table_spec *spec, const dho_yaml_node *list)
{
    static const char *const keys[] = {"path", "command", NULL};
    if (list->kind != DHO_YAML_LIST || list->count > DHO_TABLE_MAX_PREPARATIONS)
        return dho_yaml_fail(list,
                             "expected a list of at most %d files with their commands, or the "
                             "plan that has it",
                             DHO_TABLE_MAX_PREPARATIONS);
    DHO_TRY(dho_alloc_zero(&spec->preparations, list->count, sizeof *spec->preparations, "table"));
    for (const dho_yaml_node *item = list->first; item != NULL; item = item->next) {
        dho_table_preparation *preparation = &spec->preparations[spec->preparation_count++];
        DHO_TRY(dho_spec_check_keys(item, keys));
        const dho_yaml_node *path = dho_yaml_find(item, "path");
        const dho_yaml_node *command = dho_yaml_find(item, "command");
        if (path == NULL || command == NULL)
            return dho_yaml_fail(item, "%s is missing", path == NULL ? "path" : "command");
        DHO_TRY(dho_spec_text(path, &preparation->path));
        DHO_TRY(dho_yaml_check_path(path));
        DHO_TRY(dho_spec_check_pattern(spec, path, NULL));
        DHO_TRY(dho_spec_text(command, &preparation->command));
        if (strncmp(preparation->command, "dho ", 4) != 0)
            return dho_yaml_fail(command, "expected a command of dho: dho teacher ...");
        DHO_TRY(dho_spec_check_pattern(spec, command, "arguments"));
    }
    return DHO_OK;
}

/* prepare: other.yaml, whose preparations are this table's, too. */
static dho_status borrow_preparations(dho_table_spec *spec, const dho_yaml_node *node)
{
    dho_spec_document other = {.root = NULL};
    char *path;
    DHO_TRY(dho_table_beside(spec->path, node->text, &path));
    dho_status status = dho_spec_document_load(&other, path);
    if (status == DHO_OK) {
        const dho_yaml_node *list = dho_yaml_find(other.root, "prepare");
        status = list != NULL && list->kind == DHO_YAML_LIST
                     ? read_preparations(spec, list)
                     : dho_yaml_fail(node, "%s has no list of preparations", path);
    } else {
        status = dho_fail_prefix(status, "%s: prepare: ", spec->path);
    }
    dho_spec_document_free(&other);
    dho_free(path);
    return status;
}

dho_status dho_spec_preparations(dho_table_spec *spec, const dho_yaml_node *root)
{
    const dho_yaml_node *node = dho_yaml_find(root, "prepare");
    if (node == NULL) return DHO_OK;
    return node->kind == DHO_YAML_SCALAR ? borrow_preparations(spec, node)
                                         : read_preparations(spec, node);
}

/* --- only ---------------------------------------------------------------------------------------
 */

/* What `only` says of one axis (the seeds: NULL): is `name` among it? *said: it says anything. */
static bool is_named(const char *only, const char *key, const char *name, bool *said)
{
    bool found = false;
    *said = false;
    for (const char *at = only; at != NULL; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        const size_t length = strlen(key), bytes = strcspn(at, ",");
        if (strncmp(at, key, length) != 0 || at[length] != '=') continue;
        *said = true;
        found |=
            bytes - length - 1 == strlen(name) && strncmp(at + length + 1, name, strlen(name)) == 0;
    }
    return found;
}

/* "axis=value" of which one or the other is not there: what may be meant? */
static dho_status fail_only(const dho_table_spec *spec, const char *part)
{
    char name[64];
    const size_t key = strcspn(part, "=");
    snprintf(name, sizeof name, "%.*s", key < sizeof name ? (int)key : 0, part);
    const size_t axis = dho_spec_find_axis(spec, name);
    const size_t count = axis == DHO_TABLE_ANY ? spec->axis_count : spec->axes[axis].count;
    const char **words, *like;
    DHO_TRY(dho_alloc_zero(&words, count + 2, sizeof *words, "table"));
    for (size_t i = 0; i < count; i++)
        words[i] = axis == DHO_TABLE_ANY ? spec->axes[i].name : spec->axes[axis].values[i].name;
    if (axis == DHO_TABLE_ANY) words[count] = "seed";
    like = dho_schema_suggest_word(words, axis == DHO_TABLE_ANY ? name : part + key + 1);
    dho_fail(DHO_ERR_CONFIG,
             "--only %.200s: the table has no such axis, or the axis no such value%s%s%s", part,
             like != NULL ? " (did you mean " : "", like != NULL ? like : "",
             like != NULL ? "?)" : "");
    dho_free(words);
    return DHO_ERR_CONFIG;
}

/* Each part must name something that is there. */
static dho_status check_only(const dho_table_spec *spec, const char *only)
{
    for (const char *at = only; at != NULL; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        const size_t bytes = strcspn(at, ","), key = strcspn(at, "=,");
        bool known = false, said;
        if (key == bytes)
            return dho_fail(DHO_ERR_CONFIG, "--only: expected axis=value,..., got \"%.*s\"",
                            bytes < 200 ? (int)bytes : 200, at);
        char *part;
        DHO_TRY(dho_strndup(&part, at, bytes));
        for (size_t s = 0; s < spec->seed_count; s++) {
            char number[24];
            snprintf(number, sizeof number, "%llu", (unsigned long long)spec->seeds[s]);
            known |= is_named(part, "seed", number, &said);
        }
        for (size_t a = 0; a < spec->axis_count; a++)
            for (size_t i = 0; i < spec->axes[a].count; i++)
                known |= is_named(part, spec->axes[a].name, spec->axes[a].values[i].name, &said);
        const dho_status status = known ? DHO_OK : fail_only(spec, part);
        dho_free(part);
        DHO_TRY(status);
    }
    return DHO_OK;
}

dho_status dho_spec_only(dho_table_spec *spec, const char *only)
{
    bool said;
    if (only == NULL) return DHO_OK;
    DHO_TRY(check_only(spec, only));
    for (size_t a = 0; a < spec->axis_count; a++)
        for (size_t i = 0; i < spec->axes[a].count; i++) {
            dho_table_value *value = &spec->axes[a].values[i];
            value->wanted = is_named(only, spec->axes[a].name, value->name, &said) || !said;
            value->needed = value->wanted;
        }
    for (size_t a = 0; a < spec->axis_count; a++)
        for (size_t i = 0; i < spec->axes[a].count; i++) {
            const dho_table_value *value = &spec->axes[a].values[i];
            for (size_t m = 0; m < value->member_count && value->wanted; m++)
                spec->axes[a].values[value->members[m]].needed = true;
        }
    size_t kept = 0;
    for (size_t s = 0; s < spec->seed_count; s++) {
        char number[24];
        snprintf(number, sizeof number, "%llu", (unsigned long long)spec->seeds[s]);
        if (is_named(only, "seed", number, &said) || !said) spec->seeds[kept++] = spec->seeds[s];
    }
    spec->seed_count = kept;
    return DHO_OK;
}
