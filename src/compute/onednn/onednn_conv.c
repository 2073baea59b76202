/* Convolutions by oneDNN: NHWC activations; weight gradients are summed in fp32 and added to ours.
 * Where oneDNN refuses a shape, the next table does the work (fp32 only). */
#include "compute/onednn/onednn_op.h"
#include "compute/onednn/onednn_tables.h"

#include <assert.h>
#include <string.h>

/* DHO_CALL_DATA_ADD is DATA into scratch, then added. */
static dho_onednn_key key_of(dho_call call, const dho_conv_shape *shape)
{
    dho_onednn_key key = {.call = call == DHO_CALL_DATA_ADD ? DHO_CALL_DATA : call,
                          .shape = *shape};
    key.shape.plan_batch = 0; /* the primitive does not depend on it */
    return key;
}

/* The memory descriptors of a convolution; `rounded`: the weights that the forward pass reads. */
typedef struct layouts {
    dnnl_memory_desc_t source, destination, bias, ohwi, any, rounded;
} layouts;

static bool has_bias(dho_call call)
{
    return call == DHO_CALL_FORWARD_BIAS || call == DHO_CALL_FUSED;
}

static void release(layouts *l)
{
    dho_onednn_md_release(&l->source);
    dho_onednn_md_release(&l->destination);
    dho_onednn_md_release(&l->bias);
    dho_onednn_md_release(&l->ohwi);
    dho_onednn_md_release(&l->any);
    dho_onednn_md_release(&l->rounded);
}

static dnnl_status_t describe(const dho_conv_shape *s, dho_call call, dnnl_data_type_t activations,
                              layouts *l)
{
    /* Weights are read rounded; their gradients are made in fp32. */
    const dnnl_data_type_t theirs = call == DHO_CALL_WEIGHTS ? dnnl_f32 : activations;
    const dnnl_dims_t source = {s->batch, s->in_c, s->in_h, s->in_w};
    const dnnl_dims_t destination = {s->batch, s->out_c, s->out_h, s->out_w};
    const dnnl_dims_t bias = {s->out_c};
    const dnnl_dims_t plain = {s->out_c, s->in_c, s->kernel_h, s->kernel_w};
    const dnnl_dims_t grouped = {s->groups, s->out_c / s->groups, s->in_c / s->groups, s->kernel_h,
                                 s->kernel_w};
    const bool groups = s->groups > 1;
    const int rank = groups ? 5 : 4;
    const dnnl_dim_t *weights = groups ? grouped : plain;
    const dnnl_format_tag_t ohwi = groups ? dnnl_gohwi : dnnl_ohwi, any = dnnl_format_tag_any;
    dnnl_status_t status = dho_onednn_md_create(&l->source, 4, source, activations, dnnl_nhwc);
    if (status == dnnl_success)
        status = dho_onednn_md_create(&l->destination, 4, destination, activations, dnnl_nhwc);
    if (status == dnnl_success) status = dho_onednn_md_create(&l->bias, 1, bias, dnnl_f32, dnnl_a);
    if (status == dnnl_success)
        status = dho_onednn_md_create(&l->ohwi, rank, weights, dnnl_f32, ohwi);
    if (status == dnnl_success) status = dho_onednn_md_create(&l->any, rank, weights, theirs, any);
    if (status == dnnl_success)
        status = dho_onednn_md_create(&l->rounded, rank, weights, activations, any);
    return status;
}

/* The primitive descriptor of an operation; the two backward ones need a forward one as a hint. */
static dnnl_status_t describe_op(dnnl_engine_t engine, const dho_conv_shape *s, dho_call call,
                                 const layouts *l, const_dnnl_primitive_attr_t attributes,
                                 dnnl_primitive_desc_t *out)
{
    dnnl_primitive_desc_t hint = NULL;
    dho_onednn_convolution c = {
        .pass = DHO_ONEDNN_FORWARD,
        .source = dho_onednn_md_of(&l->source),
        .weights = dho_onednn_md_of(&l->rounded),
        .bias = has_bias(call) ? dho_onednn_md_of(&l->bias) : NULL,
        .destination = dho_onednn_md_of(&l->destination),
        .strides = {s->stride, s->stride},
        .padding = {s->padding, s->padding},
        /* oneDNN wants the far padding that makes the output size exact. */
        .far_padding = {(s->out_h - 1) * s->stride + s->kernel_h - s->in_h - s->padding,
                        (s->out_w - 1) * s->stride + s->kernel_w - s->in_w - s->padding}};
    if (call == DHO_CALL_FORWARD || has_bias(call))
        return dho_onednn_describe_convolution(out, engine, &c, attributes);
    dnnl_status_t status = dho_onednn_describe_convolution(&hint, engine, &c, attributes);
    if (status != dnnl_success) return status;
    c.pass = call == DHO_CALL_DATA ? DHO_ONEDNN_BACKWARD_DATA : DHO_ONEDNN_BACKWARD_WEIGHTS;
    c.weights = dho_onednn_md_of(&l->any);
    c.forward = hint;
    status = dho_onednn_describe_convolution(out, engine, &c, attributes);
    dnnl_primitive_desc_destroy(hint);
    return status;
}

/* The memories, the reorder of the weights and the primitive itself. */
static dnnl_status_t make_rest(dnnl_engine_t engine, dho_onednn_op *op, const layouts *l,
                               const_dnnl_primitive_desc_t desc)
{
    const dho_call call = op->key.call;
    const bool data = call == DHO_CALL_DATA, weights = call == DHO_CALL_WEIGHTS;
    const int arguments[DHO_ONEDNN_MEMORIES] = {
        [DHO_ONEDNN_SOURCE] = data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC,
        [DHO_ONEDNN_WEIGHTS] = weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS,
        [DHO_ONEDNN_DESTINATION] = data || weights ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST,
        [DHO_ONEDNN_BIAS] = DNNL_ARG_BIAS,
        [DHO_ONEDNN_SCRATCHPAD] = DNNL_ARG_SCRATCHPAD};
    const dho_onednn_md theirs = dnnl_primitive_desc_query_md(
        desc, weights ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    const dho_onednn_md descs[DHO_ONEDNN_MEMORIES] = {
        [DHO_ONEDNN_SOURCE] = dho_onednn_md_of(&l->source),
        [DHO_ONEDNN_WEIGHTS] = theirs,
        [DHO_ONEDNN_DESTINATION] = dho_onednn_md_of(&l->destination),
        [DHO_ONEDNN_OURS] = dho_onednn_md_of(&l->ohwi),
        [DHO_ONEDNN_BIAS] = has_bias(call) ? dho_onednn_md_of(&l->bias) : NULL,
        [DHO_ONEDNN_SCRATCHPAD] = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0)};
    op->reorder_adds = weights;
    dnnl_status_t status = dho_onednn_memories(engine, op, descs, arguments);
    if (status == dnnl_success)
        status = dho_onednn_reorder(engine, op, dho_onednn_md_of(&l->ohwi), theirs);
    if (status == dnnl_success) status = dnnl_primitive_create(&op->primitive, desc);
    return status;
}

/* What a fused convolution ends with; of the others nothing. A sum in place: with an operand of its
 * own oneDNN 2.6 takes another kernel for 1x1 convolutions, up to 10 % slower. */
static dnnl_status_t describe_attributes(const dho_conv_shape *s, dnnl_primitive_attr_t *out)
{
    dnnl_post_ops_t post = NULL;
    dnnl_status_t status = dnnl_post_ops_create(&post);
    if (status == dnnl_success && s->adds) status = dho_onednn_append_sum(post);
    if (status == dnnl_success && s->activation == DHO_ACTIVATION_RELU)
        status = dho_onednn_append_eltwise(post, dnnl_eltwise_relu, 0, 0);
    if (status == dnnl_success && s->activation == DHO_ACTIVATION_RELU6)
        status = dho_onednn_append_eltwise(post, dnnl_eltwise_clip, 0, 6);
    if (status == dnnl_success) status = dho_onednn_attributes(post, out);
    if (post != NULL) dnnl_post_ops_destroy(post);
    return status;
}

static dnnl_status_t build_op(dnnl_engine_t engine, dnnl_data_type_t activations, dho_onednn_op *op)
{
    layouts l = {0};
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = describe(&op->key.shape, op->key.call, activations, &l);
    if (status == dnnl_success) status = describe_attributes(&op->key.shape, &attributes);
    if (status == dnnl_success)
        status = describe_op(engine, &op->key.shape, op->key.call, &l, attributes, &desc);
    if (status == dnnl_success) status = make_rest(engine, op, &l, desc);
    if (desc != NULL) dnnl_primitive_desc_destroy(desc);
    if (attributes != NULL) dnnl_primitive_attr_destroy(attributes);
    release(&l);
    return status;
}

/* oneDNN's AVX2 kernel (jit_1x1:avx2; seen in 2.6.3 and in 3.7.2) gives wrong weight gradients of
 * strided 1x1 convolutions with less than 8 input channels: they depend on what was in the
 * scratchpad. */
static dnnl_status_t build_safe(dnnl_engine_t engine, dnnl_data_type_t activations,
                                dho_onednn_op *op)
{
    const dho_conv_shape *s = &op->key.shape;
    const bool unsafe = activations == dnnl_f32 && op->key.call == DHO_CALL_WEIGHTS &&
                        s->kernel_h == 1 && s->kernel_w == 1 && s->stride > 1 &&
                        s->in_c / s->groups < 8;
    return unsafe ? dnnl_unimplemented : build_op(engine, activations, op);
}

static size_t data_elements(const dho_conv_shape *s)
{
    return (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w * (size_t)s->in_c;
}

/* Scratch: [weights][scratchpad][dx, when it is to be added]. */
static size_t op_bytes(const dho_compute *compute, const dho_onednn_op *op, bool adds)
{
    return op->weight_bytes + op->scratchpad_bytes +
           (adds ? data_elements(&op->key.shape) * dho_compute_element_bytes(compute) : 0);
}

/* Makes the primitives. What oneDNN refuses is left to the next table; in bf16 there is none. */
static dho_status reserve(dho_compute *compute, const dho_conv_shape *shape, unsigned *calls,
                          size_t *bytes)
{
    const unsigned wanted = *calls;
    for (unsigned call = 1; call <= DHO_CALL_WEIGHTS; call <<= 1) {
        dho_onednn_op *op;
        if ((wanted & call) == 0) continue;
        const dho_onednn_key key = key_of((dho_call)call, shape);
        DHO_TRY(dho_onednn_make(compute, &key, build_safe, &op));
        if (!op->usable && compute->dtype == DHO_DTYPE_BF16)
            return dho_fail(DHO_ERR_CONFIG,
                            "compute.dtype: oneDNN has no bf16 convolution of %d to %d channels, "
                            "kernel %dx%d, on this processor",
                            shape->in_c, shape->out_c, shape->kernel_h, shape->kernel_w);
        if (!op->usable) continue;
        *calls &= ~call;
        const size_t need = op_bytes(compute, op, call == DHO_CALL_DATA_ADD);
        if (need > *bytes) *bytes = need;
    }
    return DHO_OK;
}

static bool takes(const dho_compute *compute, const dho_conv_shape *shape, dho_call call)
{
    const dho_onednn_key key = key_of(call, shape);
    const dho_onednn_op *op = dho_onednn_find(compute, &key);
    assert(op != NULL); /* dho_compute_reserve_conv */
    return op == NULL || op->usable;
}

/* What fails against its plan leaves NaN in `out`, which the check of the loss finds. */
static void run(dho_compute *compute, const dho_onednn_op *op,
                const void *const data[DHO_ONEDNN_MEMORIES], void *out, size_t out_bytes)
{
    if (op == NULL || !dho_onednn_run(compute, op, data)) memset(out, 0xff, out_bytes);
}

static void forward(dho_compute *compute, const dho_onednn_key *key, const void *x, const float *w,
                    const float *bias, void *y)
{
    const dho_conv_shape *s = &key->shape;
    const size_t bytes = (size_t)s->batch * (size_t)s->out_h * (size_t)s->out_w * (size_t)s->out_c *
                         dho_compute_element_bytes(compute);
    const void *const data[DHO_ONEDNN_MEMORIES] = {[DHO_ONEDNN_SOURCE] = x,
                                                   [DHO_ONEDNN_DESTINATION] = y,
                                                   [DHO_ONEDNN_OURS] = w,
                                                   [DHO_ONEDNN_BIAS] = bias};
    run(compute, dho_onednn_find(compute, key), data, y, bytes);
}

static void conv_forward(dho_compute *compute, const dho_conv_shape *s, const void *x,
                         const float *restrict w, const float *restrict bias, void *y)
{
    const dho_onednn_key key = key_of(bias != NULL ? DHO_CALL_FORWARD_BIAS : DHO_CALL_FORWARD, s);
    forward(compute, &key, x, w, bias, y);
}

static void conv_fused(dho_compute *compute, const dho_conv_shape *s, const void *x, const float *w,
                       const float *bias, void *y)
{
    const dho_onednn_key key = key_of(DHO_CALL_FUSED, s);
    forward(compute, &key, x, w, bias, y);
}

static void conv_backward_data(dho_compute *compute, const dho_conv_shape *s, const void *dy,
                               const float *restrict w, bool accumulate, void *dx)
{
    const dho_onednn_key key = key_of(DHO_CALL_DATA, s);
    const dho_onednn_op *op = dho_onednn_find(compute, &key);
    const size_t count = data_elements(s);
    void *fresh = dx;
    if (accumulate && op != NULL)
        fresh = (char *)dho_compute_scratch_for(compute, op_bytes(compute, op, true)) +
                op_bytes(compute, op, false);
    const void *const data[DHO_ONEDNN_MEMORIES] = {
        [DHO_ONEDNN_SOURCE] = fresh, [DHO_ONEDNN_DESTINATION] = dy, [DHO_ONEDNN_OURS] = w};
    run(compute, op, data, fresh, count * dho_compute_element_bytes(compute));
    if (fresh != dx) compute->kernels.accumulate(compute, count, fresh, dx);
}

static void conv_backward_weights(dho_compute *compute, const dho_conv_shape *s, const void *x,
                                  const void *dy, float *restrict dw, float *restrict dbias)
{
    const dho_onednn_key key = key_of(DHO_CALL_WEIGHTS, s);
    const void *const data[DHO_ONEDNN_MEMORIES] = {
        [DHO_ONEDNN_SOURCE] = x, [DHO_ONEDNN_DESTINATION] = dy, [DHO_ONEDNN_OURS] = dw};
    run(compute, dho_onednn_find(compute, &key), data, dw, sizeof *dw);
    if (dbias != NULL) {
        const int64_t rows = (int64_t)s->batch * s->out_h * s->out_w;
        compute->kernels.sum_rows(compute, &(dho_rows_shape){rows, s->out_c}, dy, dbias);
    }
}

const dho_kernel_table dho_onednn_conv = {
    .choice = "onednn",
    .in_bf16 = true,
    .kernels = {.conv_forward = conv_forward,
                .conv_fused = conv_fused,
                .conv_backward_data = conv_backward_data,
                .conv_backward_weights = conv_backward_weights},
    .planning = {.conv_takes = takes, .conv_reserve = reserve},
};
