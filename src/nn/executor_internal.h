/* The executor's insides, shared by its plan and its run. Private to src/nn. */
#ifndef DHO_NN_EXECUTOR_INTERNAL_H
#define DHO_NN_EXECUTOR_INTERNAL_H

#include "nn/graph_internal.h"

/* What the executor keeps for one node; pointers into the arena, NULL where there is none. */
typedef struct dho_node_memory {
    void *value;    /* output, [batch][h][w][c]; the input node: its rounded copy, NULL in fp32 */
    void *gradient; /* of the output; NULL where nothing flows back */
    void *saved;           /* max pool: argmax bytes; normalise: norms; batch norm: mean, inv_std */
    bool accumulate_x;     /* backward adds to x's gradient instead of setting it */
    bool accumulate_residual;
} dho_node_memory;

struct dho_executor {
    const dho_graph *graph;
    dho_compute *compute;
    int max_batch, batch;
    bool training;
    const void *input; /* borrowed from forward until backward, or the input node's value */
    dho_node_memory *memory; /* owned, [graph->count] */
    void *arena;             /* owned */
    size_t arena_bytes;
    double seconds[DHO_OPERATOR_COUNT][2]; /* forward, backward, since the last reset */
};

/* Shapes for the kernels. */
dho_conv_shape dho_node_conv_shape(const dho_graph *graph, const dho_node *node, int batch);
dho_pool_shape dho_node_pool_shape(const dho_graph *graph, const dho_node *node, int batch);

#endif
