#include "config/yaml_tree.h"

#include "base/utf8.h"
#include "dho/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- messages ------------------------------------------------------------------------------- */

static dho_status fail_text(const dho_yaml_source *source, int line, int column, const char *text)
{
    char shown[DHO_YAML_QUOTE_BYTES];
    if (!source->is_override) {
        if (line == 0) return dho_fail(DHO_ERR_CONFIG, "%s: %s", source->name, text);
        return dho_fail(DHO_ERR_CONFIG, "%s:%d:%d: %s", source->name, line, column, text);
    }
    if (dho_yaml_is_clean(source->name, strlen(source->name)))
        dho_yaml_quote(source->name, shown);
    else
        snprintf(shown, sizeof shown, "\"(not printable)\"");
    /* The quotes around it are only wanted where it was cut. */
    const size_t length = strlen(shown);
    if (shown[length - 1] == '"')
        return dho_fail(DHO_ERR_CONFIG, "--set %.*s: %s", (int)length - 2, shown + 1, text);
    return dho_fail(DHO_ERR_CONFIG, "--set %s: %s", shown, text);
}

dho_status dho_yaml_fail_at(const dho_yaml_source *source, int line, int column, const char *format,
                            ...)
{
    char text[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fail_text(source, line, column, text);
}

static size_t append_path(const dho_yaml_node *node, char *out, size_t size)
{
    if (node->parent == NULL) return 0;
    size_t used = append_path(node->parent, out, size);
    if (used + 1 >= size) return used;
    int added;
    if (node->key != NULL) {
        added = snprintf(out + used, size - used, "%s%.*s", used > 0 ? "." : "",
                         (int)dho_utf8_fit(node->key, 64), node->key);
    } else {
        added = snprintf(out + used, size - used, "[%zu]", node->index);
    }
    used += (size_t)added;
    return used < size ? used : size - 1;
}

void dho_yaml_path(const dho_yaml_node *node, char out[DHO_YAML_PATH_BYTES])
{
    out[0] = '\0';
    append_path(node, out, DHO_YAML_PATH_BYTES);
}

dho_status dho_yaml_fail(const dho_yaml_node *node, const char *format, ...)
{
    char path[DHO_YAML_PATH_BYTES], text[DHO_YAML_PATH_BYTES + 512];
    dho_yaml_path(node, path);
    const size_t used = (size_t)snprintf(text, sizeof text, "%s%s", path, path[0] ? ": " : "");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - used, format, arguments);
    va_end(arguments);
    return fail_text(node->source, node->line, node->column, text);
}

/* --- the tree ------------------------------------------------------------------------------- */

static void free_content(dho_yaml_node *node)
{
    for (dho_yaml_node *child = node->first, *next; child != NULL; child = next) {
        next = child->next;
        dho_yaml_free(&child);
    }
    dho_free(node->text);
    node->text = NULL;
    node->first = node->last = NULL;
    node->count = 0;
}

void dho_yaml_free(dho_yaml_node **root)
{
    dho_yaml_node *node = *root;
    if (node == NULL) return;
    free_content(node);
    dho_free(node->key);
    dho_free(node);
    *root = NULL;
}

dho_status dho_yaml_add(dho_yaml_node **out, dho_yaml_node *parent, const char *key, size_t length)
{
    dho_yaml_node *node;
    DHO_TRY(dho_alloc_zero(&node, 1, sizeof *node, "YAML node"));
    if (key != NULL) {
        const dho_status status = dho_strndup(&node->key, key, length);
        if (status != DHO_OK) {
            dho_yaml_free(&node);
            return status;
        }
    }
    node->parent = parent;
    node->source = parent->source;
    node->line = parent->line;
    node->column = parent->column;
    node->index = parent->count++;
    if (parent->last != NULL)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    *out = node;
    return DHO_OK;
}

void dho_yaml_take(dho_yaml_node *node, dho_yaml_node **other)
{
    dho_yaml_node *from = *other;
    free_content(node);
    node->kind = from->kind;
    node->quoted = from->quoted;
    node->text = from->text;
    node->first = from->first;
    node->last = from->last;
    node->count = from->count;
    node->source = from->source;
    node->line = from->line;
    node->column = from->column;
    for (dho_yaml_node *child = node->first; child != NULL; child = child->next)
        child->parent = node;
    from->text = NULL;
    from->first = from->last = NULL;
    dho_yaml_free(other);
}

dho_yaml_node *dho_yaml_child(const dho_yaml_node *map, const char *key, size_t length)
{
    if (map->kind != DHO_YAML_MAP) return NULL;
    for (dho_yaml_node *child = map->first; child != NULL; child = child->next)
        if (strlen(child->key) == length && memcmp(child->key, key, length) == 0) return child;
    return NULL;
}

dho_yaml_node *dho_yaml_item(const dho_yaml_node *list, size_t index)
{
    if (list->kind != DHO_YAML_LIST) return NULL;
    dho_yaml_node *child = list->first;
    while (child != NULL && child->index != index) child = child->next;
    return child;
}

dho_yaml_node *dho_yaml_find(const dho_yaml_node *root, const char *path)
{
    const dho_yaml_node *node = root;
    while (node != NULL) {
        const size_t length = strcspn(path, ".");
        dho_yaml_node *child = dho_yaml_child(node, path, length);
        if (path[length] == '\0') return child;
        node = child;
        path += length + 1;
    }
    return NULL;
}

bool dho_yaml_is_null(const dho_yaml_node *node)
{
    if (node->kind != DHO_YAML_SCALAR || node->quoted) return false;
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(node->text, words[i]) == 0) return true;
    return false;
}
