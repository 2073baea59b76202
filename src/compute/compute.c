#define _GNU_SOURCE /* blis.h wants pthread_barrier_t */
#include "compute/compute_context.h"

#include "compute/winograd.h"
#include "dho/alloc.h"

#include <assert.h>
#include <blis.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#ifdef DHO_HAVE_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#else
#define HOW_TO_GET_ONEDNN "apt-get install libdnnl-dev, then configure again"
#endif

/* Tables in order of preference; the first that fills a slot has it. The reference closes each. */
#define REFERENCE                                                                \
    &dho_ref_matrix, &dho_ref_norm, &dho_ref_pool, &dho_ref_vector, &dho_linear, \
        &dho_ref_transformer, &dho_ref_tokens, NULL
#define FAST &dho_blis_gemm, &dho_winograd_conv, FAST_TYPED(fp32), &dho_fast_vector
#define FAST_TYPED(dtype)                                                                  \
    &dho_fast_norm_##dtype, &dho_fast_pool_##dtype, &dho_fast_rows_##dtype,                \
        &dho_fast_layer_norm_##dtype, &dho_fast_gelu_##dtype, &dho_fast_attention_##dtype, \
        &dho_fast_attention_pool_##dtype, &dho_fast_tokens_##dtype

static const dho_kernels *const ref_tables[] = {REFERENCE};
static const dho_kernels *const blis_tables[] = {FAST, REFERENCE};
#ifdef DHO_HAVE_ONEDNN
static const dho_kernels *const onednn_tables[] = {&dho_onednn_linear, FAST, REFERENCE};
/* bf16: every slot on activations comes from here; the float ones below never see them. */
static const dho_kernels *const bf16_tables[] = {
    &dho_winograd_conv,  &dho_onednn_linear, FAST_TYPED(bf16), &dho_blis_gemm,
    &dho_fast_rows_fp32, &dho_fast_vector,   REFERENCE};
#endif

static const char *const backend_names[] = {
#ifdef DHO_HAVE_ONEDNN
    "onednn",
#endif
    "blis", "ref", NULL};

void dho_compute_versions(char *out, size_t bytes)
{
    int used = snprintf(out, bytes, "BLIS %s (%s)", bli_info_get_version_str(),
                        bli_arch_string(bli_arch_query_id()));
#ifdef DHO_HAVE_ONEDNN
    const dnnl_version_t *version = dnnl_version();
    if (used > 0 && (size_t)used < bytes)
        snprintf(out + used, bytes - (size_t)used, ", oneDNN %d.%d.%d", version->major,
                 version->minor, version->patch);
#else
    if (used > 0 && (size_t)used < bytes) snprintf(out + used, bytes - (size_t)used, ", no oneDNN");
#endif
}

const char *const *dho_compute_backends(void)
{
    return backend_names;
}

/* Fills the slots of `table` that are still empty. */
static void merge(dho_kernels *table, const dho_kernels *from)
{
#define SLOT(name) \
    if (table->name == NULL) table->name = from->name
    SLOT(gemm);
    SLOT(conv_forward);
    SLOT(conv_backward_data);
    SLOT(conv_backward_weights);
    SLOT(batch_norm_forward);
    SLOT(batch_norm_again);
    SLOT(batch_norm_backward);
    SLOT(batch_norm_inference);
    SLOT(max_pool_forward);
    SLOT(max_pool_backward);
    SLOT(average_pool_forward);
    SLOT(average_pool_backward);
    SLOT(linear_forward);
    SLOT(linear_add_forward);
    SLOT(linear_backward_data);
    SLOT(linear_backward_weights);
    SLOT(layer_norm_forward);
    SLOT(layer_norm_backward);
    SLOT(bias_gelu_forward);
    SLOT(bias_gelu_backward);
    SLOT(attention_forward);
    SLOT(attention_backward);
    SLOT(attention_pool_forward);
    SLOT(attention_pool_backward);
    SLOT(embed_tokens_forward);
    SLOT(embed_tokens_backward);
    SLOT(pool_tokens_forward);
    SLOT(pool_tokens_backward);
    SLOT(take_token_forward);
    SLOT(take_token_backward);
    SLOT(average_pool_2x2_forward);
    SLOT(average_pool_2x2_backward);
    SLOT(l2_normalise_forward);
    SLOT(l2_normalise_backward);
    SLOT(store);
    SLOT(add_bias);
    SLOT(sum_rows);
    SLOT(sum_float_rows);
    SLOT(add);
    SLOT(accumulate);
    SLOT(adamw);
    SLOT(sgd);
#undef SLOT
}

static dho_status choose(dho_backend backend, dho_compute_dtype dtype, const char **name,
                         const dho_kernels *const **tables)
{
#ifdef DHO_HAVE_ONEDNN
    if (backend == DHO_BACKEND_AUTO) backend = DHO_BACKEND_ONEDNN;
    if (dtype == DHO_DTYPE_BF16 && backend != DHO_BACKEND_ONEDNN)
        return dho_fail(DHO_ERR_CONFIG, "compute.dtype: bf16 needs compute.backend onednn");
#else
    if (backend == DHO_BACKEND_AUTO) backend = DHO_BACKEND_BLIS;
    if (dtype == DHO_DTYPE_BF16)
        return dho_fail(DHO_ERR_CONFIG, "compute.dtype: bf16 needs oneDNN, which is not built in "
                                        "(" HOW_TO_GET_ONEDNN ")");
#endif
    switch (backend) {
    case DHO_BACKEND_REF:
        *name = "ref";
        *tables = ref_tables;
        return DHO_OK;
    case DHO_BACKEND_BLIS:
        *name = "blis";
        *tables = blis_tables;
        return DHO_OK;
#ifdef DHO_HAVE_ONEDNN
    case DHO_BACKEND_ONEDNN:
        *name = "onednn";
        *tables = dtype == DHO_DTYPE_BF16 ? bf16_tables : onednn_tables;
        return DHO_OK;
#else
    case DHO_BACKEND_ONEDNN:
        return dho_fail(DHO_ERR_CONFIG,
                        "compute.backend: onednn is not built in (" HOW_TO_GET_ONEDNN ")");
#endif
    default:
        return dho_fail(DHO_ERR_CONFIG, "compute.backend: unknown value %d", (int)backend);
    }
}

dho_status dho_compute_create(dho_compute **out, dho_backend backend, dho_compute_dtype dtype,
                              int threads)
{
    dho_status status;
    dho_compute *compute = NULL;
    const char *name = NULL;
    const dho_kernels *const *tables = NULL;
    *out = NULL;
    if (threads < 0) {
        return dho_fail(DHO_ERR_CONFIG, "compute.threads: must not be negative, got %d", threads);
    }
    DHO_TRY(choose(backend, dtype, &name, &tables));
    DHO_TRY(dho_alloc_zero(&compute, 1, sizeof *compute, "compute context"));
    compute->dtype = dtype;
    compute->threads = threads > 0 ? threads : omp_get_max_threads();
    DHO_TRY_GOTO(dho_alloc(&compute->reduction,
                           (size_t)compute->threads * 2 * DHO_REDUCTION_CHANNELS, sizeof(double),
                           "compute reduction buffer"));
    for (size_t i = 0; tables[i] != NULL; i++) merge(&compute->kernels, tables[i]);
    compute->kernels.name = name;
#ifdef DHO_HAVE_ONEDNN
    if (strcmp(name, "onednn") == 0) DHO_TRY_GOTO(dho_onednn_start(compute));
#endif
    *out = compute;
    return DHO_OK;
fail:
    dho_compute_destroy(&compute);
    return status;
}

void dho_compute_destroy(dho_compute **compute)
{
    if (compute == NULL || *compute == NULL) return;
#ifdef DHO_HAVE_ONEDNN
    dho_onednn_stop(*compute);
#endif
    dho_free((*compute)->reduction);
    dho_free((*compute)->scratch);
    dho_free(*compute);
    *compute = NULL;
}

const dho_kernels *dho_compute_kernels(const dho_compute *compute)
{
    return &compute->kernels;
}

int dho_compute_threads(const dho_compute *compute)
{
    return compute->threads;
}

dho_compute_dtype dho_compute_dtype_of(const dho_compute *compute)
{
    return compute->dtype;
}

size_t dho_compute_element_bytes(const dho_compute *compute)
{
    return compute->dtype == DHO_DTYPE_BF16 ? 2 : 4;
}

dho_status dho_compute_reserve(dho_compute *compute, size_t bytes)
{
    if (bytes <= compute->scratch_bytes) return DHO_OK;
    void *fresh;
    DHO_TRY(dho_alloc(&fresh, bytes, 1, "compute scratch"));
    dho_free(compute->scratch);
    compute->scratch = fresh;
    compute->scratch_bytes = bytes;
    return DHO_OK;
}

void *dho_compute_scratch(dho_compute *compute)
{
    return compute->scratch;
}

void *dho_compute_scratch_for(const dho_compute *compute, size_t bytes)
{
    assert(bytes <= compute->scratch_bytes);
    (void)bytes;
    return compute->scratch;
}

/* The output side that a convolution has; 0 when the kernel does not fit. */
static int64_t output_side(int64_t in, int64_t kernel, int64_t stride, int64_t padding)
{
    const int64_t room = in + 2 * padding - kernel;
    return room < 0 ? 0 : room / stride + 1;
}

static dho_status check_conv(const dho_conv_shape *s)
{
    if (s->batch < 1 || s->in_h < 1 || s->in_w < 1 || s->in_c < 1 || s->out_c < 1 ||
        s->kernel_h < 1 || s->kernel_w < 1 || s->stride < 1 || s->padding < 0 || s->groups < 1) {
        return dho_fail(DHO_ERR_CONFIG, "convolution: a size is not positive");
    }
    if (s->in_c % s->groups != 0 || s->out_c % s->groups != 0) {
        return dho_fail(DHO_ERR_CONFIG, "convolution: %d groups do not divide %d and %d channels",
                        s->groups, s->in_c, s->out_c);
    }
    const int64_t h = output_side(s->in_h, s->kernel_h, s->stride, s->padding);
    const int64_t w = output_side(s->in_w, s->kernel_w, s->stride, s->padding);
    if (h < 1 || w < 1 || h != s->out_h || w != s->out_w) {
        return dho_fail(DHO_ERR_CONFIG,
                        "convolution: %dx%d input, %dx%d kernel, stride %d, padding %d gives "
                        "%lldx%lld, not %dx%d",
                        s->in_h, s->in_w, s->kernel_h, s->kernel_w, s->stride, s->padding,
                        (long long)h, (long long)w, s->out_h, s->out_w);
    }
    return DHO_OK;
}

dho_status dho_compute_reserve_conv(dho_compute *compute, const dho_conv_shape *shape,
                                    unsigned calls)
{
    DHO_TRY(check_conv(shape));
    if (compute->kernels.conv_forward == dho_ref_matrix.conv_forward) return DHO_OK;
    size_t bytes = 0;
    if (dho_winograd_pays(compute, shape)) {
        DHO_TRY(dho_winograd_plan(compute, shape, &bytes));
        return dho_compute_reserve(compute, bytes);
    }
#ifdef DHO_HAVE_ONEDNN
    if (compute->onednn != NULL) {
        DHO_TRY(dho_onednn_conv_plan(compute, shape, calls, &bytes));
        return dho_compute_reserve(compute, bytes);
    }
#endif
    (void)calls;
    DHO_TRY(dho_blis_conv_plan(compute, shape, &bytes));
    return dho_compute_reserve(compute, bytes);
}

dho_status dho_compute_reserve_linear(dho_compute *compute, int64_t rows, int in, int out,
                                      unsigned calls)
{
    size_t bytes = 0;
    if (rows < 1 || in < 1 || out < 1)
        return dho_fail(DHO_ERR_CONFIG, "linear layer: a size is not positive");
#ifdef DHO_HAVE_ONEDNN
    if (compute->onednn != NULL)
        DHO_TRY(dho_onednn_linear_plan(compute, rows, in, out, calls, &bytes));
#endif
    (void)calls;
    return dho_compute_reserve(compute, bytes);
}

dho_status dho_compute_reserve_attention(dho_compute *compute, const dho_attention_shape *s)
{
    if (s->batch < 1 || s->tokens < 1 || s->heads < 1 || s->head_dim < 1)
        return dho_fail(DHO_ERR_CONFIG, "attention: a size is not positive");
    if ((double)s->tokens * ((double)s->tokens + s->head_dim) * compute->threads > 0x1p40)
        return dho_fail(DHO_ERR_CONFIG, "attention: %d tokens are too many", s->tokens);
    const bool bf16 = compute->dtype == DHO_DTYPE_BF16;
    return dho_compute_reserve(compute, bf16 ? dho_attention_scratch_bf16(compute, s)
                                             : dho_attention_scratch_fp32(compute, s));
}

void dho_compute_parallel(const dho_compute *compute, int parts, dho_part_body body, void *context)
{
    assert(parts >= 1);
    if (parts == 1 || compute->threads == 1) {
        for (int part = 0; part < parts; part++) body(context, part);
        return;
    }
#pragma omp parallel for schedule(static, 1) num_threads(compute->threads)
    for (int part = 0; part < parts; part++) body(context, part);
}
