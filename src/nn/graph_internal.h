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
    DHO_OP_L2_NORMALISE
} dho_operator;

enum { DHO_OPERATOR_COUNT = DHO_OP_L2_NORMALISE + 1 };

typedef struct dho_node {
    dho_operator op;
    dho_value x, residual;       /* inputs; -1: none */
    int height, width, channels; /* of the output */
    int weight, bias;            /* parameter indices; -1: none */
    int mean, variance;          /* buffer indices; -1: none */
    int kernel, stride, padding, groups;
    dho_activation activation;
    bool is_output;
} dho_node;

typedef struct dho_slot_list {
    dho_slot *slots; /* owned */
    size_t count, capacity;
    size_t floats; /* size of the slab */
} dho_slot_list;

struct dho_graph {
    dho_node *nodes; /* owned, in order of execution */
    int count, capacity;
    dho_slot_list parameters, buffers;
    dho_status status; /* first failure of a builder call */
    char message[256];
};

#endif
