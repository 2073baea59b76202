/* Where the time of an executor goes, and what its nodes need at least. */
#include "nn/executor_internal.h"

void dho_executor_profile_reset(dho_executor *executor)
{
    for (int i = 0; i < executor->graph->count; i++)
        for (int pass = 0; pass < 2; pass++) executor->memory[i].seconds[pass] = 0;
}

size_t dho_executor_node_count(const dho_executor *executor)
{
    return (size_t)executor->graph->count;
}

static double value_bytes(const dho_executor *executor, const dho_node *node)
{
    return (double)executor->batch * (double)dho_executor_row_bytes(executor, node);
}

static double parameter_bytes(const dho_executor *executor, const dho_node *node)
{
    const dho_slot_list *list = &executor->graph->parameters;
    double bytes = 0;
    for (int k = 0; k < DHO_NODE_PARAMETERS; k++)
        if (node->parameters[k] >= 0)
            bytes += (double)list->slots[node->parameters[k]].count * sizeof(float);
    return bytes;
}

static double saved_bytes(const dho_node_pass *pass)
{
    return pass->node->op->saved_bytes != NULL ? (double)pass->node->op->saved_bytes(pass) : 0;
}

/* Inputs and parameters are read, the output and what backward needs are written. */
static double forward_bytes(const dho_executor *executor, const dho_node_pass *pass)
{
    const dho_operator *op = pass->node->op;
    double bytes = value_bytes(executor, pass->node) + parameter_bytes(executor, pass->node) +
                   (executor->training ? saved_bytes(pass) : 0);
    if (op->forward == NULL) return 0;
    for (int k = 0; k < DHO_NODE_INPUTS; k++)
        if (pass->in[k] != NULL)
            bytes += k == 0 && op->reads != NULL ? (double)op->reads(pass)
                                                 : value_bytes(executor, pass->in[k]);
    return bytes;
}

/* The output's gradient, the values that backward reads, what forward has saved and the parameters
 * are read. Gradients of parameters are added to; those of inputs are written or added to, where
 * they do not lie in the memory of the output's. */
static double backward_bytes(const dho_executor *executor, const dho_node_pass *pass)
{
    const dho_node *node = pass->node;
    double bytes =
        value_bytes(executor, node) + saved_bytes(pass) + 3 * parameter_bytes(executor, node);
    if (node->op->backward == NULL || pass->dy == NULL) return 0;
    if ((node->backward_reads & DHO_OUTPUT) != 0) bytes += value_bytes(executor, node);
    for (int k = 0; k < DHO_NODE_INPUTS; k++) {
        if (pass->in[k] == NULL) continue;
        const double input = value_bytes(executor, pass->in[k]);
        if ((node->backward_reads >> k & 1) != 0) bytes += input;
        if (pass->dx[k] != NULL && pass->dx[k] != pass->dy)
            bytes += pass->add[k] ? 2 * input : input;
    }
    return bytes;
}

dho_node_profile dho_executor_profile(const dho_executor *executor, size_t i)
{
    const dho_node_pass pass = dho_executor_pass(executor, (int)i, executor->batch);
    const dho_node *node = pass.node;
    const dho_slot_list *parameters = &executor->graph->parameters;
    dho_node_profile out = {
        .kind = node->op->name,
        .parameter = node->parameters[0] >= 0 ? parameters->slots[node->parameters[0]].name : "",
        .bytes = {forward_bytes(executor, &pass), backward_bytes(executor, &pass)}};
    for (int p = 0; p < 2; p++) out.seconds[p] = executor->memory[i].seconds[p];
    if (node->op->flops == NULL) return out;
    out.flops[0] = node->op->flops(&pass);
    /* No gradient flows into the images. */
    out.flops[1] =
        dho_node_is_given(pass.in[0]) ? out.flops[0] : node->op->backward_flops * out.flops[0];
    return out;
}
