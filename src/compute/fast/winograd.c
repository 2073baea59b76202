/* Forward and backward data (the same, with turned weights): the transformed weights are made once
 * per call. Then each thread walks its tiles in blocks: input transform, one product for each of
 * the 36 points, output transform, all within the thread's own buffer, which is sized for L2. */
#include "compute/fast/winograd.h"

#include "compute/core/kept.h"
#include "compute/fast/fast_tables.h"
#include "compute/fast/winograd_gemm.h"
#include "compute/fast/winograd_transform.h"

#include <string.h>

/* Measured on Zen 4 (1 MiB of L2 a core, 32 MiB of L3), the 3x3 layers of ResNet-18 and 50. */
enum {
    BLOCK_FLOATS = 192 * 1024,  /* of transformed input and products of one thread's block ... */
    BLOCK_TILES_MIN = 2 * ROWS, /* ... but the weights, from beyond L2, want this many tiles */
    BLOCK_TILES_MAX = 8 * ROWS
};

typedef struct job {
    winograd_map in, out; /* the tensors that are read and written (weights: read both) */
    int64_t tiles, block; /* of all images; of a block */
    int64_t depth, width; /* channels rounded up: of the input to LANES, of the output to PANEL */
    int64_t input_plane, product_plane, weight_plane; /* floats */
    int parts;
    bool bf16, turned;
    winograd_ending ending;
    const void *x;
    const float *w;
    void *y;
    float *zeros, *weights, *blocks; /* in scratch; weights may be kept */
} job;

static job job_of(const dho_compute *compute, const dho_conv_shape *s)
{
    const int rows = (s->out_h + OUT - 1) / OUT, columns = (s->out_w + OUT - 1) / OUT;
    job j = {.in = {s->in_h, s->in_w, s->in_c, rows, columns, s->padding},
             .out = {s->out_h, s->out_w, s->out_c, rows, columns, 0},
             .tiles = (int64_t)s->batch * rows * columns,
             .depth = round_up(s->in_c, LANES),
             .width = round_up(s->out_c, PANEL),
             .parts = compute->threads,
             .bf16 = compute->dtype == DHO_DTYPE_BF16};
    if (j.parts > j.tiles) j.parts = (int)j.tiles;
    const int64_t share = (j.tiles + j.parts - 1) / j.parts;
    int64_t block = BLOCK_FLOATS / (POINTS * (j.depth + j.width));
    if (block < BLOCK_TILES_MIN) block = BLOCK_TILES_MIN;
    if (block > BLOCK_TILES_MAX) block = BLOCK_TILES_MAX;
    const int64_t blocks = (share + block - 1) / block;
    j.block = (share + blocks - 1) / blocks;
    j.input_plane = winograd_plane(j.depth * winograd_tiles(j.block));
    j.product_plane = winograd_plane(j.width * winograd_tiles(j.block));
    j.weight_plane = winograd_plane(j.depth * j.width);
    return j;
}

/* The gradient of the data is the convolution of dy with the turned weights. */
static dho_conv_shape turned_shape(const dho_conv_shape *s)
{
    dho_conv_shape t = *s;
    t.in_h = s->out_h, t.in_w = s->out_w, t.in_c = s->out_c;
    t.out_h = s->in_h, t.out_w = s->in_w, t.out_c = s->in_c;
    t.padding = 2 - s->padding;
    return t;
}

static int64_t part_floats(const job *j)
{
    return POINTS * (j->input_plane + j->product_plane);
}

static size_t convolve_floats(const job *j)
{
    return (size_t)(j->depth + POINTS * j->weight_plane + j->parts * part_floats(j));
}

static void weights_part(void *context, int part)
{
    const job *j = context;
    const dho_range panels = dho_range_of(j->width / PANEL, 1, j->parts, part);
    for (int64_t p = panels.begin; p < panels.end; p++) {
        dho_winograd_weights(j->w, j->in.channels, j->out.channels, j->turned, (int)p, j->weights,
                             j->weight_plane);
    }
}

static void convolve_part(void *context, int part)
{
    const job *j = context;
    const dho_range mine = dho_range_of(j->tiles, 1, j->parts, part);
    const int64_t tiles = winograd_tiles(j->block);
    float *input = j->blocks + part * part_floats(j);
    float *products = input + POINTS * j->input_plane;
    for (int64_t t = mine.begin; t < mine.end; t += j->block) {
        const int64_t count = mine.end - t < j->block ? mine.end - t : j->block;
        winograd_block block = {.first = t, .count = count, .tiles = tiles};
        block.plane = j->input_plane;
        (j->bf16 ? dho_winograd_input_bf16 : dho_winograd_input_fp32)(&j->in, j->x, j->zeros,
                                                                      &block, input);
        for (int64_t point = 0; point < POINTS; point++) {
            dho_winograd_product(
                count, tiles, j->depth, j->width / PANEL, input + point * j->input_plane,
                j->weights + point * j->weight_plane, products + point * j->product_plane);
        }
        block.plane = j->product_plane;
        (j->bf16 ? dho_winograd_output_bf16 : dho_winograd_output_fp32)(&j->out, products, &block,
                                                                        &j->ending, j->y);
    }
}

/* Where the transformed weights are. False: where they are to be made. */
static bool find_weights(dho_compute *compute, job *j)
{
    const dho_kept *kept = NULL;
    const size_t bytes = (size_t)(POINTS * j->weight_plane) * sizeof *j->weights;
    while ((kept = dho_kept_next(compute, j->w, kept)) != NULL)
        if (kept->by == &dho_winograd) break;
    if (kept != NULL) {
        j->weights = kept->data;
        return true;
    }
    j->weights = dho_kept_add(compute, j->w, &dho_winograd, bytes);
    if (j->weights == NULL) j->weights = j->zeros + j->depth;
    return false;
}

static void convolve(dho_compute *compute, job *j)
{
    float *scratch = dho_compute_scratch_for(compute, convolve_floats(j) * sizeof(float));
    j->zeros = scratch;
    j->blocks = j->zeros + j->depth + POINTS * j->weight_plane;
    memset(j->zeros, 0, (size_t)j->depth * sizeof *j->zeros);
    if (!find_weights(compute, j)) dho_compute_parallel(compute, j->parts, weights_part, j);
    dho_compute_parallel(compute, j->parts, convolve_part, j);
}

void dho_winograd_forward(dho_compute *compute, const dho_conv_shape *s, const void *x,
                          const float *w, const float *bias, void *y)
{
    job j = job_of(compute, s);
    j.x = x, j.w = w, j.y = y;
    j.ending.bias = bias;
    convolve(compute, &j);
}

void dho_winograd_fused(dho_compute *compute, const dho_conv_shape *s, const void *x,
                        const float *w, const float *bias, void *y)
{
    job j = job_of(compute, s);
    j.x = x, j.w = w, j.y = y;
    j.ending =
        (winograd_ending){.bias = bias, .accumulate = s->adds != 0, .activation = s->activation};
    convolve(compute, &j);
}

void dho_winograd_backward_data(dho_compute *compute, const dho_conv_shape *s, const void *dy,
                                const float *w, bool accumulate, void *dx)
{
    const dho_conv_shape turned = turned_shape(s);
    job j = job_of(compute, &turned);
    j.x = dy, j.w = w, j.y = dx;
    j.turned = true;
    j.ending.accumulate = accumulate;
    convolve(compute, &j);
}

size_t dho_winograd_convolve_bytes(const dho_compute *compute, const dho_conv_shape *s)
{
    const dho_conv_shape turned = turned_shape(s);
    const job forward = job_of(compute, s), data = job_of(compute, &turned);
    const size_t a = convolve_floats(&forward), b = convolve_floats(&data);
    return (a > b ? a : b) * sizeof(float);
}
