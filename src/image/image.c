#include "dho/image.h"

#include "dho/alloc.h"
#include "image/image_codec.h"

#include <string.h>

void dho_image_free(dho_image *image)
{
    dho_free(image->pixels);
    *image = (dho_image){0};
}

dho_status dho_image_check_size(size_t width, size_t height, const char *name)
{
    if (width < 1 || height < 1 || width > DHO_IMAGE_MAX_SIDE || height > DHO_IMAGE_MAX_SIDE)
        return dho_fail(DHO_ERR_FORMAT, "%s: image of %zu x %zu pixels, sides must be 1 .. %d",
                        name, width, height, DHO_IMAGE_MAX_SIDE);
    if (width * height > DHO_IMAGE_MAX_PIXELS)
        return dho_fail(DHO_ERR_FORMAT, "%s: image of %zu x %zu pixels, more than the %zu allowed",
                        name, width, height, DHO_IMAGE_MAX_PIXELS);
    return DHO_OK;
}

int dho_box_fits(dho_box box, int width, int height)
{
    return box.x >= 0 && box.y >= 0 && box.width >= 1 && box.height >= 1 && box.x < width &&
           box.y < height && box.width <= width - box.x && box.height <= height - box.y;
}

dho_status dho_image_reserve(dho_image *image, size_t width, size_t height, const char *name)
{
    image->width = image->height = 0;
    DHO_TRY(dho_image_check_size(width, height, name));
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

dho_status dho_image_read_size(const uint8_t *bytes, size_t size, const char *name, int *out_width,
                               int *out_height)
{
    const dho_codec *codec;
    *out_width = *out_height = 0;
    DHO_TRY(dho_codec_find(&codec, bytes, size, name));
    return codec->read_size(bytes, size, name, out_width, out_height);
}

/* Moves the box to the front of the pixels. */
static void crop_in_place(dho_image *image, dho_box box)
{
    const size_t stride = (size_t)image->width * 3, bytes = (size_t)box.width * 3;
    const uint8_t *from = image->pixels + (size_t)box.y * stride + (size_t)box.x * 3;
    if (bytes != stride || box.y != 0) {
        for (size_t y = 0; y < (size_t)box.height; y++)
            memmove(image->pixels + y * bytes, from + y * stride, bytes);
    }
    image->width = box.width;
    image->height = box.height;
}

static dho_status decode(dho_image *inout, const uint8_t *bytes, size_t size, const char *name,
                         const dho_box *box, dho_resample_scratch *scratch)
{
    const dho_codec *codec;
    int width, height;
    DHO_TRY(dho_codec_find(&codec, bytes, size, name));
    if (box != NULL) {
        DHO_TRY(codec->read_size(bytes, size, name, &width, &height));
        if (!dho_box_fits(*box, width, height))
            return dho_fail(DHO_ERR_FORMAT,
                            "%s: box %d x %d at (%d, %d) is not inside the %d x %d image", name,
                            box->width, box->height, box->x, box->y, width, height);
    }
    if (codec->decode_box != NULL)
        DHO_TRY(codec->decode_box(inout, bytes, size, name, box, scratch));
    else
        DHO_TRY(codec->decode(inout, bytes, size, name));
    if (box == NULL || (inout->width == box->width && inout->height == box->height)) return DHO_OK;
    crop_in_place(inout, *box);
    return DHO_OK;
}

dho_status dho_image_decode(dho_image *inout, const uint8_t *bytes, size_t size, const char *name)
{
    dho_resample_scratch scratch = {0};
    const dho_status status = decode(inout, bytes, size, name, NULL, &scratch);
    dho_resample_scratch_free(&scratch);
    if (status != DHO_OK) inout->width = inout->height = 0;
    return status;
}

dho_status dho_image_decode_box(dho_image *inout, const uint8_t *bytes, size_t size,
                                const char *name, dho_box box, dho_resample_scratch *scratch)
{
    const dho_status status = decode(inout, bytes, size, name, &box, scratch);
    if (status != DHO_OK) inout->width = inout->height = 0;
    return status;
}
