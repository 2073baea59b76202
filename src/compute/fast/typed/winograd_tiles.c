/* The transforms between tiles of activations, in the storage of the context, and transformed
 * tiles, always float: in bf16, too, the products are float ones. */
#include "compute/fast/typed/element.h"
#include "compute/fast/winograd_points.h"
#include "compute/fast/winograd_transform.h"

#include <math.h>

typedef uint32_t words __attribute__((vector_size(LANES * sizeof(uint32_t))));

#ifdef DHO_ELEMENT_BF16
typedef uint16_t halves __attribute__((vector_size(LANES * sizeof(uint16_t))));
INLINE vec load_elements(const element *from, int count)
{
    halves h = {0};
    memcpy(&h, from, count == LANES ? sizeof h : (size_t)count * sizeof *from);
    return (vec)(__builtin_convertvector(h, words) << 16);
}

/* As dho_bf16_store. */
INLINE void store_elements(element *to, vec v, int count)
{
    const words bits = (words)v, nan = (words)(v != v);
    const words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const halves h =
        __builtin_convertvector((nan & ((bits >> 16) | 0x40)) | (~nan & rounded), halves);
    memcpy(to, &h, count == LANES ? sizeof h : (size_t)count * sizeof *to);
}
#else
INLINE vec load_elements(const element *from, int count)
{
    return load_part(from, count);
}

INLINE void store_elements(element *to, vec v, int count)
{
    store_part(to, v, count);
}
#endif

/* One dimension of B^T d, elements ds and os vectors apart. */
INLINE void input_1d(const vec *d, int ds, vec *o, int os)
{
    const vec d0 = d[0], d1 = d[ds], d2 = d[2 * ds], d3 = d[3 * ds], d4 = d[4 * ds], d5 = d[5 * ds];
    const vec even_a = d4 - B2 * d2, odd_a = d3 - B2 * d1;
    const vec even_b = d4 - A2 * d2, odd_b = d3 - A2 * d1;
    o[0] = (d4 - (A2 + B2) * d2) + A2 * B2 * d0;
    o[os] = even_a + A * odd_a;
    o[2 * os] = even_a - A * odd_a;
    o[3 * os] = even_b + B * odd_b;
    o[4 * os] = even_b - B * odd_b;
    o[5 * os] = (d5 - (A2 + B2) * d3) + A2 * B2 * d1;
}

/* A dy: 4 to 6. */
INLINE void gradient_1d(const vec *d, int ds, vec *o, int os)
{
    const vec d0 = d[0], d1 = d[ds], d2 = d[2 * ds], d3 = d[3 * ds];
    const vec even_a = d0 + A2 * d2, odd_a = d1 + A2 * d3;
    const vec even_b = d0 + B2 * d2, odd_b = d1 + B2 * d3;
    o[0] = d0;
    o[os] = even_a + A * odd_a;
    o[2 * os] = even_a - A * odd_a;
    o[3 * os] = even_b + B * odd_b;
    o[4 * os] = even_b - B * odd_b;
    o[5 * os] = d3;
}

/* A^T m: 6 to 4. */
INLINE void output_1d(const vec *m, int ms, vec *o, int os)
{
    const vec m0 = m[0], m1 = m[ms], m2 = m[2 * ms], m3 = m[3 * ms], m4 = m[4 * ms], m5 = m[5 * ms];
    const vec sum_a = m1 + m2, sum_b = m3 + m4, difference_a = m1 - m2, difference_b = m3 - m4;
    o[0] = m0 + sum_a + sum_b;
    o[os] = A * difference_a + B * difference_b;
    o[2 * os] = A2 * sum_a + B2 * sum_b;
    o[3 * os] = (m5 + A2 * A * difference_a) + B2 * B * difference_b;
}

/* The pixels of a tile; those outside the image are `zeros`, and need no branch later. */
INLINE void find_pixels(const winograd_map *map, const element *x, const element *zeros,
                        int64_t tile, int side, const element **pixels)
{
    const int64_t per_image = (int64_t)map->tile_rows * map->tile_columns;
    const int64_t image = tile / per_image, within = tile % per_image;
    const int top = (int)(within / map->tile_columns) * OUT - map->offset;
    const int left = (int)(within % map->tile_columns) * OUT - map->offset;
    const element *base = x + image * map->height * map->width * map->channels;
    for (int r = 0; r < side; r++) {
        for (int c = 0; c < side; c++) {
            const int y = top + r, z = left + c;
            const bool inside = y >= 0 && y < map->height && z >= 0 && z < map->width;
            pixels[r * side + c] =
                inside ? base + ((int64_t)y * map->width + z) * map->channels : zeros;
        }
    }
}

/* next: the pixels of the next tile, fetched while this one is computed. */
INLINE void input_vector(const element *const *pixels, const element *const *next, int64_t channel,
                         int lanes, float *out, int64_t plane)
{
    vec half[POINTS], column[SIDE], row[SIDE];
    UNROLL for (int c = 0; c < SIDE; c++)
    {
        UNROLL for (int r = 0; r < SIDE; r++)
        {
            column[r] = load_elements(pixels[r * SIDE + c] + channel, lanes);
            if (c >= SIDE - OUT) __builtin_prefetch(next[r * SIDE + c] + channel);
        }
        input_1d(column, 1, half + c, SIDE);
    }
    UNROLL for (int r = 0; r < SIDE; r++)
    {
        input_1d(half + r * SIDE, 1, row, 1);
        UNROLL for (int c = 0; c < SIDE; c++) store(out + (r * SIDE + c) * plane, row[c]);
    }
}

INLINE void gradient_vector(const element *const *pixels, int64_t channel, int lanes, float *out,
                            int64_t plane)
{
    vec half[SIDE * OUT], column[OUT], row[SIDE];
    UNROLL for (int c = 0; c < OUT; c++)
    {
        UNROLL for (int r = 0; r < OUT; r++)
        {
            column[r] = load_elements(pixels[r * OUT + c] + channel, lanes);
        }
        gradient_1d(column, 1, half + c, OUT);
    }
    UNROLL for (int r = 0; r < SIDE; r++)
    {
        gradient_1d(half + r * OUT, 1, row, 1);
        UNROLL for (int c = 0; c < SIDE; c++) store(out + (r * SIDE + c) * plane, row[c]);
    }
}

void TYPED(dho_winograd_input)(const winograd_map *map, const void *x, const void *zeros,
                               const winograd_block *block, float *out)
{
    const int64_t first = block->first, count = block->count;
    const int64_t tiles = block->tiles, plane = block->plane;
    const element *table[2][POINTS];
    if (count > 0) find_pixels(map, x, zeros, first, SIDE, table[0]);
    for (int64_t t = 0; t < count; t++) {
        const element *const *pixels = table[t & 1], **next = table[~t & 1];
        find_pixels(map, x, zeros, first + (t + 1 < count ? t + 1 : t), SIDE, next);
        float *to = out + (block->at + t) * LANES;
        int64_t c = 0;
        for (; c + LANES <= map->channels; c += LANES, to += tiles * LANES) {
            input_vector(pixels, next, c, LANES, to, plane);
        }
        if (c < map->channels) input_vector(pixels, next, c, (int)(map->channels - c), to, plane);
    }
}

void TYPED(dho_winograd_gradient)(const winograd_map *map, const void *dy, const void *zeros,
                                  const winograd_block *block, float *out)
{
    const int64_t tiles = block->tiles, plane = block->plane;
    const element *pixels[OUT * OUT];
    for (int64_t t = 0; t < block->count; t++) {
        find_pixels(map, dy, zeros, block->first + t, OUT, pixels);
        float *to = out + (block->at + t) * LANES;
        int64_t c = 0;
        for (; c + LANES <= map->channels; c += LANES, to += tiles * LANES) {
            gradient_vector(pixels, c, LANES, to, plane);
        }
        if (c < map->channels) gradient_vector(pixels, c, (int)(map->channels - c), to, plane);
    }
}

/* Where a tile of results goes: so many rows and columns of it are inside the image. */
typedef struct target {
    int rows, columns;
    int64_t line, pixel; /* elements from row to row, from pixel to pixel */
} target;

/* What the activation lets through; all of it where there is none. */
typedef struct limits {
    vec least, most;
} limits;

static limits limits_of(dho_activation activation)
{
    const float least = activation == DHO_ACTIVATION_NONE ? -INFINITY : 0;
    const float most = activation == DHO_ACTIVATION_RELU6 ? 6 : INFINITY;
    return (limits){(vec){0} + least, (vec){0} + most};
}

/* NaN stays NaN. */
INLINE vec limit(vec v, const limits *ends)
{
    const words below = (words)(v < ends->least), above = (words)(v > ends->most);
    return (vec)((below & (words)ends->least) | (above & (words)ends->most) |
                 (~(below | above) & (words)v));
}

/* y: the tile's first pixel. */
INLINE void output_vector(const float *products, int64_t plane, const limits *ends, vec bias,
                          bool accumulate, element *y, const target *inside, int lanes)
{
    vec half[OUT * SIDE], column[SIDE], row[OUT];
    UNROLL for (int c = 0; c < SIDE; c++)
    {
        UNROLL for (int r = 0; r < SIDE; r++) column[r] = load(products + (r * SIDE + c) * plane);
        output_1d(column, 1, half + c, SIDE);
    }
    UNROLL for (int r = 0; r < OUT; r++)
    {
        if (r >= inside->rows) break;
        output_1d(half + r * SIDE, 1, row, 1);
        UNROLL for (int c = 0; c < OUT; c++)
        {
            if (c >= inside->columns) break;
            element *to = y + r * inside->line + c * inside->pixel;
            vec v = row[c] + bias;
            if (accumulate) v += load_elements(to, lanes);
            store_elements(to, limit(v, ends), lanes);
        }
    }
}

/* Asks for the pixels of the next tile, to write them: they are not in any cache. */
INLINE void fetch_pixels(const winograd_map *map, const element *tile, int rows)
{
    const int64_t floats = (int64_t)OUT * map->channels;
    for (int r = 0; r < OUT && r < rows; r++) {
        const element *from = tile + (int64_t)r * map->width * map->channels;
        for (int64_t i = 0; i < floats; i += 64 / (int)sizeof *from)
            __builtin_prefetch(from + i, 1);
    }
}

void TYPED(dho_winograd_output)(const winograd_map *map, const float *products,
                                const winograd_block *block, const winograd_ending *ending,
                                void *y_data)
{
    const float *bias = ending->bias;
    const bool accumulate = ending->accumulate;
    const limits ends = limits_of(ending->activation);
    const int64_t first = block->first, tiles = block->tiles, plane = block->plane;
    element *y = y_data;
    const int64_t per_image = (int64_t)map->tile_rows * map->tile_columns;
    const int64_t pixel = map->channels, line = pixel * map->width;
    for (int64_t t = 0; t < block->count; t++) {
        const int64_t image = (first + t) / per_image, within = (first + t) % per_image;
        const int top = (int)(within / map->tile_columns) * OUT;
        const int left = (int)(within % map->tile_columns) * OUT;
        const target inside = {map->height - top, map->width - left, line, pixel};
        element *tile = y + (image * map->height + top) * line + left * pixel;
        if (left + 2 * OUT <= map->width) fetch_pixels(map, tile + OUT * pixel, inside.rows);
        for (int64_t c = 0; c < pixel; c += LANES) {
            const float *from = products + c / PANEL * tiles * PANEL + t * PANEL + c % PANEL;
            const int lanes = pixel - c < LANES ? (int)(pixel - c) : LANES;
            const vec add = bias != NULL ? load_part(bias + c, lanes) : (vec){0};
            if (lanes == LANES) {
                output_vector(from, plane, &ends, add, accumulate, tile + c, &inside, LANES);
            } else {
                output_vector(from, plane, &ends, add, accumulate, tile + c, &inside, lanes);
            }
        }
    }
}
