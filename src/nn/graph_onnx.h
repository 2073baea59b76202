/* A graph as an ONNX model, and in 8 bits. The graph is one of dho_graph_deploy. Private to src. */
#ifndef DHO_NN_GRAPH_ONNX_H
#define DHO_NN_GRAPH_ONNX_H

#include "dho/graph.h"
#include "onnx/onnx_file.h"

/* A model's numbers; all borrowed. */
typedef struct dho_onnx_source {
    const dho_graph *graph;
    const float *parameters, *buffers;
    /* 8 bits: how the values are rounded that dho_int8_values names, [dho_graph_values]; NULL: all
     * is float. */
    const dho_onnx_rounding *roundings;
    dho_value last; /* operators behind this one, the heads, stay in floats */
} dho_onnx_source;

/* Appends all operators, with "images" as the input. out_names[dho_graph_values]: the ONNX value of
 * each (NULL: it has none), as long as `onnx` lives. Errors: DHO_ERR_CONFIG naming an operator that
 * has no ONNX form; DHO_ERR_MEMORY; those of building are reported by dho_onnx_save. */
dho_status dho_graph_to_onnx(const dho_onnx_source *source, dho_onnx *onnx, const char **out_names);

/* Number of the graph's values. */
int dho_graph_values(const dho_graph *graph);

/* How a model in 8 bits treats a value. */
typedef enum dho_int8_value {
    DHO_INT8_FLOAT,   /* as it is */
    DHO_INT8_ROUNDED, /* rounded in a range of its own */
    DHO_INT8_AS_INPUT /* rounded as the value it is made of: the maximum of windows */
} dho_int8_value;

/* out[dho_graph_values] of a model whose operators behind `last` stay in floats. */
void dho_int8_values(const dho_graph *graph, dho_value last, dho_int8_value *out);
/* The value that an operator reads first; -1: none. */
dho_value dho_graph_first_input(const dho_graph *graph, dho_value x);
/* Rounds the weights of all operators up to `last` that compute in 8 bits, in a slab like the
 * parameters: a scale for each channel of the output, the largest magnitude / 127. */
void dho_int8_round_weights(const dho_graph *graph, dho_value last, float *parameters);
/* The scale of a channel of a weight. */
float dho_int8_weight_scale(const float *values, size_t count);

#endif
