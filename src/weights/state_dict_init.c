/* A student's start from published weights: under which names they are looked for. */
#include "dho/alloc.h"
#include "dho/state_dict.h"
#include "weights/state_dict_fill.h"
#include "weights/state_dict_take.h"
#include "weights/tensor_table.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 256, EXAMPLES = 3, HEAD_NAMES = 6 };

/* What a tensor of the file went into. */
typedef enum tensor_use { UNUSED, USED_BY_BACKBONE, USED_BY_HEAD } tensor_use;

typedef struct init_state {
    const dho_weights *weights;
    dho_init_report *report;
    dho_naming naming;
    tensor_use *used; /* owned, by tensor of the file */
    size_t missing;
    char first_missing[512]; /* its name and shape */
} init_state;

static bool is_head(const char *name)
{
    return strncmp(name, "head", 4) == 0;
}

/* No classifier's: the projection of the feature baselines always starts at random. */
static bool is_projection(const char *name)
{
    return strncmp(name, "head_feature.", 13) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* The prefix under which the file has `first`, a graph's first tensor; *found: its name, NULL for
 * none. */
static dho_status find_prefix(const dho_weights *weights, const char *first, char prefix[64],
                              const char **found)
{
    *found = NULL;
    prefix[0] = '\0';
    if (dho_weights_find(weights, first) != NULL) {
        *found = first;
        return DHO_OK;
    }
    for (size_t i = 0; i < dho_weights_count(weights); i++) {
        const char *name = dho_weights_at(weights, i)->name, *bare = dho_weights_bare_name(name);
        if (strcmp(bare, first) != 0 || bare - name >= 64) continue;
        if (*found != NULL)
            return dho_fail(DHO_ERR_FORMAT,
                            "%s: both \"%.100s\" and \"%.100s\" may be the backbone's: choose with "
                            "dho weights convert --strip",
                            dho_weights_path(weights), *found, name);
        *found = name;
        snprintf(prefix, 64, "%.*s", (int)(bare - name), name);
    }
    return DHO_OK;
}

dho_status dho_state_dict_find_names(const dho_weights *weights, const char *first,
                                     dho_file_names *out)
{
    *out = (dho_file_names){.naming = -1};
    for (int naming = 0; naming < DHO_NAMING_COUNT; naming++) {
        dho_tensor_names names;
        const char *found;
        if (!dho_tensor_names_of((dho_naming)naming, first, &names)) continue;
        DHO_TRY(find_prefix(weights, names.names[0], out->prefix, &found));
        if (found == NULL) continue;
        out->naming = naming;
        return DHO_OK;
    }
    return DHO_OK;
}

const dho_tensor_view *dho_state_dict_find(const dho_weights *weights, const dho_file_names *names,
                                           const char *own, bool *out_transposed)
{
    dho_tensor_names called;
    char name[NAME_BYTES];
    if (names->naming < 0 || !dho_tensor_names_of((dho_naming)names->naming, own, &called))
        return NULL;
    snprintf(name, sizeof name, "%s%s", names->prefix, called.names[0]);
    if (out_transposed != NULL) *out_transposed = called.transposed;
    return dho_weights_find(weights, name);
}

/* The naming under which the file has the graph's first tensor, and the prefix there; all others
 * must have the same. */
static dho_status find_naming(init_state *state, const dho_graph *graph)
{
    dho_file_names names;
    DHO_TRY(dho_state_dict_find_names(state->weights, dho_graph_parameter(graph, 0)->name, &names));
    state->naming = names.naming >= 0 ? (dho_naming)names.naming : DHO_NAMES_OWN;
    memcpy(state->report->prefix, names.prefix, sizeof names.prefix);
    return DHO_OK;
}

static tensor_use *use_of(const init_state *state, const dho_tensor_view *tensor)
{
    return &state->used[tensor - dho_weights_at(state->weights, 0)];
}

static void mark_used(init_state *state, const dho_tensor_view *tensor, tensor_use use)
{
    tensor_use *used = use_of(state, tensor);
    if (*used == UNUSED) state->report->taken++;
    *used = use;
}

static dho_status take(init_state *state, const dho_slot *slot, const char *name, float *slab)
{
    const dho_tensor_view *tensor;
    DHO_TRY(dho_weights_require(state->weights, name, slot->dims, slot->shape, &tensor));
    mark_used(state, tensor, USED_BY_HEAD);
    return dho_state_dict_fill(slot, tensor, slab);
}

static dho_status take_backbone(init_state *state, const dho_slot *slot, float *slab)
{
    dho_taken taken;
    DHO_TRY(dho_state_dict_take(state->weights, state->report->prefix, state->naming, slot, slab,
                                &taken));
    for (int i = 0; i < taken.count; i++) mark_used(state, taken.tensors[i], USED_BY_BACKBONE);
    if (taken.count == 0 && state->missing++ == 0)
        memcpy(state->first_missing, taken.missing, sizeof taken.missing);
    return DHO_OK;
}

/* timm has CLIP's projection as a classifier, whose bias is then 0. */
static dho_status check_projection_bias(init_state *state)
{
    char name[NAME_BYTES];
    float *values;
    if (state->naming != DHO_NAMES_TIMM) return DHO_OK;
    snprintf(name, sizeof name, "%shead.bias", state->report->prefix);
    const dho_tensor_view *bias = dho_weights_find(state->weights, name);
    if (bias == NULL) return DHO_OK;
    size_t count = 1;
    for (int d = 0; d < bias->dims; d++) count *= (size_t)bias->shape[d];
    DHO_TRY(dho_alloc(&values, count, sizeof *values, name));
    dho_tensor_to_float(bias, values);
    bool zero = true;
    for (size_t i = 0; i < count; i++) zero = zero && values[i] == 0;
    dho_free(values);
    if (!zero)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: tensor \"%s\" is not zero: its head is a classifier, not the "
                        "projection of CLIP",
                        dho_weights_path(state->weights), name);
    mark_used(state, bias, USED_BY_BACKBONE);
    return DHO_OK;
}

/* What a head is called: its own name, the method's public code's, a classifier's. */
static void name_head(const char *own, int which, char out[NAME_BYTES])
{
    static const char *const classifiers[] = {"fc", "head", "classifier", "classifier.1"};
    const char *part = strchr(own, '.');
    if (which == 0)
        snprintf(out, NAME_BYTES, "%s", own);
    else if (which == 1) /* "ce_head", "kd_head"; "head" has no other */
        snprintf(out, NAME_BYTES, "%.*s%s%s", own[4] == '_' ? (int)(part - own - 5) : 0, own + 5,
                 own[4] == '_' ? "_head" : "head", part);
    else
        snprintf(out, NAME_BYTES, "%s%s", classifiers[which - 2], part);
}

/* The prefix without its last part, "module." of "module.backbone."; false: it had none. */
static bool shorten(char *prefix)
{
    size_t length = strlen(prefix);
    if (length == 0) return false;
    for (length--; length > 0 && prefix[length - 1] != '.'; length--) continue;
    prefix[length] = '\0';
    return true;
}

/* Each name of a head behind the backbone's prefix, then behind the wrappers around it. What the
 * backbone has taken is no classifier: timm calls CLIP's projection "head", too. */
static dho_status take_head(init_state *state, const dho_slot *slot, float *slab)
{
    char prefix[64], name[NAME_BYTES], whole[NAME_BYTES], taken[NAME_BYTES] = "";
    const char *part = strchr(slot->name, '.');
    memcpy(prefix, state->report->prefix, sizeof prefix);
    do {
        for (int i = 0; i < HEAD_NAMES; i++) {
            name_head(slot->name, i, name);
            snprintf(whole, sizeof whole, "%s%.180s", prefix, name);
            const dho_tensor_view *tensor = dho_weights_find(state->weights, whole);
            if (tensor == NULL) continue;
            if (*use_of(state, tensor) != USED_BY_BACKBONE) return take(state, slot, whole, slab);
            memcpy(taken, whole, sizeof taken);
        }
    } while (shorten(prefix));
    if (taken[0] != '\0')
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: student.init_head: \"%s\" is the projection of CLIP, and there is no "
                        "classifier",
                        dho_weights_path(state->weights), taken);
    name_head(slot->name, 1, name);
    const bool other = strcmp(name, slot->name) != 0;
    return dho_fail(DHO_ERR_FORMAT,
                    "%s: student.init_head: no \"%s%s\", nor %s%sfc%s, head%s, classifier%s or "
                    "classifier.1%s",
                    dho_weights_path(state->weights), state->report->prefix, slot->name,
                    other ? name : "", other ? ", " : "", part, part, part, part);
}

static dho_status check_missing(const init_state *state)
{
    if (state->missing == 0) return DHO_OK;
    if (state->missing == 1)
        return dho_fail(DHO_ERR_FORMAT, "%s: no tensor %s", dho_weights_path(state->weights),
                        state->first_missing);
    return dho_fail(DHO_ERR_FORMAT, "%s: no tensor %s, nor %zu others",
                    dho_weights_path(state->weights), state->first_missing, state->missing - 1);
}

/* The backbone first: the heads may have what is left. */
static dho_status take_all(init_state *state, const dho_graph *graph, bool with_head,
                           float *parameters, float *buffers)
{
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        if (!is_head(slot->name)) DHO_TRY(take_backbone(state, slot, parameters));
    }
    for (size_t i = 0; i < dho_graph_buffer_count(graph); i++)
        DHO_TRY(take_backbone(state, dho_graph_buffer(graph, i), buffers));
    DHO_TRY(check_missing(state));
    DHO_TRY(check_projection_bias(state));
    for (size_t i = 0; with_head && i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        if (is_head(slot->name) && !is_projection(slot->name))
            DHO_TRY(take_head(state, slot, parameters));
    }
    return DHO_OK;
}

static void count_passed_over(const init_state *state)
{
    dho_init_report *report = state->report;
    for (size_t i = 0; i < dho_weights_count(state->weights); i++) {
        const char *name = dho_weights_at(state->weights, i)->name;
        if (state->used[i] != UNUSED || ends_with(name, "num_batches_tracked")) continue;
        char shown[DHO_NAME_SHOWN + 4];
        const size_t length = strlen(report->examples);
        if (report->passed_over < EXAMPLES)
            snprintf(report->examples + length, sizeof report->examples - length, "%s%.40s",
                     length > 0 ? ", " : "", dho_name_shown(name, shown));
        else if (report->passed_over == EXAMPLES)
            snprintf(report->examples + length, sizeof report->examples - length, " ...");
        report->passed_over++;
    }
}

dho_status dho_state_dict_init(const dho_weights *weights, const dho_graph *graph, bool with_head,
                               float *parameters, float *buffers, dho_init_report *out)
{
    init_state state = {.weights = weights, .report = out};
    *out = (dho_init_report){0};
    DHO_TRY(find_naming(&state, graph));
    out->naming = dho_naming_words[state.naming];
    DHO_TRY(dho_alloc_zero(&state.used, dho_weights_count(weights), sizeof *state.used, "weights"));
    const dho_status status = take_all(&state, graph, with_head, parameters, buffers);
    if (status == DHO_OK) count_passed_over(&state);
    dho_free(state.used);
    return status;
}
