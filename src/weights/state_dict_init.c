/* A student's start from published weights. */
#include "dho/alloc.h"
#include "dho/state_dict.h"
#include "weights/state_dict_fill.h"
#include "weights/state_dict_leftovers.h"
#include "weights/state_dict_names.h"
#include "weights/state_dict_take.h"

#include <stdio.h>
#include <string.h>

/* What published models call their classifiers. */
static const char *const classifiers[] = {"fc", "head", "classifier", "classifier.1",
                                          "classifier.2"};
enum { NAME_BYTES = 256, HEAD_NAMES = 2 + sizeof classifiers / sizeof *classifiers };

typedef struct init_state {
    const dho_weights *weights;
    dho_init_report *report;
    dho_naming naming;
    tensor_use *used; /* owned, by tensor of the file */
    size_t missing;
    char first_missing[512]; /* its name and shape */
} init_state;

/* No classifier's: the projection of the feature baselines always starts at random. */
static bool is_projection(const char *name)
{
    return strncmp(name, "head_feature.", 13) == 0;
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
    return dho_state_dict_fill(slot, tensor, dho_weights_path(state->weights), slab);
}

static dho_status take_backbone(init_state *state, const dho_graph *graph, const dho_slot *slot,
                                float *slab)
{
    dho_taken taken;
    char hint[200];
    const char *prefix = state->report->prefix;
    const dho_status status =
        dho_state_dict_take(state->weights, prefix, state->naming, slot, slab, &taken);
    if (status == DHO_ERR_FORMAT) {
        dho_leftovers_compare(state->weights, graph, prefix, hint);
        return dho_fail(status, "%s%s", dho_error_message(), hint);
    }
    DHO_TRY(status);
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
                    "%s: student.init_head: no \"%s%s\", nor %s%sfc%s, head%s, classifier%s, "
                    "classifier.1%s or classifier.2%s",
                    dho_weights_path(state->weights), state->report->prefix, slot->name,
                    other ? name : "", other ? ", " : "", part, part, part, part, part);
}

/* The backbone first: the heads may have what is left. */
static dho_status take_all(init_state *state, const dho_graph *graph, bool with_head,
                           float *parameters, float *buffers)
{
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        if (!dho_names_head(slot->name)) DHO_TRY(take_backbone(state, graph, slot, parameters));
    }
    for (size_t i = 0; i < dho_graph_buffer_count(graph); i++)
        DHO_TRY(take_backbone(state, graph, dho_graph_buffer(graph, i), buffers));
    if (state->missing > 0)
        return dho_leftovers_missing(state->weights, state->used, graph, state->report,
                                     state->missing, state->first_missing);
    DHO_TRY(check_projection_bias(state));
    for (size_t i = 0; with_head && i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        if (dho_names_head(slot->name) && !is_projection(slot->name))
            DHO_TRY(take_head(state, slot, parameters));
    }
    return DHO_OK;
}

dho_status dho_state_dict_init(const dho_weights *weights, const dho_graph *graph, bool with_head,
                               float *parameters, float *buffers, dho_init_report *out)
{
    init_state state = {.weights = weights, .report = out};
    dho_file_names names;
    *out = (dho_init_report){0};
    DHO_TRY(dho_state_dict_match(weights, graph, &names));
    state.naming = names.naming >= 0 ? (dho_naming)names.naming : DHO_NAMES_OWN;
    memcpy(out->prefix, names.prefix, sizeof names.prefix);
    out->naming = dho_naming_words[state.naming];
    DHO_TRY(dho_alloc_zero(&state.used, dho_weights_count(weights), sizeof *state.used, "weights"));
    dho_status status = take_all(&state, graph, with_head, parameters, buffers);
    if (status == DHO_OK) status = dho_leftovers_check(weights, state.used, graph, out);
    dho_free(state.used);
    return status;
}
