#include "dho/image.h"

#include "data/image_codec.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <string.h>

/* No image of DHO_IMAGE_MAX_PIXELS pixels needs more. */
static const size_t max_file_bytes = (size_t)2 << 30;

void dho_image_free(dho_image *image)
{
    dho_free(image->pixels);
    *image = (dho_image){0};
}

dho_status dho_image_reserve(dho_image *image, size_t width, size_t height, const char *name)
{
    image->width = image->height = 0;
    if (width < 1 || height < 1 || width > DHO_IMAGE_MAX_SIDE || height > DHO_IMAGE_MAX_SIDE)
        return dho_fail(DHO_ERR_FORMAT, "%s: image of %zu x %zu pixels, sides must be 1 .. %d",
                        name, width, height, DHO_IMAGE_MAX_SIDE);
    if (width * height > DHO_IMAGE_MAX_PIXELS)
        return dho_fail(DHO_ERR_FORMAT, "%s: image of %zu x %zu pixels, more than the %zu allowed",
                        name, width, height, DHO_IMAGE_MAX_PIXELS);
    const size_t bytes = width * height * 3;
    if (image->capacity < bytes) {
        dho_free(image->pixels);
        image->pixels = NULL;
        image->capacity = 0;
        DHO_TRY(dho_alloc(&image->pixels, bytes, 1, name));
        image->capacity = bytes;
    }
    image->width = (int)width;
    image->height = (int)height;
    return DHO_OK;
}

dho_status dho_image_decode(dho_image *inout, const uint8_t *bytes, size_t size, const char *name)
{
    static const uint8_t jpeg_magic[] = {0xff, 0xd8, 0xff};
    static const uint8_t png_magic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    dho_status status;
    if (size >= sizeof jpeg_magic && memcmp(bytes, jpeg_magic, sizeof jpeg_magic) == 0)
        status = dho_jpeg_decode(inout, bytes, size, name);
    else if (size >= sizeof png_magic && memcmp(bytes, png_magic, sizeof png_magic) == 0)
        status = dho_png_decode(inout, bytes, size, name);
    else if (size < sizeof jpeg_magic)
        status = dho_fail(DHO_ERR_FORMAT, "%s: %zu bytes are no image", name, size);
    else
        status = dho_fail(DHO_ERR_FORMAT, "%s: neither JPEG nor PNG (starts with %02x %02x %02x)",
                          name, bytes[0], bytes[1], bytes[2]);
    if (status != DHO_OK) inout->width = inout->height = 0;
    return status;
}

dho_status dho_image_load(dho_image *inout, const char *path, uint8_t **inout_buffer,
                          size_t *inout_capacity)
{
    size_t size;
    inout->width = inout->height = 0;
    DHO_TRY(dho_file_read(path, max_file_bytes, inout_buffer, inout_capacity, &size));
    return dho_image_decode(inout, *inout_buffer, size, path);
}
