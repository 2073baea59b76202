/* Linear layers on rows by oneDNN's matrix product. Gradients of the weights are summed in fp32, in
 * place. */
#include "compute/onednn/onednn_op.h"
#include "compute/onednn/onednn_tables.h"

#include <assert.h>
#include <string.h>

static dho_onednn_key key_of(dho_call call, const dho_linear_shape *s)
{
    return (dho_onednn_key){
        .call = call, .shape = {.in_c = s->in, .out_c = s->out}, .rows = s->rows};
}

/* result [m][n] = left [m][k] right [k][n]; left and right are x or dy, the weights or x. */
typedef struct layouts {
    dnnl_memory_desc_t left, right, result, ours, bias;
} layouts;

static void release(layouts *l)
{
    dho_onednn_md_release(&l->left);
    dho_onednn_md_release(&l->right);
    dho_onednn_md_release(&l->result);
    dho_onednn_md_release(&l->ours);
    dho_onednn_md_release(&l->bias);
}

static dnnl_status_t matrix(dnnl_memory_desc_t *desc, int64_t rows, int64_t columns,
                            dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = {rows, columns};
    return dho_onednn_md_create(desc, 2, dims, type, tag);
}

static dnnl_status_t describe(const dho_onednn_key *key, dnnl_data_type_t type, layouts *l)
{
    const bool weights = key->call == DHO_CALL_WEIGHTS;
    const bool data = (key->call & (DHO_CALL_DATA | DHO_CALL_DATA_ADD)) != 0;
    const bool adds = (key->call & (DHO_CALL_ADD | DHO_CALL_ADD_BIAS)) != 0;
    const int64_t in = key->shape.in_c, out = key->shape.out_c;
    const int64_t m = weights ? out : key->rows, n = data || weights ? in : out;
    const int64_t k = weights ? key->rows : data ? out : in;
    dnnl_status_t status = matrix(&l->left, m, k, type, weights ? dnnl_ba : dnnl_ab);
    if (status == dnnl_success)
        status = matrix(&l->right, k, n, type, weights ? dnnl_ab : dnnl_format_tag_any);
    if (status == dnnl_success)
        status = matrix(&l->result, m, n, adds || weights ? dnnl_f32 : type, dnnl_ab);
    if (status == dnnl_success) /* W is [out][in] */
        status = matrix(&l->ours, k, n, dnnl_f32, data ? dnnl_ab : dnnl_ba);
    if (status == dnnl_success) status = matrix(&l->bias, 1, n, dnnl_f32, dnnl_ab);
    return status;
}

static dnnl_status_t describe_attributes(dho_call call, const layouts *l,
                                         dnnl_primitive_attr_t *out)
{
    dnnl_post_ops_t post = NULL;
    dnnl_status_t status = dnnl_post_ops_create(&post);
    if (status == dnnl_success && (call & (DHO_CALL_DATA_ADD | DHO_CALL_WEIGHTS)) != 0)
        status = dho_onednn_append_sum(post);
    if (status == dnnl_success && (call & (DHO_CALL_ADD | DHO_CALL_ADD_BIAS)) != 0)
        status = dnnl_post_ops_append_binary(post, dnnl_binary_add, dho_onednn_md_of(&l->result));
    if (status == dnnl_success) status = dho_onednn_attributes(post, out);
    if (post != NULL) dnnl_post_ops_destroy(post);
    return status;
}

static dnnl_status_t make_rest(dnnl_engine_t engine, dho_onednn_op *op, const layouts *l,
                               const_dnnl_primitive_desc_t desc)
{
    static const int arguments[DHO_ONEDNN_MEMORIES] = {
        [DHO_ONEDNN_SOURCE] = DNNL_ARG_SRC,
        [DHO_ONEDNN_WEIGHTS] = DNNL_ARG_WEIGHTS,
        [DHO_ONEDNN_DESTINATION] = DNNL_ARG_DST,
        [DHO_ONEDNN_BIAS] = DNNL_ARG_BIAS,
        [DHO_ONEDNN_RESIDUAL] = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
        [DHO_ONEDNN_SCRATCHPAD] = DNNL_ARG_SCRATCHPAD};
    const dho_call call = op->key.call;
    const bool adds = (call & (DHO_CALL_ADD | DHO_CALL_ADD_BIAS)) != 0;
    const bool bias = (call & (DHO_CALL_FORWARD_BIAS | DHO_CALL_ADD_BIAS)) != 0;
    const dho_onednn_md right = dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    const dho_onednn_md descs[DHO_ONEDNN_MEMORIES] = {
        [DHO_ONEDNN_SOURCE] = dho_onednn_md_of(&l->left),
        [DHO_ONEDNN_WEIGHTS] = right,
        [DHO_ONEDNN_DESTINATION] = dho_onednn_md_of(&l->result),
        [DHO_ONEDNN_OURS] = call != DHO_CALL_WEIGHTS ? dho_onednn_md_of(&l->ours) : NULL,
        [DHO_ONEDNN_BIAS] = bias ? dho_onednn_md_of(&l->bias) : NULL,
        [DHO_ONEDNN_RESIDUAL] = adds ? dho_onednn_md_of(&l->result) : NULL,
        [DHO_ONEDNN_SCRATCHPAD] = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0)};
    const dnnl_status_t status = dho_onednn_memories(engine, op, descs, arguments);
    if (status != dnnl_success || call == DHO_CALL_WEIGHTS) return status;
    return dho_onednn_reorder(engine, op, dho_onednn_md_of(&l->ours), right);
}

static dnnl_status_t build_op(dnnl_engine_t engine, dnnl_data_type_t activations, dho_onednn_op *op)
{
    const dho_call call = op->key.call;
    const bool bias = (call & (DHO_CALL_FORWARD_BIAS | DHO_CALL_ADD_BIAS)) != 0;
    layouts l = {0};
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = describe(&op->key, activations, &l);
    if (status == dnnl_success) status = describe_attributes(call, &l, &attributes);
    if (status == dnnl_success)
        status = dho_onednn_describe_matmul(
            &desc, engine, dho_onednn_md_of(&l.left), dho_onednn_md_of(&l.right),
            bias ? dho_onednn_md_of(&l.bias) : NULL, dho_onednn_md_of(&l.result), attributes);
    if (status == dnnl_success) status = make_rest(engine, op, &l, desc);
    if (status == dnnl_success) status = dnnl_primitive_create(&op->primitive, desc);
    if (desc != NULL) dnnl_primitive_desc_destroy(desc);
    if (attributes != NULL) dnnl_primitive_attr_destroy(attributes);
    release(&l);
    return status;
}

/* Makes the primitives. */
static dho_status reserve(dho_compute *compute, const dho_linear_shape *shape, unsigned calls,
                          size_t *bytes)
{
    for (unsigned call = 1; call <= DHO_CALL_WEIGHTS; call <<= 1) {
        dho_onednn_op *op;
        if ((calls & call) == 0) continue;
        const dho_onednn_key key = key_of((dho_call)call, shape);
        DHO_TRY(dho_onednn_make(compute, &key, build_op, &op));
        if (!op->usable)
            return dho_fail(DHO_ERR_CONFIG,
                            "oneDNN has no matrix product in compute.dtype on this processor");
        if (op->weight_bytes + op->scratchpad_bytes > *bytes)
            *bytes = op->weight_bytes + op->scratchpad_bytes;
    }
    return DHO_OK;
}

/* left: x or dy; right: W, or x for the gradient of the weights. What fails against its plan leaves
 * NaN in the `bytes` of the result, which the check of the loss finds. */
static void run(dho_compute *compute, const dho_onednn_key *key, const void *left,
                const void *right, const float *bias, const float *residual, void *result,
                size_t bytes)
{
    const dho_onednn_op *op = dho_onednn_find(compute, key);
    const void *const data[DHO_ONEDNN_MEMORIES] = {
        [DHO_ONEDNN_SOURCE] = left, [DHO_ONEDNN_WEIGHTS] = right, [DHO_ONEDNN_DESTINATION] = result,
        [DHO_ONEDNN_OURS] = right,  [DHO_ONEDNN_BIAS] = bias,     [DHO_ONEDNN_RESIDUAL] = residual};
    assert(op != NULL); /* dho_compute_reserve_linear */
    if (op == NULL || !dho_onednn_run(compute, op, data)) memset(result, 0xff, bytes);
}

static void linear_forward(dho_compute *compute, const dho_linear_shape *shape, const void *x,
                           const float *w, const float *bias, void *y)
{
    const dho_call call = bias != NULL ? DHO_CALL_FORWARD_BIAS : DHO_CALL_FORWARD;
    const dho_onednn_key key = key_of(call, shape);
    run(compute, &key, x, w, bias, NULL, y,
        (size_t)shape->rows * (size_t)shape->out * dho_compute_element_bytes(compute));
}

static void linear_add_forward(dho_compute *compute, const dho_linear_shape *shape, const void *x,
                               const float *w, const float *bias, const float *residual, float *y)
{
    const dho_call call = bias != NULL ? DHO_CALL_ADD_BIAS : DHO_CALL_ADD;
    const dho_onednn_key key = key_of(call, shape);
    run(compute, &key, x, w, bias, residual, y,
        (size_t)shape->rows * (size_t)shape->out * sizeof *y);
}

static void linear_backward_data(dho_compute *compute, const dho_linear_shape *shape,
                                 const void *dy, const float *w, bool accumulate, void *dx)
{
    const dho_onednn_key key = key_of(accumulate ? DHO_CALL_DATA_ADD : DHO_CALL_DATA, shape);
    run(compute, &key, dy, w, NULL, NULL, dx,
        (size_t)shape->rows * (size_t)shape->in * dho_compute_element_bytes(compute));
}

static void linear_backward_weights(dho_compute *compute, const dho_linear_shape *shape,
                                    const void *x, const void *dy, float *dw, float *dbias)
{
    const dho_onednn_key key = key_of(DHO_CALL_WEIGHTS, shape);
    run(compute, &key, dy, x, NULL, NULL, dw, sizeof *dw);
    if (dbias != NULL)
        compute->kernels.sum_rows(compute, &(dho_rows_shape){shape->rows, shape->out}, dy, dbias);
}

const dho_kernel_table dho_onednn_linear = {
    .choice = "onednn",
    .in_bf16 = true,
    .kernels = {.linear_forward = linear_forward,
                .linear_add_forward = linear_add_forward,
                .linear_backward_data = linear_backward_data,
                .linear_backward_weights = linear_backward_weights},
    .planning = {.linear_reserve = reserve},
};
