/* The synthetic image of tests/golden/make_image_golden.py: noise with black and white spots. */
#ifndef DHO_TESTS_SYNTHETIC_IMAGE_H
#define DHO_TESTS_SYNTHETIC_IMAGE_H

#include "dho/image.h"
#include "image/image_codec.h"

static inline dho_status synthetic(dho_image *image, int width, int height)
{
    DHO_TRY(dho_image_reserve(image, (size_t)width, (size_t)height, "synthetic"));
    const uint32_t bytes = (uint32_t)width * (uint32_t)height * 3;
    for (uint32_t i = 0; i < bytes; i++) {
        uint32_t mixed = i * 2654435761u + ((uint32_t)width * 7919u + (uint32_t)height);
        mixed ^= mixed >> 15;
        mixed *= 2246822519u;
        mixed ^= mixed >> 13;
        const uint32_t choice = mixed & 0x700;
        image->pixels[i] = (uint8_t)(choice == 0 ? 0 : choice == 0x100 ? 255 : mixed & 255);
    }
    return DHO_OK;
}

#endif
