/* Private to src/compute: one oneDNN primitive with its memory objects. It is made when a layer is
 * reserved and kept; a call finds it, points the memory objects at its tensors and runs it.
 *
 * Weights are ours, float and plain, outside; inside they are in the layout and type that the
 * primitive likes best, in scratch: a reorder converts them before each run (they change at each
 * step, and are small) or adds the gradient to ours after it. */
#ifndef DHO_COMPUTE_ONEDNN_OP_H
#define DHO_COMPUTE_ONEDNN_OP_H

#include "compute/core/context.h"
#include "compute/onednn/onednn_api.h"

struct dho_onednn_op;

/* The state of a context of this backend. */
typedef struct dho_onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct dho_onednn_op *ops;  /* owned list */
    struct dho_onednn_op *last; /* the one found last: a call looks its operation up twice */
} dho_onednn;

/* What an operation is found by. */
typedef struct dho_onednn_key {
    dho_call call;
    dho_conv_shape shape; /* a linear layer: its channels only */
    int64_t rows;         /* of a linear layer; 0: a convolution */
} dho_onednn_key;

typedef enum dho_onednn_memory {
    DHO_ONEDNN_SOURCE,
    DHO_ONEDNN_WEIGHTS, /* as the primitive has them */
    DHO_ONEDNN_DESTINATION,
    DHO_ONEDNN_OURS, /* the weights outside */
    DHO_ONEDNN_BIAS,
    DHO_ONEDNN_RESIDUAL,
    DHO_ONEDNN_SCRATCHPAD,
    DHO_ONEDNN_MEMORIES
} dho_onednn_memory;

typedef struct dho_onednn_op {
    struct dho_onednn_op *next;
    dho_onednn_key key;
    bool usable; /* false: oneDNN has no such primitive */
    dnnl_primitive_t primitive;
    dnnl_primitive_t reorder; /* NULL: none */
    bool reorder_adds;        /* after the primitive, to ours; else before it, from ours */
    dnnl_memory_t memories[DHO_ONEDNN_MEMORIES]; /* NULL: not used */
    int arguments[DHO_ONEDNN_MEMORIES];          /* the primitive's names for them; 0: not its */
    size_t weight_bytes, scratchpad_bytes;       /* of scratch, in this order */
} dho_onednn_op;

/* Makes `op->primitive`, `op->reorder`, the memories and what goes with them. */
typedef dnnl_status_t (*dho_onednn_build)(dnnl_engine_t engine, dnnl_data_type_t activations,
                                          dho_onednn_op *op);

/* The operation of a key, made when there is none yet. Errors: DHO_ERR_MEMORY. */
dho_status dho_onednn_make(dho_compute *compute, const dho_onednn_key *key, dho_onednn_build build,
                           dho_onednn_op **out);
/* One that was made; NULL: none was, which is an error of the caller. */
dho_onednn_op *dho_onednn_find(const dho_compute *compute, const dho_onednn_key *key);
void dho_onednn_free_ops(dho_onednn *onednn);

/* For the builders. Memories from their descriptors (NULL: not used), arguments from their names.
 */
dnnl_status_t dho_onednn_memories(dnnl_engine_t engine, dho_onednn_op *op,
                                  const dho_onednn_md descs[DHO_ONEDNN_MEMORIES],
                                  const int arguments[DHO_ONEDNN_MEMORIES]);
/* Needs op->reorder_adds. */
dnnl_status_t dho_onednn_reorder(dnnl_engine_t engine, dho_onednn_op *op, dho_onednn_md ours,
                                 dho_onednn_md theirs);
/* The scratchpad is ours; `post` may be NULL. */
dnnl_status_t dho_onednn_attributes(const_dnnl_post_ops_t post, dnnl_primitive_attr_t *out);

/* Runs it on the data of the memories; those in scratch need none. False: it could not be done. */
bool dho_onednn_run(dho_compute *compute, const dho_onednn_op *op,
                    const void *const data[DHO_ONEDNN_MEMORIES]);

#endif
