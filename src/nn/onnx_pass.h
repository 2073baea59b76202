/* What an operator says its ONNX form with: the values it reads, its parameters, the value that it
 * makes. Private to src/nn. */
#ifndef DHO_NN_ONNX_PASS_H
#define DHO_NN_ONNX_PASS_H

#include "nn/operator.h"
#include "onnx/onnx_file.h"

/* How a value lies in ONNX. MAP: [batch][channels][height][width]. ROWS, channels last:
 * [batch][tokens][channels], a vector [batch][channels], a map [batch][height][width][channels]. */
typedef enum dho_onnx_form { DHO_ONNX_MAP, DHO_ONNX_ROWS, DHO_ONNX_FORMS } dho_onnx_form;

/* A node that is being written. */
struct dho_onnx_pass {
    struct dho_onnx_writer *writer; /* of graph_onnx.c */
    dho_onnx *onnx;
    const dho_node *node;
    const dho_node *in[DHO_NODE_INPUTS];        /* NULL: none */
    const dho_slot *slots[DHO_NODE_PARAMETERS]; /* NULL: none */
    const float *parameters[DHO_NODE_PARAMETERS];
    const float *buffers[DHO_NODE_BUFFERS];
    /* How input 0 is rounded where the node computes in 8 bits; NULL: it computes in floats. */
    const dho_onnx_rounding *rounding;
};

/* An input in this form; a map that lies in the other one is transposed. */
const char *dho_onnx_read(const dho_onnx_pass *pass, int input, dho_onnx_form form);
/* A form in which the input is there already. */
dho_onnx_form dho_onnx_form_of(const dho_onnx_pass *pass, int input);
/* Says which ONNX value is the node's output. */
void dho_onnx_write(const dho_onnx_pass *pass, const char *name, dho_onnx_form form);
/* The operator has no ONNX form here: `why`. */
void dho_onnx_refuse(const dho_onnx_pass *pass, const char *why);
/* The pass of the node of input 0. */
dho_onnx_pass dho_onnx_pass_before(const dho_onnx_pass *pass);

/* A parameter as a constant [shape[0]][..], as it lies in memory. */
const char *dho_onnx_parameter(const dho_onnx_pass *pass, int k, int dims, const int64_t *shape);

/* What a convolution or a linear layer multiplies by, with a channel of the output for each index
 * of `axis`. */
typedef struct dho_onnx_weight {
    const char *name;
    int dims, axis;
    int64_t shape[4];
    const float *values; /* as ONNX has them */
    const float *bias;   /* [shape[axis]]; NULL: none */
} dho_onnx_weight;

/* Adds weight and bias (*out_bias NULL: none), rounded where the node computes in 8 bits. */
void dho_onnx_add_weight(const dho_onnx_pass *pass, const dho_onnx_weight *weight,
                         const char **out_weight, const char **out_bias);

/* GELU of x (ops/gelu.c). */
const char *dho_onnx_gelu(dho_onnx *onnx, const char *x);
/* y, or the activation of it. */
const char *dho_onnx_activate(dho_onnx *onnx, const char *y, dho_activation activation);

#endif
