/* The convolution: its descriptor and its kernels' shape, for tests of the algorithms, and its ONNX
 * form, for the batch normalisation behind it. Private to src/nn. */
#ifndef DHO_NN_OPS_CONV_H
#define DHO_NN_OPS_CONV_H

#include "nn/operator.h"

extern const dho_operator dho_conv_operator;

/* The convolution in ONNX, each channel of its output times a factor (NULL: 1), with this bias
 * (NULL: its own, if it has one). */
const char *dho_conv_to_onnx(const dho_onnx_pass *pass, const float *factors, const float *bias);

/* Of a pass of a convolution. */
dho_conv_shape dho_conv_shape_of(const dho_node_pass *pass);
/* Weights of one output channel. */
size_t dho_conv_row(const dho_node_pass *pass);

#endif
