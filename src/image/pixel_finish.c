/* Bytes to normalised numbers.
 *
 * A byte has 256 values, so that three tables hold all there is to know; but a look-up for each
 * value is slower than the arithmetic in vectors. Its two divisions are made of multiplications and
 * one step of correction each (Markstein, IBM J. Res. Dev. 34, 1990), which gives the same bits for
 * the usual constants; whether it does so for all 768 values is tried when the tables are made. */
#include "dho/image.h"

#include "base/bytes.h"
#include "image/image_codec.h"

#include <math.h>

/* Where fmaf is one instruction. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
enum { HAVE_FMA = 1 };
#else
enum { HAVE_FMA = 0 };
#endif

enum { LANES = 48 }; /* 16 pixels: a multiple of the channels and of every vector */

static inline float divide(float dividend, float divisor, float inverse)
{
    const float quotient = dividend * inverse;
    return fmaf(fmaf(-quotient, divisor, dividend), inverse, quotient);
}

static inline float finish_value(float byte, float mean, float std, float inverse_std)
{
    return divide(divide(byte, 255.0f, 1.0f / 255.0f) - mean, std, inverse_std);
}

void dho_pixel_finish_init(dho_pixel_finish *finish, const dho_normalise *normalise,
                           dho_compute_dtype type)
{
    finish->type = type;
    finish->exact = HAVE_FMA;
    for (int c = 0; c < 3; c++) {
        const float mean = normalise->mean[c], std = normalise->std[c], inverse = 1.0f / std;
        finish->mean[c] = mean;
        finish->std[c] = std;
        finish->inverse_std[c] = inverse;
        for (int v = 0; v < 256; v++) {
            finish->table[c][v] = ((float)v / 255.0f - mean) / std;
            if (HAVE_FMA && finish_value((float)v, mean, std, inverse) != finish->table[c][v])
                finish->exact = 0;
        }
    }
}

size_t dho_pixel_bytes(dho_compute_dtype type)
{
    return 3 * (type == DHO_DTYPE_FP32 ? sizeof(float) : sizeof(uint16_t));
}

/* The constants of 16 pixels. */
typedef struct lane_constants {
    float mean[LANES], std[LANES], inverse_std[LANES];
} lane_constants;

static void spread(const dho_pixel_finish *finish, lane_constants *out)
{
    for (int i = 0; i < LANES; i++) {
        out->mean[i] = finish->mean[i % 3];
        out->std[i] = finish->std[i % 3];
        out->inverse_std[i] = finish->inverse_std[i % 3];
    }
}

static inline void finish_lanes(const uint8_t *restrict in, const lane_constants *restrict c,
                                float *restrict out)
{
    for (int i = 0; i < LANES; i++)
        out[i] = finish_value((float)in[i], c->mean[i], c->std[i], c->inverse_std[i]);
}

/* All blocks of 16 pixels; returns the pixels that they are. */
static size_t finish_blocks(const dho_pixel_finish *finish, const uint8_t *pixels, size_t width,
                            void *out)
{
    lane_constants constants;
    float *floats = out;
    uint16_t *halves = out;
    const size_t whole = width / 16 * 16;
    spread(finish, &constants);
    for (size_t i = 0; i < whole * 3; i += LANES) {
        if (finish->type == DHO_DTYPE_FP32) {
            finish_lanes(pixels + i, &constants, floats + i);
        } else {
            float lanes[LANES];
            finish_lanes(pixels + i, &constants, lanes);
            for (size_t j = 0; j < LANES; j++) halves[i + j] = dho_bf16_store(lanes[j]);
        }
    }
    return whole;
}

void dho_pixel_finish_row(const dho_pixel_finish *finish, const uint8_t *pixels, size_t width,
                          bool flip, void *out)
{
    float *floats = out;
    uint16_t *halves = out;
    const bool vectors = HAVE_FMA && finish->exact && !flip;
    for (size_t x = vectors ? finish_blocks(finish, pixels, width, out) : 0; x < width; x++) {
        const size_t to = 3 * (flip ? width - 1 - x : x);
        for (size_t c = 0; c < 3; c++) {
            const float value = finish->table[c][pixels[3 * x + c]];
            if (finish->type == DHO_DTYPE_FP32)
                floats[to + c] = value;
            else
                halves[to + c] = dho_bf16_store(value);
        }
    }
}
