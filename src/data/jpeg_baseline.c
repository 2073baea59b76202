/* The decoder's course: entropy data MCU by MCU, the blocks that the crop needs into planes of
 * samples, then the planes to RGB. */
#include "data/jpeg_baseline.h"

#include "data/image_codec.h"
#include "dho/alloc.h"

#include <string.h>

/* Planes of a larger crop go to libjpeg, which works in strips. */
static const size_t max_crop_pixels = (size_t)1 << 26;

enum {
    MAX_BLOCKS = 6,
    BORDER = 16, /* bytes left and right of a plane's row: replicated edges, loose vectors */
    MAX_COMPONENTS = 3
};

/* The samples of a component that the crop needs, in whole MCUs. */
typedef struct plane {
    uint8_t *samples; /* row 0, column 0 of the first needed block; stride holds the borders */
    size_t stride;
    int x, y;          /* where that is in the component */
    int width, height; /* of the component: samples that stand for pixels */
    int dc;
} plane;

/* A block of an MCU, in the scan's order. */
typedef struct mcu_block {
    int component;
    int x, y; /* in the MCU's samples of the component */
} mcu_block;

typedef struct decoder {
    const dho_jpeg_headers *headers;
    dho_box box;
    int mcu_width, mcu_height;    /* pixels */
    int columns;                  /* MCUs in a row */
    int column_begin, column_end; /* the MCUs of the crop */
    int row_begin, row_end;
    mcu_block blocks[MAX_BLOCKS];
    int block_count;
    uint16_t quant[MAX_BLOCKS / 2][8][2][8]; /* of the blocks, two by two */
    plane planes[MAX_COMPONENTS];
    dho_jpeg_huffman *dc[4], *ac[4]; /* in the scratch; NULL: not used */
    uint8_t *data;                   /* in the scratch: unstuffed */
    uint16_t *sums;                  /* in the scratch, of one row, as the next three */
    uint16_t *blue, *red;            /* pairs of samples */
    dho_jpeg_bits bits;
    size_t position; /* in the file: behind the data that `bits` has */
    int marker;      /* that ended it */
    int restarts_left, next_restart;
} decoder;

/* --- layout --- */

static int divide_up(int value, int by)
{
    return (value + by - 1) / by;
}

/* The MCUs of the crop: two pixels more on each side reach every chroma sample that it mixes. */
static void choose_mcus(decoder *d)
{
    const dho_jpeg_headers *h = d->headers;
    const int margin = 2, right = d->box.x + d->box.width, bottom = d->box.y + d->box.height;
    const int left = d->box.x > margin ? d->box.x - margin : 0;
    const int top = d->box.y > margin ? d->box.y - margin : 0;
    d->mcu_width = 8 * h->components[0].h;
    d->mcu_height = 8 * h->components[0].v;
    d->columns = divide_up(h->width, d->mcu_width);
    const int rows = divide_up(h->height, d->mcu_height);
    d->column_begin = left / d->mcu_width;
    d->row_begin = top / d->mcu_height;
    d->column_end = divide_up(right + margin, d->mcu_width);
    d->row_end = divide_up(bottom + margin, d->mcu_height);
    if (d->column_end > d->columns) d->column_end = d->columns;
    if (d->row_end > rows) d->row_end = rows;
}

static void list_blocks(decoder *d)
{
    const dho_jpeg_headers *h = d->headers;
    for (int c = 0; c < h->count; c++) {
        const dho_jpeg_component *component = &h->components[c];
        for (int i = 0; i < component->h * component->v; i++) {
            const int b = d->block_count++;
            d->blocks[b] =
                (mcu_block){.component = c, .x = i % component->h * 8, .y = i / component->h * 8};
            for (int row = 0; row < 8; row++)
                memcpy(d->quant[b / 2][row][b % 2], &h->quant[component->quant][8 * row],
                       8 * sizeof(uint16_t));
        }
    }
}

static void *carve(uint8_t *base, size_t *used, size_t bytes)
{
    void *block = base != NULL ? base + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return block;
}

/* Places everything in the scratch memory; with base NULL it only counts (shared tables twice). */
static size_t lay_out(decoder *d, size_t data_bytes, uint8_t *base)
{
    const dho_jpeg_headers *h = d->headers;
    size_t used = 0;
    for (int c = 0; c < h->count; c++) {
        const dho_jpeg_component *component = &h->components[c];
        plane *p = &d->planes[c];
        const size_t rows = (size_t)(d->row_end - d->row_begin) * 8 * (size_t)component->v;
        p->x = d->column_begin * 8 * component->h;
        p->y = d->row_begin * 8 * component->v;
        p->width = divide_up(h->width * component->h, h->components[0].h);
        p->height = divide_up(h->height * component->v, h->components[0].v);
        p->stride =
            (size_t)(d->column_end - d->column_begin) * 8 * (size_t)component->h + 2 * BORDER;
        uint8_t *samples = carve(base, &used, rows * p->stride);
        p->samples = samples != NULL ? samples + BORDER : NULL;
        d->dc[component->dc] = d->ac[component->ac] = NULL;
    }
    for (int c = 0; c < h->count; c++) {
        dho_jpeg_huffman **dc = &d->dc[h->components[c].dc], **ac = &d->ac[h->components[c].ac];
        if (*dc == NULL) *dc = carve(base, &used, sizeof **dc);
        if (*ac == NULL) *ac = carve(base, &used, sizeof **ac);
    }
    d->data = carve(base, &used, data_bytes + DHO_JPEG_ENTROPY_PADDING);
    const size_t row = d->planes[0].stride + 2 * BORDER;
    d->sums = carve(base, &used, row * sizeof *d->sums);
    d->blue = carve(base, &used, row);
    d->red = carve(base, &used, row);
    return used;
}

static bool build_tables(const decoder *d)
{
    for (int i = 0; i < 4; i++) {
        if (d->dc[i] != NULL && !dho_jpeg_huffman_build(d->headers->dc[i], d->dc[i])) return false;
        if (d->ac[i] != NULL && !dho_jpeg_huffman_build(d->headers->ac[i], d->ac[i])) return false;
    }
    return true;
}

/* --- entropy data to planes --- */

/* False: the file ends here, without a marker. */
static bool start_segment(decoder *d, const uint8_t *bytes, size_t size)
{
    size_t length;
    d->marker = dho_jpeg_unstuff(bytes, size, &d->position, d->data, &length);
    dho_jpeg_bits_start(&d->bits, d->data, length);
    d->restarts_left = d->headers->restart_interval;
    for (int c = 0; c < d->headers->count; c++) d->planes[c].dc = 0;
    return d->marker != 0;
}

/* At a restart interval's end: the marker must be the expected one. */
static bool restart(decoder *d, const uint8_t *bytes, size_t size)
{
    if (d->marker != 0xd0 + d->next_restart) return false;
    d->next_restart = (d->next_restart + 1) % 8;
    return start_segment(d, bytes, size);
}

static bool read_mcu(decoder *d, int column, int row)
{
    /* Everything is read before anything is transformed: what was stored in 2 bytes has then got
     * far enough to be loaded in 32. */
    int16_t coefficients[MAX_BLOCKS / 2][8][2][8];
    uint8_t unused[64];
    memset(coefficients, 0, (size_t)(d->block_count + 1) / 2 * sizeof *coefficients);
    for (int b = 0; b < d->block_count; b++) {
        const int c = d->blocks[b].component;
        const dho_jpeg_component *component = &d->headers->components[c];
        if (!dho_jpeg_read_block(&d->bits, d->dc[component->dc], d->ac[component->ac],
                                 &d->planes[c].dc, coefficients[b / 2][0][b % 2]))
            return false;
    }
    for (int b = 0; b < d->block_count; b += 2) {
        uint8_t *out[2] = {unused, unused};
        size_t stride[2] = {8, 8};
        for (int i = 0; i < 2 && b + i < d->block_count; i++) {
            const mcu_block *block = &d->blocks[b + i];
            const dho_jpeg_component *component = &d->headers->components[block->component];
            const plane *p = &d->planes[block->component];
            const int x = (column - d->column_begin) * 8 * component->h + block->x;
            const int y = (row - d->row_begin) * 8 * component->v + block->y;
            out[i] = p->samples + (size_t)y * p->stride + (size_t)x;
            stride[i] = p->stride;
        }
        dho_jpeg_idct(coefficients[b / 2][0][0], d->quant[b / 2][0][0], out, stride);
    }
    return true;
}

static bool skip_mcu(decoder *d)
{
    for (int b = 0; b < d->block_count; b++) {
        const int c = d->blocks[b].component;
        const dho_jpeg_component *component = &d->headers->components[c];
        if (!dho_jpeg_skip_block(&d->bits, d->dc[component->dc], d->ac[component->ac],
                                 &d->planes[c].dc))
            return false;
    }
    return true;
}

/* All MCUs up to the crop's last. */
static bool read_scan(decoder *d, const uint8_t *bytes, size_t size)
{
    d->position = d->headers->scan;
    if (!start_segment(d, bytes, size)) return false;
    for (int row = 0; row < d->row_end; row++) {
        const int last = row == d->row_end - 1 ? d->column_end : d->columns;
        for (int column = 0; column < last; column++) {
            if (d->headers->restart_interval > 0 && d->restarts_left-- == 0) {
                if (!restart(d, bytes, size)) return false;
                d->restarts_left--;
            }
            const bool wanted =
                row >= d->row_begin && column >= d->column_begin && column < d->column_end;
            if (!(wanted ? read_mcu(d, column, row) : skip_mcu(d))) return false;
            if (dho_jpeg_bits_overrun(&d->bits)) return false;
        }
    }
    return true;
}

/* --- planes to pixels --- */

/* Row y of the component, with the sample beyond the image's edges set to the edge's. Rows above
 * and below the component are its first and last. */
static const uint8_t *chroma_row(const plane *p, int y)
{
    const int clamped = y < 0 ? 0 : y >= p->height ? p->height - 1 : y;
    uint8_t *row = p->samples + (size_t)(clamped - p->y) * p->stride;
    if (p->x == 0) row[-1] = row[0];
    const size_t held = p->stride - 2 * BORDER, end = (size_t)(p->width - p->x);
    if (end <= held) row[end] = row[end - 1];
    return row;
}

/* The chroma samples under pixels x .. x + width of row y; at full size they are the plane's own.
 */
static const uint8_t *full_chroma(decoder *d, const plane *p, int y, uint16_t *buffer)
{
    const dho_jpeg_component *luma = &d->headers->components[0];
    if (luma->h == 1) return p->samples + (size_t)(y - p->y) * p->stride + (d->box.x - p->x);
    const int near = luma->v == 2 ? y / 2 : y, left = d->box.x / 2;
    const int right = (d->box.x + d->box.width - 1) / 2;
    const uint8_t *far = luma->v == 2 ? chroma_row(p, y % 2 ? near + 1 : near - 1) : NULL;
    const size_t first = (size_t)(left - p->x), count = (size_t)(right - left + 1);
    dho_jpeg_upsample_row(chroma_row(p, near) + first, far != NULL ? far + first : NULL, count,
                          d->sums, buffer);
    return (const uint8_t *)buffer + d->box.x % 2;
}

static void colour(decoder *d, dho_image *out)
{
    const size_t width = (size_t)d->box.width;
    for (int r = 0; r < d->box.height; r++) {
        const int y = d->box.y + r;
        const plane *luma = &d->planes[0];
        const uint8_t *grey =
            luma->samples + (size_t)(y - luma->y) * luma->stride + (d->box.x - luma->x);
        uint8_t *rgb = out->pixels + (size_t)r * width * 3;
        if (d->headers->count == 1)
            dho_jpeg_grey_to_rgb(grey, width, rgb);
        else
            dho_jpeg_ycc_to_rgb(grey, full_chroma(d, &d->planes[1], y, d->blue),
                                full_chroma(d, &d->planes[2], y, d->red), width, rgb);
    }
}

dho_jpeg_outcome dho_jpeg_baseline_decode(dho_image *inout, const uint8_t *bytes, size_t size,
                                          const dho_jpeg_headers *headers, dho_box box,
                                          dho_resample_scratch *scratch, const char *name)
{
    decoder d = {.headers = headers, .box = box};
    if ((size_t)box.width * (size_t)box.height > max_crop_pixels) return DHO_JPEG_NOT_MINE;
    choose_mcus(&d);
    list_blocks(&d);
    const size_t data_bytes = size - headers->scan;
    if (dho_resample_scratch_reserve(scratch, lay_out(&d, data_bytes, NULL)) != DHO_OK)
        return DHO_JPEG_FAILED;
    lay_out(&d, data_bytes, scratch->memory);
    if (!build_tables(&d) || !read_scan(&d, bytes, size)) return DHO_JPEG_NOT_MINE;
    if (dho_image_reserve(inout, (size_t)box.width, (size_t)box.height, name) != DHO_OK)
        return DHO_JPEG_FAILED;
    colour(&d, inout);
    return DHO_JPEG_DONE;
}
