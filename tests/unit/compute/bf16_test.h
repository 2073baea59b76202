/* Shared by the tests of bf16 kernels: one context of each kind, rounded tensors. */
#ifndef DHO_TESTS_BF16_TEST_H
#define DHO_TESTS_BF16_TEST_H

#include "kernel_test.h"

#include "compute/fast/typed/element.h"

static dho_compute *bf16, *reference;

static inline void open_both(void)
{
    ck_assert_ok(dho_compute_create(&bf16, DHO_BACKEND_AUTO, DHO_DTYPE_BF16, 2));
    reference = open_backend("ref", 1);
}

static inline void close_both(void)
{
    dho_compute_destroy(&bf16);
    dho_compute_destroy(&reference);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

/* Rounds floats in place; the bf16 copy is owned by the caller. */
static inline dho_bf16 *rounded(float *values, size_t count)
{
    dho_bf16 *out;
    ck_assert_ok(dho_alloc(&out, count, sizeof *out, "test"));
    for (size_t i = 0; i < count; i++) {
        out[i] = dho_bf16_store(values[i]);
        values[i] = dho_bf16_load(out[i]);
    }
    return out;
}

static inline dho_bf16 *nan_elements(size_t count)
{
    float *nans = nan_floats(count);
    dho_bf16 *out = rounded(nans, count);
    dho_free(nans);
    return out;
}

static inline dho_conv_shape shape_of(int batch, int size, int in, int out, int kernel, int stride,
                                      int groups)
{
    return conv_shape(
        (int[]){batch, size, size, in, out, kernel, kernel, stride, kernel / 2, groups});
}

#endif
