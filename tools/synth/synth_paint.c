/* Colours, paints and noise. */
#include "synth/synth_draw.h"

#include <math.h>

dho_synth_colour dho_synth_mix(dho_synth_colour a, dho_synth_colour b, float t)
{
    return (dho_synth_colour){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

dho_synth_colour dho_synth_hsv(float hue, float saturation, float value)
{
    /* Each channel is a trapezoid over the hue circle, a third of it apart. */
    const float offsets[3] = {1.0f, 2.0f / 3.0f, 1.0f / 3.0f};
    float channel[3];
    for (int i = 0; i < 3; i++) {
        const float place = hue + offsets[i];
        const float ramp = fabsf((place - floorf(place)) * 6 - 3) - 1;
        channel[i] = value * (1 + saturation * (dho_synth_min(dho_synth_max(ramp, 0), 1) - 1));
    }
    return (dho_synth_colour){channel[0], channel[1], channel[2]};
}

float dho_synth_luma(dho_synth_colour c)
{
    return 0.299f * c.r + 0.587f * c.g + 0.114f * c.b;
}

dho_synth_paint dho_synth_plain(dho_synth_colour colour, float alpha)
{
    return (dho_synth_paint){.first = colour, .second = colour, .alpha = alpha};
}

dho_synth_paint dho_synth_role(const dho_synth_scene *s, int role)
{
    if (role != DHO_SYNTH_MAIN) return dho_synth_plain(s->palette[role], 1);
    dho_synth_paint paint = s->material;
    paint.first = s->palette[DHO_SYNTH_MAIN];
    paint.alpha = 1;
    return paint;
}

float dho_synth_noise(const dho_synth_scene *s, float x, float y)
{
    const float fx = floorf(x), fy = floorf(y);
    const unsigned mask = DHO_SYNTH_LATTICE - 1;
    const unsigned i = (unsigned)(int)fx & mask, j = (unsigned)(int)fy & mask;
    const unsigned k = (i + 1) & mask, l = (j + 1) & mask;
    float u = x - fx, v = y - fy;
    u = u * u * (3 - 2 * u);
    v = v * v * (3 - 2 * v);
    const float *grid = s->lattice;
    const float a = grid[j * DHO_SYNTH_LATTICE + i], b = grid[j * DHO_SYNTH_LATTICE + k];
    const float c = grid[l * DHO_SYNTH_LATTICE + i], d = grid[l * DHO_SYNTH_LATTICE + k];
    const float top = a + (b - a) * u, bottom = c + (d - c) * u;
    return top + (bottom - top) * v;
}

float dho_synth_octaves(const dho_synth_scene *s, float x, float y, int octaves)
{
    float sum = 0, amplitude = 1, total = 0;
    for (int i = 0; i < octaves; i++) {
        sum += amplitude * dho_synth_noise(s, x, y);
        total += amplitude;
        amplitude *= 0.5f;
        x = 2 * x + 11;
        y = 2 * y + 23;
    }
    return sum / total;
}
