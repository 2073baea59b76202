/* Brightness, contrast, saturation, sharpness; tables of values from Pillow's ImageOps. */
#include "image/operation.h"

#include <math.h>

/* Pillow's Image.blend of two values. */
static uint8_t blend(uint8_t other, uint8_t value, float factor)
{
    const float mixed = (float)other + factor * (float)(value - other);
    if (!(mixed > 0)) return 0;
    return mixed >= 255 ? 255 : (uint8_t)mixed;
}

static uint8_t grey_of(const uint8_t *rgb)
{
    return (uint8_t)((19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 0x8000) >> 16);
}

static size_t pixels_of(const dho_image *image)
{
    return (size_t)image->width * (size_t)image->height;
}

static void blend_with(dho_image *image, uint8_t other, float factor)
{
    for (size_t i = 0; i < 3 * pixels_of(image); i++)
        image->pixels[i] = blend(other, image->pixels[i], factor);
}

static void saturate(dho_image *image, float factor)
{
    for (size_t i = 0; i < pixels_of(image); i++) {
        uint8_t *rgb = image->pixels + 3 * i;
        const uint8_t grey = grey_of(rgb);
        for (int c = 0; c < 3; c++) rgb[c] = blend(grey, rgb[c], factor);
    }
}

static void contrast(dho_image *image, float factor)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < pixels_of(image); i++) sum += grey_of(image->pixels + 3 * i);
    blend_with(image, (uint8_t)((double)sum / (double)pixels_of(image) + 0.5), factor);
}

/* The edges stay as they are. 13 is odd: no sum lies half way, so that integers do. */
void dho_operation_sharpen(dho_image *image, const uint8_t *source, double factor)
{
    const size_t width = (size_t)image->width, row = 3 * width;
    for (size_t y = 1; y + 1 < (size_t)image->height; y++)
        for (size_t i = 3; i + 3 < row; i++) {
            const uint8_t *at = source + y * row + i;
            int sum = 4 * at[0];
            for (size_t r = 0; r < 3; r++) {
                const uint8_t *line = at - row + r * row;
                sum += line[-3] + line[0] + line[3];
            }
            image->pixels[y * row + i] =
                blend((uint8_t)((2 * sum + 13) / 26), at[0], (float)factor);
        }
}

/* --- tables: what each value of a channel becomes --- */

typedef struct channel_table {
    uint8_t of[256];
} channel_table;

static void posterize(channel_table *t, double bits)
{
    const int kept = (int)bits;
    const unsigned mask = kept >= 8 ? 0xff : kept <= 0 ? 0 : 0xffu << (8 - kept);
    for (unsigned v = 0; v < 256; v++) t->of[v] = (uint8_t)(v & mask);
}

static void solarize(channel_table *t, double threshold)
{
    for (int v = 0; v < 256; v++) t->of[v] = (uint8_t)(v < threshold ? v : 255 - v);
}

static void keep(channel_table *t)
{
    for (int v = 0; v < 256; v++) t->of[v] = (uint8_t)v;
}

static void stretch(channel_table *t, const int64_t counts[256])
{
    int low = 0, high = 255;
    while (low < 255 && counts[low] == 0) low++;
    while (high > 0 && counts[high] == 0) high--;
    keep(t);
    if (high <= low) return;
    const double scale = 255.0 / (high - low), offset = -low * scale;
    for (int v = 0; v < 256; v++) {
        const double value = trunc(v * scale + offset);
        t->of[v] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

static void equalize(channel_table *t, const int64_t counts[256])
{
    int64_t all = 0, last = 0;
    for (int v = 0; v < 256; v++) {
        all += counts[v];
        if (counts[v] > 0) last = counts[v];
    }
    const int64_t step = (all - last) / 255;
    keep(t);
    if (step == 0) return;
    int64_t n = step / 2;
    for (int v = 0; v < 256; n += counts[v++]) {
        const int64_t value = n / step;
        t->of[v] = (uint8_t)(value > 255 ? 255 : value);
    }
}

static void by_table(dho_image *image, dho_operation operation, double magnitude)
{
    for (int c = 0; c < 3; c++) {
        channel_table table;
        int64_t counts[256] = {0};
        for (size_t i = 0; i < pixels_of(image); i++) counts[image->pixels[3 * i + (size_t)c]]++;
        if (operation == DHO_OPERATION_POSTERIZE)
            posterize(&table, magnitude);
        else if (operation == DHO_OPERATION_SOLARIZE)
            solarize(&table, magnitude);
        else if (operation == DHO_OPERATION_AUTO_CONTRAST)
            stretch(&table, counts);
        else
            equalize(&table, counts);
        for (size_t i = 0; i < pixels_of(image); i++) {
            uint8_t *value = &image->pixels[3 * i + (size_t)c];
            *value = table.of[*value];
        }
    }
}

void dho_operation_tone(dho_image *image, dho_operation operation, double magnitude)
{
    const float factor = (float)magnitude;
    if (operation == DHO_OPERATION_BRIGHTNESS)
        blend_with(image, 0, factor);
    else if (operation == DHO_OPERATION_SATURATION)
        saturate(image, factor);
    else if (operation == DHO_OPERATION_CONTRAST)
        contrast(image, factor);
    else
        by_table(image, operation, magnitude);
}
