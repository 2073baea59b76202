#include "config/yaml_tree.h"

#include "dho/alloc.h"

#include <string.h>

/* One step of a path: a key, or an index. */
typedef struct step {
    const char *key; /* NULL for an index */
    size_t length;
    size_t index;
} step;

static dho_status bad_path(const dho_yaml_source *source)
{
    return dho_yaml_fail_at(source, 0, 0,
                            "expected key.path=value, such as train.lr=0.1 or "
                            "eval.sets[0].root=/data/val");
}

/* Splits "a.b[0].c" up to the '='. */
static dho_status parse_path(const dho_yaml_source *source, step steps[DHO_YAML_MAX_DEPTH],
                             size_t *out_count, const char **out_value)
{
    const char *at = source->name;
    size_t count = 0;
    for (;;) {
        const size_t length = strcspn(at, ".[]=");
        if (length == 0 || count == DHO_YAML_MAX_DEPTH || !dho_yaml_is_clean(at, length))
            return bad_path(source);
        steps[count++] = (step){.key = at, .length = length};
        at += length;
        while (*at == '[') {
            size_t digits = strspn(++at, "0123456789"), index = 0;
            if (digits == 0 || digits > 6 || at[digits] != ']' || count == DHO_YAML_MAX_DEPTH)
                return bad_path(source);
            for (; digits > 0; digits--) index = index * 10 + (size_t)(*at++ - '0');
            steps[count++] = (step){.index = index};
            at++;
        }
        if (*at == '=') break;
        if (*at++ != '.') return bad_path(source);
    }
    *out_count = count;
    *out_value = at + 1;
    return DHO_OK;
}

/* From *inout to its child of that step, which is made when it is not there. */
static dho_status descend(dho_yaml_node **inout, const step *to, const dho_yaml_source *source)
{
    dho_yaml_node *parent = *inout;
    const dho_yaml_kind wanted = to->key != NULL ? DHO_YAML_MAP : DHO_YAML_LIST;
    char path[DHO_YAML_PATH_BYTES];
    dho_yaml_path(parent, path);
    if (dho_yaml_is_null(parent)) { /* new, or a key without a value */
        dho_free(parent->text);
        parent->text = NULL;
        parent->kind = wanted;
    }
    if (parent->kind != wanted)
        return dho_yaml_fail_at(source, 0, 0, "%s is not a %s in %s", path[0] ? path : "the root",
                                to->key != NULL ? "mapping" : "list",
                                parent->source->is_override ? "another --set"
                                                            : parent->source->name);
    dho_yaml_node *child = to->key != NULL ? dho_yaml_child(parent, to->key, to->length)
                                           : dho_yaml_item(parent, to->index);
    if (child == NULL) {
        if (to->key == NULL && to->index != parent->count)
            return dho_yaml_fail_at(source, 0, 0, "%s has only %zu entries", path, parent->count);
        DHO_TRY(dho_yaml_add(&child, parent, to->key, to->length));
        child->source = source;
        DHO_TRY(dho_strdup(&child->text, ""));
    }
    *inout = child;
    return DHO_OK;
}

/* An empty value. `anchor` gives it its source. */
static dho_status make_null(dho_yaml_node **out, const dho_yaml_source *source)
{
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "YAML node"));
    (*out)->source = source;
    const dho_status status = dho_strdup(&(*out)->text, "");
    if (status != DHO_OK) dho_yaml_free(out);
    return status;
}

dho_status dho_yaml_override(dho_yaml_node **inout_root, const dho_yaml_source *source)
{
    step steps[DHO_YAML_MAX_DEPTH];
    size_t count = 0;
    const char *text = "";
    dho_status status;
    dho_yaml_node *value = NULL;
    DHO_TRY(dho_yaml_check_text(source->name, strlen(source->name), source));
    DHO_TRY(parse_path(source, steps, &count, &text));
    DHO_TRY(dho_yaml_parse(&value, text, strlen(text), source));
    if (value == NULL) DHO_TRY(make_null(&value, source));
    if (*inout_root == NULL) DHO_TRY_GOTO(make_null(inout_root, source));
    dho_yaml_node *node = *inout_root;
    for (size_t i = 0; i < count; i++) DHO_TRY_GOTO(descend(&node, &steps[i], source));
    value->line = value->column = 0;
    dho_yaml_take(node, &value);
    return DHO_OK;
fail:
    dho_yaml_free(&value);
    return status;
}
