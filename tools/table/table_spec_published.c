/* Reading a plan: published figures that stand in a file of their own, and which cell shows which.
 */
#include "dho/alloc.h"
#include "table/table_spec_read.h"

#include <string.h>

enum { MOST_WANTED = 64 }; /* attributes that one cell asks for */

const char *const dho_table_certainty_names[DHO_TABLE_CERTAINTIES] = {"certain", "text",
                                                                      "doubtful"};

/* --- attributes in a plan -----------------------------------------------------------------------
 */

static dho_status read_attributes(const dho_table_spec *spec, const dho_yaml_node *map,
                                  dho_table_attributes *out)
{
    if (map->kind != DHO_YAML_MAP)
        return dho_yaml_fail(map, "expected attributes of figures: {method: CE, ...}");
    DHO_TRY(dho_alloc_zero(&out->items, map->count, sizeof *out->items, "table"));
    for (const dho_yaml_node *child = map->first; child != NULL; child = child->next) {
        dho_table_attribute *attribute = &out->items[out->count++];
        DHO_TRY(dho_strdup(&attribute->name, child->key));
        DHO_TRY(dho_spec_text(child, &attribute->text));
        DHO_TRY(dho_spec_check_pattern(spec, child, NULL));
    }
    return DHO_OK;
}

dho_status dho_spec_attributes(const dho_table_spec *spec, const dho_yaml_node *map,
                               dho_table_attributes *out)
{
    const dho_yaml_node *node = dho_yaml_find(map, "published");
    return node != NULL ? read_attributes(spec, node, out) : DHO_OK;
}

void dho_spec_attributes_free(dho_table_attributes *attributes)
{
    for (size_t i = 0; i < attributes->count; i++) {
        dho_free(attributes->items[i].name);
        dho_free(attributes->items[i].text);
    }
    dho_free(attributes->items);
    *attributes = (dho_table_attributes){0};
}

/* --- the file -----------------------------------------------------------------------------------
 */

/* One figure: an entry of the file, or item `index` of an entry that is a row of figures. */
typedef struct entry {
    const dho_yaml_node *node;
    size_t index;
    bool selected, shown;
} entry;

typedef struct figure_file {
    dho_spec_document document;
    entry *entries; /* owned */
    size_t count;
} figure_file;

/* What an attribute of a figure is; NULL when it has none. */
static const char *attribute_of(const entry *figure, const char *name)
{
    const dho_yaml_node *node = dho_yaml_child(figure->node, name, strlen(name));
    if (node != NULL && node->kind == DHO_YAML_LIST) node = dho_yaml_item(node, figure->index);
    return node != NULL && node->kind == DHO_YAML_SCALAR ? node->text : NULL;
}

/* The number of figures of an entry: as many as its lists have items. */
static dho_status count_figures(const dho_yaml_node *node, size_t *out)
{
    const dho_yaml_node *top1 = node->kind == DHO_YAML_MAP ? dho_yaml_find(node, "top1") : NULL;
    size_t lists = 0;
    if (top1 == NULL) return dho_yaml_fail(node, "expected {attribute: text, ..., top1: percent}");
    *out = top1->kind == DHO_YAML_LIST ? top1->count : 1;
    for (const dho_yaml_node *child = node->first; child != NULL; child = child->next) {
        if (child->kind == DHO_YAML_SCALAR || child == top1) continue;
        if (child->kind != DHO_YAML_LIST || lists++ > 0 || child->count != *out)
            return dho_yaml_fail(child, "expected a text, or one list as long as top1's");
    }
    if (*out == 0 || (lists == 0) != (top1->kind == DHO_YAML_SCALAR))
        return dho_yaml_fail(top1, "expected a number, or as many as another attribute has");
    return DHO_OK;
}

static dho_status list_figures(figure_file *file)
{
    const dho_yaml_node *list = dho_yaml_find(file->document.root, "figures");
    if (list == NULL || list->kind != DHO_YAML_LIST)
        return dho_fail(DHO_ERR_CONFIG, "%s: figures is missing, or is no list",
                        file->document.source.name);
    for (int pass = 0; pass < 2; pass++) {
        size_t used = 0;
        for (const dho_yaml_node *node = list->first; node != NULL; node = node->next) {
            size_t count = 0;
            DHO_TRY(count_figures(node, &count));
            for (size_t i = 0; i < count && pass == 1; i++)
                file->entries[used + i] = (entry){.node = node, .index = i};
            used += count;
        }
        file->count = used;
        if (pass == 0)
            DHO_TRY(dho_alloc_zero(&file->entries, used + 1, sizeof *file->entries, "table"));
    }
    return DHO_OK;
}

/* --- which figures ------------------------------------------------------------------------------
 */

static bool is_selected(const dho_yaml_node *map, const entry *figure)
{
    for (const dho_yaml_node *child = map->first; child != NULL; child = child->next) {
        const char *own = attribute_of(figure, child->key);
        if (own == NULL || strcmp(own, child->text) != 0) return false;
    }
    return true;
}

/* select: [{table: 1}, {table: 18, dataset: imagenet}] */
static dho_status select_figures(figure_file *file, const dho_yaml_node *list)
{
    if (list->kind != DHO_YAML_LIST || list->count == 0)
        return dho_yaml_fail(list, "expected a list of attributes: [{table: 1}, ...]");
    for (const dho_yaml_node *map = list->first; map != NULL; map = map->next) {
        size_t count = 0;
        if (map->kind != DHO_YAML_MAP || map->count == 0)
            return dho_yaml_fail(map, "expected attributes of figures: {table: 1}");
        for (const dho_yaml_node *child = map->first; child != NULL; child = child->next)
            if (child->kind != DHO_YAML_SCALAR) return dho_yaml_fail(child, "expected a text");
        for (size_t i = 0; i < file->count; i++) {
            const bool here = is_selected(map, &file->entries[i]);
            file->entries[i].selected |= here;
            count += here;
        }
        if (count == 0)
            return dho_yaml_fail(map, "is of no figure in %s", file->document.source.name);
    }
    return DHO_OK;
}

/* "FILE's source, tables 1, 14", where the plan says nothing. */
static dho_status name_source(dho_table_spec *spec, const figure_file *file,
                              const dho_yaml_node *list)
{
    const dho_yaml_node *source = dho_yaml_find(file->document.root, "source");
    if (spec->source[0] != '\0') return DHO_OK;
    if (source == NULL || source->kind != DHO_YAML_SCALAR)
        return dho_fail(DHO_ERR_CONFIG, "%s: source is missing: say where these figures stand",
                        file->document.source.name);
    char *text = NULL;
    dho_status status = dho_strdup(&text, source->text);
    const char *before = list->count > 1 ? ", tables " : ", table ";
    for (const dho_yaml_node *map = list->first; map != NULL && status == DHO_OK; map = map->next) {
        const dho_yaml_node *table = dho_yaml_find(map, "table");
        char *longer;
        if (table == NULL) continue;
        status = dho_asprintf(&longer, "%s%s%s", text, before, table->text);
        if (status != DHO_OK) break;
        dho_free(text);
        text = longer;
        before = ", ";
    }
    if (status != DHO_OK) {
        dho_free(text);
        return status;
    }
    dho_free(spec->source);
    spec->source = text;
    return DHO_OK;
}

/* --- which cell ---------------------------------------------------------------------------------
 */

/* What one cell asks for: every one must hold. */
typedef struct wish {
    const char *names[MOST_WANTED];
    char *texts[MOST_WANTED]; /* owned */
    size_t count;
} wish;

static dho_status add_wishes(const dho_table_spec *spec, const dho_table_attributes *attributes,
                             const size_t *values, wish *out)
{
    for (size_t i = 0; i < attributes->count; i++) {
        if (out->count == MOST_WANTED)
            return dho_fail(DHO_ERR_CONFIG, "%s: published: more than %d attributes for one cell",
                            spec->path, MOST_WANTED);
        out->names[out->count] = attributes->items[i].name;
        DHO_TRY(
            dho_table_expand(spec, attributes->items[i].text, values, 0, &out->texts[out->count]));
        out->count++;
    }
    return DHO_OK;
}

/* *asks: every axis says what its value is in the publication. */
static dho_status make_wish(const dho_table_spec *spec, const size_t *values, size_t test,
                            wish *out, bool *asks)
{
    *asks = true;
    for (size_t a = 0; a < spec->axis_count; a++)
        *asks &=
            spec->axes[a].published.count + spec->axes[a].values[values[a]].published.count > 0;
    if (!*asks) return DHO_OK;
    DHO_TRY(add_wishes(spec, &spec->published, values, out));
    for (size_t a = 0; a < spec->axis_count; a++) {
        DHO_TRY(add_wishes(spec, &spec->axes[a].published, values, out));
        DHO_TRY(add_wishes(spec, &spec->axes[a].values[values[a]].published, values, out));
    }
    return add_wishes(spec, &spec->tests[test].published, values, out);
}

static bool fulfils(const entry *figure, const wish *asked)
{
    for (size_t i = 0; i < asked->count; i++) {
        const char *own = attribute_of(figure, asked->names[i]);
        if (own == NULL || strcmp(own, asked->texts[i]) != 0) return false;
    }
    return true;
}

static dho_status read_certainty(const dho_yaml_node *node, dho_table_certainty *out)
{
    const dho_yaml_node *word = dho_yaml_find(node, "certainty");
    *out = DHO_FIGURE_CERTAIN;
    if (word == NULL) return DHO_OK;
    for (int i = 0; i < DHO_TABLE_CERTAINTIES && word->kind == DHO_YAML_SCALAR; i++) {
        if (strcmp(word->text, dho_table_certainty_names[i]) != 0) continue;
        *out = (dho_table_certainty)i;
        return DHO_OK;
    }
    return dho_yaml_fail(word, "expected certain, text or doubtful");
}

/* Names of one figure, for messages: "table 1, CE+KD feature, 1-shot". */
static dho_status fail_figure(const entry *figure, const char *what)
{
    const char *table = attribute_of(figure, "table"), *method = attribute_of(figure, "method");
    const char *labels = attribute_of(figure, "labels"), *set = attribute_of(figure, "dataset");
    return dho_yaml_fail(figure->node, "%s (table %.20s, %.60s, %.60s, %.30s)", what,
                         table != NULL ? table : "?", set != NULL ? set : "?",
                         method != NULL ? method : "?", labels != NULL ? labels : "?");
}

static dho_status take_figure(dho_table_spec *spec, entry *figure, const size_t *values,
                              size_t test)
{
    dho_table_figure *out = &spec->figures[spec->figure_count];
    const dho_yaml_node *top1 = dho_yaml_find(figure->node, "top1");
    if (figure->shown) return fail_figure(figure, "two cells would show it");
    if (dho_table_published(spec, values, test) != NULL)
        return fail_figure(figure, "its cell has another figure already");
    figure->shown = true;
    *out = (dho_table_figure){.test = test};
    spec->figure_count++;
    for (size_t a = 0; a < DHO_TABLE_MAX_AXES; a++)
        out->at[a] = a < spec->axis_count ? values[a] : DHO_TABLE_ANY;
    if (top1->kind == DHO_YAML_LIST) top1 = dho_yaml_item(top1, figure->index);
    DHO_TRY(dho_spec_percent(top1, &out->top1, &out->decimals));
    DHO_TRY(read_certainty(figure->node, &out->certainty));
    const char *table = attribute_of(figure, "table"), *remark = attribute_of(figure, "remark");
    if (table != NULL) DHO_TRY(dho_strdup(&out->table, table));
    return remark != NULL ? dho_strdup(&out->remark, remark) : DHO_OK;
}

static dho_status fill_cell(dho_table_spec *spec, figure_file *file, const size_t *values,
                            size_t test)
{
    wish asked = {.count = 0};
    bool asks;
    dho_status status = make_wish(spec, values, test, &asked, &asks);
    for (size_t i = 0; i < file->count && asks && status == DHO_OK; i++)
        if (file->entries[i].selected && fulfils(&file->entries[i], &asked))
            status = take_figure(spec, &file->entries[i], values, test);
    for (size_t i = 0; i < asked.count; i++) dho_free(asked.texts[i]);
    return status;
}

static dho_status fill_cells(dho_table_spec *spec, figure_file *file)
{
    const size_t all = dho_table_combinations(spec, 0, spec->axis_count);
    size_t values[DHO_TABLE_MAX_AXES];
    DHO_TRY(dho_alloc_zero(&spec->figures, file->count + 1, sizeof *spec->figures, "table"));
    for (size_t c = 0; c < all; c++) {
        dho_table_split(spec, 0, spec->axis_count, c, values);
        for (size_t t = 0; t < spec->test_count; t++) DHO_TRY(fill_cell(spec, file, values, t));
    }
    for (size_t i = 0; i < file->count; i++)
        if (file->entries[i].selected && !file->entries[i].shown)
            return fail_figure(&file->entries[i], "no cell of the table shows it");
    return DHO_OK;
}

dho_status dho_spec_figures_of_file(dho_table_spec *spec, const dho_yaml_node *node)
{
    static const char *const keys[] = {"file", "select", "at", NULL};
    const dho_yaml_node *path = dho_yaml_find(node, "file"), *list = dho_yaml_find(node, "select");
    const dho_yaml_node *at = dho_yaml_find(node, "at");
    figure_file file = {.count = 0};
    char *name = NULL;
    dho_status status;
    DHO_TRY(dho_spec_check_keys(node, keys));
    if (path == NULL || list == NULL)
        return dho_yaml_fail(node, "%s is missing", path == NULL ? "file" : "select");
    if (path->kind != DHO_YAML_SCALAR || path->text[0] == '\0')
        return dho_yaml_fail(path, "expected a path, as seen from this file's folder");
    if (at != NULL) DHO_TRY(read_attributes(spec, at, &spec->published));
    DHO_TRY(dho_table_beside(spec->path, path->text, &name));
    status = dho_spec_document_load(&file.document, name);
    if (status != DHO_OK) {
        status = dho_fail_prefix(status, "%s: published: ", spec->path);
        goto fail;
    }
    DHO_TRY_GOTO(list_figures(&file));
    DHO_TRY_GOTO(select_figures(&file, list));
    DHO_TRY_GOTO(name_source(spec, &file, list));
    DHO_TRY_GOTO(fill_cells(spec, &file));
fail:
    dho_spec_document_free(&file.document);
    dho_free(file.entries);
    dho_free(name);
    return status;
}
