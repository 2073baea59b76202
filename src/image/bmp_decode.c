/* Windows bitmaps to RGB, as Pillow reads them: 1, 4, 8 bits with a palette (plain or run-length),
 * 16 (555 or 565), 24 and 32 bits; alpha is dropped. Written here: Debian has no library of it that
 * gives these values. Nothing is read but through the checks of this file. */
#include "image/image_codec.h"

#include "base/bytes.h"
#include "dho/alloc.h"

#include <string.h>

enum { FILE_HEADER = 14, RAW = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3 };

typedef struct bitmap {
    const uint8_t *bytes; /* borrowed */
    size_t size;
    const char *name;
    size_t width, height, bits, at; /* at: of the pixels */
    bool top_down;
    unsigned compression;
    size_t place[3]; /* 32 bits: which byte is red, green, blue */
    bool is_565;     /* 16 bits */
    uint8_t palette[256][3];
} bitmap;

static dho_status invalid(const bitmap *b, const char *why)
{
    return dho_fail(DHO_ERR_FORMAT, "%s: not a BMP that dho reads: %s", b->name, why);
}

static dho_status truncated(const bitmap *b)
{
    return dho_fail(DHO_ERR_FORMAT, "%s: truncated BMP (%zu bytes)", b->name, b->size);
}

static dho_status read_masks(bitmap *b, const uint8_t *at)
{
    uint32_t masks[3];
    for (size_t i = 0; i < 3; i++) masks[i] = (uint32_t)dho_get_le(at + 4 * i, 4);
    b->is_565 = masks[0] == 0xf800 && masks[1] == 0x7e0 && masks[2] == 0x1f;
    if (b->bits == 16 && !b->is_565 &&
        !(masks[0] == 0x7c00 && masks[1] == 0x3e0 && masks[2] == 0x1f))
        return invalid(b, "16 bits with other masks than 555 and 565");
    if (b->bits == 24 && !(masks[0] == 0xff0000 && masks[1] == 0xff00 && masks[2] == 0xff))
        return invalid(b, "24 bits with other masks than those of BGR");
    if (b->bits != 32 || (masks[0] | masks[1] | masks[2]) == 0) return DHO_OK;
    for (size_t i = 0; i < 3; i++) {
        size_t byte = 0;
        while (byte < 4 && masks[i] != (uint32_t)0xff << 8 * byte) byte++;
        if (byte == 4) return invalid(b, "32 bits with masks that are no bytes");
        b->place[i] = byte;
    }
    return DHO_OK;
}

static dho_status read_palette(bitmap *b, size_t at, size_t colors, size_t entry)
{
    if (colors < 1 || colors > 65536) return invalid(b, "the size of the palette");
    if (at > b->size || colors * entry > b->size - at) return truncated(b);
    for (size_t i = 0; i < 256; i++) {
        memset(b->palette[i], (int)i, 3);
        for (size_t c = 0; i < colors && c < 3; c++)
            b->palette[i][c] = b->bytes[at + entry * i + 2 - c];
    }
    return DHO_OK;
}

static dho_status read_sizes(bitmap *b, const uint8_t *header, size_t header_size,
                             size_t *out_colors)
{
    size_t height;
    if (header_size == 12) { /* OS/2 */
        b->width = (size_t)dho_get_le(header + 4, 2);
        height = (size_t)dho_get_le(header + 6, 2);
        b->bits = (size_t)dho_get_le(header + 10, 2);
        *out_colors = 0;
    } else {
        b->width = (size_t)dho_get_le(header + 4, 4);
        height = (size_t)dho_get_le(header + 8, 4);
        b->top_down = header[11] == 0xff; /* a negative height */
        if (b->top_down) height = ((size_t)1 << 32) - height;
        b->bits = (size_t)dho_get_le(header + 14, 2);
        b->compression = (unsigned)dho_get_le(header + 16, 4);
        *out_colors = (size_t)dho_get_le(header + 32, 4);
    }
    b->height = height;
    if (*out_colors == 0 && b->bits <= 8) *out_colors = (size_t)1 << b->bits;
    return dho_image_check_size(b->width, b->height, b->name);
}

static dho_status read_header(bitmap *b, const uint8_t *bytes, size_t size, const char *name)
{
    size_t colors;
    *b = (bitmap){.bytes = bytes, .size = size, .name = name, .place = {2, 1, 0}};
    if (size < FILE_HEADER + 12) return truncated(b);
    const size_t header_size = (size_t)dho_get_le(bytes + FILE_HEADER, 4);
    if (header_size != 12 && header_size != 40 && header_size != 52 && header_size != 56 &&
        header_size != 64 && header_size != 108 && header_size != 124)
        return invalid(b, "the size of its header");
    if (size < FILE_HEADER + header_size) return truncated(b);
    DHO_TRY(read_sizes(b, bytes + FILE_HEADER, header_size, &colors));
    size_t next = FILE_HEADER + header_size;
    b->at = (size_t)dho_get_le(bytes + 10, 4);
    const bool palette = b->bits == 1 || b->bits == 4 || b->bits == 8;
    if (!palette && b->bits != 16 && b->bits != 24 && b->bits != 32)
        return invalid(b, "the number of bits of a pixel");
    const bool known = b->compression == RAW || (b->compression == BITFIELDS && !palette) ||
                       (b->compression == RLE8 && b->bits == 8) ||
                       (b->compression == RLE4 && b->bits == 4);
    if (!known) return invalid(b, "its compression");
    if (b->compression == BITFIELDS) {
        const size_t masks = header_size >= 52 ? FILE_HEADER + 40 : next;
        if (size < masks + 12) return truncated(b);
        DHO_TRY(read_masks(b, bytes + masks));
        if (header_size < 52) next += 12;
    }
    if (palette) {
        const size_t entry = header_size == 12 ? 3 : 4;
        DHO_TRY(read_palette(b, next, colors, entry));
        next += entry * colors;
        if (b->at == FILE_HEADER + header_size) b->at = next; /* a wrong offset that some write */
    }
    if (b->at == 0) b->at = next;
    return b->at <= size ? DHO_OK : truncated(b);
}

static size_t index_of(const uint8_t *row, size_t x, size_t bits)
{
    const size_t per_byte = 8 / bits;
    return row[x / per_byte] >> (8 - bits - bits * (x % per_byte)) & ((1u << bits) - 1);
}

static void read_row(const bitmap *b, const uint8_t *row, uint8_t *out)
{
    for (size_t x = 0; x < b->width; x++, out += 3) {
        if (b->bits <= 8) {
            memcpy(out, b->palette[index_of(row, x, b->bits)], 3);
        } else if (b->bits == 16) {
            const unsigned pixel = row[2 * x] | (unsigned)row[2 * x + 1] << 8;
            const unsigned green = b->is_565 ? 63 : 31;
            out[0] = (uint8_t)((pixel >> (b->is_565 ? 11 : 10) & 31) * 255 / 31);
            out[1] = (uint8_t)((pixel >> 5 & green) * 255 / green);
            out[2] = (uint8_t)((pixel & 31) * 255 / 31);
        } else {
            const uint8_t *pixel = row + x * b->bits / 8;
            for (size_t c = 0; c < 3; c++) out[c] = pixel[b->place[c]];
        }
    }
}

static uint8_t *out_row(const bitmap *b, dho_image *image, size_t y)
{
    return image->pixels + (b->top_down ? y : b->height - 1 - y) * b->width * 3;
}

static dho_status read_raw(const bitmap *b, dho_image *image)
{
    const size_t used = (b->width * b->bits + 7) / 8, stride = (b->width * b->bits + 31) / 32 * 4;
    if (b->size - b->at < stride * (b->height - 1) + used) return truncated(b);
    for (size_t y = 0; y < b->height; y++)
        read_row(b, b->bytes + b->at + y * stride, out_row(b, image, y));
    return DHO_OK;
}

/* --- run lengths: pairs of a count and a value, and escapes --- */

typedef struct runs {
    const bitmap *b;
    size_t at;      /* the next byte */
    uint8_t *index; /* [count]: the pixels' colours, in the order of the file */
    size_t done, count;
    size_t x; /* in the row */
} runs;

static void put(runs *r, size_t value)
{
    if (r->done < r->count) r->index[r->done++] = (uint8_t)value;
}

static dho_status read_literal(runs *r, size_t pixels)
{
    const size_t bits = r->b->bits, bytes = (pixels * bits + 7) / 8;
    if (r->b->size - r->at < bytes) return truncated(r->b);
    for (size_t i = 0; i < pixels; i++) put(r, index_of(r->b->bytes + r->at, i, bits));
    r->x += pixels;
    r->at += bytes;
    r->at += r->at % 2; /* to a place of 16 bits in the file */
    if (r->at > r->b->size) r->at = r->b->size;
    return DHO_OK;
}

static dho_status read_runs(runs *r)
{
    const bitmap *b = r->b;
    while (r->done < r->count) {
        if (b->size - r->at < 2) return truncated(b);
        const size_t count = b->bytes[r->at], value = b->bytes[r->at + 1];
        r->at += 2;
        if (count > 0) {
            /* What is too much for the row is dropped. */
            for (size_t i = 0; i < count && r->x < b->width; i++, r->x++)
                put(r, b->bits == 8 ? value : i % 2 == 0 ? value >> 4 : value & 15);
        } else if (value == 0) { /* end of the row */
            while (r->done % b->width != 0) put(r, 0);
            r->x = 0;
        } else if (value == 1) { /* end of the image */
            return truncated(b);
        } else if (value == 2) { /* go on at another place */
            if (b->size - r->at < 2) return truncated(b);
            const size_t jump = b->bytes[r->at] + b->bytes[r->at + 1] * b->width;
            for (size_t i = 0; i < jump && r->done < r->count; i++) put(r, 0);
            r->x = r->done % b->width;
            r->at += 2;
        } else {
            DHO_TRY(read_literal(r, value));
        }
    }
    return DHO_OK;
}

static dho_status read_compressed(const bitmap *b, dho_image *image)
{
    runs r = {.b = b, .at = b->at, .count = b->width * b->height};
    DHO_TRY(dho_alloc(&r.index, r.count, 1, b->name));
    const dho_status status = read_runs(&r);
    for (size_t y = 0; y < b->height && status == DHO_OK; y++) {
        uint8_t *out = out_row(b, image, y);
        for (size_t x = 0; x < b->width; x++)
            memcpy(out + 3 * x, b->palette[r.index[y * b->width + x]], 3);
    }
    dho_free(r.index);
    return status;
}

static dho_status bmp_decode(dho_image *inout, const uint8_t *bytes, size_t size, const char *name)
{
    bitmap b;
    DHO_TRY(read_header(&b, bytes, size, name));
    DHO_TRY(dho_image_reserve(inout, b.width, b.height, name));
    return b.compression == RLE8 || b.compression == RLE4 ? read_compressed(&b, inout)
                                                          : read_raw(&b, inout);
}

static dho_status bmp_read_size(const uint8_t *bytes, size_t size, const char *name, int *width,
                                int *height)
{
    bitmap b;
    DHO_TRY(read_header(&b, bytes, size, name));
    *width = (int)b.width;
    *height = (int)b.height;
    return DHO_OK;
}

static bool is_bmp(const uint8_t *head, size_t size)
{
    return size >= 18 && memcmp(head, "BM", 2) == 0 && head[15] == 0 && head[16] == 0;
}

const dho_codec dho_codec_bmp = {
    .name = "BMP", .is_mine = is_bmp, .read_size = bmp_read_size, .decode = bmp_decode};
