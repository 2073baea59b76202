/* Separable resampling with Pillow's arithmetic (libImaging/Resample.c), laid out for vectors.
 *
 * The vertical pass weighs whole rows: neighbouring bytes take the same weights. For the horizontal
 * pass 16 rows are transposed to [column][channel][row], where the same holds. */
#include "dho/alloc.h"
#include "image/image_codec.h"
#include "image/resample_kernels.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The weights of one direction: out[i] = sum_t in[first[i] + t] * weights[i * stride + t]. */
typedef struct axis_plan {
    int32_t *weights;
    int *first, *taps;
    size_t stride;  /* weights kept per output */
    int count;      /* outputs */
    int begin, end; /* the inputs used by any output */
    int identity;   /* nothing to weigh: output i is input begin + i */
} axis_plan;

/* Where everything of one call lies in the scratch memory. */
typedef struct resize_plan {
    axis_plan horizontal, vertical;
    double *weights;  /* of one output, before rounding */
    uint8_t *columns; /* 16 rows of the source, transposed */
    uint8_t *weighed; /* 16 rows of the result, transposed */
    uint8_t *rows;    /* horizontal result, [rows][row_stride] */
    uint8_t *row;     /* one row of the vertical result */
    size_t row_stride;
} resize_plan;

static double filter_support(dho_filter filter)
{
    return filter == DHO_FILTER_BICUBIC ? 2.0 : 1.0;
}

static double filter_value(dho_filter filter, double x)
{
    const double a = -0.5;
    if (x < 0.0) x = -x;
    if (filter == DHO_FILTER_BILINEAR) return x < 1.0 ? 1.0 - x : 0.0;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

static double filter_scale(int in_size, int out_size)
{
    const double scale = (double)in_size / out_size;
    return scale < 1.0 ? 1.0 : scale;
}

static size_t axis_stride(int in_size, int out_size, dho_filter filter)
{
    const double support = filter_support(filter) * filter_scale(in_size, out_size);
    return (size_t)ceil(support) * 2 + 1;
}

/* Fills the weights of the outputs start .. start + count of an axis resampled from in_size to
 * out_size; mirrored: the last output comes first. Order and type of every operation are Pillow's:
 * the bits depend on them. */
static void axis_fill(axis_plan *axis, int in_size, int out_size, int start, dho_filter filter,
                      bool mirrored, double *weights)
{
    const double scale = (double)in_size / out_size, widened = filter_scale(in_size, out_size);
    const double support = filter_support(filter) * widened, narrow = 1.0 / widened;
    axis->begin = INT_MAX;
    axis->end = 0;
    for (int i = 0; i < axis->count; i++) {
        const double center = (start + i + 0.5) * scale;
        int first = (int)(center - support + 0.5), last = (int)(center + support + 0.5);
        if (first < 0) first = 0;
        if (last > in_size) last = in_size;
        const int taps = last - first;
        double sum = 0.0;
        for (int t = 0; t < taps; t++) {
            weights[t] = filter_value(filter, (t + first - center + 0.5) * narrow);
            sum += weights[t];
        }
        const size_t at = (size_t)(mirrored ? axis->count - 1 - i : i);
        int32_t *fixed = axis->weights + at * axis->stride;
        for (int t = 0; t < taps; t++) {
            const double weight = sum != 0.0 ? weights[t] / sum : weights[t];
            fixed[t] = (int32_t)((weight < 0 ? -0.5 : 0.5) + weight * (1 << WEIGHT_BITS));
        }
        axis->first[at] = first;
        axis->taps[at] = taps;
        if (first < axis->begin) axis->begin = first;
        if (last > axis->end) axis->end = last;
    }
}

/* Takes bytes off the scratch memory; with base NULL it only counts. */
static void *carve(uint8_t *base, size_t *used, size_t count, size_t size)
{
    void *block = base != NULL ? base + *used : NULL;
    *used += (count * size + 63) / 64 * 64;
    return block;
}

static void axis_carve(axis_plan *axis, uint8_t *base, size_t *used)
{
    if (axis->identity) return;
    axis->weights = carve(base, used, (size_t)axis->count * axis->stride, sizeof *axis->weights);
    axis->first = carve(base, used, (size_t)axis->count, sizeof *axis->first);
    axis->taps = carve(base, used, (size_t)axis->count, sizeof *axis->taps);
}

static size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

dho_status dho_resample_scratch_reserve(dho_resample_scratch *scratch, size_t bytes)
{
    if (scratch->capacity >= bytes) return DHO_OK;
    dho_resample_scratch_free(scratch);
    DHO_TRY(dho_alloc(&scratch->memory, bytes, 1, "resampling"));
    scratch->capacity = bytes;
    return DHO_OK;
}

void dho_resample_scratch_free(dho_resample_scratch *scratch)
{
    dho_free(scratch->memory);
    *scratch = (dho_resample_scratch){0};
}

/* The axes' layouts and weights. Sizes fit size_t by far: sides are at most 65500. */
static dho_status plan_weights(resize_plan *plan, dho_box box, int full_width, int full_height,
                               dho_box window, dho_filter filter, bool mirrored,
                               dho_resample_scratch *scratch)
{
    axis_plan *x = &plan->horizontal, *y = &plan->vertical;
    *x = (axis_plan){.count = window.width,
                     .stride = axis_stride(box.width, full_width, filter),
                     .begin = window.x,
                     .end = window.x + window.width,
                     .identity = box.width == full_width};
    *y = (axis_plan){.count = window.height,
                     .stride = axis_stride(box.height, full_height, filter),
                     .begin = window.y,
                     .end = window.y + window.height,
                     .identity = box.height == full_height};
    /* All rows of the box are counted, so that a scratch does not grow with every new window. */
    plan->row_stride = round_up((size_t)window.width * 3, LANES);
    uint8_t *base = NULL;
    for (int pass = 0; pass < 2; pass++) {
        size_t used = 0;
        axis_carve(x, base, &used);
        axis_carve(y, base, &used);
        plan->weights =
            carve(base, &used, x->stride > y->stride ? x->stride : y->stride, sizeof(double));
        if (!x->identity) {
            plan->columns = carve(base, &used, round_up((size_t)box.width * 3, 16), ROWS);
            plan->weighed = carve(base, &used, plan->row_stride, ROWS);
            plan->rows = carve(base, &used, (size_t)box.height, plan->row_stride);
        }
        plan->row = carve(base, &used, 1, plan->row_stride);
        if (pass == 0) DHO_TRY(dho_resample_scratch_reserve(scratch, used));
        base = scratch->memory;
    }
    if (!x->identity)
        axis_fill(x, box.width, full_width, window.x, filter, mirrored, plan->weights);
    if (!y->identity) axis_fill(y, box.height, full_height, window.y, filter, false, plan->weights);
    return DHO_OK;
}

/* 16 rows of `bytes` bytes (of fewer, the last is repeated) to [bytes][16], in blocks of 16. */
static void transpose_rows(const uint8_t *rows, size_t stride, size_t count, size_t bytes,
                           uint8_t *columns)
{
    for (size_t b = 0; b < bytes; b += 16, columns += 16 * ROWS) {
        uint8_t block[ROWS][16] = {{0}};
        const size_t part = bytes - b < 16 ? bytes - b : 16;
        for (size_t r = 0; r < ROWS; r++) {
            const uint8_t *row = rows + (r < count ? r : count - 1) * stride + b;
            if (part == 16)
                memcpy(block[r], row, 16);
            else
                memcpy(block[r], row, part);
        }
        transpose16(block);
        memcpy(columns, block, sizeof block);
    }
}

/* The way back: [bytes][16] to `count` rows. */
static void transpose_columns(const uint8_t *columns, size_t bytes, uint8_t *rows, size_t stride,
                              size_t count)
{
    for (size_t b = 0; b < bytes; b += 16, columns += 16 * ROWS) {
        uint8_t block[ROWS][16];
        const size_t part = bytes - b < 16 ? bytes - b : 16;
        memcpy(block, columns, sizeof block);
        transpose16(block);
        for (size_t r = 0; r < count; r++) {
            if (part == 16)
                memcpy(rows + r * stride + b, block[r], 16);
            else
                memcpy(rows + r * stride + b, block[r], part);
        }
    }
}

/* in: the first byte of the box's row and column 0; rows: how many to do. */
static void weigh_columns(const resize_plan *plan, const uint8_t *in, size_t in_stride, size_t rows,
                          uint8_t *out, size_t out_stride)
{
    const axis_plan *axis = &plan->horizontal;
    const size_t in_bytes = (size_t)(axis->end - axis->begin) * 3;
    in += (size_t)axis->begin * 3;
    for (size_t y = 0; y < rows; y += ROWS) {
        const size_t count = rows - y < ROWS ? rows - y : ROWS;
        transpose_rows(in + y * in_stride, in_stride, count, in_bytes, plan->columns);
        for (int x = 0; x < axis->count; x++)
            weigh(plan->columns + (size_t)(axis->first[x] - axis->begin) * LANES, LANES,
                  axis->weights + (size_t)x * axis->stride, axis->taps[x],
                  plan->weighed + (size_t)x * LANES);
        transpose_columns(plan->weighed, (size_t)axis->count * 3, out + y * out_stride, out_stride,
                          count);
    }
}

/* Output row y; in: row `begin` of the vertical axis. */
static void weigh_row(const axis_plan *axis, int y, const uint8_t *in, size_t in_stride,
                      uint8_t *out, size_t bytes)
{
    const size_t whole = bytes / LANES * LANES;
    const uint8_t *rows = in + (size_t)(axis->first[y] - axis->begin) * in_stride;
    const int32_t *weights = axis->weights + (size_t)y * axis->stride;
    for (size_t b = 0; b < whole; b += LANES)
        weigh(rows + b, in_stride, weights, axis->taps[y], out + b);
    if (whole < bytes)
        weigh_some(rows + whole, in_stride, weights, axis->taps[y], out + whole, bytes - whole);
}

/* What becomes of the rows: an image or, finished, numbers. */
typedef struct row_target {
    dho_image *image; /* or NULL: */
    const dho_pixel_finish *finish;
    bool flip;    /* still to be done: the horizontal pass had nothing to do */
    uint8_t *row; /* one row of bytes */
    uint8_t *out;
    size_t row_bytes; /* of `out` */
} row_target;

static void resample_rows(const resize_plan *plan, const uint8_t *in, size_t in_stride,
                          const row_target *target)
{
    const axis_plan *x = &plan->horizontal, *y = &plan->vertical;
    const size_t bytes = (size_t)x->count * 3;
    if (!x->identity) {
        weigh_columns(plan, in, in_stride, (size_t)(y->end - y->begin), plan->rows,
                      plan->row_stride);
        in = plan->rows;
        in_stride = plan->row_stride;
    } else {
        in += (size_t)x->begin * 3;
    }
    for (int r = 0; r < y->count; r++) {
        const uint8_t *row = in + (size_t)r * in_stride;
        uint8_t *to =
            target->image != NULL ? target->image->pixels + (size_t)r * bytes : target->row;
        if (!y->identity) {
            weigh_row(y, r, in, in_stride, to, bytes);
            row = to;
        } else if (target->image != NULL) {
            memcpy(to, row, bytes);
        }
        if (target->image == NULL)
            dho_pixel_finish_row(target->finish, row, (size_t)x->count, target->flip,
                                 target->out + (size_t)r * target->row_bytes);
    }
}

static dho_status check_sizes(const dho_image *source, dho_box box, int full_width, int full_height,
                              dho_box window)
{
    if (!dho_box_fits(box, source->width, source->height))
        return dho_fail(DHO_ERR_FORMAT,
                        "crop box %d x %d at (%d, %d) is not inside the %d x %d image", box.width,
                        box.height, box.x, box.y, source->width, source->height);
    if (!dho_box_fits(window, full_width, full_height))
        return dho_fail(DHO_ERR_FORMAT, "cannot resize to %d x %d", full_width, full_height);
    return DHO_OK;
}

/* The box's first byte that the vertical axis uses. */
static const uint8_t *first_byte(const dho_image *source, dho_box box, const resize_plan *plan)
{
    return source->pixels +
           ((size_t)(box.y + plan->vertical.begin) * (size_t)source->width + (size_t)box.x) * 3;
}

dho_status dho_image_resize_window(const dho_image *source, dho_box box, int full_width,
                                   int full_height, dho_box window, dho_filter filter,
                                   dho_resample_scratch *scratch, dho_image *out)
{
    resize_plan plan = {0};
    if (source == out) return dho_fail(DHO_ERR_INTERNAL, "resampling an image onto itself");
    DHO_TRY(check_sizes(source, box, full_width, full_height, window));
    DHO_TRY(dho_image_reserve(out, (size_t)window.width, (size_t)window.height, "resized"));
    DHO_TRY(plan_weights(&plan, box, full_width, full_height, window, filter, false, scratch));
    const row_target target = {.image = out};
    resample_rows(&plan, first_byte(source, box, &plan), (size_t)source->width * 3, &target);
    return DHO_OK;
}

dho_status dho_image_crop_to_network(const dho_image *source, dho_box box, int side,
                                     dho_filter filter, bool flip, const dho_pixel_finish *finish,
                                     dho_resample_scratch *scratch, void *out)
{
    const dho_box whole = {.width = side, .height = side};
    resize_plan plan = {0};
    DHO_TRY(check_sizes(source, box, side, side, whole));
    DHO_TRY(dho_image_check_size((size_t)side, (size_t)side, "resized"));
    DHO_TRY(plan_weights(&plan, box, side, side, whole, filter, flip, scratch));
    const row_target target = {.finish = finish,
                               .flip = flip && plan.horizontal.identity,
                               .row = plan.row,
                               .out = out,
                               .row_bytes = (size_t)side * dho_pixel_bytes(finish->type)};
    resample_rows(&plan, first_byte(source, box, &plan), (size_t)source->width * 3, &target);
    return DHO_OK;
}

dho_status dho_image_resize(const dho_image *source, dho_box box, int width, int height,
                            dho_filter filter, dho_resample_scratch *scratch, dho_image *out)
{
    const dho_box whole = {.width = width, .height = height};
    return dho_image_resize_window(source, box, width, height, whole, filter, scratch, out);
}
