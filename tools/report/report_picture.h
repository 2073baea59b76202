/* Thumbnails for a page: a small JPEG in base64. Private to src and tools. */
#ifndef DHO_REPORT_REPORT_PICTURE_H
#define DHO_REPORT_REPORT_PICTURE_H

#include "base/text.h"
#include "dho/dataset.h"
#include "dho/image.h"

/* Reused from image to image. Zero-initialise. */
typedef struct dho_picture_memory {
    dho_image full, small;
    dho_resample_scratch scratch;
    uint8_t *file, *jpeg; /* owned */
    size_t file_capacity, jpeg_capacity;
} dho_picture_memory;

void dho_picture_memory_free(dho_picture_memory *memory);

/* Appends image `id` to *out; its long side becomes `side` pixels, a smaller image stays as it is.
 * Errors: those of dho_dataset_read and dho_image_decode; DHO_ERR_MEMORY. */
dho_status dho_picture_encode(dho_picture_memory *memory, const dho_dataset *dataset, int64_t id,
                              int side, dho_text *out, int *out_width, int *out_height);

#endif
