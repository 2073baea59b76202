/* The inner loops of the resampler. Integers only, so every version gives the same bits.
 * Private to src/image. */
#ifndef DHO_IMAGE_RESAMPLE_KERNELS_H
#define DHO_IMAGE_RESAMPLE_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum {
    WEIGHT_BITS = 22, /* fixed point of the weights: 32 - 8 for the pixel - 2 for overshoot */
    LANES = 48,       /* bytes weighed at a time: one pixel of 16 rows, or 16 pixels of a row */
    ROWS = 16         /* rows transposed together */
};

static inline uint8_t clip8(int32_t sum)
{
    const int32_t value = sum >> WEIGHT_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* out[i] = clip8(1/2 + sum_t in[t * stride + i] * weights[t]) for i < lanes. */
static inline void weigh_some(const uint8_t *restrict in, size_t stride,
                              const int32_t *restrict weights, int taps, uint8_t *restrict out,
                              size_t lanes)
{
    int32_t sums[LANES];
    for (size_t i = 0; i < lanes; i++) sums[i] = 1 << (WEIGHT_BITS - 1);
    for (int t = 0; t < taps; t++, in += stride) {
        const int32_t weight = weights[t];
        for (size_t i = 0; i < lanes; i++) sums[i] += in[i] * weight;
    }
    for (size_t i = 0; i < lanes; i++) out[i] = clip8(sums[i]);
}

/* weigh_some of LANES bytes. */
#if defined(__AVX512BW__)
static inline __m512i add_product(__m512i sum, const uint8_t *in, __m512i weight)
{
    const __m512i pixels = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)in));
    return _mm512_add_epi32(sum, _mm512_mullo_epi32(pixels, weight));
}

static inline void store_clipped(uint8_t *out, __m512i sum)
{
    const __m512i value =
        _mm512_max_epi32(_mm512_srai_epi32(sum, WEIGHT_BITS), _mm512_setzero_si512());
    _mm_storeu_si128((__m128i *)out, _mm512_cvtusepi32_epi8(value));
}

static inline void weigh(const uint8_t *restrict in, size_t stride, const int32_t *restrict weights,
                         int taps, uint8_t *restrict out)
{
    __m512i a = _mm512_set1_epi32(1 << (WEIGHT_BITS - 1)), b = a, c = a;
    for (int t = 0; t < taps; t++, in += stride) {
        const __m512i weight = _mm512_set1_epi32(weights[t]);
        a = add_product(a, in, weight);
        b = add_product(b, in + 16, weight);
        c = add_product(c, in + 32, weight);
    }
    store_clipped(out, a);
    store_clipped(out + 16, b);
    store_clipped(out + 32, c);
}
#elif defined(__AVX2__)
static inline __m256i add_product(__m256i sum, const uint8_t *in, __m256i weight)
{
    const __m256i pixels = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)in));
    return _mm256_add_epi32(sum, _mm256_mullo_epi32(pixels, weight));
}

/* 16 sums to 16 bytes; the packs saturate, and work per half, hence the permutation. */
static inline void store_clipped(uint8_t *out, __m256i a, __m256i b)
{
    const __m256i words =
        _mm256_packs_epi32(_mm256_srai_epi32(a, WEIGHT_BITS), _mm256_srai_epi32(b, WEIGHT_BITS));
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
    _mm_storeu_si128((__m128i *)out, _mm_packus_epi16(_mm256_castsi256_si128(ordered),
                                                      _mm256_extracti128_si256(ordered, 1)));
}

static inline void weigh(const uint8_t *restrict in, size_t stride, const int32_t *restrict weights,
                         int taps, uint8_t *restrict out)
{
    __m256i a = _mm256_set1_epi32(1 << (WEIGHT_BITS - 1)), b = a, c = a, d = a, e = a, f = a;
    for (int t = 0; t < taps; t++, in += stride) {
        const __m256i weight = _mm256_set1_epi32(weights[t]);
        a = add_product(a, in, weight);
        b = add_product(b, in + 8, weight);
        c = add_product(c, in + 16, weight);
        d = add_product(d, in + 24, weight);
        e = add_product(e, in + 32, weight);
        f = add_product(f, in + 40, weight);
    }
    store_clipped(out, a, b);
    store_clipped(out + 16, c, d);
    store_clipped(out + 32, e, f);
}
#else
static inline void weigh(const uint8_t *restrict in, size_t stride, const int32_t *restrict weights,
                         int taps, uint8_t *restrict out)
{
    weigh_some(in, stride, weights, taps, out, LANES); /* a constant: unrolled and vectorised */
}
#endif

#ifndef __has_builtin
#define __has_builtin(name) 0
#endif

/* Transposes a 16 x 16 matrix of bytes in place. */
#if __has_builtin(__builtin_shufflevector)
static inline void transpose16(uint8_t matrix[ROWS][16])
{
    typedef uint8_t bytes16 __attribute__((vector_size(16)));
    bytes16 a[16], b[16];
    memcpy(a, matrix, sizeof a);
    /* Each round rotates the address (row, column) of every byte by one bit. */
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 8; i++) {
            b[2 * i] = __builtin_shufflevector(a[i], a[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5,
                                               21, 6, 22, 7, 23);
            b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12,
                                                   28, 13, 29, 14, 30, 15, 31);
        }
        memcpy(a, b, sizeof a);
    }
    memcpy(matrix, a, sizeof a);
}
#else
static inline void transpose16(uint8_t matrix[ROWS][16])
{
    for (int i = 0; i < 16; i++) {
        for (int j = 0; j < i; j++) {
            const uint8_t byte = matrix[i][j];
            matrix[i][j] = matrix[j][i];
            matrix[j][i] = byte;
        }
    }
}
#endif

#endif
