/* The transforms of the weights and of their gradients, always float. */
#include "compute/fast/winograd_transform.h"
#include "compute/fast/winograd_points.h"

/* G g: 3 to 6. */
INLINE void weight_1d(const vec *g, int gs, vec *o, int os)
{
    const vec g0 = g[0], g1 = g[gs], g2 = g[2 * gs];
    const vec even_a = NA * g0 + NA * A2 * g2, even_b = NB * g0 + NB * B2 * g2;
    o[0] = N0 * g0;
    o[os] = even_a + NA * A * g1;
    o[2 * os] = even_a - NA * A * g1;
    o[3 * os] = even_b + NB * B * g1;
    o[4 * os] = even_b - NB * B * g1;
    o[5 * os] = g2;
}

/* G^T u: 6 to 3. */
INLINE void weight_gradient_1d(const vec *u, int us, vec *o, int os)
{
    const vec sum_a = u[us] + u[2 * us], difference_a = u[us] - u[2 * us];
    const vec sum_b = u[3 * us] + u[4 * us], difference_b = u[3 * us] - u[4 * us];
    o[0] = N0 * u[0] + NA * sum_a + NB * sum_b;
    o[os] = NA * A * difference_a + NB * B * difference_b;
    o[2 * os] = u[5 * us] + NA * A2 * sum_a + NB * B2 * sum_b;
}

/* taps: [TAPS][LANES]. */
INLINE void weight_vector(const float *taps, bool turned, float *u, int64_t plane)
{
    vec half[SIDE * 3], column[3], row[SIDE];
    UNROLL for (int c = 0; c < 3; c++)
    {
        UNROLL for (int r = 0; r < 3; r++)
        {
            const int tap = r * 3 + c;
            column[r] = load(taps + (turned ? TAPS - 1 - tap : tap) * LANES);
        }
        weight_1d(column, 1, half + c, 3);
    }
    UNROLL for (int r = 0; r < SIDE; r++)
    {
        weight_1d(half + r * 3, 1, row, 1);
        UNROLL for (int c = 0; c < SIDE; c++) store(u + (r * SIDE + c) * plane, row[c]);
    }
}

/* taps [in][tap][out] of one LANES x LANES block of channels, zero beyond the last ones. The rows
 * are far apart: those of the next block are fetched meanwhile. */
static void gather_taps(const float *w, int64_t in, int64_t out, bool turned, int64_t i0,
                        int64_t o0, float taps[LANES][TAPS][LANES])
{
    const int64_t ins = in - i0 < LANES ? in - i0 : LANES;
    const int64_t outs = out - o0 < LANES ? out - o0 : LANES;
    if (ins < LANES || outs < LANES) memset(taps, 0, sizeof(float[LANES][TAPS][LANES]));
    if (outs <= 0) return;
    for (int64_t i = 0; turned && i < ins; i++) {
        for (int64_t tap = 0; tap < TAPS; tap++) {
            const float *from = w + ((i0 + i) * TAPS + tap) * out + o0;
            if (i0 + i + LANES < in) __builtin_prefetch(from + LANES * TAPS * out);
            store(taps[i][tap], load_part(from, (int)outs));
        }
    }
    for (int64_t o = 0; !turned && o < outs; o++) {
        for (int64_t tap = 0; tap < TAPS; tap++) {
            const float *from = w + ((o0 + o) * TAPS + tap) * in + i0;
            if (i0 + LANES < in) __builtin_prefetch(from + LANES);
            for (int64_t i = 0; i < ins; i++) taps[i][tap][o] = from[i];
        }
    }
}

void dho_winograd_weights(const float *w, int in, int out, bool turned, int panel, float *u,
                          int64_t plane)
{
    float taps[LANES][TAPS][LANES];
    const int64_t depth = round_up(in, LANES);
    u += panel * depth * PANEL;
    for (int64_t i0 = 0; i0 < depth; i0 += LANES) {
        for (int64_t half = 0; half < PANEL; half += LANES) {
            gather_taps(w, in, out, turned, i0, (int64_t)panel * PANEL + half, taps);
            for (int64_t i = 0; i < LANES; i++) {
                weight_vector(taps[i][0], turned, u + (i0 + i) * PANEL + half, plane);
            }
        }
    }
}

void dho_winograd_weight_gradient(const float *du, int64_t plane, int in, int64_t begin,
                                  int64_t end, float *dw)
{
    const int64_t columns = round_up(in, PANEL);
    for (int64_t o = begin; o < end; o++) {
        const float *row = du + o / WEIGHT_ROWS * WEIGHT_ROWS * columns + o % WEIGHT_ROWS * PANEL;
        for (int64_t i = 0; i < in; i += LANES) {
            const float *from = row + i / PANEL * WEIGHT_ROWS * PANEL + i % PANEL;
            const int lanes = in - i < LANES ? (int)(in - i) : LANES;
            vec half[3 * SIDE], column[SIDE], result[3];
            UNROLL for (int c = 0; c < SIDE; c++)
            {
                UNROLL for (int r = 0; r < SIDE; r++)
                {
                    column[r] = load(from + (r * SIDE + c) * plane);
                }
                weight_gradient_1d(column, 1, half + c, SIDE);
            }
            for (int r = 0; r < 3; r++) {
                weight_gradient_1d(half + r * SIDE, 1, result, 1);
                for (int c = 0; c < 3; c++) {
                    float *to = dw + (o * TAPS + r * 3 + c) * in + i;
                    store_part(to, load_part(to, lanes) + result[c], lanes);
                }
            }
        }
    }
}
