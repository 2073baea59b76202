/* Convolutions by oneDNN (C API 2.x): NHWC activations, weights in the layout oneDNN likes best,
 * reordered (for bf16: and rounded) from our OHWI floats at each call (they change at each step,
 * and are small); weight gradients are summed in fp32 and added to ours.
 *
 * Primitives, reorders and memory objects are made once per shape and kept; a call only sets
 * pointers. oneDNN takes its number of threads from OpenMP's setting for the calling thread, which
 * is set around each use. Where oneDNN refuses, the blis kernel does the work (fp32 only). */
#include "compute/onednn_context.h"

#include "compute/element.h"
#include "dho/alloc.h"

#include <math.h>
#include <omp.h>
#include <string.h>

typedef enum op_kind { FORWARD, FORWARD_BIAS, DATA, WEIGHTS } op_kind;

/* One primitive with its memory objects, whose pointers are set at each call. */
typedef struct dho_onednn_conv_op {
    struct dho_onednn_conv_op *next;
    op_kind kind;
    dho_conv_shape shape;
    bool usable; /* false: oneDNN has no such primitive */
    dnnl_primitive_t primitive;
    dnnl_primitive_t reorder; /* OHWI to layout; WEIGHTS: layout added to OHWI */
    dnnl_memory_t source, destination, bias, scratchpad;
    dnnl_memory_t weights; /* in oneDNN's layout, in scratch */
    dnnl_memory_t ohwi;    /* ours */
    size_t weight_bytes, scratchpad_bytes, data_elements;
} conv_op;

static void op_destroy(conv_op *op)
{
    const dnnl_memory_t memories[] = {op->source,     op->destination, op->bias,
                                      op->scratchpad, op->weights,     op->ohwi};
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++) {
        if (memories[i] != NULL) dnnl_memory_destroy(memories[i]);
    }
    if (op->primitive != NULL) dnnl_primitive_destroy(op->primitive);
    if (op->reorder != NULL) dnnl_primitive_destroy(op->reorder);
    dho_free(op);
}

void dho_onednn_conv_stop(struct dho_onednn *o)
{
    while (o->conv_ops != NULL) {
        conv_op *op = o->conv_ops;
        o->conv_ops = op->next;
        op_destroy(op);
    }
}

/* The memory descriptors of a convolution. */
typedef struct layouts {
    dnnl_memory_desc_t source, destination, bias, ohwi, any;
} layouts;

static dnnl_status_t describe(const dho_conv_shape *s, op_kind kind, dnnl_data_type_t activations,
                              layouts *l)
{
    /* Weights are read rounded; their gradients are made in fp32. */
    const dnnl_data_type_t theirs = kind == WEIGHTS ? dnnl_f32 : activations;
    const dnnl_dims_t source = {s->batch, s->in_c, s->in_h, s->in_w};
    const dnnl_dims_t destination = {s->batch, s->out_c, s->out_h, s->out_w};
    const dnnl_dims_t bias = {s->out_c};
    const dnnl_dims_t plain = {s->out_c, s->in_c, s->kernel_h, s->kernel_w};
    const dnnl_dims_t grouped = {s->groups, s->out_c / s->groups, s->in_c / s->groups, s->kernel_h,
                                 s->kernel_w};
    const bool groups = s->groups > 1;
    const int rank = groups ? 5 : 4;
    const dnnl_dim_t *weights = groups ? grouped : plain;
    dnnl_status_t status =
        dnnl_memory_desc_init_by_tag(&l->source, 4, source, activations, dnnl_nhwc);
    if (status != dnnl_success) return status;
    status = dnnl_memory_desc_init_by_tag(&l->destination, 4, destination, activations, dnnl_nhwc);
    if (status != dnnl_success) return status;
    status = dnnl_memory_desc_init_by_tag(&l->bias, 1, bias, dnnl_f32, dnnl_a);
    if (status != dnnl_success) return status;
    status = dnnl_memory_desc_init_by_tag(&l->ohwi, rank, weights, dnnl_f32,
                                          groups ? dnnl_gohwi : dnnl_ohwi);
    if (status != dnnl_success) return status;
    return dnnl_memory_desc_init_by_tag(&l->any, rank, weights, theirs, dnnl_format_tag_any);
}

static dnnl_status_t describe_forward(const dho_conv_shape *s, const layouts *l, bool bias,
                                      dnnl_prop_kind_t prop, dnnl_convolution_desc_t *desc)
{
    const dnnl_dims_t strides = {s->stride, s->stride}, padding = {s->padding, s->padding};
    /* oneDNN wants the far padding that makes the output size exact. */
    const dnnl_dims_t far = {(s->out_h - 1) * s->stride + s->kernel_h - s->in_h - s->padding,
                             (s->out_w - 1) * s->stride + s->kernel_w - s->in_w - s->padding};
    return dnnl_convolution_forward_desc_init(desc, prop, dnnl_convolution_direct, &l->source,
                                              &l->any, bias ? &l->bias : NULL, &l->destination,
                                              strides, padding, far);
}

/* The primitive descriptor of an operation; the two backward ones need a forward one as a hint. */
static dnnl_status_t describe_op(dnnl_engine_t engine, const dho_conv_shape *s, op_kind kind,
                                 const layouts *l, const_dnnl_primitive_attr_t attributes,
                                 dnnl_primitive_desc_t *out)
{
    const dnnl_dims_t strides = {s->stride, s->stride}, padding = {s->padding, s->padding};
    const dnnl_dims_t far = {(s->out_h - 1) * s->stride + s->kernel_h - s->in_h - s->padding,
                             (s->out_w - 1) * s->stride + s->kernel_w - s->in_w - s->padding};
    dnnl_convolution_desc_t forward, backward;
    dnnl_primitive_desc_t hint = NULL;
    layouts hint_layouts = *l;
    hint_layouts.any.data_type = l->source.data_type; /* forward reads rounded weights */
    dnnl_status_t status =
        describe_forward(s, &hint_layouts, kind == FORWARD_BIAS, dnnl_forward_training, &forward);
    if (status != dnnl_success) return status;
    if (kind == FORWARD || kind == FORWARD_BIAS) {
        return dnnl_primitive_desc_create(out, &forward, attributes, engine, NULL);
    }
    status = dnnl_primitive_desc_create(&hint, &forward, attributes, engine, NULL);
    if (status != dnnl_success) return status;
    if (kind == DATA) {
        status = dnnl_convolution_backward_data_desc_init(&backward, dnnl_convolution_direct,
                                                          &l->source, &l->any, &l->destination,
                                                          strides, padding, far);
    } else {
        status = dnnl_convolution_backward_weights_desc_init(
            &backward, dnnl_convolution_direct, &l->source, &l->any, NULL, &l->destination, strides,
            padding, far);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_desc_create(out, &backward, attributes, engine, hint);
    }
    dnnl_primitive_desc_destroy(hint);
    return status;
}

/* WEIGHTS adds to what is there (a sum of the reorder); the others convert. */
static dnnl_status_t make_reorder(dnnl_engine_t engine, conv_op *op, const dnnl_memory_desc_t *ours,
                                  const dnnl_memory_desc_t *theirs)
{
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t sum = NULL;
    dnnl_primitive_desc_t desc = NULL;
    const bool back = op->kind == WEIGHTS;
    dnnl_status_t status = dnnl_primitive_attr_create(&attributes);
    if (status == dnnl_success && back) {
        status = dnnl_post_ops_create(&sum);
        if (status == dnnl_success) status = dnnl_post_ops_append_sum(sum, 1.0f);
        if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(attributes, sum);
    }
    if (status == dnnl_success) {
        status = dnnl_reorder_primitive_desc_create(&desc, back ? theirs : ours, engine,
                                                    back ? ours : theirs, engine, attributes);
    }
    if (status == dnnl_success) status = dnnl_primitive_create(&op->reorder, desc);
    if (desc != NULL) dnnl_primitive_desc_destroy(desc);
    if (sum != NULL) dnnl_post_ops_destroy(sum);
    if (attributes != NULL) dnnl_primitive_attr_destroy(attributes);
    return status;
}

static dnnl_status_t make_memories(dnnl_engine_t engine, conv_op *op, const layouts *l,
                                   const dnnl_memory_desc_t *theirs,
                                   const dnnl_memory_desc_t *scratchpad)
{
    const struct {
        dnnl_memory_t *memory;
        const dnnl_memory_desc_t *desc;
    } all[] = {{&op->source, &l->source}, {&op->destination, &l->destination},
               {&op->bias, &l->bias},     {&op->ohwi, &l->ohwi},
               {&op->weights, theirs},    {&op->scratchpad, scratchpad}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const dnnl_status_t status =
            dnnl_memory_create(all[i].memory, all[i].desc, engine, DNNL_MEMORY_NONE);
        if (status != dnnl_success) return status;
    }
    op->weight_bytes = (dnnl_memory_desc_get_size(theirs) + 63) / 64 * 64;
    op->scratchpad_bytes = (dnnl_memory_desc_get_size(scratchpad) + 63) / 64 * 64;
    return dnnl_success;
}

static dnnl_status_t build_op(dnnl_engine_t engine, dnnl_data_type_t activations, conv_op *op)
{
    layouts l;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = describe(&op->shape, op->kind, activations, &l);
    if (status == dnnl_success) status = dnnl_primitive_attr_create(&attributes);
    if (status == dnnl_success) {
        status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    }
    if (status == dnnl_success) {
        status = describe_op(engine, &op->shape, op->kind, &l, attributes, &desc);
    }
    if (status == dnnl_success) {
        const dnnl_memory_desc_t *theirs = dnnl_primitive_desc_query_md(
            desc, op->kind == WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
        status = make_memories(engine, op, &l, theirs,
                               dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0));
        if (status == dnnl_success) status = make_reorder(engine, op, &l.ohwi, theirs);
    }
    if (status == dnnl_success) status = dnnl_primitive_create(&op->primitive, desc);
    if (desc != NULL) dnnl_primitive_desc_destroy(desc);
    if (attributes != NULL) dnnl_primitive_attr_destroy(attributes);
    return status;
}

/* oneDNN 2.6's AVX2 kernel (jit_1x1:avx2) gives wrong weight gradients of strided 1x1 convolutions
 * with less than 8 input channels: they depend on what was in the scratchpad. */
static bool is_unsafe(op_kind kind, const dho_conv_shape *s)
{
    return kind == WEIGHTS && s->kernel_h == 1 && s->kernel_w == 1 && s->stride > 1 &&
           s->in_c / s->groups < 8;
}

/* The operation for a shape, made at first use. NULL when there is no memory for it. */
static conv_op *find_op(dho_compute *compute, op_kind kind, const dho_conv_shape *shape)
{
    struct dho_onednn *o = compute->onednn;
    for (conv_op *op = o->conv_ops; op != NULL; op = op->next) {
        if (op->kind == kind && memcmp(&op->shape, shape, sizeof *shape) == 0) return op;
    }
    conv_op *op;
    if (dho_alloc_zero(&op, 1, sizeof *op, "oneDNN primitive") != DHO_OK) return NULL;
    op->kind = kind;
    op->shape = *shape;
    op->data_elements =
        (size_t)shape->batch * (size_t)shape->in_h * (size_t)shape->in_w * (size_t)shape->in_c;
    const int before = omp_get_max_threads();
    omp_set_num_threads(compute->threads);
    const bool bf16 = compute->dtype == DHO_DTYPE_BF16;
    op->usable = (bf16 || !is_unsafe(kind, shape)) &&
                 build_op(o->engine, bf16 ? dnnl_bf16 : dnnl_f32, op) == dnnl_success;
    omp_set_num_threads(before);
    op->next = o->conv_ops;
    o->conv_ops = op;
    return op;
}

/* Scratch: [weights][scratchpad][dx, when it is to be added]. */
static size_t op_bytes(const dho_compute *compute, const conv_op *op, bool accumulate)
{
    return op->weight_bytes + op->scratchpad_bytes +
           (accumulate ? op->data_elements * dho_compute_element_bytes(compute) : 0);
}

dho_status dho_onednn_conv_plan(dho_compute *compute, const dho_conv_shape *shape, size_t *bytes)
{
    DHO_TRY(dho_blis_conv_plan(compute, shape, bytes)); /* what oneDNN refuses goes there */
    bool all = true;
    size_t need = 0;
    for (int kind = FORWARD; kind <= WEIGHTS; kind++) {
        const conv_op *op = find_op(compute, (op_kind)kind, shape);
        if (op == NULL) return DHO_ERR_MEMORY;
        all = all && op->usable;
        if (op->usable && op_bytes(compute, op, kind == DATA) > need)
            need = op_bytes(compute, op, kind == DATA);
    }
    if (all || need > *bytes) *bytes = need;
    if (!all && compute->dtype == DHO_DTYPE_BF16)
        return dho_fail(DHO_ERR_CONFIG,
                        "compute.dtype: oneDNN has no bf16 convolution of %d to %d channels, "
                        "kernel %dx%d, on this processor",
                        shape->in_c, shape->out_c, shape->kernel_h, shape->kernel_w);
    return DHO_OK;
}

static dnnl_status_t run(const dho_compute *compute, const conv_op *op, int count,
                         const dnnl_exec_arg_t *arguments)
{
    const dnnl_exec_arg_t reorder[2] = {
        {DNNL_ARG_FROM, op->kind == WEIGHTS ? op->weights : op->ohwi},
        {DNNL_ARG_TO, op->kind == WEIGHTS ? op->ohwi : op->weights}};
    dnnl_stream_t stream = compute->onednn->stream;
    const int before = omp_get_max_threads();
    dnnl_status_t status = dnnl_success;
    omp_set_num_threads(compute->threads);
    if (op->kind != WEIGHTS) status = dnnl_primitive_execute(op->reorder, stream, 2, reorder);
    if (status == dnnl_success) {
        status = dnnl_primitive_execute(op->primitive, stream, count, arguments);
    }
    if (status == dnnl_success && op->kind == WEIGHTS) {
        status = dnnl_primitive_execute(op->reorder, stream, 2, reorder);
    }
    if (status == dnnl_success) status = dnnl_stream_wait(stream);
    omp_set_num_threads(before);
    return status;
}

/* Points the memory objects at a call's tensors; NULL scratch means: cannot. oneDNN's interface
 * lacks const. */
static bool set_pointers(const conv_op *op, const void *source, const void *destination,
                         const float *weights, char *scratch)
{
    return dnnl_memory_set_data_handle(op->source, (void *)source) == dnnl_success &&
           dnnl_memory_set_data_handle(op->destination, (void *)destination) == dnnl_success &&
           dnnl_memory_set_data_handle(op->ohwi, (void *)weights) == dnnl_success &&
           dnnl_memory_set_data_handle(op->weights, scratch) == dnnl_success &&
           dnnl_memory_set_data_handle(op->scratchpad, scratch + op->weight_bytes) == dnnl_success;
}

/* A planned bf16 operation that fails all the same leaves NaN, which the check of the loss finds:
 * no other backend could do it. */
static void poison(dho_bf16 *out, size_t count)
{
    memset(out, 0xff, count * sizeof *out);
}

static void conv_forward(dho_compute *compute, const dho_conv_shape *s, const void *x,
                         const float *restrict w, const float *restrict bias, void *y)
{
    conv_op *op = find_op(compute, bias != NULL ? FORWARD_BIAS : FORWARD, s);
    char *scratch = NULL;
    if (op != NULL && op->usable)
        scratch = dho_compute_scratch_for(compute, op_bytes(compute, op, false));
    if (scratch != NULL && set_pointers(op, x, y, w, scratch)) {
        dnnl_exec_arg_t arguments[5] = {{DNNL_ARG_SRC, op->source},
                                        {DNNL_ARG_DST, op->destination},
                                        {DNNL_ARG_WEIGHTS, op->weights},
                                        {DNNL_ARG_SCRATCHPAD, op->scratchpad},
                                        {DNNL_ARG_BIAS, op->bias}};
        const bool ready =
            bias == NULL || dnnl_memory_set_data_handle(op->bias, (void *)bias) == dnnl_success;
        if (ready && run(compute, op, bias != NULL ? 5 : 4, arguments) == dnnl_success) return;
    }
    if (compute->dtype == DHO_DTYPE_FP32)
        dho_blis_conv.conv_forward(compute, s, x, w, bias, y);
    else
        poison(y, (size_t)s->batch * (size_t)s->out_h * (size_t)s->out_w * (size_t)s->out_c);
}

static void conv_backward_data(dho_compute *compute, const dho_conv_shape *s, const void *dy,
                               const float *restrict w, bool accumulate, void *dx)
{
    conv_op *op = find_op(compute, DATA, s);
    char *scratch = NULL;
    if (op != NULL && op->usable) {
        scratch = dho_compute_scratch_for(compute, op_bytes(compute, op, accumulate));
    }
    if (scratch != NULL) {
        void *fresh = accumulate ? scratch + op_bytes(compute, op, false) : dx;
        const dnnl_exec_arg_t arguments[4] = {{DNNL_ARG_DIFF_DST, op->destination},
                                              {DNNL_ARG_DIFF_SRC, op->source},
                                              {DNNL_ARG_WEIGHTS, op->weights},
                                              {DNNL_ARG_SCRATCHPAD, op->scratchpad}};
        if (set_pointers(op, fresh, dy, w, scratch) &&
            run(compute, op, 4, arguments) == dnnl_success) {
            if (accumulate) compute->kernels.accumulate(compute, op->data_elements, fresh, dx);
            return;
        }
    }
    if (compute->dtype == DHO_DTYPE_FP32)
        dho_blis_conv.conv_backward_data(compute, s, dy, w, accumulate, dx);
    else
        poison(dx, (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w * (size_t)s->in_c);
}

static void conv_backward_weights(dho_compute *compute, const dho_conv_shape *s, const void *x,
                                  const void *dy, float *restrict dw, float *restrict dbias)
{
    conv_op *op = find_op(compute, WEIGHTS, s);
    char *scratch = NULL;
    if (op != NULL && op->usable)
        scratch = dho_compute_scratch_for(compute, op_bytes(compute, op, false));
    const dnnl_exec_arg_t arguments[4] = {
        {DNNL_ARG_SRC, scratch != NULL ? op->source : NULL},
        {DNNL_ARG_DIFF_DST, scratch != NULL ? op->destination : NULL},
        {DNNL_ARG_DIFF_WEIGHTS, scratch != NULL ? op->weights : NULL},
        {DNNL_ARG_SCRATCHPAD, scratch != NULL ? op->scratchpad : NULL}};
    if (scratch == NULL || !set_pointers(op, x, dy, dw, scratch) ||
        run(compute, op, 4, arguments) != dnnl_success) {
        if (compute->dtype == DHO_DTYPE_FP32)
            dho_blis_conv.conv_backward_weights(compute, s, x, dy, dw, dbias);
        else
            dw[0] = NAN;
        return;
    }
    if (dbias != NULL) {
        const int64_t rows = (int64_t)s->batch * s->out_h * s->out_w;
        compute->kernels.sum_rows(compute, rows, s->out_c, dy, dbias);
    }
}

const dho_kernels dho_onednn_conv = {
    .conv_forward = conv_forward,
    .conv_backward_data = conv_backward_data,
    .conv_backward_weights = conv_backward_weights,
};
