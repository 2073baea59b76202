/* Reference matrix product and convolution: the definition as loops, summed in double. */
#include "compute/ref/ref_tables.h"

static void gemm(dho_compute *compute, const dho_gemm_shape *s, const float *restrict a,
                 const float *restrict b, float *restrict c)
{
    const int64_t lda = dho_gemm_lda(s), ldb = dho_gemm_ldb(s), ldc = dho_gemm_ldc(s);
    (void)compute;
    for (int64_t i = 0; i < s->m; i++) {
        for (int64_t j = 0; j < s->n; j++) {
            double sum = 0;
            for (int64_t p = 0; p < s->k; p++) {
                sum += (double)(s->transpose_a ? a[p * lda + i] : a[i * lda + p]) *
                       (double)(s->transpose_b ? b[j * ldb + p] : b[p * ldb + j]);
            }
            float *out = &c[i * ldc + j];
            *out = (float)((double)s->alpha * sum +
                           (s->beta == 0 ? 0 : (double)s->beta * (double)*out));
        }
    }
}

/* Offset of input pixel (b, y, x), or -1 in the padding. */
static int64_t input_pixel(const dho_conv_shape *s, int b, int y, int x)
{
    if (y < 0 || y >= s->in_h || x < 0 || x >= s->in_w) return -1;
    return (((int64_t)b * s->in_h + y) * s->in_w + x) * s->in_c;
}

/* One output element of the convolution. */
static double conv_at(const dho_conv_shape *s, const float *x, const float *w, int b, int oy,
                      int ox, int oc)
{
    const int group_in = s->in_c / s->groups, group = oc / (s->out_c / s->groups);
    double sum = 0;
    for (int ky = 0; ky < s->kernel_h; ky++) {
        for (int kx = 0; kx < s->kernel_w; kx++) {
            const int64_t pixel = input_pixel(s, b, oy * s->stride - s->padding + ky,
                                              ox * s->stride - s->padding + kx);
            if (pixel < 0) continue;
            const float *in = x + pixel + (int64_t)group * group_in;
            const float *weight =
                w + (((int64_t)oc * s->kernel_h + ky) * s->kernel_w + kx) * group_in;
            for (int c = 0; c < group_in; c++) sum += (double)in[c] * (double)weight[c];
        }
    }
    return sum;
}

static void conv_forward(dho_compute *compute, const dho_conv_shape *s, const void *x_data,
                         const float *restrict w, const float *restrict bias, void *y_data)
{
    const float *restrict x = x_data;
    float *restrict y = y_data;
    (void)compute;
    for (int b = 0; b < s->batch; b++) {
        for (int oy = 0; oy < s->out_h; oy++) {
            for (int ox = 0; ox < s->out_w; ox++) {
                for (int oc = 0; oc < s->out_c; oc++) {
                    const double sum = conv_at(s, x, w, b, oy, ox, oc);
                    *y++ = (float)(bias != NULL ? sum + (double)bias[oc] : sum);
                }
            }
        }
    }
}

/* One element of dx: every (output pixel, tap) that reads input (b, iy, ix, ic). */
static double data_gradient_at(const dho_conv_shape *s, const float *dy, const float *w, int b,
                               int iy, int ix, int ic)
{
    const int group_in = s->in_c / s->groups, group_out = s->out_c / s->groups;
    const int group = ic / group_in;
    double sum = 0;
    for (int ky = 0; ky < s->kernel_h; ky++) {
        for (int kx = 0; kx < s->kernel_w; kx++) {
            const int ty = iy + s->padding - ky, tx = ix + s->padding - kx;
            if (ty < 0 || tx < 0 || ty % s->stride != 0 || tx % s->stride != 0) continue;
            const int oy = ty / s->stride, ox = tx / s->stride;
            if (oy >= s->out_h || ox >= s->out_w) continue;
            const float *out = dy + (((int64_t)b * s->out_h + oy) * s->out_w + ox) * s->out_c;
            for (int oc = group * group_out; oc < (group + 1) * group_out; oc++) {
                const int64_t tap = ((int64_t)oc * s->kernel_h + ky) * s->kernel_w + kx;
                sum += (double)out[oc] * (double)w[tap * group_in + ic % group_in];
            }
        }
    }
    return sum;
}

static void conv_backward_data(dho_compute *compute, const dho_conv_shape *s, const void *dy_data,
                               const float *restrict w, bool accumulate, void *dx_data)
{
    const float *restrict dy = dy_data;
    float *restrict dx = dx_data;
    (void)compute;
    for (int b = 0; b < s->batch; b++) {
        for (int iy = 0; iy < s->in_h; iy++) {
            for (int ix = 0; ix < s->in_w; ix++) {
                for (int ic = 0; ic < s->in_c; ic++, dx++) {
                    const double sum = data_gradient_at(s, dy, w, b, iy, ix, ic);
                    *dx = (float)(accumulate ? (double)*dx + sum : sum);
                }
            }
        }
    }
}

/* One element of dw: sum over the output pixels of input under the tap times dy. */
static double weight_gradient_at(const dho_conv_shape *s, const float *x, const float *dy, int oc,
                                 int ky, int kx, int c)
{
    const int group_in = s->in_c / s->groups, group = oc / (s->out_c / s->groups);
    double sum = 0;
    for (int b = 0; b < s->batch; b++) {
        for (int oy = 0; oy < s->out_h; oy++) {
            for (int ox = 0; ox < s->out_w; ox++) {
                const int64_t pixel = input_pixel(s, b, oy * s->stride - s->padding + ky,
                                                  ox * s->stride - s->padding + kx);
                if (pixel < 0) continue;
                const int64_t out = ((int64_t)b * s->out_h + oy) * s->out_w + ox;
                sum += (double)x[pixel + (int64_t)group * group_in + c] *
                       (double)dy[out * s->out_c + oc];
            }
        }
    }
    return sum;
}

static void conv_backward_weights(dho_compute *compute, const dho_conv_shape *s, const void *x_data,
                                  const void *dy_data, float *restrict dw, float *restrict dbias)
{
    const float *restrict x = x_data;
    const float *restrict dy = dy_data;
    (void)compute;
    const int group_in = s->in_c / s->groups;
    for (int oc = 0; oc < s->out_c; oc++) {
        for (int ky = 0; ky < s->kernel_h; ky++) {
            for (int kx = 0; kx < s->kernel_w; kx++) {
                for (int c = 0; c < group_in; c++, dw++) {
                    *dw = (float)((double)*dw + weight_gradient_at(s, x, dy, oc, ky, kx, c));
                }
            }
        }
    }
    if (dbias == NULL) return;
    const int64_t rows = (int64_t)s->batch * s->out_h * s->out_w;
    for (int oc = 0; oc < s->out_c; oc++) {
        double sum = 0;
        for (int64_t r = 0; r < rows; r++) sum += (double)dy[r * s->out_c + oc];
        dbias[oc] = (float)((double)dbias[oc] + sum);
    }
}

const dho_kernel_table dho_ref_matrix = {
    .kernels = {.gemm = gemm,
                .conv_forward = conv_forward,
                .conv_backward_data = conv_backward_data,
                .conv_backward_weights = conv_backward_weights},
};
