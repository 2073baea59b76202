/* What an operator is: one descriptor in one file of src/nn/ops, beside the builder function that
 * appends it to a graph. That function's prototype in dho/graph.h is the only other place that
 * knows the operator; docs/extending.md adds one. Private to src/nn. */
#ifndef DHO_NN_OPERATOR_H
#define DHO_NN_OPERATOR_H

#include "dho/graph.h"

enum { DHO_NODE_INPUTS = 3, DHO_NODE_PARAMETERS = 2, DHO_NODE_BUFFERS = 2 };

typedef struct dho_operator dho_operator;
typedef struct dho_onnx_pass dho_onnx_pass; /* nn/onnx_pass.h */

/* An operator in a graph. Each operator's file names its inputs, parameters and buffers. */
typedef struct dho_node {
    const dho_operator *op;
    dho_value inputs[DHO_NODE_INPUTS];   /* -1: none */
    int parameters[DHO_NODE_PARAMETERS]; /* slots of the graph; -1: none */
    int buffers[DHO_NODE_BUFFERS];
    void *attributes;            /* the operator's own struct; owned by the graph */
    int height, width, channels; /* of the output */
    bool is_float;               /* the output, whatever the context's dtype */
    bool cheap;                  /* backward makes the output again instead of keeping it */
    unsigned backward_reads;     /* the operator's, less what this node does not need */
    int block;                   /* number of the block it is in; 0: none */
    bool is_output;
} dho_node;

/* A node in one pass over the graph. Values and gradients are [batch][height][width][channels]. */
typedef struct dho_node_pass {
    dho_compute *compute;
    const dho_kernels *kernels;
    const dho_node *node;
    const dho_node *in[DHO_NODE_INPUTS]; /* the nodes of the inputs; NULL: none */
    int batch;
    int max_batch; /* of the executor: algorithms are chosen by it */
    int64_t rows;  /* of the output: batch * height * width */
    bool training; /* the executor's passes are steps of training */
    bool trains;   /* backward runs: this node or one below has a parameter that is trained */
    bool again;    /* forward has run before, and backward needs the value again */

    const void *x[DHO_NODE_INPUTS]; /* values of the inputs */
    void *y;                        /* of the output; in backward only if backward_reads has it */
    void *saved;                    /* saved_bytes, from forward to backward */
    const float *drops;             /* [batch][drop_count]; NULL: all 1 */
    int drop_count;
    const float *parameters[DHO_NODE_PARAMETERS];
    const float *buffers[DHO_NODE_BUFFERS]; /* forward of an evaluation */
    float *statistics[DHO_NODE_BUFFERS];    /* first forward of training: this batch's */

    /* Backward. */
    const void *dy;                        /* gradient of the output */
    void *dx[DHO_NODE_INPUTS];             /* gradients of the inputs; NULL: nobody wants it */
    bool add[DHO_NODE_INPUTS];             /* dx += instead of dx = */
    float *gradients[DHO_NODE_PARAMETERS]; /* of the parameters; always += */
    void *scratch;                         /* scratch_bytes */
} dho_node_pass;

/* Sets of a node's values. */
enum { DHO_INPUT_0 = 1, DHO_INPUT_1 = 2, DHO_INPUT_2 = 4, DHO_OUTPUT = 8 };

/* What a model in 8 bits rounds: the values that an operator reads, the one that it makes, that one
 * in the range of input 0's. */
enum { DHO_ROUNDS_INPUTS = 1, DHO_ROUNDS_OUTPUT = 2, DHO_ROUNDS_AS_INPUT = 4 };

/* Slots that say nothing else may be empty. */
struct dho_operator {
    const char *name; /* in the table of time, and in errors */
    size_t attribute_bytes;

    /* Sets height, width, channels and is_float, if the builder has not; states demands. */
    void (*shape)(dho_graph *graph, dho_node *node);

    /* Makes y. Empty: the value is the caller's, as the images are. */
    void (*forward)(const dho_node_pass *pass);
    /* Makes dx and adds to the parameters' gradients. Empty: the operator cannot be trained. */
    void (*backward)(const dho_node_pass *pass);
    unsigned backward_reads;  /* which of x and y */
    bool can_skip_dx;         /* backward looks for dx NULL: input 0 may be the caller's */
    bool only_sets;           /* backward ignores `add`: the inputs must not be read elsewhere */
    unsigned shares_gradient; /* inputs whose dx may lie in dy's memory */

    /* Sizes, for the largest batch; values and gradients are not there yet. */
    size_t (*saved_bytes)(const dho_node_pass *pass);   /* kept from forward to backward */
    size_t (*scratch_bytes)(const dho_node_pass *pass); /* backward only */
    /* Reserves the kernels of passes of this batch (dho_compute_reserve_*). */
    dho_status (*reserve)(const dho_node_pass *pass);
    /* Can passes of this batch be trained? */
    dho_status (*check_batch)(const dho_graph *graph, const dho_node *node, int batch);

    /* Multiplications and additions of forward; 0 for what is bound by memory. */
    double (*flops)(const dho_node_pass *pass);
    double backward_flops; /* those of backward over those of forward */
    /* Bytes of input 0 that forward reads. Empty: all. */
    size_t (*reads)(const dho_node_pass *pass);

    /* Adds the operator to an ONNX model. Empty: `dho export` refuses it there. */
    void (*onnx)(const dho_onnx_pass *pass);
    const dho_operator *onnx_takes; /* `onnx` writes input 0 as well, if that is such an operator
                                       and nobody else reads it */
    unsigned in_8_bits; /* DHO_ROUNDS_*; a weight is parameters[0], with its rows [channels] */
};

/* --- for builder functions --- */

/* A node of one input and nothing else. */
dho_node dho_node_begin(const dho_operator *op, dho_value x);
/* The node of a value; a harmless stand-in after a failure. */
const dho_node *dho_graph_node(const dho_graph *graph, dho_value x);
/* Lets the operator set the shape, copies the attributes and appends; -1 after a failure, now or
 * before. */
dho_value dho_graph_append(dho_graph *graph, dho_node node);
/* Adds a parameter "name.suffix" (suffix NULL: "name"); -1 after a failure. */
int dho_graph_add_parameter(dho_graph *graph, const char *name, const char *suffix, dho_slot slot);
/* The same of [count]. */
int dho_graph_add_vector(dho_graph *graph, const char *name, const char *suffix, int64_t count,
                         dho_init init, int64_t fan_in);
/* Position embeddings of a token and a grid; batched: published as [1][tokens][channels]. */
int dho_graph_add_position(dho_graph *graph, const char *name, const dho_node *grid, bool batched,
                           dho_init init);
/* Does the weight of the node start as DHO_INIT_SMALL? */
bool dho_graph_starts_small(const dho_graph *graph, const dho_node *node);
int dho_graph_add_buffer(dho_graph *graph, const char *name, const char *suffix, int64_t count,
                         dho_init init);
/* Notes a failure of the operator that comes next, unless the condition holds. */
void dho_graph_demand(dho_graph *graph, bool condition, const char *what);

/* dho_graph_deploy was called. */
bool dho_graph_is_deployed(const dho_graph *graph);
/* Are the batch normalisations that are appended now frozen? */
bool dho_graph_freezes_batch_norms(const dho_graph *graph);
/* The place of the next operator's factor among an image's; -1 where branches have none. */
int dho_graph_add_drop(dho_graph *graph);

/* --- for descriptors --- */

/* A window that slides over a map; where it is (the start of) an operator's attributes. */
typedef struct dho_window {
    int kernel, stride, padding;
} dho_window;

/* Shapes: that of input 0; the windows in it, with its channels if the builder set none; a float
 * vector an image; the tokens of a grid, one more than it has positions. */
void dho_shape_of_input(dho_graph *graph, dho_node *node);
void dho_shape_of_windows(dho_graph *graph, dho_node *node);
void dho_shape_of_vector(dho_graph *graph, dho_node *node);
void dho_shape_of_tokens(dho_graph *graph, dho_node *node);
/* Of input 0, a branch, which is added to the float residual stream, input 1. `what`: of a branch
 * that is the stream itself, for the message. */
void dho_shape_of_branch(dho_graph *graph, dho_node *node, const char *what);
bool dho_same_shape(const dho_node *a, const dho_node *b);
/* The factor of an image of the pass at place `drop`; 1 at -1. */
float dho_pass_drop(const dho_node_pass *pass, int image, int drop);
/* Of input 0, for kernels. */
dho_places_shape dho_pass_places(const dho_node_pass *pass);
/* The bits DHO_CALL_* of backward of a convolution or a linear layer. */
unsigned dho_pass_backward_calls(const dho_node_pass *pass);
/* Backward of input 1, the float residual stream that is added as it is: its gradient is dy; where
 * it does not lie in the same memory, dy is added or copied there. */
void dho_pass_residual_backward(const dho_node_pass *pass);

#endif
