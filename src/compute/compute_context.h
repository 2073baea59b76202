/* Private to src/compute: the context, the partial kernel tables, the one way to run in parallel.
 */
#ifndef DHO_COMPUTE_COMPUTE_CONTEXT_H
#define DHO_COMPUTE_COMPUTE_CONTEXT_H

#include "dho/compute.h"

#include <stddef.h>
#include <stdint.h>

/* Channels whose partial sums fit the context's reduction buffer at one time; wider tensors are
 * reduced in blocks of this many channels (still 4 KiB contiguous a row). */
enum { DHO_REDUCTION_CHANNELS = 1024 };

struct dho_onednn;

struct dho_compute {
    dho_kernels kernels; /* merged: no empty slot */
    dho_compute_dtype dtype;
    int threads;   /* >= 1 */
    void *scratch; /* owned, 64-byte aligned */
    size_t scratch_bytes;
    double *reduction;         /* owned, [threads][2][DHO_REDUCTION_CHANNELS] */
    struct dho_onednn *onednn; /* owned; NULL for the other backends */
};

/* Partial tables: each file fills the slots it implements, compute.c merges them. */
extern const dho_kernels dho_ref_matrix, dho_ref_norm, dho_ref_pool, dho_ref_vector;
extern const dho_kernels dho_linear, dho_blis_gemm, dho_blis_conv;
/* Convolutions: Winograd, else oneDNN where the context has it, else blis. */
extern const dho_kernels dho_winograd_conv;
extern const dho_kernels dho_fast_norm_fp32, dho_fast_pool_fp32, dho_fast_rows_fp32;
extern const dho_kernels dho_fast_norm_bf16, dho_fast_pool_bf16, dho_fast_rows_bf16;
extern const dho_kernels dho_fast_vector;
extern const dho_kernels dho_ref_transformer, dho_ref_tokens;
extern const dho_kernels dho_fast_layer_norm_fp32, dho_fast_gelu_fp32, dho_fast_attention_fp32;
extern const dho_kernels dho_fast_attention_pool_fp32, dho_fast_tokens_fp32;
extern const dho_kernels dho_fast_layer_norm_bf16, dho_fast_gelu_bf16, dho_fast_attention_bf16;
extern const dho_kernels dho_fast_attention_pool_bf16, dho_fast_tokens_bf16;

/* The scratch, of which a kernel uses `bytes`: reserved by dho_compute_reserve_*. */
void *dho_compute_scratch_for(const dho_compute *compute, size_t bytes);

/* What the blis convolution kernels need for a shape. Errors: DHO_ERR_CONFIG on overflow. */
dho_status dho_blis_conv_plan(const dho_compute *compute, const dho_conv_shape *shape,
                              size_t *bytes);

/* What the attention kernels need for a shape, in bytes. */
size_t dho_attention_scratch_fp32(const dho_compute *compute, const dho_attention_shape *shape);
size_t dho_attention_scratch_bf16(const dho_compute *compute, const dho_attention_shape *shape);

#ifdef DHO_HAVE_ONEDNN
extern const dho_kernels dho_onednn_conv, dho_onednn_linear;
dho_status dho_onednn_start(dho_compute *compute);
void dho_onednn_stop(dho_compute *compute);
/* Makes the primitives; bytes of scratch. Errors: DHO_ERR_MEMORY; DHO_ERR_CONFIG when there is no
 * bf16 for this. */
dho_status dho_onednn_conv_plan(dho_compute *compute, const dho_conv_shape *shape, unsigned calls,
                                size_t *bytes);
dho_status dho_onednn_linear_plan(dho_compute *compute, int64_t rows, int in, int out,
                                  unsigned calls, size_t *bytes);
#endif

/* Runs body(context, part) for part = 0 .. parts-1, on up to compute->threads threads. How the work
 * is cut depends on `parts` only, so the bits do not depend on how many threads really ran. With
 * one part or one thread no parallel region is opened. */
typedef void (*dho_part_body)(void *context, int part);
void dho_compute_parallel(const dho_compute *compute, int parts, dho_part_body body, void *context);

/* Parts for an amount of work in elements: 1 where a parallel region costs more than it saves. */
static inline int dho_compute_parts(const dho_compute *compute, int64_t elements)
{
    return elements < 16384 ? 1 : compute->threads;
}

/* The range of part `part` of `parts` of 0 .. count-1, cut at multiples of granule. */
typedef struct dho_range {
    int64_t begin, end;
} dho_range;

static inline dho_range dho_range_of(int64_t count, int64_t granule, int parts, int part)
{
    const int64_t units = (count + granule - 1) / granule;
    const int64_t begin = units * part / parts * granule;
    const int64_t end = units * (part + 1) / parts * granule;
    return (dho_range){begin < count ? begin : count, end < count ? end : count};
}

#endif
