/* Where the time of an executor goes, by operator. */
#include "nn/executor_internal.h"

#include <assert.h>

void dho_executor_profile_reset(dho_executor *executor)
{
    for (int i = 0; i < executor->graph->count; i++)
        for (int pass = 0; pass < 2; pass++) executor->memory[i].seconds[pass] = 0;
}

/* The operator's row, a new one where it has none. */
static dho_operator_profile *row_of(const dho_operator *op, dho_operator_profile *rows,
                                    size_t *count)
{
    for (size_t r = 0; r < *count; r++)
        if (rows[r].name == op->name) return &rows[r];
    assert(*count < DHO_PROFILE_MOST);
    rows[*count] = (dho_operator_profile){.name = op->name};
    return &rows[(*count)++];
}

size_t dho_executor_profile(const dho_executor *executor, dho_operator_profile *out)
{
    const dho_graph *graph = executor->graph;
    size_t count = 0;
    for (int i = 0; i < graph->count; i++) {
        const dho_node_pass pass = dho_executor_pass(executor, i, executor->batch);
        const dho_operator *op = pass.node->op;
        dho_operator_profile *row = row_of(op, out, &count);
        row->operators++;
        for (int p = 0; p < 2; p++) row->seconds[p] += executor->memory[i].seconds[p];
        if (op->flops == NULL) continue;
        const double flops = op->flops(&pass);
        row->flops[0] += flops;
        /* No gradient flows into the images. */
        row->flops[1] += dho_node_is_given(pass.in[0]) ? flops : op->backward_flops * flops;
    }
    return count;
}
