#include "teacher/tinyvit_crop.h"

#include "base/pcg64.h"

#include <math.h>

enum { TRIES = 10 };

const double tinyvit_crop_scale[2] = {0.08, 1}, tinyvit_crop_ratio[2] = {3.0 / 4, 4.0 / 3};

/* A whole number of 0 to `most`, as aug_random.py draws it. */
static int draw_integer(dho_pcg64 *rng, int most)
{
    const int drawn = (int)(dho_pcg64_uniform(rng) * (most + 1.0));
    return drawn < most ? drawn : most;
}

static double draw_uniform(dho_pcg64 *rng, double low, double high)
{
    return dho_pcg64_uniform(rng) * (high - low) + low;
}

/* The whole image, or as much of its middle as the ratio allows. */
static dho_box central_box(int width, int height)
{
    const double ratio = (double)width / height;
    dho_box box = {.width = width, .height = height};
    if (ratio < tinyvit_crop_ratio[0])
        box.height = (int)rint(width / tinyvit_crop_ratio[0]);
    else if (ratio > tinyvit_crop_ratio[1])
        box.width = (int)rint(height * tinyvit_crop_ratio[1]);
    box.y = (height - box.height) / 2;
    box.x = (width - box.width) / 2;
    return box;
}

static dho_box draw_box(dho_pcg64 *rng, int width, int height)
{
    const double area = (double)width * height;
    for (int i = 0; i < TRIES; i++) {
        const double target =
            draw_uniform(rng, tinyvit_crop_scale[0], tinyvit_crop_scale[1]) * area;
        const double ratio =
            exp(draw_uniform(rng, log(tinyvit_crop_ratio[0]), log(tinyvit_crop_ratio[1])));
        dho_box box = {.width = (int)rint(sqrt(target * ratio)),
                       .height = (int)rint(sqrt(target / ratio))};
        if (box.width > width || box.height > height) continue;
        box.y = draw_integer(rng, height - box.height);
        box.x = draw_integer(rng, width - box.width);
        return box;
    }
    return central_box(width, height);
}

void tinyvit_crop_draw(uint32_t seed, int width, int height, dho_box *box, bool *flip)
{
    dho_pcg64 rng;
    dho_pcg64_seed(&rng, seed);
    *box = draw_box(&rng, width, height);
    *flip = dho_pcg64_uniform(&rng) < 0.5;
}
