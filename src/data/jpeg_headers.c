/* The markers in front of a JPEG's only scan (ITU-T T.81, annex B). */
#include "data/jpeg_baseline.h"

#include <string.h>

/* Row-major index of the k-th coefficient in zigzag order. */
static const uint8_t natural_order[64] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

enum { M_SOF0 = 0xc0, M_SOF1 = 0xc1, M_DHT = 0xc4, M_SOS = 0xda, M_DQT = 0xdb, M_DRI = 0xdd };
enum { M_APP0 = 0xe0, M_APP14 = 0xee, M_APP15 = 0xef, M_COM = 0xfe };

typedef struct parser {
    dho_jpeg_headers *headers;
    uint8_t ids[3]; /* of the frame's components */
    bool quant_seen[4];
    bool jfif, adobe;
    uint8_t adobe_transform; /* 1: YCbCr */
} parser;

static size_t read16(const uint8_t *at)
{
    return (size_t)at[0] << 8 | at[1];
}

static bool parse_quant(parser *p, const uint8_t *at, size_t length)
{
    while (length > 0) {
        const size_t wide = at[0] >> 4, table = at[0] & 15, bytes = 64 * (wide + 1);
        if (wide > 1 || table > 3 || length < 1 + bytes) return false;
        for (size_t k = 0; k < 64; k++) {
            const size_t value = wide ? read16(at + 1 + 2 * k) : at[1 + k];
            if (value == 0) return false;
            p->headers->quant[table][natural_order[k]] = (uint16_t)value;
        }
        p->quant_seen[table] = true;
        at += 1 + bytes;
        length -= 1 + bytes;
    }
    return true;
}

static bool parse_huffman(parser *p, const uint8_t *at, size_t length)
{
    while (length > 0) {
        size_t symbols = 0;
        const size_t kind = at[0] >> 4, table = at[0] & 15;
        if (kind > 1 || table > 3 || length < 17) return false;
        for (size_t n = 1; n <= 16; n++) symbols += at[n];
        if (symbols > 256 || length < 17 + symbols) return false;
        for (size_t i = 0; i < symbols && kind == 0; i++)
            if (at[17 + i] > 15) return false; /* bits of a DC difference */
        (kind == 0 ? p->headers->dc : p->headers->ac)[table] = at + 1;
        at += 17 + symbols;
        length -= 17 + symbols;
    }
    return true;
}

static bool parse_frame(parser *p, const uint8_t *at, size_t length)
{
    dho_jpeg_headers *h = p->headers;
    if (h->count != 0 || length < 6 || at[0] != 8) return false;
    h->height = (int)read16(at + 1);
    h->width = (int)read16(at + 3);
    h->count = at[5];
    if (h->width < 1 || h->height < 1 || (h->count != 1 && h->count != 3)) return false;
    if (length != 6 + 3 * (size_t)h->count) return false;
    for (int c = 0; c < h->count; c++) {
        const uint8_t *from = at + 6 + 3 * c;
        p->ids[c] = from[0];
        h->components[c] =
            (dho_jpeg_component){.h = from[1] >> 4, .v = from[1] & 15, .quant = from[2]};
        if (from[2] > 3) return false;
    }
    if (h->count == 1) { /* alone in its scan, it is stored block by block whatever it says */
        const int h0 = h->components[0].h, v0 = h->components[0].v;
        h->components[0].h = h->components[0].v = 1;
        return h0 >= 1 && h0 <= 4 && v0 >= 1 && v0 <= 4;
    }
    const dho_jpeg_component *y = &h->components[0], *cb = &h->components[1],
                             *cr = &h->components[2];
    if (cb->h != 1 || cb->v != 1 || cr->h != 1 || cr->v != 1) return false;
    if (y->h == 1) return y->v == 1;
    return y->h == 2 && (y->v == 1 || y->v == 2) && h->width > 4; /* libjpeg: narrower, not fancy */
}

/* What libjpeg takes for YCbCr; other cases are left to it. */
static bool is_ycc(const parser *p)
{
    if (p->jfif) return true;
    if (p->adobe) return p->adobe_transform == 1;
    return p->ids[0] == 1 && p->ids[1] == 2 && p->ids[2] == 3;
}

static bool parse_scan(parser *p, const uint8_t *at, size_t length)
{
    dho_jpeg_headers *h = p->headers;
    const size_t count = (size_t)h->count;
    if (count == 0 || length != 4 + 2 * count || at[0] != count) return false;
    for (size_t c = 0; c < count; c++) {
        dho_jpeg_component *component = &h->components[c];
        const uint8_t *from = at + 1 + 2 * c;
        for (size_t other = 0; other < c; other++)
            if (p->ids[other] == p->ids[c]) return false;
        component->dc = from[1] >> 4;
        component->ac = from[1] & 15;
        if (from[0] != p->ids[c] || component->dc > 3 || component->ac > 3) return false;
        if (h->dc[component->dc] == NULL || h->ac[component->ac] == NULL) return false;
        if (!p->quant_seen[component->quant]) return false;
    }
    const uint8_t *tail = at + 1 + 2 * count;
    return tail[0] == 0 && tail[1] == 63 && tail[2] == 0 && (count == 1 || is_ycc(p));
}

static bool parse_segment(parser *p, int marker, const uint8_t *at, size_t length)
{
    switch (marker) {
    case M_SOF0:
    case M_SOF1:
        return parse_frame(p, at, length);
    case M_DHT:
        return parse_huffman(p, at, length);
    case M_DQT:
        return parse_quant(p, at, length);
    case M_DRI:
        if (length != 2) return false;
        p->headers->restart_interval = (int)read16(at);
        return true;
    case M_APP0:
        if (length >= 14 && memcmp(at, "JFIF", 5) == 0) p->jfif = true;
        return true;
    case M_APP14:
        if (length < 12 || memcmp(at, "Adobe", 5) != 0) return true;
        p->adobe = true;
        p->adobe_transform = at[11];
        return true;
    default:
        return (marker >= M_APP0 && marker <= M_APP15) || marker == M_COM;
    }
}

bool dho_jpeg_headers_parse(const uint8_t *bytes, size_t size, dho_jpeg_headers *out)
{
    parser p = {.headers = out};
    memset(out, 0, sizeof *out);
    if (size < 4 || bytes[0] != 0xff || bytes[1] != 0xd8) return false;
    size_t at = 2;
    for (;;) {
        if (size - at < 4 || bytes[at] != 0xff) return false;
        const int marker = bytes[at + 1];
        if (marker == 0xff) { /* fill */
            at++;
            continue;
        }
        const size_t length = read16(bytes + at + 2);
        if (length < 2 || length > size - at - 2) return false;
        const uint8_t *body = bytes + at + 4;
        at += 2 + length;
        if (marker == M_SOS) {
            out->scan = at;
            return parse_scan(&p, body, length - 2);
        }
        if (!parse_segment(&p, marker, body, length - 2)) return false;
    }
}
