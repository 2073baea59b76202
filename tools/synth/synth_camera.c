/* What happens to the drawn canvas: blur, posters, exposure, sensor noise, 8 bits. */
#include "synth/synth_scene.h"

#include <math.h>

/* 1-2-1 filter in both directions, the border repeated. */
void dho_synth_blur(float *pixels, float *temporary, int width, int height, int channels)
{
    const size_t stride = (size_t)width * (size_t)channels, step = (size_t)channels;
    for (int y = 0; y < height; y++) {
        const float *row = pixels + (size_t)y * stride;
        float *out = temporary + (size_t)y * stride;
        for (size_t i = 0; i < stride; i++) {
            const float left = row[i < step ? i : i - step];
            const float right = row[i + step < stride ? i + step : i];
            out[i] = 0.25f * (left + right) + 0.5f * row[i];
        }
    }
    for (int y = 0; y < height; y++) {
        const float *row = temporary + (size_t)y * stride;
        const float *up = y > 0 ? row - stride : row, *down = y + 1 < height ? row + stride : row;
        float *out = pixels + (size_t)y * stride;
        for (size_t i = 0; i < stride; i++) out[i] = 0.25f * (up[i] + down[i]) + 0.5f * row[i];
    }
}

static size_t value_count(const dho_synth_scene *s)
{
    return (size_t)s->width * (size_t)s->height * 3;
}

void dho_synth_poster(dho_synth_scene *s, int levels)
{
    const float steps = (float)(levels - 1);
    const size_t count = value_count(s);
    for (size_t i = 0; i < count; i++) s->rgb[i] = floorf(s->rgb[i] * steps + 0.5f) / steps;
}

void dho_synth_recolour(dho_synth_scene *s)
{
    /* Brightness, mapped to a palette of three: the colours no longer tell anything. */
    dho_synth_colour palette[3];
    const float hue = dho_synth_range(s, 0, 1);
    for (int i = 0; i < 3; i++)
        palette[i] = dho_synth_hsv(hue + 0.3f * (float)i, dho_synth_range(s, 0.4f, 0.9f),
                                   0.15f + 0.42f * (float)i);
    const bool reversed = dho_synth_chance(s, 0.3f);
    const size_t count = value_count(s);
    for (size_t i = 0; i < count; i += 3) {
        float *p = s->rgb + i;
        float luma = dho_synth_luma((dho_synth_colour){p[0], p[1], p[2]});
        luma = dho_synth_min(dho_synth_max(reversed ? 1 - luma : luma, 0), 1);
        const dho_synth_colour c = luma < 0.5f
                                       ? dho_synth_mix(palette[0], palette[1], 2 * luma)
                                       : dho_synth_mix(palette[1], palette[2], 2 * luma - 1);
        p[0] = c.r;
        p[1] = c.g;
        p[2] = c.b;
    }
}

void dho_synth_pixelate(dho_synth_scene *s, int block)
{
    for (int y = 0; y < s->height; y += block) {
        for (int x = 0; x < s->width; x += block) {
            const int x1 = x + block < s->width ? x + block : s->width;
            const int y1 = y + block < s->height ? y + block : s->height;
            float sum[3] = {0, 0, 0};
            for (int v = y; v < y1; v++) {
                for (int u = x; u < x1; u++) {
                    const float *p = s->rgb + 3 * ((size_t)v * (size_t)s->width + (size_t)u);
                    for (int c = 0; c < 3; c++) sum[c] += p[c];
                }
            }
            const float inverse = 1 / (float)((x1 - x) * (y1 - y));
            for (int v = y; v < y1; v++) {
                for (int u = x; u < x1; u++) {
                    float *p = s->rgb + 3 * ((size_t)v * (size_t)s->width + (size_t)u);
                    for (int c = 0; c < 3; c++) p[c] = sum[c] * inverse;
                }
            }
        }
    }
}

void dho_synth_expose(dho_synth_scene *s, float strength)
{
    float gain[3];
    const float exposure = 1 + strength * dho_synth_range(s, -0.4f, 0.25f);
    const float contrast = 1 + strength * dho_synth_range(s, -0.4f, 0.2f);
    for (int c = 0; c < 3; c++)
        gain[c] = contrast * exposure * (1 + strength * dho_synth_range(s, -0.12f, 0.12f));
    const float lift = 0.45f * (1 - contrast);
    const float slope_x = strength * dho_synth_range(s, -0.35f, 0.35f) / (float)s->width;
    const float slope_y = strength * dho_synth_range(s, -0.35f, 0.35f) / (float)s->height;
    for (int y = 0; y < s->height; y++) {
        float *row = s->rgb + (size_t)y * (size_t)s->width * 3;
        for (int x = 0; x < s->width; x++) {
            const float light = 1 + slope_x * ((float)x - 0.5f * (float)s->width) +
                                slope_y * ((float)y - 0.5f * (float)s->height);
            for (int c = 0; c < 3; c++) row[3 * x + c] = row[3 * x + c] * gain[c] * light + lift;
        }
    }
}

void dho_synth_develop(dho_synth_scene *s, float noise, dho_image *out)
{
    /* Sensor noise by a counter hash (the finaliser of splitmix64): four bytes of it are a good
     * enough normal number, and a Philox draw per value would take as long as all the drawing. */
    const uint64_t salt = (uint64_t)dho_rng_u32(&s->rng) << 32 | dho_rng_u32(&s->rng);
    const float scale = noise / 147.8f; /* standard deviation of the sum of four bytes */
    const size_t count = value_count(s);
    for (size_t i = 0; i < count; i++) {
        float value = s->rgb[i];
        if (noise > 0) {
            uint64_t z = salt + (uint64_t)(i / 2 + 1) * 0x9e3779b97f4a7c15u;
            z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
            z = (z ^ z >> 27) * 0x94d049bb133111ebu;
            z = (z ^ z >> 31) >> (i % 2 * 32);
            value +=
                scale *
                ((float)((z & 255) + (z >> 8 & 255) + (z >> 16 & 255) + (z >> 24 & 255)) - 510);
        }
        out->pixels[i] = (uint8_t)(dho_synth_min(dho_synth_max(value, 0), 1) * 255 + 0.5f);
    }
}
