/* Linear layers on rows in bf16 by oneDNN's matrix product: fp32 weights are rounded into the
 * layout that oneDNN likes best at each call; weight gradients are summed in fp32. (In fp32, BLIS
 * is as fast: linear.c.) As in onednn_conv.c, primitives are made once per shape and kept. */
#include "compute/onednn_context.h"

#include "dho/alloc.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* ADD: float output, a float residual is added. DATA_ADD: added to what is there. */
typedef enum op_kind { FORWARD, ADD, DATA, DATA_ADD, WEIGHTS, OP_KINDS } op_kind;

typedef struct dho_onednn_linear_op {
    struct dho_onednn_linear_op *next;
    op_kind kind;
    dnnl_data_type_t type; /* of activations */
    bool bias;
    int64_t rows;
    int in, out;
    bool usable;
    dnnl_primitive_t product, reorder; /* reorder: our floats to `weights`; not for WEIGHTS */
    dnnl_memory_t left, right, result; /* of the product; right: `weights`, or x for WEIGHTS */
    dnnl_memory_t ours, bias_memory, residual, scratchpad;
    size_t weight_bytes, scratchpad_bytes;
} linear_op;

static void op_destroy(linear_op *op)
{
    const dnnl_memory_t memories[] = {op->left,        op->right,    op->result,    op->ours,
                                      op->bias_memory, op->residual, op->scratchpad};
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
        if (memories[i] != NULL) dnnl_memory_destroy(memories[i]);
    if (op->product != NULL) dnnl_primitive_destroy(op->product);
    if (op->reorder != NULL) dnnl_primitive_destroy(op->reorder);
    dho_free(op);
}

void dho_onednn_linear_stop(struct dho_onednn *o)
{
    while (o->linear_ops != NULL) {
        linear_op *op = o->linear_ops;
        o->linear_ops = op->next;
        op_destroy(op);
    }
}

/* result [m][n] = left [m][k] right [k][n]. */
typedef struct layouts {
    dnnl_memory_desc_t left, right, result, ours, bias;
} layouts;

static dnnl_status_t matrix(dnnl_memory_desc_t *desc, int64_t rows, int64_t columns,
                            dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = {rows, columns};
    return dnnl_memory_desc_init_by_tag(desc, 2, dims, type, tag);
}

static dnnl_status_t describe(const linear_op *op, layouts *l)
{
    const bool data = op->kind == DATA || op->kind == DATA_ADD;
    const bool is_float = op->kind == ADD || op->kind == WEIGHTS;
    const int64_t m = op->kind == WEIGHTS ? op->out : op->rows;
    const int64_t k = op->kind == WEIGHTS ? op->rows : data ? op->out : op->in;
    const int64_t n = data || op->kind == WEIGHTS ? op->in : op->out;
    dnnl_status_t status =
        matrix(&l->left, m, k, op->type, op->kind == WEIGHTS ? dnnl_ba : dnnl_ab);
    if (status == dnnl_success)
        status =
            matrix(&l->right, k, n, op->type, op->kind == WEIGHTS ? dnnl_ab : dnnl_format_tag_any);
    if (status == dnnl_success)
        status = matrix(&l->result, m, n, is_float ? dnnl_f32 : op->type, dnnl_ab);
    if (status == dnnl_success) /* W is [out][in] */
        status = matrix(&l->ours, k, n, dnnl_f32, data ? dnnl_ab : dnnl_ba);
    if (status == dnnl_success) status = matrix(&l->bias, 1, n, dnnl_f32, dnnl_ab);
    return status;
}

static dnnl_status_t describe_attributes(const linear_op *op, const layouts *l,
                                         dnnl_primitive_attr_t *out)
{
    dnnl_post_ops_t post = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) status = dnnl_post_ops_create(&post);
    if (status == dnnl_success && (op->kind == DATA_ADD || op->kind == WEIGHTS))
        status = dnnl_post_ops_append_sum(post, 1.0f);
    if (status == dnnl_success && op->kind == ADD)
        status = dnnl_post_ops_append_binary(post, dnnl_binary_add, &l->result);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*out, post);
    if (post != NULL) dnnl_post_ops_destroy(post);
    return status;
}

static dnnl_status_t make_memories(dnnl_engine_t engine, linear_op *op, const layouts *l,
                                   const dnnl_memory_desc_t *right,
                                   const dnnl_memory_desc_t *scratchpad)
{
    const struct {
        dnnl_memory_t *memory;
        const dnnl_memory_desc_t *desc;
    } all[] = {{&op->left, &l->left},        {&op->right, right},
               {&op->result, &l->result},    {&op->ours, &l->ours},
               {&op->bias_memory, &l->bias}, {&op->residual, &l->result},
               {&op->scratchpad, scratchpad}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const dnnl_status_t status =
            dnnl_memory_create(all[i].memory, all[i].desc, engine, DNNL_MEMORY_NONE);
        if (status != dnnl_success) return status;
    }
    if (op->kind != WEIGHTS) op->weight_bytes = (dnnl_memory_desc_get_size(right) + 63) / 64 * 64;
    op->scratchpad_bytes = (dnnl_memory_desc_get_size(scratchpad) + 63) / 64 * 64;
    return dnnl_success;
}

static dnnl_status_t make_reorder(dnnl_engine_t engine, linear_op *op, const layouts *l,
                                  const dnnl_memory_desc_t *right)
{
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status =
        dnnl_reorder_primitive_desc_create(&desc, &l->ours, engine, right, engine, NULL);
    if (status == dnnl_success) status = dnnl_primitive_create(&op->reorder, desc);
    if (desc != NULL) dnnl_primitive_desc_destroy(desc);
    return status;
}

static dnnl_status_t build_op(dnnl_engine_t engine, linear_op *op)
{
    layouts l;
    dnnl_matmul_desc_t product;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = describe(op, &l);
    if (status == dnnl_success)
        status = dnnl_matmul_desc_init(&product, &l.left, &l.right, op->bias ? &l.bias : NULL,
                                       &l.result);
    if (status == dnnl_success) status = describe_attributes(op, &l, &attributes);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&desc, &product, attributes, engine, NULL);
    if (status == dnnl_success) {
        const dnnl_memory_desc_t *right =
            dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
        status = make_memories(engine, op, &l, right,
                               dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0));
        if (status == dnnl_success && op->kind != WEIGHTS)
            status = make_reorder(engine, op, &l, right);
    }
    if (status == dnnl_success) status = dnnl_primitive_create(&op->product, desc);
    if (desc != NULL) dnnl_primitive_desc_destroy(desc);
    if (attributes != NULL) dnnl_primitive_attr_destroy(attributes);
    return status;
}

/* The operation for a shape, made at first use. NULL when there is no memory for it. */
static linear_op *find_op(dho_compute *compute, op_kind kind, bool bias, int64_t rows, int in,
                          int out)
{
    struct dho_onednn *o = compute->onednn;
    for (linear_op *op = o->linear_ops; op != NULL; op = op->next)
        if (op->kind == kind && op->bias == bias && op->rows == rows && op->in == in &&
            op->out == out)
            return op;
    linear_op *op;
    if (dho_alloc_zero(&op, 1, sizeof *op, "oneDNN primitive") != DHO_OK) return NULL;
    op->kind = kind;
    op->type = compute->dtype == DHO_DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
    op->bias = bias;
    op->rows = rows;
    op->in = in;
    op->out = out;
    const int before = omp_get_max_threads();
    omp_set_num_threads(compute->threads);
    op->usable = build_op(o->engine, op) == dnnl_success;
    omp_set_num_threads(before);
    op->next = o->linear_ops;
    o->linear_ops = op;
    return op;
}

dho_status dho_onednn_linear_plan(dho_compute *compute, int64_t rows, int in, int out,
                                  size_t *bytes)
{
    *bytes = 0;
    for (int kind = FORWARD; kind < OP_KINDS; kind++) {
        const linear_op *op = find_op(compute, (op_kind)kind, false, rows, in, out);
        if (op == NULL) return DHO_ERR_MEMORY;
        if (!op->usable)
            return dho_fail(DHO_ERR_CONFIG,
                            "oneDNN has no matrix product in compute.dtype on this processor");
        if (op->weight_bytes + op->scratchpad_bytes > *bytes)
            *bytes = op->weight_bytes + op->scratchpad_bytes;
    }
    return DHO_OK;
}

/* left: x or dy; right: W, or x for WEIGHTS. False: it could not be done. */
static bool run(dho_compute *compute, linear_op *op, const void *left, const void *right,
                const float *bias, const float *residual, void *result)
{
    if (op == NULL || !op->usable) return false;
    char *scratch = dho_compute_scratch_for(compute, op->weight_bytes + op->scratchpad_bytes);
    if (scratch == NULL) return false;
    const bool weights = op->kind == WEIGHTS;
    const struct {
        dnnl_memory_t memory;
        const void *data;
    } pointers[] = {{op->left, left},
                    {op->right, weights ? right : scratch},
                    {op->result, result},
                    {op->ours, right},
                    {op->bias_memory, bias},
                    {op->residual, residual},
                    {op->scratchpad, scratch + op->weight_bytes}};
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) /* oneDNN lacks const */
        if (dnnl_memory_set_data_handle(pointers[i].memory, (void *)pointers[i].data) !=
            dnnl_success)
            return false;
    const dnnl_exec_arg_t reorder[2] = {{DNNL_ARG_FROM, op->ours}, {DNNL_ARG_TO, op->right}};
    dnnl_exec_arg_t arguments[6] = {{DNNL_ARG_SRC, op->left},
                                    {DNNL_ARG_WEIGHTS, op->right},
                                    {DNNL_ARG_DST, op->result},
                                    {DNNL_ARG_SCRATCHPAD, op->scratchpad}};
    int count = 4;
    if (op->bias) arguments[count++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, op->bias_memory};
    if (op->kind == ADD)
        arguments[count++] =
            (dnnl_exec_arg_t){DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, op->residual};
    dnnl_stream_t stream = compute->onednn->stream;
    const int before = omp_get_max_threads();
    omp_set_num_threads(compute->threads);
    dnnl_status_t status = dnnl_success;
    if (!weights) status = dnnl_primitive_execute(op->reorder, stream, 2, reorder);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(op->product, stream, count, arguments);
    if (status == dnnl_success) status = dnnl_stream_wait(stream);
    omp_set_num_threads(before);
    return status == dnnl_success;
}

/* As for convolutions: what fails against its plan leaves NaN. */
static void linear_forward(dho_compute *compute, int64_t rows, int in, int out, const void *x,
                           const float *w, const float *bias, void *y)
{
    if (!run(compute, find_op(compute, FORWARD, bias != NULL, rows, in, out), x, w, bias, NULL, y))
        memset(y, 0xff, (size_t)rows * (size_t)out * dho_compute_element_bytes(compute));
}

static void linear_add_forward(dho_compute *compute, int64_t rows, int in, int out, const void *x,
                               const float *w, const float *bias, const float *residual, float *y)
{
    if (!run(compute, find_op(compute, ADD, bias != NULL, rows, in, out), x, w, bias, residual, y))
        y[0] = NAN;
}

static void linear_backward_data(dho_compute *compute, int64_t rows, int in, int out,
                                 const void *dy, const float *w, bool accumulate, void *dx)
{
    linear_op *op = find_op(compute, accumulate ? DATA_ADD : DATA, false, rows, in, out);
    if (!run(compute, op, dy, w, NULL, NULL, dx))
        memset(dx, 0xff, (size_t)rows * (size_t)in * dho_compute_element_bytes(compute));
}

static void linear_backward_weights(dho_compute *compute, int64_t rows, int in, int out,
                                    const void *x, const void *dy, float *dw, float *dbias)
{
    linear_op *op = find_op(compute, WEIGHTS, false, rows, in, out);
    if (!run(compute, op, dy, x, NULL, NULL, dw)) dw[0] = NAN;
    if (dbias != NULL) compute->kernels.sum_rows(compute, rows, out, dy, dbias);
}

const dho_kernels dho_onednn_linear = {
    .linear_forward = linear_forward,
    .linear_add_forward = linear_add_forward,
    .linear_backward_data = linear_backward_data,
    .linear_backward_weights = linear_backward_weights,
};
