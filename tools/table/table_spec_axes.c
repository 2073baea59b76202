/* Reading a plan: its axes and their values. */
#include "dho/alloc.h"
#include "table/table_spec_read.h"

#include <string.h>

size_t dho_spec_find_axis(const dho_table_spec *spec, const char *name)
{
    for (size_t a = 0; a < spec->axis_count; a++)
        if (strcmp(spec->axes[a].name, name) == 0) return a;
    return DHO_TABLE_ANY;
}

size_t dho_spec_find_value(const dho_table_axis *axis, const char *name)
{
    for (size_t i = 0; i < axis->count; i++)
        if (strcmp(axis->values[i].name, name) == 0) return i;
    return DHO_TABLE_ANY;
}

/* mean: all (the values before it that have runs), or a list of their names. */
static dho_status read_members(const dho_table_axis *axis, const dho_yaml_node *node,
                               dho_table_value *out)
{
    const size_t before = (size_t)(out - axis->values);
    const bool all = node->kind == DHO_YAML_SCALAR && strcmp(node->text, "all") == 0;
    if (!all && (node->kind != DHO_YAML_LIST || node->count == 0))
        return dho_yaml_fail(node, "expected all, or a list of values of this axis");
    DHO_TRY(dho_alloc(&out->members, before + 1, sizeof *out->members, "table"));
    for (size_t i = 0; i < before; i++) {
        const dho_table_value *value = &axis->values[i];
        bool named = all;
        for (const dho_yaml_node *item = node->first; item != NULL; item = item->next)
            named |= item->kind == DHO_YAML_SCALAR && strcmp(item->text, value->name) == 0;
        if (named && value->no_runs == NULL && value->member_count == 0)
            out->members[out->member_count++] = i;
    }
    if (out->member_count == 0 || (!all && out->member_count != node->count))
        return dho_yaml_fail(node, "expected values of this axis that stand before it, have runs "
                                   "and are named once");
    return DHO_OK;
}

static dho_status read_value(const dho_table_spec *spec, const dho_table_axis *axis,
                             const dho_yaml_node *node, dho_table_value *out)
{
    static const char *const keys[] = {"name",    "label", "set",       "run",
                                       "no_runs", "mean",  "published", NULL};
    out->wanted = out->needed = true;
    if (node->kind == DHO_YAML_SCALAR) {
        DHO_TRY(dho_spec_name(node, &out->name));
        return dho_strdup(&out->label, out->name);
    }
    DHO_TRY(dho_spec_check_keys(node, keys));
    const dho_yaml_node *name = dho_yaml_find(node, "name");
    if (name == NULL) return dho_yaml_fail(node, "name is missing");
    DHO_TRY(dho_spec_name(name, &out->name));
    DHO_TRY(dho_spec_text_at(node, "label", out->name, &out->label));
    DHO_TRY(dho_spec_texts(spec, node, "set", true, &out->set));
    DHO_TRY(dho_spec_attributes(spec, node, &out->published));
    const dho_yaml_node *run = dho_yaml_find(node, "run");
    const dho_yaml_node *no_runs = dho_yaml_find(node, "no_runs");
    const dho_yaml_node *mean = dho_yaml_find(node, "mean");
    if ((no_runs != NULL) + (mean != NULL) + (out->set.count > 0 || run != NULL) > 1)
        return dho_yaml_fail(node, "set or run, no_runs, mean: one of them");
    if (run != NULL) DHO_TRY(dho_spec_run(spec, run, &out->run));
    if (no_runs != NULL) return dho_spec_text(no_runs, &out->no_runs);
    return mean != NULL ? read_members(axis, mean, out) : DHO_OK;
}

static dho_status read_axis(const dho_table_spec *spec, const dho_yaml_node *node,
                            dho_table_axis *out)
{
    static const char *const keys[] = {"label", "set", "values", "published", NULL};
    DHO_TRY(dho_spec_check_keys(node, keys));
    DHO_TRY(dho_spec_text_at(node, "label", out->name, &out->label));
    DHO_TRY(dho_spec_texts(spec, node, "set", true, &out->set));
    DHO_TRY(dho_spec_attributes(spec, node, &out->published));
    const dho_yaml_node *list = dho_yaml_find(node, "values");
    if (list == NULL) return dho_yaml_fail(node, "values is missing");
    if (list->kind != DHO_YAML_LIST || list->count == 0)
        return dho_yaml_fail(list, "expected a list of at least one value");
    DHO_TRY(dho_alloc_zero(&out->values, list->count, sizeof *out->values, "table"));
    for (const dho_yaml_node *item = list->first; item != NULL; item = item->next) {
        dho_table_value *value = &out->values[out->count++];
        DHO_TRY(read_value(spec, out, item, value));
        for (size_t i = 0; i + 1 < out->count; i++)
            if (strcmp(out->values[i].name, value->name) == 0)
                return dho_yaml_fail(item, "\"%.64s\" is given twice", value->name);
    }
    return DHO_OK;
}

/* Names first: patterns anywhere in the plan may use any axis. */
static dho_status read_axis_names(dho_table_spec *spec, const dho_yaml_node *root, const char *key)
{
    const dho_yaml_node *map = dho_yaml_find(root, key);
    if (map == NULL) return DHO_OK;
    if (map->kind != DHO_YAML_MAP) return dho_yaml_fail(map, "expected a mapping of axes");
    for (const dho_yaml_node *child = map->first; child != NULL; child = child->next) {
        if (spec->axis_count == DHO_TABLE_MAX_AXES)
            return dho_yaml_fail(child, "more than %d axes", DHO_TABLE_MAX_AXES);
        if (strspn(child->key, dho_spec_name_bytes) != strlen(child->key) ||
            strpbrk(child->key, ".-") || child->key[0] == '\0')
            return dho_yaml_fail(child, "an axis is named by letters, digits and '_'");
        if (strcmp(child->key, "seed") == 0 || strcmp(child->key, "test") == 0 ||
            strcmp(child->key, "top1") == 0)
            return dho_yaml_fail(child, "no axis can have this name");
        if (dho_spec_find_axis(spec, child->key) != DHO_TABLE_ANY)
            return dho_yaml_fail(child, "is an axis of the rows, too");
        DHO_TRY(dho_strdup(&spec->axes[spec->axis_count].name, child->key));
        spec->axis_count++;
    }
    return DHO_OK;
}

/* Values with runs of their own: of one axis only, so that the run of a combination is one. */
static dho_status check_own_runs(const dho_table_spec *spec, const dho_yaml_node *root)
{
    size_t axes = 0;
    for (size_t a = 0; a < spec->axis_count; a++) {
        bool own = false;
        for (size_t i = 0; i < spec->axes[a].count; i++) own |= spec->axes[a].values[i].run != NULL;
        axes += own;
    }
    return axes <= 1 ? DHO_OK
                     : dho_yaml_fail(root, "run: values of one axis may have it, not of two");
}

dho_status dho_spec_axes(dho_table_spec *spec, const dho_yaml_node *root)
{
    static const char *const keys[] = {"rows", "columns"};
    DHO_TRY(read_axis_names(spec, root, keys[0]));
    spec->row_axes = spec->axis_count;
    DHO_TRY(read_axis_names(spec, root, keys[1]));
    if (spec->row_axes == 0) return dho_yaml_fail(root, "rows is missing");
    size_t a = 0, product = 1;
    for (int k = 0; k < 2; k++) {
        const dho_yaml_node *map = dho_yaml_find(root, keys[k]);
        for (const dho_yaml_node *n = map != NULL ? map->first : NULL; n != NULL; n = n->next) {
            DHO_TRY(read_axis(spec, n, &spec->axes[a]));
            product *= spec->axes[a++].count;
            if (product > DHO_TABLE_MAX_RUNS)
                return dho_yaml_fail(n, "more than %d runs", DHO_TABLE_MAX_RUNS);
        }
    }
    return check_own_runs(spec, root);
}
