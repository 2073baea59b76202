/* The graph's insides, shared by the builder and the executor. Private to src/nn. */
#ifndef DHO_NN_GRAPH_INTERNAL_H
#define DHO_NN_GRAPH_INTERNAL_H

#include "dho/graph.h"

typedef enum dho_operator {
    DHO_OP_INPUT,
    DHO_OP_CONV,
    DHO_OP_BATCH_NORM,
    DHO_OP_MAX_POOL,
    DHO_OP_AVERAGE_POOL,
    DHO_OP_LINEAR,
    DHO_OP_L2_NORMALISE,
    DHO_OP_LAYER_NORM,
    DHO_OP_TOKENS_LINEAR,
    DHO_OP_BIAS_GELU,
    DHO_OP_ATTENTION,
    DHO_OP_EMBED_TOKENS,
    DHO_OP_TAKE_TOKEN,
    DHO_OP_AVERAGE_POOL_2X2,
    DHO_OP_POOL_TOKENS,
    DHO_OP_ATTENTION_POOL,
    DHO_OP_EMBED_TEXT,
    DHO_OP_TAKE_LARGEST
} dho_operator;

enum { DHO_OPERATOR_COUNT = DHO_OP_TAKE_LARGEST + 1, DHO_NODE_INPUTS = 3 };

typedef struct dho_node {
    dho_operator op;
    /* Inputs; -1: none. Attention pool: query, keys, values. Take largest: x, ids. */
    dho_value x, residual, third;
    int height, width, channels; /* of the output */
    int weight, bias;            /* parameter indices; -1: none. Embeddings: position, class; token, position */
    int mean, variance;          /* buffer indices; -1: none */
    int kernel, stride, padding, groups;
    dho_activation activation;
    int heads;
    bool causal;
    dho_gelu gelu;
    float scale;   /* linear: of x W^T + b */
    bool is_float; /* the output, whatever the context's dtype */
    bool cheap;    /* backward makes it again rather than that it is kept */
    int block;     /* number of the block it is in; 0: none */
    bool is_output;
} dho_node;

static inline void dho_node_inputs(const dho_node *node, dho_value inputs[DHO_NODE_INPUTS])
{
    inputs[0] = node->x;
    inputs[1] = node->residual;
    inputs[2] = node->third;
}

typedef struct dho_slot_list {
    dho_slot *slots; /* owned */
    size_t count, capacity;
    size_t floats; /* size of the slab */
} dho_slot_list;

struct dho_graph {
    dho_node *nodes; /* owned, in order of execution */
    int count, capacity;
    dho_slot_list parameters, buffers;
    int blocks, block; /* blocks begun; the one that is open, 0: none */
    dho_status status; /* first failure of a builder call */
    char message[256];
};

/* For the builders in other files. A node with one input and nothing else. */
dho_node dho_graph_blank(dho_operator op, dho_value x);
/* The node behind a value; a harmless stand-in after a failure. */
dho_node dho_graph_node_of(const dho_graph *graph, dho_value x);
/* Appends a node; -1 after a failure, now or before. */
dho_value dho_graph_append(dho_graph *graph, dho_node node);
/* Adds a parameter, `name` is its whole name; -1 after a failure. */
int dho_graph_add_parameter(dho_graph *graph, const char *name, dho_slot slot);
/* Notes dho_fail's result, unless something failed before. */
void dho_graph_keep_failure(dho_graph *graph, dho_status status);
/* Notes a failure of the operator that comes next, unless the condition holds. */
void dho_graph_demand(dho_graph *graph, bool condition, const char *what);

#endif
