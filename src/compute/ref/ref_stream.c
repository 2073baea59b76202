/* Reference kernels between activations and the float residual stream. */
#include "compute/ref/ref_tables.h"

static void image_scale_forward(dho_compute *compute, const dho_rows_shape *shape, const void *x,
                                const float *scales, const float *residual, float *y)
{
    const float *values = x;
    (void)compute;
    for (int64_t r = 0; r < shape->rows; r++)
        for (int64_t i = r * shape->channels; i < (r + 1) * shape->channels; i++)
            y[i] = (float)((double)residual[i] + (double)scales[r] * (double)values[i]);
}

static void image_scale_backward(dho_compute *compute, const dho_rows_shape *shape,
                                 const float *scales, const float *dy, void *dx)
{
    float *out = dx;
    (void)compute;
    for (int64_t r = 0; r < shape->rows; r++)
        for (int64_t i = r * shape->channels; i < (r + 1) * shape->channels; i++)
            out[i] = (float)((double)scales[r] * (double)dy[i]);
}

static void layer_scale_forward(dho_compute *compute, const dho_rows_shape *shape,
                                const void *x_data, const float *gamma, const float *residual,
                                float *y)
{
    const float *x = x_data;
    (void)compute;
    for (int64_t r = 0; r < shape->rows; r++) {
        for (int c = 0; c < shape->channels; c++, x++)
            *y++ = (float)((double)*residual++ + (double)gamma[c] * (double)*x);
    }
}

static void layer_scale_backward(dho_compute *compute, const dho_rows_shape *shape,
                                 const void *x_data, const float *gamma, const float *dy,
                                 void *dx_data, float *dgamma)
{
    const float *x = x_data;
    float *dx = dx_data;
    (void)compute;
    for (int c = 0; c < shape->channels; c++) {
        double sum = 0;
        for (int64_t r = 0; r < shape->rows; r++) {
            const int64_t i = r * shape->channels + c;
            sum += (double)dy[i] * (double)x[i];
            dx[i] = gamma[c] * dy[i];
        }
        dgamma[c] += (float)sum;
    }
}

static void load(dho_compute *compute, size_t count, const void *in_data, bool accumulate,
                 float *out)
{
    const float *in = in_data;
    (void)compute;
    for (size_t i = 0; i < count; i++) out[i] = accumulate ? out[i] + in[i] : in[i];
}

const dho_kernel_table dho_ref_stream = {
    .kernels = {.image_scale_forward = image_scale_forward,
                .image_scale_backward = image_scale_backward,
                .layer_scale_forward = layer_scale_forward,
                .layer_scale_backward = layer_scale_backward,
                .load = load},
};
