/* The operations of augmentation by their kind. Private to src/image. */
#ifndef DHO_IMAGE_OPERATION_H
#define DHO_IMAGE_OPERATION_H

#include "dho/augment.h"

/* Of the nearest pixels. source: a copy of the image's pixels. */
void dho_operation_move(dho_image *image, const uint8_t *source, dho_operation operation,
                        double magnitude);
/* Each pixel by itself, or by the image's histogram. */
void dho_operation_tone(dho_image *image, dho_operation operation, double magnitude);
void dho_operation_hue(dho_image *image, double turns);
/* source: a copy of the image's pixels. */
void dho_operation_sharpen(dho_image *image, const uint8_t *source, double factor);

#endif
