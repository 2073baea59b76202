/* Own kernels. Those on activations are in typed/, compiled once for each storage type. Private to
 * src/compute. */
#ifndef DHO_COMPUTE_FAST_TABLES_H
#define DHO_COMPUTE_FAST_TABLES_H

#include "compute/core/context.h"

/* Convolutions: Winograd's where they pay, in both storage types; depthwise ones in fp32. */
extern const dho_kernel_table dho_winograd, dho_depthwise;

/* What is float in both storage types. */
extern const dho_kernel_table dho_fast_vectors;

#define DHO_FAST_DECLARE(dtype)                                                             \
    extern const dho_kernel_table dho_fast_batch_norm_forward_##dtype,                      \
        dho_fast_batch_norm_backward_##dtype, dho_fast_pool_##dtype, dho_fast_rows_##dtype, \
        dho_fast_layer_norm_##dtype, dho_fast_gelu_##dtype, dho_fast_attention_##dtype,     \
        dho_fast_attention_pool_##dtype, dho_fast_tokens_##dtype, dho_fast_layer_scale_##dtype
DHO_FAST_DECLARE(fp32);
DHO_FAST_DECLARE(bf16);

#define DHO_FAST_TYPED_TABLES(dtype)                                                           \
    &dho_fast_batch_norm_forward_##dtype, &dho_fast_batch_norm_backward_##dtype,               \
        &dho_fast_pool_##dtype, &dho_fast_rows_##dtype, &dho_fast_layer_norm_##dtype,          \
        &dho_fast_gelu_##dtype, &dho_fast_attention_##dtype, &dho_fast_attention_pool_##dtype, \
        &dho_fast_tokens_##dtype, &dho_fast_layer_scale_##dtype

/* What works on floats. */
#define DHO_FAST_TABLES DHO_FAST_TYPED_TABLES(fp32), &dho_fast_vectors, &dho_depthwise

#endif
