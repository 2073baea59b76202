/* Chroma to full size and YCbCr to RGB, rounded as libjpeg's jdsample.c ("fancy", a triangle
 * filter) and jdcolor.c (16-bit fixed point). */
#include "data/jpeg_baseline.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* Two samples as a word: what compilers turn into vectors, where pairs of bytes are not. */
static inline uint16_t pair(unsigned first, unsigned second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (uint16_t)(first | second << 8);
#else
    return (uint16_t)(first << 8 | second);
#endif
}

/* 4:2:2: 3/4 of the nearer sample, 1/4 of the farther. before and after: in shifted by one. */
static void upsample_sideways(const uint8_t *restrict in, const uint8_t *restrict before,
                              const uint8_t *restrict after, size_t count, uint16_t *restrict out)
{
    for (size_t i = 0; i < count; i++) {
        const uint16_t nearer = (uint16_t)(3 * in[i]);
        out[i] =
            pair((uint16_t)(nearer + before[i] + 1) >> 2, (uint16_t)(nearer + after[i] + 2) >> 2);
    }
}

/* sums: [count + 2], of 3/4 and 1/4 of two rows, times 4. */
static void upsample_both(const uint16_t *restrict sums, size_t count, uint16_t *restrict out)
{
    for (size_t i = 0; i < count; i++) {
        const uint16_t nearer = (uint16_t)(3 * sums[i + 1]);
        out[i] =
            pair((uint16_t)(nearer + sums[i] + 8) >> 4, (uint16_t)(nearer + sums[i + 2] + 7) >> 4);
    }
}

static void sum_rows(const uint8_t *restrict near, const uint8_t *restrict far, size_t count,
                     uint16_t *restrict sums)
{
    for (size_t i = 0; i < count; i++) sums[i] = (uint16_t)(3 * near[i] + far[i]);
}

void dho_jpeg_upsample_row(const uint8_t *near, const uint8_t *far, size_t count, uint16_t *sums,
                           uint16_t *out)
{
    if (far == NULL) {
        upsample_sideways(near, near - 1, near + 1, count, out);
        return;
    }
    sum_rows(near - 1, far - 1, count + 2, sums);
    upsample_both(sums, count, out);
}

static inline uint8_t clip(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

#if defined(__AVX2__)
/* r, g, b of 16 pixels to 48 bytes: byte i of third t is of pixel (16 t + i) / 3. */
static inline void store_rgb(__m128i r, __m128i g, __m128i b, uint8_t *rgb)
{
    const __m128i r0 = _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5);
    const __m128i g0 = _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1);
    const __m128i b0 = _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1);
    const __m128i r1 = _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1);
    const __m128i g1 = _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10);
    const __m128i b1 = _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1);
    const __m128i r2 =
        _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1);
    const __m128i g2 =
        _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1);
    const __m128i b2 =
        _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15);
#define THIRD(t)                                                                     \
    _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, r##t), _mm_shuffle_epi8(g, g##t)), \
                 _mm_shuffle_epi8(b, b##t))
    _mm_storeu_si128((__m128i *)rgb, THIRD(0));
    _mm_storeu_si128((__m128i *)(rgb + 16), THIRD(1));
    _mm_storeu_si128((__m128i *)(rgb + 32), THIRD(2));
#undef THIRD
}

static inline __m128i add_clipped(__m256i y, __m256i difference)
{
    const __m256i sum = _mm256_add_epi16(y, difference);
    return _mm_packus_epi16(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
}

/* (value * factor + 2^15) >> 16 for |value| < 2^13, |factor| < 2^15. */
static inline __m256i scale(__m256i value, int factor)
{
    const __m256i twice =
        _mm256_mulhi_epi16(_mm256_add_epi16(value, value), _mm256_set1_epi16((short)factor));
    return _mm256_srai_epi16(_mm256_add_epi16(twice, _mm256_set1_epi16(1)), 1);
}

/* The whole parts of the factors are added outside of the multiplications, which take 16 bits. */
static inline void convert16(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *rgb)
{
    const __m256i middle = _mm256_set1_epi16(128), half = _mm256_set1_epi32(32768);
    const __m256i grey = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)y));
    const __m256i blue =
        _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)cb)), middle);
    const __m256i red =
        _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)cr)), middle);
    const __m256i to_r = _mm256_add_epi16(red, scale(red, 91881 - 65536));
    const __m256i to_b =
        _mm256_add_epi16(_mm256_add_epi16(blue, blue), scale(blue, 116130 - 131072));
    const __m256i factors =
        _mm256_set1_epi32((int)((uint32_t)(65536 - 46802) << 16 | ((uint32_t)-22554 & 0xffff)));
    const __m256i low = _mm256_madd_epi16(_mm256_unpacklo_epi16(blue, red), factors);
    const __m256i high = _mm256_madd_epi16(_mm256_unpackhi_epi16(blue, red), factors);
    const __m256i mixed = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(low, half), 16),
                                             _mm256_srai_epi32(_mm256_add_epi32(high, half), 16));
    store_rgb(add_clipped(grey, to_r), add_clipped(grey, _mm256_sub_epi16(mixed, red)),
              add_clipped(grey, to_b), rgb);
}
#endif

/* JFIF: R = Y + 1.402 Cr, G = Y - 0.344136286 Cb - 0.714136286 Cr, B = Y + 1.772 Cb. */
void dho_jpeg_ycc_to_rgb(const uint8_t *restrict y, const uint8_t *restrict cb,
                         const uint8_t *restrict cr, size_t count, uint8_t *restrict rgb)
{
    size_t i = 0;
#if defined(__AVX2__)
    for (; i + 16 <= count; i += 16) convert16(y + i, cb + i, cr + i, rgb + 3 * i);
#endif
    for (; i < count; i++) {
        const int blue = cb[i] - 128, red = cr[i] - 128;
        rgb[3 * i] = clip(y[i] + ((91881 * red + 32768) >> 16));
        rgb[3 * i + 1] = clip(y[i] + ((-22554 * blue - 46802 * red + 32768) >> 16));
        rgb[3 * i + 2] = clip(y[i] + ((116130 * blue + 32768) >> 16));
    }
}

void dho_jpeg_grey_to_rgb(const uint8_t *restrict y, size_t count, uint8_t *restrict rgb)
{
    for (size_t i = 0; i < count; i++) rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = y[i];
}
