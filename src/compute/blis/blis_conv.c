/* Convolution as im2col in row blocks + sgemm.
 *
 * Two ways over the rows (output pixels): many rows are split over the threads, each with a block
 * buffer and single-threaded products of its own (no barrier inside); few rows are walked by the
 * caller, with im2col and the product threaded inside. Both cut the work by sizes and the number
 * of threads alone. */
#include "compute/blis/blis_gemm.h"
#include "compute/blis/blis_tables.h"
#include "compute/blis/im2col.h"

#include <string.h>

/* Measured on Zen 4 (1 MiB of L2 a core), ResNet-18's shapes. */
enum {
    BLOCK_FLOATS = 192 * 1024,  /* of one im2col block: with its product it stays near L2 */
    BLOCK_ROWS_MIN = 256,       /* each product packs the weights again: amortise that ... */
    BLOCK_ROWS_MIN_LARGE = 768, /* ... the more where the weights come from beyond L2 */
    LARGE_WEIGHTS = 128 * 1024, /* floats */
    SPLIT_ROWS_MIN = 512,       /* rows a thread below which the threads share each product */
    PARTIAL_FLOATS_MAX = 16 * 1024 * 1024 /* all threads' partial weight gradients */
};

/* How a kernel walks its rows. */
typedef struct walk {
    int64_t rows, columns; /* of the im2col matrix of one group */
    int64_t block_rows;
    int parts;         /* row ranges, one a thread */
    int inner_threads; /* threads inside one block: parts * inner_threads <= threads */
    bool direct;       /* 1x1, stride 1: the activations are the im2col matrix */
} walk;

typedef struct job {
    const dho_compute *compute;
    dho_im2col_view view;
    walk walk;
    int groups, group_out, out_c;
    const float *x, *w, *bias, *dy;
    float *y, *dx, *dw;
    float beta;      /* 1: the output is added to */
    float *blocks;   /* [parts][block_rows][columns] */
    float *partials; /* [parts][out_c][columns] when parts > 1 */
} job;

static dho_im2col_view view_of(const dho_conv_shape *s)
{
    return (dho_im2col_view){.in_h = s->in_h,
                             .in_w = s->in_w,
                             .in_c = s->in_c,
                             .out_h = s->out_h,
                             .out_w = s->out_w,
                             .kernel_h = s->kernel_h,
                             .kernel_w = s->kernel_w,
                             .stride = s->stride,
                             .padding_h = s->padding,
                             .padding_w = s->padding,
                             .channels = s->in_c / s->groups};
}

static walk walk_of(int threads, const dho_im2col_view *v, int64_t batch, int group_out)
{
    walk k = {.rows = batch * v->out_h * v->out_w,
              .columns = (int64_t)v->kernel_h * v->kernel_w * v->channels,
              .parts = threads,
              .inner_threads = 1};
    if (k.rows < (int64_t)threads * SPLIT_ROWS_MIN) {
        k.parts = 1;
        k.inner_threads = threads;
    }
    k.direct = v->kernel_h == 1 && v->kernel_w == 1 && v->stride == 1 && v->padding_h == 0 &&
               v->padding_w == 0;
    k.block_rows = BLOCK_FLOATS / k.columns;
    const int64_t least =
        k.columns > LARGE_WEIGHTS / group_out ? BLOCK_ROWS_MIN_LARGE : BLOCK_ROWS_MIN;
    if (k.block_rows < least) k.block_rows = least;
    const int64_t share = (k.rows + k.parts - 1) / k.parts;
    if (k.block_rows > share) k.block_rows = share;
    return k;
}

static job job_of(const dho_compute *compute, const dho_conv_shape *s)
{
    const dho_im2col_view view = view_of(s);
    return (job){.compute = compute,
                 .view = view,
                 .walk = walk_of(compute->threads, &view, s->batch, s->out_c / s->groups),
                 .groups = s->groups,
                 .group_out = s->out_c / s->groups,
                 .out_c = s->out_c};
}

/* With stride 1 the gradient of the data is a convolution of dy with the kernel turned by 180
 * degrees and in and out channels exchanged; its rows are the input pixels. */
static bool turns(const dho_conv_shape *s)
{
    return s->stride == 1 && s->groups == 1 && s->padding < s->kernel_h && s->padding < s->kernel_w;
}

static dho_conv_shape turned_shape(const dho_conv_shape *s)
{
    dho_conv_shape t = *s;
    t.in_h = s->out_h, t.in_w = s->out_w, t.in_c = s->out_c;
    t.out_h = s->in_h, t.out_w = s->in_w, t.out_c = s->in_c;
    return t;
}

static job turned_job(const dho_compute *compute, const dho_conv_shape *s)
{
    const dho_conv_shape t = turned_shape(s);
    job j = job_of(compute, &t);
    j.view.padding_h = s->kernel_h - 1 - s->padding;
    j.view.padding_w = s->kernel_w - 1 - s->padding;
    j.walk = walk_of(compute->threads, &j.view, t.batch, t.out_c);
    return j;
}

static size_t block_floats(const walk *k)
{
    return k->direct ? 0 : (size_t)k->parts * (size_t)k->block_rows * (size_t)k->columns;
}

static size_t weight_floats(const dho_conv_shape *s)
{
    return (size_t)s->out_c * (size_t)s->kernel_h * (size_t)s->kernel_w *
           (size_t)(s->in_c / s->groups);
}

/* Rows of x under a block, of one group, as the left or right factor of a product. */
typedef struct gather {
    const job *job;
    int64_t begin, end;
    int group;
    float *block;
} gather;

static void gather_part(void *context, int part)
{
    const gather *g = context;
    const dho_range r = dho_range_of(g->end - g->begin, 1, g->job->walk.inner_threads, part);
    dho_im2col(&g->job->view, g->begin + r.begin, g->begin + r.end,
               g->job->x + (int64_t)g->group * g->job->view.channels,
               g->block + r.begin * g->job->walk.columns);
}

/* A matrix in memory. */
typedef struct matrix {
    const float *data;
    int64_t stride;
} matrix;

static matrix gather_rows(const job *j, int part, int group, int64_t begin, int64_t end)
{
    const walk *k = &j->walk;
    if (k->direct) {
        const float *first = j->x + begin * j->view.in_c + (int64_t)group * j->view.channels;
        return (matrix){first, j->view.in_c};
    }
    float *block = j->blocks + (int64_t)part * k->block_rows * k->columns;
    gather g = {j, begin, end, group, block};
    dho_compute_parallel(j->compute, k->inner_threads, gather_part, &g);
    return (matrix){block, k->columns};
}

static void forward_part(void *context, int part)
{
    const job *j = context;
    const walk *k = &j->walk;
    const dho_range mine = dho_range_of(k->rows, 1, k->parts, part);
    for (int64_t begin = mine.begin; begin < mine.end; begin += k->block_rows) {
        const int64_t left = mine.end - begin, rows = left < k->block_rows ? left : k->block_rows;
        for (int g = 0; g < j->groups; g++) {
            const matrix a = gather_rows(j, part, g, begin, begin + rows);
            const dho_gemm_shape product = {.transpose_b = true,
                                            .m = rows,
                                            .n = j->group_out,
                                            .k = k->columns,
                                            .lda = a.stride,
                                            .ldc = j->out_c,
                                            .alpha = 1,
                                            .beta = j->beta};
            dho_blis_sgemm(k->inner_threads, &product, a.data,
                           j->w + (int64_t)g * j->group_out * k->columns,
                           j->y + begin * j->out_c + (int64_t)g * j->group_out);
        }
        if (j->bias == NULL) continue;
        for (int64_t r = begin; r < begin + rows; r++) { /* the block's output is still in cache */
            float *restrict y = j->y + r * j->out_c;
            const float *restrict bias = j->bias;
#pragma omp simd
            for (int c = 0; c < j->out_c; c++) y[c] += bias[c];
        }
    }
}

static void conv_forward(dho_compute *compute, const dho_conv_shape *s, const void *x_data,
                         const float *restrict w, const float *restrict bias, void *y_data)
{
    const float *restrict x = x_data;
    float *restrict y = y_data;
    job j = job_of(compute, s);
    j.x = x, j.w = w, j.bias = bias, j.y = y;
    j.blocks = dho_compute_scratch_for(compute, block_floats(&j.walk) * sizeof(float));
    dho_compute_parallel(compute, j.walk.parts, forward_part, &j);
}

/* turned [in_c][kernel_h][kernel_w][out_c] from w [out_c][kernel_h][kernel_w][in_c]. */
static void turn_weights(const dho_conv_shape *s, const float *restrict w, float *restrict turned)
{
    enum { TILE = 16 };
    const int64_t taps = (int64_t)s->kernel_h * s->kernel_w, in = s->in_c, out = s->out_c;
    for (int64_t tap = 0; tap < taps; tap++) {
        const float *from = w + tap * in;
        float *to = turned + (taps - 1 - tap) * out;
        for (int64_t i0 = 0; i0 < in; i0 += TILE) {
            const int64_t i1 = i0 + TILE < in ? i0 + TILE : in;
            for (int64_t o = 0; o < out; o++) {
                for (int64_t i = i0; i < i1; i++) to[i * taps * out + o] = from[o * taps * in + i];
            }
        }
    }
}

/* Images are split over the threads: the taps of one image add to that image only. */
static void scatter_part(void *context, int part)
{
    const job *j = context;
    const walk *k = &j->walk;
    const int64_t image = (int64_t)j->view.out_h * j->view.out_w;
    const int64_t pixels = (int64_t)j->view.in_h * j->view.in_w * j->view.in_c;
    const dho_range mine = dho_range_of(k->rows, image, k->parts, part);
    if (j->beta == 0) {
        memset(j->dx + mine.begin / image * pixels, 0,
               (size_t)((mine.end - mine.begin) / image * pixels) * sizeof *j->dx);
    }
    float *block = j->blocks + (int64_t)part * k->block_rows * k->columns;
    for (int64_t begin = mine.begin; begin < mine.end; begin += k->block_rows) {
        const int64_t left = mine.end - begin, rows = left < k->block_rows ? left : k->block_rows;
        for (int g = 0; g < j->groups; g++) {
            const dho_gemm_shape product = {
                .m = rows, .n = k->columns, .k = j->group_out, .lda = j->out_c, .alpha = 1};
            dho_blis_sgemm(k->inner_threads, &product,
                           j->dy + begin * j->out_c + (int64_t)g * j->group_out,
                           j->w + (int64_t)g * j->group_out * k->columns, block);
            dho_col2im_add(&j->view, begin, begin + rows, block,
                           j->dx + (int64_t)g * j->view.channels);
        }
    }
}

static void conv_backward_data(dho_compute *compute, const dho_conv_shape *s, const void *dy_data,
                               const float *restrict w, bool accumulate, void *dx_data)
{
    const float *restrict dy = dy_data;
    float *restrict dx = dx_data;
    const bool turn = turns(s);
    job j = turn ? turned_job(compute, s) : job_of(compute, s);
    j.beta = accumulate ? 1.0f : 0.0f;
    /* The scattering way needs its block even where a forward convolution is direct. */
    const size_t turned = turn ? weight_floats(s) : 0;
    if (!turn) j.walk.direct = false;
    float *scratch =
        dho_compute_scratch_for(compute, (turned + block_floats(&j.walk)) * sizeof(float));
    j.blocks = scratch + turned;
    if (turn) {
        turn_weights(s, w, scratch);
        j.x = dy, j.w = scratch, j.y = dx;
        dho_compute_parallel(compute, j.walk.parts, forward_part, &j);
    } else {
        j.dy = dy, j.w = w, j.dx = dx;
        dho_compute_parallel(compute, j.walk.parts, scatter_part, &j);
    }
}

/* Weight gradients sum over the rows: with several parts each has a partial sum, merged in order;
 * the partials must not cost more than the products. */
static job weights_job(const dho_compute *compute, const dho_conv_shape *s)
{
    job j = job_of(compute, s);
    if (j.walk.parts > 1 && weight_floats(s) > PARTIAL_FLOATS_MAX / (size_t)j.walk.parts) {
        j.walk.parts = 1;
        j.walk.inner_threads = compute->threads;
    }
    return j;
}

static size_t partial_floats(const job *j, const dho_conv_shape *s)
{
    return j->walk.parts > 1 ? (size_t)j->walk.parts * weight_floats(s) : 0;
}

static void weights_part(void *context, int part)
{
    const job *j = context;
    const walk *k = &j->walk;
    const dho_range mine = dho_range_of(k->rows, 1, k->parts, part);
    float *dw = k->parts > 1 ? j->partials + (int64_t)part * j->out_c * k->columns : j->dw;
    for (int64_t begin = mine.begin; begin < mine.end; begin += k->block_rows) {
        const int64_t left = mine.end - begin, rows = left < k->block_rows ? left : k->block_rows;
        const float beta = k->parts > 1 && begin == mine.begin ? 0.0f : 1.0f;
        for (int g = 0; g < j->groups; g++) {
            const matrix b = gather_rows(j, part, g, begin, begin + rows);
            const dho_gemm_shape product = {.transpose_a = true,
                                            .m = j->group_out,
                                            .n = k->columns,
                                            .k = rows,
                                            .lda = j->out_c,
                                            .ldb = b.stride,
                                            .alpha = 1,
                                            .beta = beta};
            dho_blis_sgemm(k->inner_threads, &product,
                           j->dy + begin * j->out_c + (int64_t)g * j->group_out, b.data,
                           dw + (int64_t)g * j->group_out * k->columns);
        }
    }
}

static void merge_part(void *context, int part)
{
    const job *j = context;
    const int64_t count = (int64_t)j->out_c * j->walk.columns;
    const dho_range r = dho_range_of(count, 16, j->walk.parts, part);
    float *restrict dw = j->dw;
    for (int p = 0; p < j->walk.parts; p++) {
        const float *restrict partial = j->partials + (int64_t)p * count;
#pragma omp simd
        for (int64_t i = r.begin; i < r.end; i++) dw[i] += partial[i];
    }
}

static void conv_backward_weights(dho_compute *compute, const dho_conv_shape *s, const void *x_data,
                                  const void *dy_data, float *restrict dw, float *restrict dbias)
{
    const float *restrict x = x_data;
    const float *restrict dy = dy_data;
    job j = weights_job(compute, s);
    j.x = x, j.dy = dy, j.dw = dw;
    const size_t partials = partial_floats(&j, s);
    float *scratch =
        dho_compute_scratch_for(compute, (partials + block_floats(&j.walk)) * sizeof(float));
    j.partials = scratch;
    j.blocks = scratch + partials;
    dho_compute_parallel(compute, j.walk.parts, weights_part, &j);
    if (j.walk.parts > 1) dho_compute_parallel(compute, j.walk.parts, merge_part, &j);
    if (dbias != NULL) {
        compute->kernels.sum_rows(compute, &(dho_rows_shape){j.walk.rows, s->out_c}, dy, dbias);
    }
}

static dho_status reserve(dho_compute *compute, const dho_conv_shape *s, unsigned *calls,
                          size_t *bytes)
{
    job data = turns(s) ? turned_job(compute, s) : job_of(compute, s);
    const job forward = job_of(compute, s), weights = weights_job(compute, s);
    if (!turns(s)) data.walk.direct = false;
    const size_t need[3] = {block_floats(&forward.walk),
                            block_floats(&data.walk) + (turns(s) ? weight_floats(s) : 0),
                            block_floats(&weights.walk) + partial_floats(&weights, s)};
    *calls = 0;
    *bytes = 0;
    for (int i = 0; i < 3; i++) {
        if (need[i] * sizeof(float) > *bytes) *bytes = need[i] * sizeof(float);
    }
    return DHO_OK;
}

const dho_kernel_table dho_blis_conv = {
    .choice = "im2col",
    .kernels = {.conv_forward = conv_forward,
                .conv_backward_data = conv_backward_data,
                .conv_backward_weights = conv_backward_weights},
    .planning = {.conv_reserve = reserve},
};
