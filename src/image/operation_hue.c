/* Pillow's conversion to HSV in 8 bits and back, with the hue turned in between. */
#include "image/operation.h"

#include <math.h>

static uint8_t clip(double value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void to_hsv(const uint8_t rgb[3], uint8_t hsv[3])
{
    const int r = rgb[0], g = rgb[1], b = rgb[2];
    const int most = r > g ? (r > b ? r : b) : (g > b ? g : b);
    const int least = r < g ? (r < b ? r : b) : (g < b ? g : b);
    hsv[0] = hsv[1] = 0;
    hsv[2] = (uint8_t)most;
    if (most == least) return;
    const float range = (float)(most - least), saturation = range / (float)most;
    const float from_r = (float)(most - r) / range, from_g = (float)(most - g) / range;
    const float from_b = (float)(most - b) / range;
    float hue;
    if (r == most)
        hue = from_b - from_g;
    else if (g == most)
        hue = (float)(2.0 + (double)from_r - (double)from_b);
    else
        hue = (float)(4.0 + (double)from_g - (double)from_r);
    hue = (float)fmod((double)hue / 6.0 + 1.0, 1.0);
    hsv[0] = clip((int)((double)hue * 255.0));
    hsv[1] = clip((int)((double)saturation * 255.0));
}

static void to_rgb(const uint8_t hsv[3], uint8_t rgb[3])
{
    const uint8_t v = hsv[2];
    rgb[0] = rgb[1] = rgb[2] = v;
    if (hsv[1] == 0) return;
    const float turns = (float)(hsv[0] * 6.0 / 255.0), saturation = (float)(hsv[1] / 255.0);
    const int sixth = (int)floor((double)turns);
    const float f = turns - (float)sixth, value = (float)v;
    const uint8_t p = clip(round((double)value * (1.0 - (double)saturation)));
    const uint8_t q = clip(round((double)value * (1.0 - (double)(saturation * f))));
    const uint8_t t = clip(round((double)value * (1.0 - (double)saturation * (1.0 - (double)f))));
    const uint8_t of[6][3] = {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}};
    for (int c = 0; c < 3; c++) rgb[c] = of[sixth % 6][c];
}

void dho_operation_hue(dho_image *image, double turns)
{
    const size_t pixels = (size_t)image->width * (size_t)image->height;
    const uint8_t shift = (uint8_t)(int)(turns * 255);
    for (size_t i = 0; i < pixels; i++) {
        uint8_t *rgb = image->pixels + 3 * i, hsv[3];
        to_hsv(rgb, hsv);
        hsv[0] = (uint8_t)(hsv[0] + shift);
        to_rgb(hsv, rgb);
    }
}
