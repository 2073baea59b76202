/* PBM, PGM and PPM, plain and binary, to RGB as Pillow reads them: round(value / maxval * 255),
 * half to even. Only grey of more than 255 steps differs: Pillow saturates it, here it is scaled as
 * colour is. Written here: the format is a header of three numbers. */
#include "image/image_codec.h"

#include <math.h>
#include <string.h>

enum { LONGEST_NUMBER = 10 };

typedef struct reader {
    const uint8_t *bytes; /* borrowed */
    size_t size, at;
    const char *name;
    int kind; /* 1 .. 6 */
    size_t width, height;
    unsigned maxval;
} reader;

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static dho_status fail_pnm(const reader *r)
{
    return r->at >= r->size
               ? dho_fail(DHO_ERR_FORMAT, "%s: truncated PNM (%zu bytes)", r->name, r->size)
               : dho_fail(DHO_ERR_FORMAT, "%s: not a valid PNM: offset %zu: a number is expected",
                          r->name, r->at);
}

static void skip_space(reader *r)
{
    while (r->at < r->size && (is_space(r->bytes[r->at]) || r->bytes[r->at] == '#')) {
        if (r->bytes[r->at] == '#')
            while (r->at < r->size && r->bytes[r->at] != '\n' && r->bytes[r->at] != '\r') r->at++;
        else
            r->at++;
    }
}

static dho_status read_number(reader *r, size_t *out)
{
    skip_space(r);
    const size_t first = r->at;
    *out = 0;
    while (r->at < r->size && r->at - first < LONGEST_NUMBER && r->bytes[r->at] >= '0' &&
           r->bytes[r->at] <= '9')
        *out = *out * 10 + (size_t)(r->bytes[r->at++] - '0');
    if (r->at == first || (r->at < r->size && !is_space(r->bytes[r->at]) && r->bytes[r->at] != '#'))
        return fail_pnm(r);
    return DHO_OK;
}

static dho_status read_header(reader *r, const uint8_t *bytes, size_t size, const char *name)
{
    size_t maxval = 1;
    *r = (reader){.bytes = bytes, .size = size, .at = 2, .name = name, .kind = bytes[1] - '0'};
    DHO_TRY(read_number(r, &r->width));
    DHO_TRY(read_number(r, &r->height));
    if (r->kind != 1 && r->kind != 4) DHO_TRY(read_number(r, &maxval));
    if (maxval < 1 || maxval > 65535)
        return dho_fail(DHO_ERR_FORMAT, "%s: not a valid PNM: a largest value of %zu", name,
                        maxval);
    r->maxval = (unsigned)maxval;
    if (r->at < size) r->at++; /* one white space, then the pixels */
    return dho_image_check_size(r->width, r->height, name);
}

static uint8_t scaled(const reader *r, size_t value)
{
    const double out = nearbyint((double)value / r->maxval * 255);
    return (uint8_t)(out > 255 ? 255 : out);
}

static dho_status read_plain_bits(reader *r, uint8_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++, r->at++) {
        skip_space(r);
        if (r->at >= r->size || (r->bytes[r->at] != '0' && r->bytes[r->at] != '1'))
            return fail_pnm(r);
        memset(out + 3 * i, r->bytes[r->at] == '0' ? 255 : 0, 3);
    }
    return DHO_OK;
}

static dho_status read_plain(reader *r, uint8_t *out, size_t count, size_t channels)
{
    for (size_t i = 0; i < count * channels; i++) {
        size_t value;
        DHO_TRY(read_number(r, &value));
        if (value > r->maxval)
            return dho_fail(DHO_ERR_FORMAT, "%s: not a valid PNM: %zu is above %u", r->name, value,
                            r->maxval);
        if (channels == 3)
            out[i] = scaled(r, value);
        else
            memset(out + 3 * i, scaled(r, value), 3);
    }
    return DHO_OK;
}

static dho_status read_binary_bits(const reader *r, uint8_t *out)
{
    const size_t stride = (r->width + 7) / 8;
    if ((r->size - r->at) / stride < r->height)
        return dho_fail(DHO_ERR_FORMAT, "%s: truncated PNM (%zu bytes)", r->name, r->size);
    for (size_t y = 0; y < r->height; y++)
        for (size_t x = 0; x < r->width; x++, out += 3)
            memset(out, (r->bytes[r->at + y * stride + x / 8] >> (7 - x % 8) & 1) ? 0 : 255, 3);
    return DHO_OK;
}

static dho_status read_binary(const reader *r, uint8_t *out, size_t count, size_t channels)
{
    const size_t bytes = r->maxval > 255 ? 2 : 1;
    const uint8_t *from = r->bytes + r->at;
    uint8_t table[256];
    if ((r->size - r->at) / (channels * bytes) < count)
        return dho_fail(DHO_ERR_FORMAT, "%s: truncated PNM (%zu bytes)", r->name, r->size);
    for (size_t i = 0; i < 256; i++) table[i] = scaled(r, i);
    for (size_t i = 0; i < count * channels; i++, from += bytes) {
        const uint8_t value = bytes == 1 ? table[*from] : scaled(r, (size_t)from[0] << 8 | from[1]);
        if (channels == 3)
            out[i] = value;
        else
            memset(out + 3 * i, value, 3);
    }
    return DHO_OK;
}

static dho_status pnm_decode(dho_image *inout, const uint8_t *bytes, size_t size, const char *name)
{
    reader r;
    DHO_TRY(read_header(&r, bytes, size, name));
    const size_t count = r.width * r.height;
    /* A plain pixel has a byte at least: no memory for what the file cannot hold. */
    if (r.kind <= 3 && count > size)
        return dho_fail(DHO_ERR_FORMAT, "%s: truncated PNM (%zu bytes)", name, size);
    DHO_TRY(dho_image_reserve(inout, r.width, r.height, name));
    switch (r.kind) {
    case 1:
        return read_plain_bits(&r, inout->pixels, count);
    case 4:
        return read_binary_bits(&r, inout->pixels);
    case 2:
    case 3:
        return read_plain(&r, inout->pixels, count, r.kind == 3 ? 3 : 1);
    default:
        return read_binary(&r, inout->pixels, count, r.kind == 6 ? 3 : 1);
    }
}

static dho_status pnm_read_size(const uint8_t *bytes, size_t size, const char *name, int *width,
                                int *height)
{
    reader r;
    DHO_TRY(read_header(&r, bytes, size, name));
    *width = (int)r.width;
    *height = (int)r.height;
    return DHO_OK;
}

static bool is_pnm(const uint8_t *head, size_t size)
{
    return size >= 8 && head[0] == 'P' && head[1] >= '1' && head[1] <= '6' &&
           (is_space(head[2]) || head[2] == '#');
}

const dho_codec dho_codec_pnm = {
    .name = "PNM", .is_mine = is_pnm, .read_size = pnm_read_size, .decode = pnm_decode};
