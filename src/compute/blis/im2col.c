#include "compute/blis/im2col.h"

#include <string.h>

/* One kernel line (ky) under one output pixel: taps first .. last-1 lie inside the image. */
typedef struct line {
    int64_t pixel; /* index of the input pixel under tap `first` */
    int first, last;
} line;

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static line line_of(const dho_im2col_view *v, int64_t b, int oy, int ox, int ky)
{
    const int y = oy * v->stride - v->padding_h + ky, x = ox * v->stride - v->padding_w;
    if (y < 0 || y >= v->in_h) return (line){0, 0, 0};
    const int first = clamp(-x, 0, v->kernel_w), last = clamp(v->in_w - x, first, v->kernel_w);
    return (line){(b * v->in_h + y) * v->in_w + x + first, first, last};
}

/* Output pixel by output pixel without a division per row. */
typedef struct cursor {
    int64_t b;
    int oy, ox;
} cursor;

static cursor cursor_at(const dho_im2col_view *v, int64_t row)
{
    const int64_t image = (int64_t)v->out_h * v->out_w;
    return (cursor){row / image, (int)(row % image / v->out_w), (int)(row % v->out_w)};
}

static void cursor_next(const dho_im2col_view *v, cursor *c)
{
    if (++c->ox < v->out_w) return;
    c->ox = 0;
    if (++c->oy < v->out_h) return;
    c->oy = 0;
    c->b++;
}

void dho_im2col(const dho_im2col_view *v, int64_t begin, int64_t end, const float *restrict x,
                float *restrict col)
{
    const size_t channels = (size_t)v->channels;
    const bool whole = v->channels == v->in_c; /* taps of a line are neighbours in memory */
    cursor at = cursor_at(v, begin);
    for (int64_t row = begin; row < end; row++, cursor_next(v, &at)) {
        for (int ky = 0; ky < v->kernel_h; ky++, col += (size_t)v->kernel_w * channels) {
            const line l = line_of(v, at.b, at.oy, at.ox, ky);
            const size_t before = (size_t)l.first * channels;
            const size_t inside = (size_t)(l.last - l.first) * channels;
            const float *in = x + l.pixel * v->in_c;
            if (before > 0) memset(col, 0, before * sizeof *col);
            if (whole) {
                memcpy(col + before, in, inside * sizeof *col);
            } else {
                for (int kx = l.first; kx < l.last; kx++, in += v->in_c) {
                    memcpy(col + (size_t)kx * channels, in, channels * sizeof *col);
                }
            }
            const size_t after = (size_t)v->kernel_w * channels - before - inside;
            if (after > 0) memset(col + before + inside, 0, after * sizeof *col);
        }
    }
}

void dho_col2im_add(const dho_im2col_view *v, int64_t begin, int64_t end, const float *restrict col,
                    float *restrict dx)
{
    const size_t channels = (size_t)v->channels;
    cursor at = cursor_at(v, begin);
    for (int64_t row = begin; row < end; row++, cursor_next(v, &at)) {
        for (int ky = 0; ky < v->kernel_h; ky++, col += (size_t)v->kernel_w * channels) {
            const line l = line_of(v, at.b, at.oy, at.ox, ky);
            float *restrict out = dx + l.pixel * v->in_c;
            for (int kx = l.first; kx < l.last; kx++, out += v->in_c) {
                const float *restrict in = col + (size_t)kx * channels;
#pragma omp simd
                for (size_t c = 0; c < channels; c++) out[c] += in[c];
            }
        }
    }
}
