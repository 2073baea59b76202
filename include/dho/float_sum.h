/* The one way to add up gradients outside of the kernels: in fp32, or in bf16 for less to send. */
#ifndef DHO_FLOAT_SUM_H
#define DHO_FLOAT_SUM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Sums in bf16 (bfloat16: a float's upper 16 bits). A term is rounded before it is added, and so is
 * each sum; all stay in memory as floats whose lower 16 bits are 0, so that two bytes of each hold
 * all there is to send. The rounding is stochastic: up with the probability that makes the mean
 * right, so that what is too small for one step is not lost over many (Gupta et al. 2015, arXiv
 * 1502.02551). The coin comes from a hash of the key, the element's index and the exact value, and
 * from nothing else: who adds, and when, changes no bit. Infinities and NaNs stay what they are. */
typedef struct dho_rounding {
    uint32_t key;
} dho_rounding;

/* The coins of one step of a run. */
dho_rounding dho_rounding_of_step(uint64_t seed, int64_t step);

/* x[i] rounded; x[0] is element `at`. rounding NULL: nothing happens. */
void dho_round_floats(const dho_rounding *rounding, size_t at, float *x, size_t count);
/* sum[i] += term[i], rounded; sum[0] is element `at`. They do not overlap. rounding NULL: fp32. */
void dho_add_floats(const dho_rounding *rounding, size_t at, float *sum, const float *term,
                    size_t count);

/* Rounded floats as bf16, and back; x and out do not overlap. */
void dho_pack_floats(const float *x, size_t count, uint16_t *out);
void dho_unpack_floats(const uint16_t *x, size_t count, float *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
