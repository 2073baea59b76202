/* libFuzzer harness of dho_image_decode and, for small images, of the resampler.
 * Seed it with photographs and tests/golden/image. */
#include "dho/alloc.h"
#include "dho/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dho_image image = {0}, resized = {0};
    dho_resample_scratch scratch = {0};
    if (dho_image_decode(&image, data, size, "fuzz") == DHO_OK) {
        /* Every pixel is read: a byte that was never written shows under MemorySanitizer. */
        const dho_box box = {.x = image.width / 3,
                             .y = image.height / 5,
                             .width = image.width - image.width / 3,
                             .height = image.height - image.height / 5};
        if (dho_image_resize(&image, box, 1 + (int)(size % 37), 1 + (int)(size % 23),
                             size % 2 ? DHO_FILTER_BICUBIC : DHO_FILTER_BILINEAR, &scratch,
                             &resized) != DHO_OK)
            abort();
    } else if (image.width != 0) {
        abort();
    }
    dho_image_free(&image);
    dho_image_free(&resized);
    dho_resample_scratch_free(&scratch);
    if (dho_alloc_get_stats().live_blocks != 0) abort();
    return 0;
}
