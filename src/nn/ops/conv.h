/* The convolution's descriptor and its kernels' shape, for tests of the algorithms. Private to
 * src/nn. */
#ifndef DHO_NN_OPS_CONV_H
#define DHO_NN_OPS_CONV_H

#include "nn/operator.h"

extern const dho_operator dho_conv_operator;

/* Of a pass of a convolution. */
dho_conv_shape dho_conv_shape_of(const dho_node_pass *pass);

#endif
