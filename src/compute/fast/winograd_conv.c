/* Where Winograd's way is taken, and what it needs. */
#include "compute/fast/fast_tables.h"
#include "compute/fast/winograd.h"

bool dho_winograd_fits(const dho_conv_shape *s)
{
    return s->kernel_h == 3 && s->kernel_w == 3 && s->stride == 1 && s->padding <= 2 &&
           s->groups == 1;
}

/* Measured against oneDNN 2.6 on two Zen 4 cores: 1.5 to 3 times as fast for 56x56x64, 28x28x128,
 * 14x14x256 and 7x7x512 with 16 and 32 images and for maps of 32 channels; even at 16 channels,
 * where the transforms are half of the work; slower below some 48 tiles, which the transform of the
 * weights is too much for, and where a map fills its tiles badly (5x5, 3x3: 2.25 products for each
 * pixel of the tiles are then 4 and more for each pixel of the map). In bf16 direct convolutions
 * are twice as fast (where the processor has it): 1.2 to 1.5 times as fast so with many tiles, even
 * for 7x7x512 with 32 images. */
bool dho_winograd_pays(const dho_compute *compute, const dho_conv_shape *s)
{
    enum {
        CHANNELS_MIN = 32,
        TILES_MIN = 48,
        BF16_TILES_MIN = 256,
        CHANNELS = 32 /* what products work on */
    };
    if (!dho_winograd_fits(s) || s->in_c < CHANNELS_MIN || s->out_c < CHANNELS_MIN) return false;
    const double batch = s->plan_batch > 0 ? s->plan_batch : s->batch;
    const double tiles = batch * ((s->out_h + 3) / 4) * ((s->out_w + 3) / 4);
    const double pixels = batch * s->out_h * s->out_w;
    const double in = (double)((s->in_c - 1) / CHANNELS + 1) * CHANNELS;
    const double out = (double)((s->out_c - 1) / CHANNELS + 1) * CHANNELS;
    const double products = 36 * tiles * in * out; /* directly: 9 pixels in_c out_c */
    const bool bf16 = compute->dtype == DHO_DTYPE_BF16 && compute->floats == NULL;
    return tiles >= (bf16 ? BF16_TILES_MIN : TILES_MIN) &&
           products <= 4 * pixels * s->in_c * s->out_c;
}

dho_status dho_winograd_plan(const dho_compute *compute, const dho_conv_shape *s, size_t *bytes)
{
    /* Every product of the sizes stays under these. */
    const double channels = 64.0 + s->in_c + s->out_c;
    const double tiles = (double)s->batch * (s->in_h + 6.0) * (s->in_w + 6.0);
    if (channels * channels > 0x1p44 || tiles * channels > 0x1p50 ||
        channels * compute->threads > 0x1p40) {
        return dho_fail(DHO_ERR_CONFIG,
                        "convolution: %d images of %dx%d, %d to %d channels: too large", s->batch,
                        s->in_h, s->in_w, s->in_c, s->out_c);
    }
    const size_t a = dho_winograd_convolve_bytes(compute, s);
    const size_t b = dho_winograd_weights_bytes(compute, s);
    *bytes = a > b ? a : b;
    return DHO_OK;
}

static dho_status reserve(dho_compute *compute, const dho_conv_shape *s, unsigned *calls,
                          size_t *bytes)
{
    *calls = 0;
    return dho_winograd_plan(compute, s, bytes);
}

const dho_kernel_table dho_winograd = {
    .choice = "winograd",
    .in_bf16 = true,
    .kernels = {.conv_forward = dho_winograd_forward,
                .conv_fused = dho_winograd_fused,
                .conv_backward_data = dho_winograd_backward_data,
                .conv_backward_weights = dho_winograd_backward_weights},
    .planning = {.conv_fits = dho_winograd_fits,
                 .conv_pays = dho_winograd_pays,
                 .conv_reserve = reserve},
};
