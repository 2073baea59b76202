#include "dho/image.h"

#include "image/image_codec.h"

#include <assert.h>
#include <limits.h>
#include <math.h>

static int clamp_int(double value, int low, int high)
{
    if (!(value > low)) return low;
    return value < high ? (int)value : high;
}

/* torchvision/transforms/transforms.py, RandomResizedCrop.get_params. rint is Python's round: half
 * to even. */
dho_box dho_random_resized_crop(int width, int height, const double scale[2], const double ratio[2],
                                dho_rng *rng)
{
    assert(width >= 1 && height >= 1);
    const double area = (double)width * height;
    const double low = log(ratio[0]), high = log(ratio[1]);
    for (int try = 0; try < 10; try++) {
        const double target = area * (scale[0] + (scale[1] - scale[0]) * dho_rng_uniform(rng));
        const double aspect = exp(low + (high - low) * dho_rng_uniform(rng));
        const double w = rint(sqrt(target * aspect)), h = rint(sqrt(target / aspect));
        if (!(w >= 1 && w <= width && h >= 1 && h <= height)) continue;
        dho_box box = {.width = (int)w, .height = (int)h};
        box.y = (int)dho_rng_below(rng, (uint32_t)(height - box.height + 1));
        box.x = (int)dho_rng_below(rng, (uint32_t)(width - box.width + 1));
        return box;
    }
    dho_box box = {.width = width, .height = height};
    const double aspect = (double)width / height;
    if (aspect < ratio[0])
        box.height = clamp_int(rint(width / ratio[0]), 1, height);
    else if (aspect > ratio[1])
        box.width = clamp_int(rint(height * ratio[1]), 1, width);
    box.x = (width - box.width) / 2;
    box.y = (height - box.height) / 2;
    return box;
}

/* round-half-even(excess / 2) for excess >= 0. */
static int half_even(int excess)
{
    const int half = excess / 2;
    return excess % 2 == 1 && half % 2 == 1 ? half + 1 : half;
}

void dho_resize_center_crop_geometry(int width, int height, int resize_short, int crop,
                                     int *resized_width, int *resized_height, dho_box *crop_box)
{
    assert(width >= 1 && height >= 1 && crop >= 1 && crop <= resize_short);
    const int small = width <= height ? width : height, large = width <= height ? height : width;
    const double exact = (double)resize_short * large / small;
    const int resized = exact < INT_MAX ? (int)exact : INT_MAX;
    *resized_width = width <= height ? resize_short : resized;
    *resized_height = width <= height ? resized : resize_short;
    *crop_box = (dho_box){.x = half_even(*resized_width - crop),
                          .y = half_even(*resized_height - crop),
                          .width = crop,
                          .height = crop};
}

void dho_image_to_network(const dho_image *image, const dho_pixel_finish *finish, void *out)
{
    const size_t width = (size_t)image->width, row_bytes = width * dho_pixel_bytes(finish->type);
    for (size_t y = 0; y < (size_t)image->height; y++)
        dho_pixel_finish_row(finish, image->pixels + y * width * 3, width, false,
                             (char *)out + y * row_bytes);
}

dho_status dho_image_eval_transform(const dho_image *image, int resize_short, int crop,
                                    dho_filter filter, const dho_pixel_finish *finish,
                                    dho_resample_scratch *scratch, dho_image *temporary, void *out)
{
    if (crop < 1 || crop > resize_short || resize_short > INT_MAX / DHO_IMAGE_MAX_SIDE)
        return dho_fail(DHO_ERR_CONFIG, "cannot crop %d pixels from an image resized to %d", crop,
                        resize_short);
    int width, height;
    dho_box window;
    dho_resize_center_crop_geometry(image->width, image->height, resize_short, crop, &width,
                                    &height, &window);
    const dho_box whole = {.width = image->width, .height = image->height};
    DHO_TRY(
        dho_image_resize_window(image, whole, width, height, window, filter, scratch, temporary));
    dho_image_to_network(temporary, finish, out);
    return DHO_OK;
}
