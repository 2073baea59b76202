#include "dho/alloc.h"
#include "dho/optim.h"

#include <math.h>

/* Not a position embedding, a class token, a layer scale, a normalisation or a bias. */
static bool is_matrix(const dho_slot *slot)
{
    return slot->is_conv || (slot->dims == 2 && !slot->is_position);
}

static dho_parameter_group group_of(const dho_config *config, const dho_graph *graph, size_t i)
{
    const dho_slot *slot = dho_graph_parameter(graph, i);
    const int above = dho_graph_layer_count(graph) - 1 - dho_graph_layer_of(graph, i);
    const bool decays = config->train.weight_decay_on == DHO_DECAY_ON_ALL || is_matrix(slot);
    const size_t behind = i + 1 < dho_graph_parameter_count(graph)
                              ? dho_graph_parameter(graph, i + 1)->offset
                              : dho_graph_parameter_floats(graph);
    return (dho_parameter_group){.begin = slot->offset,
                                 .end = behind,
                                 .lr_factor = pow(config->train.layer_decay, above),
                                 .weight_decay = decays ? config->train.weight_decay : 0};
}

static bool continues(const dho_parameter_group *last, const dho_parameter_group *next)
{
    return last->end == next->begin && last->lr_factor == next->lr_factor &&
           last->weight_decay == next->weight_decay;
}

dho_status dho_parameter_groups_create(dho_parameter_groups *out, const dho_config *config,
                                       const dho_graph *graph)
{
    const size_t count = dho_graph_parameter_count(graph);
    *out = (dho_parameter_groups){0};
    if (config->train.layer_decay < 1 && dho_graph_layer_count(graph) == 1)
        return dho_fail(DHO_ERR_CONFIG, "train.layer_decay: has no effect: %s has no blocks",
                        config->student.model);
    DHO_TRY(dho_alloc(&out->items, count, sizeof *out->items, "parameter groups"));
    for (size_t i = 0; i < count; i++) {
        const dho_parameter_group next = group_of(config, graph, i);
        if (dho_graph_parameter(graph, i)->frozen) continue;
        if (out->count > 0 && continues(&out->items[out->count - 1], &next))
            out->items[out->count - 1].end = next.end;
        else
            out->items[out->count++] = next;
    }
    return DHO_OK;
}

void dho_parameter_groups_free(dho_parameter_groups *groups)
{
    dho_free(groups->items);
    *groups = (dho_parameter_groups){0};
}
