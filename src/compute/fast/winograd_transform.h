/* Private to src/compute: the transforms of Winograd's minimal filtering F(4x4, 3x3),
 *   y = A^T [ (G g G^T) . (B^T d B) ] A        (Lavin & Gray, CVPR 2016, eq. 8),
 * and their transposes for the gradient of the weights,
 *   dg = G^T [ (A dy A^T) . (B^T d B) ] G.
 *
 * Layouts, for a block with room for `tiles` tiles, with "points" being the 36 elements of a
 * transformed tile:
 *   tiles    [point][channel / LANES][tile][LANES]        (input and output gradients)
 *   products [point][channel / PANEL][tile][PANEL]
 *   weights  [point][out / PANEL][in][PANEL], in rounded up to LANES and filled with zeros
 * Points are `plane` floats apart. A plane is never a multiple of 4 KiB, and `tiles` is odd, or the
 * streams of a transform and of a product would meet in the same sets of the caches. */
#ifndef DHO_COMPUTE_WINOGRAD_TRANSFORM_H
#define DHO_COMPUTE_WINOGRAD_TRANSFORM_H

#include "compute/fast/winograd_vector.h"

#include "dho/compute.h"

#include <stdbool.h>

/* The room for a block of `count` tiles. */
static inline int64_t winograd_tiles(int64_t count)
{
    return count | 1;
}

/* Images cut into tiles; tile t of image n at (row, column) is number (n * rows + row) * columns +
 * column. */
typedef struct winograd_map {
    int height, width, channels; /* of the tensor */
    int tile_rows, tile_columns;
    int offset; /* pixels from a tile's origin (4 row, 4 column) back to its first pixel */
} winograd_map;

/* The plane of `count` floats. */
static inline int64_t winograd_plane(int64_t count)
{
    return round_up(count, 1024) + LANES;
}

/* Tiles first .. first+count-1 of the images, which are tiles at .. of a block. */
typedef struct winograd_block {
    int64_t first, count, at;
    int64_t tiles, plane; /* the block's room, and the floats from point to point */
} winograd_block;

/* y = activation(result (+ bias) (+ y)). */
typedef struct winograd_ending {
    const float *bias; /* NULL: none */
    bool accumulate;
    dho_activation activation;
} winograd_ending;

/* The three transforms of activations, for each storage type (winograd_tiles.c). zeros:
 * round_up(channels, LANES) floats of zero.
 *
 * input: B^T d B of the tiles of x [..][height][width][channels].
 * gradient: A dy A^T, the same for the OUT x OUT pixels of the output gradient.
 * output: y = A^T m A of a block of products, and what is behind it. */
#define WINOGRAD_TILES(dtype)                                                                      \
    void dho_winograd_input_##dtype(const winograd_map *map, const void *x, const void *zeros,     \
                                    const winograd_block *block, float *out);                      \
    void dho_winograd_gradient_##dtype(const winograd_map *map, const void *dy, const void *zeros, \
                                       const winograd_block *block, float *out);                   \
    void dho_winograd_output_##dtype(const winograd_map *map, const float *products,               \
                                     const winograd_block *block, const winograd_ending *ending,   \
                                     void *y)
WINOGRAD_TILES(fp32);
WINOGRAD_TILES(bf16);

/* G g G^T of one PANEL of output channels (number `panel`). Forward: w [out][3][3][in]. turned: of
 * the convolution that gives the gradient of the data: w [in][3][3][out], turned by 180 degrees. */
void dho_winograd_weights(const float *w, int in, int out, bool turned, int panel, float *u,
                          int64_t plane);

/* dw [out][3][3][in] += G^T du G for rows begin .. end-1 of out; du
 * [point][out / WEIGHT_ROWS][in / PANEL][WEIGHT_ROWS][PANEL]. */
void dho_winograd_weight_gradient(const float *du, int64_t plane, int in, int64_t begin,
                                  int64_t end, float *dw);

#endif
