/* The executor's insides, shared by its plan and its run. Private to src/nn. */
#ifndef DHO_NN_EXECUTOR_INTERNAL_H
#define DHO_NN_EXECUTOR_INTERNAL_H

#include "nn/graph_internal.h"

/* What the executor keeps for one node; pointers into the arena, NULL where there is none. */
typedef struct dho_node_memory {
    void *value;    /* output, [batch][h][w][c]; NULL for the input, which is the caller's */
    void *again;    /* where backward finds the output when it is made again; NULL: in `value` */
    void *gradient; /* of the output; NULL where nothing flows back */
    /* Max pool: argmax bytes; normalise: norms; batch norm, layer norm: mean, inv_std; attention:
     * the softmaxes' denominators or probabilities. */
    void *saved;
    void *rounded; /* linear layers added to the stream: its gradient in the context's dtype */
    /* Backward adds to the input's gradient instead of setting it. */
    bool accumulate[DHO_NODE_INPUTS];
    int replay_at;   /* the node before whose backward the output is made again; -1: none */
    int replay_from; /* of the nodes that are made again before this one's backward, the first */
} dho_node_memory;

struct dho_executor {
    const dho_graph *graph;
    dho_compute *compute;
    int max_batch, batch;
    bool *prepared; /* owned, [max_batch + 1]: the kernels of passes of this batch are reserved */
    bool training;
    const void *input;       /* borrowed from forward until backward */
    dho_node_memory *memory; /* owned, [graph->count] */
    void *arena;             /* owned */
    size_t arena_bytes;
    bool backward;      /* values are read as backward has them */
    dho_value captured; /* its gradient is copied to capture_out, unless that is NULL */
    float *capture_out; /* borrowed */
    double seconds[DHO_OPERATOR_COUNT][2]; /* forward, backward, since the last reset */
};

/* A value as the pass that runs has it. */
const void *dho_executor_value(const dho_executor *executor, dho_value x);

/* A parameter, or its gradient, in its slab; NULL for index -1. */
static inline const float *dho_executor_parameter(const dho_executor *executor, const float *slab,
                                                  int index)
{
    return index >= 0 ? slab + executor->graph->parameters.slots[index].offset : NULL;
}

static inline float *dho_executor_slot(const dho_executor *executor, float *slab, int index)
{
    return index >= 0 ? slab + executor->graph->parameters.slots[index].offset : NULL;
}

/* The operators of transformers; `index` is a node of one of them. executor_tokens.c */
void dho_executor_tokens_forward(dho_executor *executor, int index, const float *parameters,
                                 void *y);
void dho_executor_tokens_backward(dho_executor *executor, int index, const float *parameters,
                                  float *gradients);
/* Bytes of what they save for backward; scratch of their kernels. */
size_t dho_executor_tokens_saved(const dho_node *node, int tokens, int batch);
dho_status dho_executor_tokens_reserve(dho_executor *executor, int index, int batch);

/* Shapes for the kernels. */
/* The calls of a node's kernels on its gradients, as the plan has them. */
unsigned dho_executor_backward_calls(const dho_executor *executor, int index);
dho_attention_shape dho_node_attention_shape(const dho_graph *graph, const dho_node *node,
                                             int batch);
/* Planned for the executor's largest batch, whatever that of the pass. */
dho_conv_shape dho_executor_conv_shape(const dho_executor *executor, const dho_node *node,
                                       int batch);
dho_pool_shape dho_node_pool_shape(const dho_graph *graph, const dho_node *node, int batch);

#endif
