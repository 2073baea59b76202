#include "dho/augment.h"

#include <math.h>

enum { MOST_MAGNITUDE = 30 };

bool dho_augmentation_is_on(const dho_augmentation *augmentation)
{
    bool on = augmentation->operations > 0;
    for (int j = 0; j < 4; j++) on |= augmentation->jitter[j] > 0;
    return on;
}

/* The magnitude of an operation of RandAugment at `share` (0 .. 1) of its range; sign: 1 or -1. */
static double magnitude_of(const dho_image *image, dho_operation operation, double share, int sign)
{
    switch (operation) {
    case DHO_OPERATION_SHEAR_X:
    case DHO_OPERATION_SHEAR_Y:
        return sign * 0.3 * share;
    case DHO_OPERATION_TRANSLATE_X:
        return sign * 150.0 / 331.0 * image->width * share;
    case DHO_OPERATION_TRANSLATE_Y:
        return sign * 150.0 / 331.0 * image->height * share;
    case DHO_OPERATION_ROTATE:
        return sign * 30.0 * share;
    case DHO_OPERATION_BRIGHTNESS:
    case DHO_OPERATION_SATURATION:
    case DHO_OPERATION_CONTRAST:
    case DHO_OPERATION_SHARPNESS:
        return 1 + sign * 0.9 * share;
    case DHO_OPERATION_POSTERIZE:
        return 8 - rint(4 * share);
    case DHO_OPERATION_SOLARIZE:
        return 255 * (1 - share);
    case DHO_OPERATION_IDENTITY:
    case DHO_OPERATION_AUTO_CONTRAST:
    case DHO_OPERATION_EQUALIZE:
    case DHO_OPERATION_HUE:
    case DHO_OPERATION_COUNT:
        break;
    }
    return 0;
}

static dho_status jitter(dho_image *inout, const double strength[4], dho_rng *rng,
                         dho_resample_scratch *scratch)
{
    static const dho_operation operations[4] = {DHO_OPERATION_BRIGHTNESS, DHO_OPERATION_CONTRAST,
                                                DHO_OPERATION_SATURATION, DHO_OPERATION_HUE};
    int64_t order[4] = {0, 1, 2, 3};
    dho_rng_shuffle(rng, order, 4);
    for (int i = 0; i < 4; i++) {
        const double s = strength[order[i]], u = dho_rng_uniform(rng);
        const dho_operation operation = operations[order[i]];
        const double middle = operation == DHO_OPERATION_HUE ? 0 : 1;
        double low = middle - s;
        if (s == 0) continue;
        if (operation != DHO_OPERATION_HUE && low < 0) low = 0;
        DHO_TRY(dho_image_operate(inout, operation, low + (middle + s - low) * u, scratch));
    }
    return DHO_OK;
}

dho_status dho_image_augment(dho_image *inout, const dho_augmentation *augmentation, dho_rng *rng,
                             dho_resample_scratch *scratch)
{
    const double share = (double)augmentation->magnitude / MOST_MAGNITUDE;
    for (int i = 0; i < augmentation->operations; i++) {
        const dho_operation operation =
            (dho_operation)dho_rng_below(rng, DHO_OPERATION_RANDAUGMENT_COUNT);
        const int sign = dho_rng_uniform(rng) < 0.5 ? -1 : 1;
        const double magnitude = magnitude_of(inout, operation, share, sign);
        DHO_TRY(dho_image_operate(inout, operation, magnitude, scratch));
    }
    return jitter(inout, augmentation->jitter, rng, scratch);
}

void dho_image_flip(dho_image *inout)
{
    const size_t width = (size_t)inout->width;
    for (size_t y = 0; y < (size_t)inout->height; y++) {
        uint8_t *row = inout->pixels + y * width * 3;
        for (size_t x = 0; 2 * x + 1 < width; x++)
            for (size_t c = 0; c < 3; c++) {
                const uint8_t left = row[3 * x + c];
                row[3 * x + c] = row[3 * (width - 1 - x) + c];
                row[3 * (width - 1 - x) + c] = left;
            }
    }
}
