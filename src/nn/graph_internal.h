/* The graph's insides. Private to src/nn. */
#ifndef DHO_NN_GRAPH_INTERNAL_H
#define DHO_NN_GRAPH_INTERNAL_H

#include "nn/operator.h"

typedef struct dho_slot_list {
    dho_slot *slots; /* owned */
    size_t count, capacity;
    size_t floats; /* size of the slab */
} dho_slot_list;

struct dho_graph {
    dho_node *nodes; /* owned, in order of execution */
    int count;
    size_t capacity;
    dho_slot_list parameters, buffers;
    int blocks, block;  /* blocks begun; the one that is open, 0: none */
    bool run_only;      /* not to be trained */
    bool deployed;      /* dho_graph_deploy */
    bool frozen_norms;  /* dho_graph_freeze_batch_norms */
    bool drops_paths;   /* dho_graph_enable_drop_path */
    int drops;          /* factors an image */
    dho_status failure; /* the first one of a builder call */
    char message[256];
};

/* Errors: DHO_ERR_CONFIG naming an operator without a backward, or whose value nobody reads. */
dho_status dho_graph_check_trainable(const dho_graph *graph);

/* The caller's value, such as the images. */
static inline bool dho_node_is_given(const dho_node *node)
{
    return node->op->forward == NULL;
}

#endif
