/* Private to src/compute: what the onednn files share. */
#ifndef DHO_ONEDNN_CONTEXT_H
#define DHO_ONEDNN_CONTEXT_H

#include "compute/compute_context.h"

#include <dnnl.h>

struct dho_onednn_conv_op;
struct dho_onednn_linear_op;

struct dho_onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct dho_onednn_conv_op *conv_ops;     /* owned list */
    struct dho_onednn_linear_op *linear_ops; /* owned list */
};

/* Frees the lists. */
void dho_onednn_conv_stop(struct dho_onednn *onednn);
void dho_onednn_linear_stop(struct dho_onednn *onednn);

#endif
