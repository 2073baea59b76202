/* What random augmentation does to an image behind its crop: the operations of torchvision's
 * RandAugment and ColorJitter on 8-bit pixels, bit for bit as Pillow computes them. The random
 * numbers are this project's. All Local. */
#ifndef DHO_AUGMENT_H
#define DHO_AUGMENT_H

#include "dho/image.h"
#include "dho/rng.h"
#include "dho/status.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* An operation, and what its magnitude is. L is Pillow's grey, (19595 R + 38470 G + 7471 B + 2^15)
 * >> 16. A blend with factor f is truncate(other + f (image - other)), cut off at 0 and 255. */
typedef enum dho_operation {
    DHO_OPERATION_IDENTITY,
    DHO_OPERATION_SHEAR_X,     /* dx / dy, about the upper left corner; outside is black */
    DHO_OPERATION_SHEAR_Y,     /* dy / dx */
    DHO_OPERATION_TRANSLATE_X, /* pixels to the right, rounded towards 0 */
    DHO_OPERATION_TRANSLATE_Y, /* pixels down */
    DHO_OPERATION_ROTATE,      /* degrees, anticlockwise, about the centre */
    DHO_OPERATION_BRIGHTNESS,  /* factor of a blend with black */
    DHO_OPERATION_SATURATION,  /* factor of a blend with L */
    DHO_OPERATION_CONTRAST,    /* factor of a blend with the rounded mean of L */
    DHO_OPERATION_SHARPNESS, /* factor of a blend with the image smoothed by 1 1 1, 1 5 1, 1 1 1 */
    DHO_OPERATION_POSTERIZE, /* bits that are kept, 0 .. 8 */
    DHO_OPERATION_SOLARIZE,  /* values from this threshold on are inverted */
    DHO_OPERATION_AUTO_CONTRAST, /* each channel's range becomes 0 .. 255 */
    DHO_OPERATION_EQUALIZE,      /* each channel's histogram becomes flat */
    DHO_OPERATION_RANDAUGMENT_COUNT,
    DHO_OPERATION_HUE = DHO_OPERATION_RANDAUGMENT_COUNT, /* -0.5 .. 0.5 turns, by Pillow's HSV */
    DHO_OPERATION_COUNT
} dho_operation;

/* Applies an operation to the image, in place. The geometric ones take the nearest pixel. Errors:
 * DHO_ERR_MEMORY. */
dho_status dho_image_operate(dho_image *inout, dho_operation operation, double magnitude,
                             dho_resample_scratch *scratch);

/* data.randaugment, data.randaugment_magnitude, data.colour_jitter. All zero: nothing. */
typedef struct dho_augmentation {
    int operations;   /* an image */
    int magnitude;    /* 0 .. 30 */
    double jitter[4]; /* brightness, contrast, saturation, hue */
} dho_augmentation;

bool dho_augmentation_is_on(const dho_augmentation *augmentation);

/* RandAugment (Cubuk et al. 2020, arXiv 1909.13719) as torchvision has it: `operations` times one
 * of the first RANDAUGMENT_COUNT, each as likely, with the magnitude's place of 31 in its range
 * (shears to 0.3, translations to 150 / 331 of the side, rotations to 30 degrees, factors 1 +- 0.9,
 * 8 to 4 bits, thresholds 255 to 0), its sign drawn where it has one. Then ColorJitter: the four in
 * a random order, with factors uniform in [max(0, 1 - s), 1 + s], the hue in [-s, s]; those with s
 * = 0 are left out. Errors: DHO_ERR_MEMORY. */
dho_status dho_image_augment(dho_image *inout, const dho_augmentation *augmentation, dho_rng *rng,
                             dho_resample_scratch *scratch);

/* Left to right, in place. */
void dho_image_flip(dho_image *inout);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
