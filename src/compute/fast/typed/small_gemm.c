#include "compute/fast/typed/small_gemm.h"

#include "compute/fast/winograd_vector.h"

#if defined(DHO_ELEMENT_BF16) && defined(__AVX512BF16__)
#include <immintrin.h>
#endif

enum { VECTORS = DHO_SMALL_GEMM_COLUMNS / LANES * 2, NARROW = VECTORS / 2 };
/* Enough rows to keep the multipliers busy, few enough for their sums to stay in registers. */
#if defined(__AVX512F__)
enum { TILE_ROWS = 12 };
#else
enum { TILE_ROWS = 3 };
#endif

#ifdef DHO_ELEMENT_BF16
typedef uint32_t words __attribute__((vector_size(LANES * sizeof(word))));
typedef uint32_t words_unaligned
    __attribute__((vector_size(LANES * sizeof(word)), aligned(4), may_alias));

INLINE words load_words(const word *from)
{
    return *(const words_unaligned *)from;
}

INLINE vec multiply_add(word x, words w, vec sum)
{
#ifdef __AVX512BF16__
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)w, (__m512bh)_mm512_set1_epi32((int)x));
#else
    const words both = (words){0} + x, high = {0};
    sum += (vec)(both << 16) * (vec)(w << 16);
    return sum + (vec)(both & (high + 0xffff0000u)) * (vec)(w & (high + 0xffff0000u));
#endif
}
#else
typedef vec words;

INLINE words load_words(const word *from)
{
    return load(from);
}

INLINE vec multiply_add(word x, words w, vec sum)
{
    return sum + x * w;
}
#endif

/* rows x vectors of c; both are constants wherever this is inlined, and the sums in registers. */
INLINE void tile(int rows, int vectors, const dho_small_gemm_shape *o, const word *restrict a,
                 const word *restrict b, float *restrict c)
{
    vec sum[TILE_ROWS][VECTORS];
    UNROLL for (int r = 0; r < rows; r++)
    {
        UNROLL for (int v = 0; v < vectors; v++) sum[r][v] =
            o->accumulate ? load(c + r * o->c_stride + v * LANES) : (vec){0};
    }
    for (int64_t p = 0; p < o->k; p++) {
        words w[VECTORS];
        UNROLL for (int v = 0; v < vectors; v++) w[v] = load_words(b + v * LANES);
        UNROLL for (int r = 0; r < rows; r++)
        {
            const word x = a[r * o->a_row];
            UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = multiply_add(x, w[v], sum[r][v]);
        }
        a += o->a_column;
        b += o->b_stride;
    }
    UNROLL for (int r = 0; r < rows; r++)
    {
        UNROLL for (int v = 0; v < vectors; v++) store(c + r * o->c_stride + v * LANES, sum[r][v]);
    }
}

static void some_rows(int64_t rows, bool wide, const dho_small_gemm_shape *o, const word *a,
                      const word *b, float *c)
{
#define CASE(n)                           \
    case n:                               \
        if (wide)                         \
            tile(n, VECTORS, o, a, b, c); \
        else                              \
            tile(n, NARROW, o, a, b, c);  \
        break
    switch (rows) {
        CASE(1);
        CASE(2);
        CASE(3);
#if defined(__AVX512F__)
        CASE(4);
        CASE(5);
        CASE(6);
        CASE(7);
        CASE(8);
        CASE(9);
        CASE(10);
        CASE(11);
        CASE(12);
#endif
    default:
        __builtin_unreachable();
    }
#undef CASE
}

void TYPED(dho_small_gemm)(const dho_small_gemm_shape *s, const word *a, const word *b, float *c)
{
    const int64_t groups = (s->m + TILE_ROWS - 1) / TILE_ROWS; /* as even as can be */
    for (int64_t j = 0; j < s->n; j += 2 * DHO_SMALL_GEMM_COLUMNS) {
        const bool wide = s->n - j >= 2 * DHO_SMALL_GEMM_COLUMNS;
        for (int64_t g = 0; g < groups; g++) {
            const int64_t begin = s->m * g / groups, end = s->m * (g + 1) / groups;
            some_rows(end - begin, wide, s, a + begin * s->a_row, b + j,
                      c + begin * s->c_stride + j);
        }
    }
}
