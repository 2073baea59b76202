/* The inverse DCT of Loeffler, Ligtenberg and Moschytz (ICASSP 1989) in the fixed point of
 * libjpeg's jidctint.c: 13-bit constants, two bits kept between the passes, sums in 32 bits. With
 * AVX2 two blocks are done side by side, one in each half of the vectors, with the constants of
 * neighbouring products joined for the multiply-add instruction; the sums are the same integers. */
#include "data/jpeg_baseline.h"

#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum { CONST_BITS = 13, PASS1_BITS = 2 };

/* Constants of the paper, times 2^13. */
enum {
    C0_298631336 = 2446,
    C0_390180644 = 3196,
    C0_541196100 = 4433,
    C0_765366865 = 6270,
    C0_899976223 = 7373,
    C1_175875602 = 9633,
    C1_501321110 = 12299,
    C1_847759065 = 15137,
    C1_961570560 = 16069,
    C2_053119869 = 16819,
    C2_562915447 = 20995,
    C3_072711026 = 25172
};

#if defined(__AVX2__)
/* The 32-bit sums of 16 lanes: columns 0-3 and 4-7 of both blocks. */
typedef struct sums {
    __m256i low, high;
} sums;

static inline __m256i two_constants(int first, int second)
{
    return _mm256_set1_epi32((int)((uint32_t)second << 16 | ((uint32_t)first & 0xffff)));
}

/* a * first + b * second */
static inline sums multiply_add(__m256i a, __m256i b, int first, int second)
{
    const __m256i constants = two_constants(first, second);
    return (sums){_mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), constants),
                  _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), constants)};
}

static inline sums add(sums a, sums b)
{
    return (sums){_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}

static inline sums subtract(sums a, sums b)
{
    return (sums){_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
}

/* a * 2^CONST_BITS + half */
static inline sums scale(__m256i a, __m256i half)
{
    const __m256i zero = _mm256_setzero_si256();
    const __m256i low = _mm256_srai_epi32(_mm256_unpacklo_epi16(zero, a), 16 - CONST_BITS);
    const __m256i high = _mm256_srai_epi32(_mm256_unpackhi_epi16(zero, a), 16 - CONST_BITS);
    return (sums){_mm256_add_epi32(low, half), _mm256_add_epi32(high, half)};
}

static inline __m256i narrow(sums a, int shift)
{
    return _mm256_packs_epi32(_mm256_srai_epi32(a.low, shift), _mm256_srai_epi32(a.high, shift));
}

/* One-dimensional transforms of the 16 lanes, in place; the result is divided by 2^shift. */
static inline void transform(__m256i v[8], int shift)
{
    const __m256i half = _mm256_set1_epi32(1 << (shift - 1));
    /* even part */
    const sums low = multiply_add(v[2], v[6], C0_541196100, C0_541196100 - C1_847759065);
    const sums high = multiply_add(v[2], v[6], C0_541196100 + C0_765366865, C0_541196100);
    const sums sum = scale(_mm256_add_epi16(v[0], v[4]), half);
    const sums difference = scale(_mm256_sub_epi16(v[0], v[4]), half);
    const sums e0 = add(sum, high), e3 = subtract(sum, high);
    const sums e1 = add(difference, low), e2 = subtract(difference, low);
    /* odd part */
    const __m256i z3 = _mm256_add_epi16(v[7], v[3]), z4 = _mm256_add_epi16(v[5], v[1]);
    const sums turned3 = multiply_add(z3, z4, C1_175875602 - C1_961570560, C1_175875602);
    const sums turned4 = multiply_add(z3, z4, C1_175875602, C1_175875602 - C0_390180644);
    const sums o3 =
        add(multiply_add(v[7], v[1], C0_298631336 - C0_899976223, -C0_899976223), turned3);
    const sums o2 =
        add(multiply_add(v[5], v[3], C2_053119869 - C2_562915447, -C2_562915447), turned4);
    const sums o1 =
        add(multiply_add(v[5], v[3], -C2_562915447, C3_072711026 - C2_562915447), turned3);
    const sums o0 =
        add(multiply_add(v[7], v[1], -C0_899976223, C1_501321110 - C0_899976223), turned4);
    v[0] = narrow(add(e0, o0), shift);
    v[7] = narrow(subtract(e0, o0), shift);
    v[1] = narrow(add(e1, o1), shift);
    v[6] = narrow(subtract(e1, o1), shift);
    v[2] = narrow(add(e2, o2), shift);
    v[5] = narrow(subtract(e2, o2), shift);
    v[3] = narrow(add(e3, o3), shift);
    v[4] = narrow(subtract(e3, o3), shift);
}

/* Each round rotates the address (vector, lane) of every word by one bit. */
static inline void transpose_words(__m256i v[8])
{
    for (int round = 0; round < 3; round++) {
        __m256i t[8];
        for (int i = 0; i < 4; i++) {
            t[2 * i] = _mm256_unpacklo_epi16(v[i], v[i + 4]);
            t[2 * i + 1] = _mm256_unpackhi_epi16(v[i], v[i + 4]);
        }
        memcpy(v, t, sizeof t);
    }
}

/* 4 vectors of two columns of bytes each, to two rows each. */
static inline void transpose_bytes(__m256i v[4])
{
    for (int round = 0; round < 3; round++) {
        __m256i t[4];
        for (int i = 0; i < 2; i++) {
            t[2 * i] = _mm256_unpacklo_epi8(v[i], v[i + 2]);
            t[2 * i + 1] = _mm256_unpackhi_epi8(v[i], v[i + 2]);
        }
        memcpy(v, t, sizeof t);
    }
}

static inline void store_rows(__m128i rows, uint8_t *out, size_t stride)
{
    _mm_storel_epi64((__m128i *)out, rows);
    _mm_storel_epi64((__m128i *)(out + stride), _mm_unpackhi_epi64(rows, rows));
}

void dho_jpeg_idct(const int16_t *coefficients, const uint16_t *quant, uint8_t *const out[2],
                   const size_t stride[2])
{
    __m256i v[8], samples[4];
    for (int row = 0; row < 8; row++)
        v[row] = _mm256_mullo_epi16(_mm256_loadu_si256((const __m256i *)(coefficients + 16 * row)),
                                    _mm256_loadu_si256((const __m256i *)(quant + 16 * row)));
    transform(v, CONST_BITS - PASS1_BITS);
    transpose_words(v);
    transform(v, CONST_BITS + PASS1_BITS + 3);
    for (int i = 0; i < 4; i++)
        samples[i] = _mm256_add_epi8(_mm256_packs_epi16(v[2 * i], v[2 * i + 1]),
                                     _mm256_set1_epi8((char)128));
    transpose_bytes(samples);
    for (size_t i = 0; i < 4; i++) {
        store_rows(_mm256_castsi256_si128(samples[i]), out[0] + 2 * i * stride[0], stride[0]);
        store_rows(_mm256_extracti128_si256(samples[i], 1), out[1] + 2 * i * stride[1], stride[1]);
    }
}

#else
/* Unsigned: the coefficients of a damaged file may overflow. */
static int32_t descale(uint32_t value, int bits)
{
    return (int32_t)(value + (1u << (bits - 1))) >> bits;
}

static uint32_t times(uint32_t value, int constant)
{
    return value * (uint32_t)constant;
}

/* One-dimensional transform of 8 values that are `step` apart, in place, divided by 2^shift. */
static void transform(int32_t *values, size_t step, int shift)
{
    uint32_t v[8];
    for (size_t i = 0; i < 8; i++) v[i] = (uint32_t)values[i * step];
    const uint32_t rotated = times(v[2] + v[6], C0_541196100);
    const uint32_t low = rotated - times(v[6], C1_847759065);
    const uint32_t high = rotated + times(v[2], C0_765366865);
    const uint32_t sum = (v[0] + v[4]) << CONST_BITS, difference = (v[0] - v[4]) << CONST_BITS;
    const uint32_t even[4] = {sum + high, difference + low, difference - low, sum - high};
    const uint32_t z5 = times(v[7] + v[3] + v[5] + v[1], C1_175875602);
    const uint32_t z1 = times(v[7] + v[1], C0_899976223), z2 = times(v[5] + v[3], C2_562915447);
    const uint32_t z3 = z5 - times(v[7] + v[3], C1_961570560);
    const uint32_t z4 = z5 - times(v[5] + v[1], C0_390180644);
    const uint32_t odd[4] = {
        times(v[1], C1_501321110) - z1 + z4, times(v[3], C3_072711026) - z2 + z3,
        times(v[5], C2_053119869) - z2 + z4, times(v[7], C0_298631336) - z1 + z3};
    for (size_t i = 0; i < 4; i++) {
        values[i * step] = descale(even[i] + odd[i], shift);
        values[(7 - i) * step] = descale(even[i] - odd[i], shift);
    }
}

void dho_jpeg_idct(const int16_t *coefficients, const uint16_t *quant, uint8_t *const out[2],
                   const size_t stride[2])
{
    for (size_t b = 0; b < 2; b++) {
        int32_t v[64];
        for (size_t i = 0; i < 64; i++) {
            const size_t at = i / 8 * 16 + b * 8 + i % 8;
            v[i] = (int16_t)((uint32_t)coefficients[at] * quant[at]);
        }
        for (size_t i = 0; i < 8; i++) transform(v + i, 8, CONST_BITS - PASS1_BITS);
        for (size_t i = 0; i < 8; i++) transform(v + 8 * i, 1, CONST_BITS + PASS1_BITS + 3);
        for (size_t i = 0; i < 64; i++) {
            const int32_t value = v[i] < -128 ? -128 : v[i] > 127 ? 127 : v[i];
            out[b][i / 8 * stride[b] + i % 8] = (uint8_t)(value + 128);
        }
    }
}
#endif
