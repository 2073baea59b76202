/* What of a graph is trained, and how: frozen parts, factors of branches, layers. */
#include "nn/graph_internal.h"

void dho_graph_freeze_batch_norms(dho_graph *graph)
{
    graph->frozen_norms = true;
}

bool dho_graph_freezes_batch_norms(const dho_graph *graph)
{
    return graph->frozen_norms;
}

void dho_graph_freeze(dho_graph *graph)
{
    for (size_t i = 0; i < graph->parameters.count; i++) graph->parameters.slots[i].frozen = true;
}

void dho_graph_enable_drop_path(dho_graph *graph)
{
    graph->drops_paths = true;
}

bool dho_graph_has_drop_path(const dho_graph *graph)
{
    return graph->drops_paths;
}

int dho_graph_add_drop(dho_graph *graph)
{
    return graph->drops_paths ? graph->drops++ : -1;
}

int dho_graph_block_count(const dho_graph *graph)
{
    return graph->blocks;
}

int dho_graph_drop_count(const dho_graph *graph)
{
    return graph->drops;
}

int dho_graph_layer_count(const dho_graph *graph)
{
    return graph->blocks > 0 ? graph->blocks + 2 : 1;
}

int dho_graph_layer_of(const dho_graph *graph, size_t i)
{
    const dho_slot *slot = &graph->parameters.slots[i];
    if (slot->block > 0) return slot->block;
    return slot->behind > 0 ? slot->behind + 1 : 0;
}
