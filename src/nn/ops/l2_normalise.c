/* A vector of length one. */
#include "nn/operator.h"

static void forward(const dho_node_pass *pass)
{
    pass->kernels->l2_normalise_forward(pass->compute,
                                        &(dho_rows_shape){pass->batch, pass->node->channels},
                                        pass->x[0], pass->y, pass->saved);
}

static void backward(const dho_node_pass *pass)
{
    if (pass->dx[0] != NULL)
        pass->kernels->l2_normalise_backward(
            pass->compute, &(dho_rows_shape){pass->batch, pass->node->channels}, pass->y,
            pass->saved, pass->dy, pass->add[0], pass->dx[0]);
}

/* The lengths. */
static size_t saved_bytes(const dho_node_pass *pass)
{
    return (size_t)pass->batch * sizeof(float);
}

static const dho_operator l2_normalise = {.name = "normalise",
                                          .shape = dho_shape_of_vector,
                                          .forward = forward,
                                          .backward = backward,
                                          .can_skip_dx = true,
                                          .backward_reads = DHO_OUTPUT,
                                          .saved_bytes = saved_bytes};

dho_value dho_graph_l2_normalise(dho_graph *graph, dho_value x)
{
    return dho_graph_append(graph, dho_node_begin(&l2_normalise, x));
}
