#include "weights/state_dict_leftovers.h"

#include "base/text.h"
#include "weights/tensor_index.h"

#include <stdio.h>
#include <string.h>

enum { ROOMY = 400, MOST_ROOTS = 32, MOST_GROUPS = 64, SHOWN_GROUPS = 5, EXAMPLES = 2, STAGES = 4 };

/* --- which model is it? --- */

/* What the names tell of an architecture. */
typedef struct outline {
    int stages[STAGES]; /* blocks of a ResNet's layers */
    int blocks;         /* of a transformer */
    bool bottleneck;
} outline;

static void raise_to(int *value, int index)
{
    if (index >= *value && index < 1000) *value = index + 1;
}

static void outline_add(outline *o, const char *name)
{
    static const char *const chains[] = {"resblocks.", "encoder.layers.", "blocks."};
    int stage, index, used = 0;
    const char *at = strstr(name, "layer");
    if (at != NULL && sscanf(at, "layer%d.%d.%n", &stage, &index, &used) == 2 && used > 0) {
        if (stage >= 1 && stage <= STAGES) raise_to(&o->stages[stage - 1], index);
        o->bottleneck = o->bottleneck || strcmp(at + used, "conv3.weight") == 0;
        return;
    }
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        at = strstr(name, chains[i]);
        if (at == NULL || sscanf(at + strlen(chains[i]), "%d.%n", &index, &used) != 1) continue;
        if (used > 0) raise_to(&o->blocks, index);
        return;
    }
}

static bool outline_is(const outline *a, const outline *b)
{
    return memcmp(a->stages, b->stages, sizeof a->stages) == 0 && a->blocks == b->blocks &&
           a->bottleneck == b->bottleneck;
}

/* "a ResNet-34", "24 transformer blocks", or "". */
static void outline_name(const outline *o, char out[64])
{
    static const struct {
        int depth, stages[STAGES];
        bool bottleneck;
    } known[] = {{18, {2, 2, 2, 2}, false},
                 {34, {3, 4, 6, 3}, false},
                 {50, {3, 4, 6, 3}, true},
                 {101, {3, 4, 23, 3}, true},
                 {152, {3, 8, 36, 3}, true}};
    out[0] = '\0';
    if (o->blocks > 0) snprintf(out, 64, "%d transformer blocks", o->blocks);
    if (o->blocks > 0 || o->stages[0] == 0) return;
    snprintf(out, 64, "a ResNet of %d, %d, %d and %d blocks", o->stages[0], o->stages[1],
             o->stages[2], o->stages[3]);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (memcmp(known[i].stages, o->stages, sizeof o->stages) == 0 &&
            known[i].bottleneck == o->bottleneck)
            snprintf(out, 64, "a ResNet-%d", known[i].depth);
}

void dho_leftovers_compare(const dho_weights *weights, const dho_graph *graph, const char *prefix,
                           char out[200])
{
    outline file = {0}, model = {0};
    char names[2][64];
    for (size_t i = 0; i < dho_weights_count(weights); i++) {
        const char *name = dho_after(dho_weights_at(weights, i)->name, prefix);
        if (name != NULL) outline_add(&file, name);
    }
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++)
        outline_add(&model, dho_graph_parameter(graph, i)->name);
    outline_name(&file, names[0]);
    outline_name(&model, names[1]);
    out[0] = '\0';
    if (names[0][0] != '\0' && names[1][0] != '\0' && !outline_is(&file, &model))
        snprintf(out, 200, " (the file looks like %s, the student is %s)", names[0], names[1]);
}

/* --- groups of names --- */

/* Tensors whose names begin alike. */
typedef struct group {
    const char *name; /* of the first */
    size_t length;    /* of the beginning that they share */
    size_t count;
} group;

typedef struct groups {
    group list[MOST_GROUPS];
    size_t count, tensors;
} groups;

/* What is common with the prefix, and one part more: "fc" of "fc.weight". */
static size_t beginning(const char *name, const char *prefix)
{
    size_t common = 0;
    for (size_t i = 0; prefix[i] != '\0' && prefix[i] == name[i]; i++)
        if (prefix[i] == '.') common = i + 1;
    return common + strcspn(name + common, ".");
}

static void groups_add(groups *g, const char *name, const char *prefix)
{
    const size_t length = beginning(name, prefix);
    size_t i = 0;
    g->tensors++;
    while (i < g->count &&
           (g->list[i].length != length || strncmp(g->list[i].name, name, length) != 0))
        i++;
    if (i == MOST_GROUPS) return;
    if (i == g->count) g->list[g->count++] = (group){.name = name, .length = length};
    g->list[i].count++;
}

/* "fc.* (2), logit_scale, transformer.* (144) ..." */
static void groups_list(const groups *g, char *out, size_t bytes)
{
    char shown[DHO_NAME_SHOWN + 4];
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < g->count && i < SHOWN_GROUPS && used < bytes; i++) {
        const group *one = &g->list[i];
        const char *comma = i > 0 ? ", " : "";
        dho_name_shown(one->name, shown);
        if (one->count == 1)
            used += (size_t)snprintf(out + used, bytes - used, "%s%.48s", comma, shown);
        else
            used += (size_t)snprintf(out + used, bytes - used, "%s%.*s.* (%zu)", comma,
                                     one->length < 48 ? (int)one->length : 48, shown, one->count);
    }
    if (g->count > SHOWN_GROUPS && used < bytes) snprintf(out + used, bytes - used, " ...");
}

/* --- what is left of the file --- */

/* Heads, and what trainings and tools add: no part of a backbone, whatever it is. */
static bool is_known(const char *name)
{
    static const char *const parts[] = {
        "fc",      "head",      "heads",        "head_dist", "classifier", "last_linear",
        "fc_norm", "projector", "projection",   "predictor", "prototypes", "n_averaged",
        "head_ce", "head_kd",   "head_feature", "ce_head",   "kd_head"};
    if (dho_ends_with(name, "num_batches_tracked") || dho_ends_with(name, "position_ids"))
        return true;
    const size_t length = strcspn(name, ".");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strlen(parts[i]) == length && strncmp(parts[i], name, length) == 0) return true;
    return false;
}

/* The first parts of the names that the backbone took: "conv1", "layer1" ... */
typedef struct roots {
    const char *list[MOST_ROOTS];
    size_t count;
} roots;

static bool has_root(const roots *r, const char *name)
{
    const size_t length = strcspn(name, ".");
    for (size_t i = 0; i < r->count; i++)
        if (strcspn(r->list[i], ".") == length && strncmp(r->list[i], name, length) == 0)
            return true;
    return false;
}

static void find_roots(const dho_weights *weights, const tensor_use *used, const char *prefix,
                       roots *out)
{
    *out = (roots){0};
    for (size_t i = 0; i < dho_weights_count(weights); i++) {
        const char *name = dho_after(dho_weights_at(weights, i)->name, prefix);
        if (used[i] == USED_BY_BACKBONE && name != NULL && out->count < MOST_ROOTS &&
            !has_root(out, name))
            out->list[out->count++] = name;
    }
}

/* "a, b, c ..." */
static void add_example(char *list, size_t bytes, size_t index, const char *name)
{
    char shown[DHO_NAME_SHOWN + 4];
    const size_t used = strlen(list);
    if (index < EXAMPLES)
        snprintf(list + used, bytes - used, "%s%.60s", index > 0 ? ", " : "",
                 dho_name_shown(name, shown));
    else if (index == EXAMPLES)
        snprintf(list + used, bytes - used, " ...");
}

dho_status dho_leftovers_check(const dho_weights *weights, const tensor_use *used,
                               const dho_graph *graph, dho_init_report *report)
{
    groups others = {0};
    roots own;
    size_t strange = 0;
    char examples[ROOMY] = "", hint[200];
    find_roots(weights, used, report->prefix, &own);
    for (size_t i = 0; i < dho_weights_count(weights); i++) {
        const char *name = dho_weights_at(weights, i)->name;
        const char *rest = dho_after(name, report->prefix);
        if (used[i] != UNUSED || dho_ends_with(name, "num_batches_tracked")) continue;
        if (rest != NULL && !is_known(rest) && has_root(&own, rest))
            add_example(examples, sizeof examples, strange++, name);
        else
            groups_add(&others, name, report->prefix);
    }
    report->passed_over = others.tensors;
    groups_list(&others, report->examples, sizeof report->examples);
    if (strange == 0) return DHO_OK;
    dho_leftovers_compare(weights, graph, report->prefix, hint);
    return dho_fail(DHO_ERR_FORMAT,
                    "%s: %zu tensor%s of the model's own names fit%s no place: %s%s",
                    dho_weights_path(weights), strange, strange == 1 ? "" : "s",
                    strange == 1 ? "s" : "", examples, hint);
}

/* "-00001-of-00003." in the name of a file. */
static bool is_one_of_many(const char *path)
{
    const char *at = dho_base_name(path);
    int part, parts, used;
    for (at = strchr(at, '-'); at != NULL; at = strchr(at + 1, '-')) {
        used = 0;
        if (sscanf(at, "-%5d-of-%5d.%n", &part, &parts, &used) == 2 && used > 0 && parts > 1)
            return true;
    }
    return false;
}

dho_status dho_leftovers_missing(const dho_weights *weights, const tensor_use *used,
                                 const dho_graph *graph, const dho_init_report *report,
                                 size_t missing, const char *first)
{
    const char *path = dho_weights_path(weights), *other = dho_weights_other_keys(weights);
    char examples[ROOMY] = "", hint[200] = "", more[48] = "", keys[280] = "";
    size_t left = 0;
    for (size_t i = 0; i < dho_weights_count(weights); i++) {
        const char *name = dho_weights_at(weights, i)->name;
        if (used[i] == UNUSED && !dho_ends_with(name, "num_batches_tracked"))
            add_example(examples, sizeof examples, left++, name);
    }
    if (missing > 1) snprintf(more, sizeof more, ", nor %zu others", missing - 1);
    if (is_one_of_many(path))
        snprintf(hint, sizeof hint, " (one part of many: name the .index.json beside it)");
    else
        dho_leftovers_compare(weights, graph, report->prefix, hint);
    if (other[0] != '\0')
        snprintf(keys, sizeof keys, " (this is its key %.60s; there is also %.120s)",
                 dho_weights_key(weights), other);
    return dho_fail(DHO_ERR_FORMAT, "%s: no tensor %s%s%s%s%s%s%s", path, first, more,
                    left > 0 ? "; the file has " : "", examples,
                    left > 0 && report->taken > 0 ? " left" : "", hint, keys);
}
