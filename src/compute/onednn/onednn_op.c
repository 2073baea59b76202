#include "compute/onednn/onednn_op.h"

#include "compute/core/kept.h"
#include "dho/alloc.h"

#include <omp.h>
#include <string.h>

static void op_destroy(dho_onednn_op *op)
{
    for (int i = 0; i < DHO_ONEDNN_MEMORIES; i++)
        if (op->memories[i] != NULL) dnnl_memory_destroy(op->memories[i]);
    if (op->primitive != NULL) dnnl_primitive_destroy(op->primitive);
    if (op->reorder != NULL) dnnl_primitive_destroy(op->reorder);
    dho_free(op);
}

void dho_onednn_free_ops(dho_onednn *o)
{
    while (o->ops != NULL) {
        dho_onednn_op *op = o->ops;
        o->ops = op->next;
        op_destroy(op);
    }
}

static bool has_key(const dho_onednn_op *op, const dho_onednn_key *key)
{
    return op->key.call == key->call && op->key.rows == key->rows &&
           memcmp(&op->key.shape, &key->shape, sizeof key->shape) == 0;
}

dho_onednn_op *dho_onednn_find(const dho_compute *compute, const dho_onednn_key *key)
{
    dho_onednn *o = compute->state;
    if (o->last != NULL && has_key(o->last, key)) return o->last;
    for (dho_onednn_op *op = o->ops; op != NULL; op = op->next)
        if (has_key(op, key)) return o->last = op;
    return NULL;
}

dho_status dho_onednn_make(dho_compute *compute, const dho_onednn_key *key, dho_onednn_build build,
                           dho_onednn_op **out)
{
    dho_onednn *o = compute->state;
    *out = dho_onednn_find(compute, key);
    if (*out != NULL) return DHO_OK;
    dho_onednn_op *op;
    DHO_TRY(dho_alloc_zero(&op, 1, sizeof *op, "oneDNN primitive"));
    op->key = *key;
    /* oneDNN takes its number of threads from OpenMP's setting for the calling thread. */
    const int before = omp_get_max_threads();
    omp_set_num_threads(compute->threads);
    const bool bf16 = compute->dtype == DHO_DTYPE_BF16;
    const dnnl_status_t status = build(o->engine, bf16 ? dnnl_bf16 : dnnl_f32, op);
    omp_set_num_threads(before);
    if (status == dnnl_out_of_memory) {
        op_destroy(op);
        return dho_fail(DHO_ERR_MEMORY, "oneDNN: out of memory for a primitive");
    }
    op->usable = status == dnnl_success;
    op->next = o->ops;
    o->ops = op;
    *out = op;
    return DHO_OK;
}

/* Bytes in scratch: the next starts aligned. */
static size_t rounded(dho_onednn_md desc)
{
    return (dnnl_memory_desc_get_size(desc) + 63) / 64 * 64;
}

dnnl_status_t dho_onednn_memories(dnnl_engine_t engine, dho_onednn_op *op,
                                  const dho_onednn_md descs[DHO_ONEDNN_MEMORIES],
                                  const int arguments[DHO_ONEDNN_MEMORIES])
{
    for (int i = 0; i < DHO_ONEDNN_MEMORIES; i++) {
        if (descs[i] == NULL) continue;
        const dnnl_status_t status =
            dnnl_memory_create(&op->memories[i], descs[i], engine, DNNL_MEMORY_NONE);
        if (status != dnnl_success) return status;
        op->arguments[i] = arguments[i];
    }
    op->scratchpad_bytes = rounded(descs[DHO_ONEDNN_SCRATCHPAD]);
    return dnnl_success;
}

dnnl_status_t dho_onednn_reorder(dnnl_engine_t engine, dho_onednn_op *op, dho_onednn_md ours,
                                 dho_onednn_md theirs)
{
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t sum = NULL;
    dnnl_primitive_desc_t desc = NULL;
    const bool back = op->reorder_adds;
    dnnl_status_t status = dnnl_primitive_attr_create(&attributes);
    if (status == dnnl_success && back) {
        status = dnnl_post_ops_create(&sum);
        if (status == dnnl_success) status = dho_onednn_append_sum(sum);
        if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(attributes, sum);
    }
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&desc, back ? theirs : ours, engine,
                                                    back ? ours : theirs, engine, attributes);
    if (status == dnnl_success) status = dnnl_primitive_create(&op->reorder, desc);
    op->weight_bytes = rounded(theirs);
    if (desc != NULL) dnnl_primitive_desc_destroy(desc);
    if (sum != NULL) dnnl_post_ops_destroy(sum);
    if (attributes != NULL) dnnl_primitive_attr_destroy(attributes);
    return status;
}

dnnl_status_t dho_onednn_attributes(const_dnnl_post_ops_t post, dnnl_primitive_attr_t *out)
{
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && post != NULL)
        status = dnnl_primitive_attr_set_post_ops(*out, post);
    return status;
}

static bool same_layout(const dho_onednn_op *a, const dho_onednn_op *b)
{
    dho_onednn_md left, right;
    return a == b ||
           (dnnl_memory_get_memory_desc(a->memories[DHO_ONEDNN_WEIGHTS], &left) == dnnl_success &&
            dnnl_memory_get_memory_desc(b->memories[DHO_ONEDNN_WEIGHTS], &right) == dnnl_success &&
            dnnl_memory_desc_equal(left, right));
}

/* Where the converted weights are: kept, or in scratch. *made: they are there. */
static void *find_weights(dho_compute *compute, const dho_onednn_op *op, const float *ours,
                          char *scratch, bool *made)
{
    const dho_kept *kept = NULL;
    *made = false;
    if (op->reorder == NULL || op->reorder_adds) return scratch;
    while ((kept = dho_kept_next(compute, ours, kept)) != NULL)
        if (same_layout(kept->by, op)) break;
    *made = kept != NULL;
    if (kept != NULL) return kept->data;
    void *fresh = dho_kept_add(compute, ours, op, op->weight_bytes);
    return fresh != NULL ? fresh : scratch;
}

/* Points the memory objects at a call's tensors; oneDNN's interface lacks const. */
static bool set_pointers(const dho_onednn_op *op, const void *const data[DHO_ONEDNN_MEMORIES],
                         void *weights, char *scratch)
{
    for (int i = 0; i < DHO_ONEDNN_MEMORIES; i++) {
        const void *to = data[i];
        if (op->memories[i] == NULL) continue;
        if (i == DHO_ONEDNN_WEIGHTS && op->reorder != NULL) to = weights;
        if (i == DHO_ONEDNN_SCRATCHPAD) to = scratch + op->weight_bytes;
        if (dnnl_memory_set_data_handle(op->memories[i], (void *)to) != dnnl_success) return false;
    }
    return true;
}

bool dho_onednn_run(dho_compute *compute, const dho_onednn_op *op,
                    const void *const data[DHO_ONEDNN_MEMORIES])
{
    char *scratch = dho_compute_scratch_for(compute, op->weight_bytes + op->scratchpad_bytes);
    bool made;
    void *weights = find_weights(compute, op, data[DHO_ONEDNN_OURS], scratch, &made);
    if (!set_pointers(op, data, weights, scratch)) return false;
    const dnnl_memory_t ours = op->memories[DHO_ONEDNN_OURS];
    const dnnl_memory_t theirs = op->memories[DHO_ONEDNN_WEIGHTS];
    const dnnl_exec_arg_t reorder[2] = {{DNNL_ARG_FROM, op->reorder_adds ? theirs : ours},
                                        {DNNL_ARG_TO, op->reorder_adds ? ours : theirs}};
    dnnl_exec_arg_t arguments[DHO_ONEDNN_MEMORIES];
    int count = 0;
    for (int i = 0; i < DHO_ONEDNN_MEMORIES; i++)
        if (op->arguments[i] != 0)
            arguments[count++] = (dnnl_exec_arg_t){op->arguments[i], op->memories[i]};
    dnnl_stream_t stream = ((const dho_onednn *)compute->state)->stream;
    dnnl_status_t status = dnnl_success;
    const int before = omp_get_max_threads();
    omp_set_num_threads(compute->threads);
    if (op->reorder != NULL && !op->reorder_adds && !made)
        status = dnnl_primitive_execute(op->reorder, stream, 2, reorder);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(op->primitive, stream, count, arguments);
    if (status == dnnl_success && op->reorder_adds)
        status = dnnl_primitive_execute(op->reorder, stream, 2, reorder);
    if (status == dnnl_success) status = dnnl_stream_wait(stream);
    omp_set_num_threads(before);
    return status == dnnl_success;
}
