/* Reads and decodes an image file. */
#ifndef DHO_TESTS_LOAD_IMAGE_H
#define DHO_TESTS_LOAD_IMAGE_H

#include "dho/file.h"
#include "dho/image.h"

/* *inout_buffer as in dho_file_read. */
static inline dho_status load_image(dho_image *inout, const char *path, uint8_t **inout_buffer,
                                    size_t *inout_capacity)
{
    size_t size;
    DHO_TRY(dho_file_read(path, (size_t)2 << 30, inout_buffer, inout_capacity, &size));
    return dho_image_decode(inout, *inout_buffer, size, path);
}

#endif
