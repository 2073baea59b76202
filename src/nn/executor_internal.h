/* The executor's insides, shared by its creation, plan, run and profile. Private to src/nn. */
#ifndef DHO_NN_EXECUTOR_INTERNAL_H
#define DHO_NN_EXECUTOR_INTERNAL_H

#include "nn/graph_internal.h"

/* What the executor keeps for one node; pointers into the arena, NULL where there is none. */
typedef struct dho_node_memory {
    void *value;    /* output, [batch][h][w][c]; NULL for the input, which is the caller's */
    void *again;    /* where backward finds the output when it is made again; NULL: in `value` */
    void *gradient; /* of the output; NULL where nothing flows back */
    void *saved;    /* from forward to backward */
    void *scratch;  /* of backward */
    /* Backward adds to the input's gradient instead of setting it. */
    bool accumulate[DHO_NODE_INPUTS];
    bool trains;       /* backward runs: something here or below is trained */
    bool has_gradient; /* of the output: somebody's backward makes it */
    int replay_at;     /* the node before whose backward the output is made again; -1: none */
    int replay_from;   /* of the nodes that are made again before this one's backward, the first */
    /* Of a folded batch normalisation; into executor->folded. weight NULL: it is not folded. */
    const float *weight, *bias;
    bool whole;  /* the value is of the whole batch, though the node may run for a part of it */
    int part_of; /* of a convolution: the batch normalisation that runs it; -1: none */
    size_t final_from; /* after this node's backward, gradients from there on are final */
    double seconds[2]; /* forward, backward, since the last reset */
} dho_node_memory;

/* The caller's slabs, borrowed for a pass; NULL: not of this pass. */
typedef struct dho_slabs {
    const float *parameters, *buffers;
    float *statistics, *gradients;
} dho_slabs;

struct dho_executor {
    const dho_graph *graph;
    dho_compute *compute;
    int max_batch, batch; /* batch: of what runs; between passes of the whole batch */
    /* The first `cut` nodes run for `together` images of the batch after the other, the rest for
     * all of it. */
    int cut, together;
    int first;      /* where in the batch that run begins */
    bool *prepared; /* owned, [max_batch + 1]: the kernels of passes of this batch are reserved */
    bool training;
    int lowest;              /* the first node that trains */
    const float *drops;      /* borrowed; NULL: all 1 */
    const void *input;       /* borrowed from forward until backward */
    dho_node_memory *memory; /* owned, [graph->count] */
    void *arena;             /* owned */
    size_t arena_bytes;
    float *folded;   /* owned; weights and biases of folded convolutions; NULL: there are none */
    bool backward;   /* values are read as backward has them */
    dho_slabs slabs; /* of the pass that runs */
    dho_value_observer see;    /* NULL: nobody looks */
    void *see_context;         /* borrowed */
    dho_value captured;        /* its gradient is copied to capture_out, unless that is NULL */
    float *capture_out;        /* borrowed */
    dho_gradients_final final; /* NULL: nobody asks */
    void *final_context;       /* borrowed */
};

/* Bytes of one image of a node's output. */
size_t dho_executor_row_bytes(const dho_executor *executor, const dho_node *node);

/* A node as its operator sees it in the pass that runs, or, for sizes, in one of `batch`. */
dho_node_pass dho_executor_pass(const dho_executor *executor, int index, int batch);

#endif
