/* The gradient of the weights. The sum runs over the tiles, so threads that share tiles would need
 * partial sums of 36 matrices. Instead all threads transform a large block of tiles together, and
 * then each multiplies for points and output channels of its own: no partial sums, and the bits do
 * not depend on the number of threads. */
#include "compute/fast/winograd.h"

#include "compute/fast/winograd_gemm.h"
#include "compute/fast/winograd_transform.h"

#include <string.h>

/* Measured on Zen 4 (32 MiB of L3), the 3x3 layers of ResNet-18 and 50. */
enum {
    SHARED_FLOATS = 1280 * 1024, /* of the transformed inputs and gradients of a block ... */
    SHARED_TILES_MIN = 128       /* ... but each block reads and writes all 36 sums once */
};

typedef struct weight_job {
    winograd_map in, out;
    int64_t tiles, block;  /* of all images; of a shared block */
    int64_t rows, columns; /* output channels rounded up to LANES, input channels to PANEL */
    int64_t input_plane, gradient_plane, sum_plane;
    int64_t first, count; /* tiles of this block */
    int parts;
    bool bf16;
    const void *x, *dy;
    float *dw;
    float *zeros, *inputs, *gradients, *sums; /* in scratch */
} weight_job;

static weight_job weight_job_of(const dho_compute *compute, const dho_conv_shape *s)
{
    const int rows = (s->out_h + OUT - 1) / OUT, columns = (s->out_w + OUT - 1) / OUT;
    weight_job j = {.in = {s->in_h, s->in_w, s->in_c, rows, columns, s->padding},
                    .out = {s->out_h, s->out_w, s->out_c, rows, columns, 0},
                    .tiles = (int64_t)s->batch * rows * columns,
                    .rows = round_up(s->out_c, LANES),
                    .columns = round_up(s->in_c, PANEL),
                    .parts = compute->threads,
                    .bf16 = compute->dtype == DHO_DTYPE_BF16};
    int64_t block = SHARED_FLOATS / (POINTS * (j.rows + j.columns));
    if (block < SHARED_TILES_MIN) block = SHARED_TILES_MIN;
    const int64_t blocks = (j.tiles + block - 1) / block;
    j.block = (j.tiles + blocks - 1) / blocks;
    j.input_plane = winograd_plane(j.columns * winograd_tiles(j.block));
    j.gradient_plane = winograd_plane(j.rows * winograd_tiles(j.block));
    j.sum_plane = winograd_plane(j.rows * j.columns);
    return j;
}

static int64_t weight_zeros(const weight_job *j)
{
    return j->rows > j->columns ? j->rows : j->columns;
}

static size_t weight_floats(const weight_job *j)
{
    return (size_t)(weight_zeros(j) + POINTS * (j->input_plane + j->gradient_plane + j->sum_plane));
}

static void transform_part(void *context, int part)
{
    const weight_job *j = context;
    const dho_range mine = dho_range_of(j->count, 1, j->parts, part);
    winograd_block block = {.first = j->first + mine.begin,
                            .count = mine.end - mine.begin,
                            .at = mine.begin,
                            .tiles = winograd_tiles(j->block)};
    block.plane = j->input_plane;
    (j->bf16 ? dho_winograd_input_bf16 : dho_winograd_input_fp32)(&j->in, j->x, j->zeros, &block,
                                                                  j->inputs);
    block.plane = j->gradient_plane;
    (j->bf16 ? dho_winograd_gradient_bf16 : dho_winograd_gradient_fp32)(&j->out, j->dy, j->zeros,
                                                                        &block, j->gradients);
}

/* Units: points x groups of LANES output channels. */
static void product_part(void *context, int part)
{
    const weight_job *j = context;
    const int64_t groups = j->rows / LANES;
    const dho_range mine = dho_range_of(POINTS * groups, 1, j->parts, part);
    for (int64_t unit = mine.begin; unit < mine.end;) {
        const int64_t point = unit / groups, begin = unit % groups;
        const int64_t left = mine.end - unit;
        const int64_t end = begin + left < groups ? begin + left : groups;
        const winograd_sums sums = {.count = j->count,
                                    .tiles = winograd_tiles(j->block),
                                    .begin = begin * LANES,
                                    .end = end * LANES,
                                    .columns = j->columns,
                                    .accumulate = j->first > 0};
        dho_winograd_weight_product(&sums, j->gradients + point * j->gradient_plane,
                                    j->inputs + point * j->input_plane,
                                    j->sums + point * j->sum_plane);
        unit += end - begin;
    }
}

static void finish_part(void *context, int part)
{
    const weight_job *j = context;
    const dho_range mine = dho_range_of(j->out.channels, 1, j->parts, part);
    dho_winograd_weight_gradient(j->sums, j->sum_plane, j->in.channels, mine.begin, mine.end,
                                 j->dw);
}

void dho_winograd_backward_weights(dho_compute *compute, const dho_conv_shape *s, const void *x,
                                   const void *dy, float *dw, float *dbias)
{
    weight_job j = weight_job_of(compute, s);
    float *scratch = dho_compute_scratch_for(compute, weight_floats(&j) * sizeof(float));
    j.x = x, j.dy = dy, j.dw = dw;
    j.zeros = scratch;
    j.inputs = j.zeros + weight_zeros(&j);
    j.gradients = j.inputs + POINTS * j.input_plane;
    j.sums = j.gradients + POINTS * j.gradient_plane;
    memset(j.zeros, 0, (size_t)weight_zeros(&j) * sizeof *j.zeros);
    for (; j.first < j.tiles; j.first += j.block) {
        j.count = j.tiles - j.first < j.block ? j.tiles - j.first : j.block;
        dho_compute_parallel(compute, j.parts, transform_part, &j);
        dho_compute_parallel(compute, j.parts, product_part, &j);
    }
    dho_compute_parallel(compute, j.parts, finish_part, &j);
    if (dbias != NULL) {
        const int64_t rows = (int64_t)s->batch * s->out_h * s->out_w;
        compute->kernels.sum_rows(compute, &(dho_rows_shape){rows, s->out_c}, dy, dbias);
    }
}

size_t dho_winograd_weights_bytes(const dho_compute *compute, const dho_conv_shape *s)
{
    const weight_job j = weight_job_of(compute, s);
    return weight_floats(&j) * sizeof(float);
}
