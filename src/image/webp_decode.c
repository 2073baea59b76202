/* WebP to RGB through libwebp; of an animation the first frame, on a canvas of nothing, as Pillow
 * has it. Alpha is dropped. */
#include "image/image_codec.h"

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

static dho_status fail_webp(const char *name, VP8StatusCode code, size_t size)
{
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return dho_fail(DHO_ERR_MEMORY, "%s: cannot decode WebP: out of memory", name);
    if (code == VP8_STATUS_NOT_ENOUGH_DATA)
        return dho_fail(DHO_ERR_FORMAT, "%s: truncated WebP (%zu bytes)", name, size);
    return dho_fail(DHO_ERR_FORMAT, "%s: not a valid WebP", name);
}

static dho_status read_features(WebPBitstreamFeatures *out, const uint8_t *bytes, size_t size,
                                const char *name)
{
    const VP8StatusCode code = WebPGetFeatures(bytes, size, out);
    if (code != VP8_STATUS_OK) return fail_webp(name, code, size);
    return dho_image_check_size((size_t)out->width, (size_t)out->height, name);
}

static dho_status decode_still(dho_image *image, const uint8_t *bytes, size_t size,
                               const char *name)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return dho_fail(DHO_ERR_INTERNAL, "%s: libwebp is of another version", name);
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image->pixels;
    config.output.u.RGBA.stride = image->width * 3;
    config.output.u.RGBA.size = (size_t)image->width * (size_t)image->height * 3;
    const VP8StatusCode code = WebPDecode(bytes, size, &config);
    WebPFreeDecBuffer(&config.output);
    return code == VP8_STATUS_OK ? DHO_OK : fail_webp(name, code, size);
}

static dho_status decode_first_frame(dho_image *image, const uint8_t *bytes, size_t size,
                                     const char *name)
{
    const WebPData data = {.bytes = bytes, .size = size};
    WebPAnimDecoderOptions options;
    uint8_t *rgba;
    int time;
    if (!WebPAnimDecoderOptionsInit(&options))
        return dho_fail(DHO_ERR_INTERNAL, "%s: libwebp is of another version", name);
    options.color_mode = MODE_RGBA;
    options.use_threads = 0;
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
    const bool decoded = decoder != NULL && WebPAnimDecoderGetNext(decoder, &rgba, &time);
    const size_t pixels = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; decoded && i < pixels; i++) memcpy(image->pixels + 3 * i, rgba + 4 * i, 3);
    WebPAnimDecoderDelete(decoder);
    if (decoded) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: truncated or damaged WebP animation (%zu bytes)", name,
                    size);
}

static dho_status webp_decode(dho_image *inout, const uint8_t *bytes, size_t size, const char *name)
{
    WebPBitstreamFeatures features;
    DHO_TRY(read_features(&features, bytes, size, name));
    DHO_TRY(dho_image_reserve(inout, (size_t)features.width, (size_t)features.height, name));
    return features.has_animation ? decode_first_frame(inout, bytes, size, name)
                                  : decode_still(inout, bytes, size, name);
}

static dho_status webp_read_size(const uint8_t *bytes, size_t size, const char *name, int *width,
                                 int *height)
{
    WebPBitstreamFeatures features;
    DHO_TRY(read_features(&features, bytes, size, name));
    *width = features.width;
    *height = features.height;
    return DHO_OK;
}

static bool is_webp(const uint8_t *head, size_t size)
{
    return size >= 12 && memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WEBP", 4) == 0;
}

const dho_codec dho_codec_webp = {
    .name = "WebP", .is_mine = is_webp, .read_size = webp_read_size, .decode = webp_decode};
