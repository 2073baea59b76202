/* Shears, translations and rotations: torchvision's and Pillow's matrices, and Pillow's affine
 * transform of the nearest pixel in 16.16 fixed point. */
#include "image/operation.h"

#include <math.h>
#include <string.h>

/* Where a pixel comes from: x' = a[0] x + a[1] y + a[2], y' = a[3] x + a[4] y + a[5]. */
typedef struct affine {
    double a[6];
} affine;

static const double degrees = 57.29577951308232;

/* Python's round(x, 15) for |x| <= 1. */
static double round_15(double x)
{
    return rint(x * 1e15) / 1e15;
}

static affine rotation(const dho_image *image, double angle)
{
    const double turned = fmod(fmod(angle, 360) + 360, 360), radians = -turned / degrees;
    const double cosine = round_15(cos(radians)), sine = round_15(sin(radians));
    const double x = image->width / 2.0, y = image->height / 2.0;
    affine m = {{cosine, sine, 0, -sine, cosine, 0}};
    m.a[2] = m.a[0] * -x + m.a[1] * -y + x;
    m.a[5] = m.a[3] * -x + m.a[4] * -y + y;
    return m;
}

static affine matrix_of(const dho_image *image, dho_operation operation, double magnitude)
{
    affine m = {{1, 0, 0, 0, 1, 0}};
    if (operation == DHO_OPERATION_ROTATE) return rotation(image, magnitude);
    if (operation == DHO_OPERATION_SHEAR_X) m.a[1] = tan(atan(magnitude));
    if (operation == DHO_OPERATION_SHEAR_Y) m.a[3] = tan(atan(magnitude));
    if (operation == DHO_OPERATION_TRANSLATE_X) m.a[2] = -trunc(magnitude);
    if (operation == DHO_OPERATION_TRANSLATE_Y) m.a[5] = -trunc(magnitude);
    return m;
}

static int64_t fixed(double value)
{
    return (int64_t)floor(value * 65536.0 + 0.5);
}

void dho_operation_move(dho_image *image, const uint8_t *source, dho_operation operation,
                        double magnitude)
{
    const affine m = matrix_of(image, operation, magnitude);
    const int64_t width = image->width, height = image->height;
    int64_t row_x = fixed(m.a[2] + m.a[0] * 0.5 + m.a[1] * 0.5);
    int64_t row_y = fixed(m.a[5] + m.a[3] * 0.5 + m.a[4] * 0.5);
    uint8_t *out = image->pixels;
    memset(out, 0, (size_t)width * (size_t)height * 3);
    for (int64_t y = 0; y < height; y++) {
        int64_t at_x = row_x, at_y = row_y;
        for (int64_t x = 0; x < width; x++, out += 3) {
            const int64_t from_x = at_x >> 16, from_y = at_y >> 16;
            if (from_x >= 0 && from_x < width && from_y >= 0 && from_y < height)
                memcpy(out, source + (from_y * width + from_x) * 3, 3);
            at_x += fixed(m.a[0]);
            at_y += fixed(m.a[3]);
        }
        row_x += fixed(m.a[1]);
        row_y += fixed(m.a[4]);
    }
}
