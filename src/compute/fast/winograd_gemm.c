#include "compute/fast/winograd_gemm.h"

#include "compute/fast/winograd_vector.h"

/* rows x PANEL of the product. `rows` is a constant wherever this is inlined: the sums then stay in
 * registers, and all addresses inside a vector of depth are constants. */
INLINE void product_rows(int rows, int64_t tiles, int64_t depth, const float *restrict in,
                         const float *restrict weights, float *restrict out)
{
    vec sum[ROWS][2];
    UNROLL for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = (vec){0};
    for (int64_t d = 0; d < depth; d += LANES) {
        for (int e = 0; e < LANES; e += 4) {
            UNROLL for (int f = 0; f < 4; f++)
            {
                const vec w0 = load(weights + f * PANEL), w1 = load(weights + f * PANEL + LANES);
                UNROLL for (int r = 0; r < rows; r++)
                {
                    const float x = in[r * LANES + e + f];
                    sum[r][0] += x * w0;
                    sum[r][1] += x * w1;
                }
            }
            weights += 4 * PANEL;
        }
        in += tiles * LANES;
    }
    UNROLL for (int r = 0; r < rows; r++)
    {
        store(out + r * PANEL, sum[r][0]);
        store(out + r * PANEL + LANES, sum[r][1]);
    }
}

static void product_some_rows(int64_t rows, int64_t tiles, int64_t depth, const float *in,
                              const float *weights, float *out)
{
#define CASE(n)                                          \
    case n:                                              \
        product_rows(n, tiles, depth, in, weights, out); \
        break
    switch (rows) {
        CASE(1);
        CASE(2);
        CASE(3);
        CASE(4);
        CASE(5);
        CASE(6);
#if defined(__AVX512F__) || defined(__aarch64__)
        CASE(7);
        CASE(8);
        CASE(9);
        CASE(10);
        CASE(11);
        CASE(12);
#endif
#if defined(__AVX512F__)
        CASE(13);
        CASE(14);
#endif
    default:
        __builtin_unreachable();
    }
#undef CASE
}

void dho_winograd_product(int64_t count, int64_t tiles, int64_t depth, int64_t panels,
                          const float *in, const float *weights, float *out)
{
    const int64_t groups = (count + ROWS - 1) / ROWS; /* as even as can be */
    for (int64_t p = 0; p < panels; p++) {
        for (int64_t g = 0; g < groups; g++) {
            const int64_t begin = count * g / groups, end = count * (g + 1) / groups;
            product_some_rows(end - begin, tiles, depth, in + begin * LANES,
                              weights + p * depth * PANEL, out + (p * tiles + begin) * PANEL);
        }
    }
}

/* A sum of few tiles is added to what there is: that rounds less than one long sum. */
INLINE void weight_tile(int64_t tiles, const float *restrict gradients, const float *restrict in0,
                        const float *restrict in1, bool accumulate, float *restrict out)
{
    vec sum[WEIGHT_ROWS][2];
    UNROLL for (int r = 0; r < WEIGHT_ROWS; r++) sum[r][0] = sum[r][1] = (vec){0};
    for (int64_t t = 0; t < tiles; t++) {
        const vec x0 = load(in0 + t * LANES), x1 = load(in1 + t * LANES);
        UNROLL for (int r = 0; r < WEIGHT_ROWS; r++)
        {
            const float g = gradients[t * LANES + r];
            sum[r][0] += g * x0;
            sum[r][1] += g * x1;
        }
    }
    UNROLL for (int r = 0; r < WEIGHT_ROWS; r++)
    {
        if (accumulate) sum[r][0] += load(out + r * PANEL);
        if (accumulate) sum[r][1] += load(out + r * PANEL + LANES);
        store(out + r * PANEL, sum[r][0]);
        store(out + r * PANEL + LANES, sum[r][1]);
    }
}

void dho_winograd_weight_product(const winograd_sums *sums, const float *gradients,
                                 const float *inputs, float *out)
{
    const int64_t count = sums->count, tiles = sums->tiles, columns = sums->columns;
    enum { TILES = 256 }; /* of two vectors of inputs and one of gradients: they stay in L1 */
    for (int64_t t0 = 0; t0 < count; t0 += TILES) {
        const int64_t some = count - t0 < TILES ? count - t0 : TILES;
        for (int64_t c = 0; c < columns; c += PANEL) {
            const float *in0 = inputs + (c * tiles) + t0 * LANES;
            const float *in1 = in0 + tiles * LANES;
            for (int64_t r = sums->begin; r < sums->end; r += WEIGHT_ROWS) {
                const float *g = gradients + r / LANES * LANES * tiles + t0 * LANES + r % LANES;
                weight_tile(some, g, in0, in1, sums->accumulate || t0 > 0,
                            out + r * columns + c * WEIGHT_ROWS);
            }
        }
    }
}
