/* The linear layer of tokens, which the builder of linear layers chooses. Private to src/nn. */
#ifndef DHO_NN_OPS_LINEAR_H
#define DHO_NN_OPS_LINEAR_H

#include "nn/operator.h"

/* Of both linear layers. */
enum { DHO_LINEAR_WEIGHT, DHO_LINEAR_BIAS };
enum { DHO_LINEAR_X, DHO_LINEAR_RESIDUAL };

extern const dho_operator dho_tokens_linear_operator;

double dho_linear_flops(const dho_node_pass *pass);
/* scale (x W^T + b) in ONNX. */
const char *dho_linear_to_onnx(const dho_onnx_pass *pass, float scale);

#endif
