/* Reference normalisations: two passes, everything in double. */
#include "compute/ref/ref_tables.h"

#include <math.h>

static float activate(double value, dho_activation activation)
{
    if (activation != DHO_ACTIVATION_NONE && value < 0) return 0;
    if (activation == DHO_ACTIVATION_RELU6 && value > 6) return 6;
    return (float)value;
}

/* dy where the activation lets it through; torch's conventions at 0 and at 6. */
static double mask(double dy, float y, dho_activation activation)
{
    if (activation != DHO_ACTIVATION_NONE && !(y > 0)) return 0;
    if (activation == DHO_ACTIVATION_RELU6 && !(y < 6)) return 0;
    return dy;
}

static void batch_norm_forward(dho_compute *compute, const dho_batch_norm_shape *shape,
                               const dho_batch_norm_tensors *t, float *restrict mean,
                               float *restrict inv_std, float *restrict batch_variance)
{
    const int64_t rows = shape->rows;
    const int channels = shape->channels;
    const float *restrict x = t->x, *restrict residual = t->residual;
    float *restrict y = t->y;
    (void)compute;
    for (int c = 0; c < channels; c++) {
        double sum = 0, squares = 0;
        for (int64_t r = 0; r < rows; r++) sum += (double)x[r * channels + c];
        const double m = sum / (double)rows;
        for (int64_t r = 0; r < rows; r++) {
            const double d = (double)x[r * channels + c] - m;
            squares += d * d;
        }
        const double inverse = 1 / sqrt(squares / (double)rows + (double)shape->eps);
        mean[c] = (float)m;
        inv_std[c] = (float)inverse;
        batch_variance[c] = (float)(squares / (double)(rows > 1 ? rows - 1 : 1));
        for (int64_t r = 0; r < rows; r++) {
            const int64_t i = r * channels + c;
            double v = (double)t->gamma[c] * ((double)x[i] - m) * inverse + (double)t->beta[c];
            if (residual != NULL) v += (double)residual[i];
            y[i] = activate(v, shape->activation);
        }
    }
}

/* What forward left: its output, or what makes it again. */
typedef struct kept {
    const float *x, *y, *gamma, *beta, *mean, *inv_std;
} kept;

static float output_at(const kept *f, int64_t i, int c)
{
    if (f->y != NULL) return f->y[i];
    return (float)((double)f->gamma[c] * ((double)f->x[i] - (double)f->mean[c]) *
                       (double)f->inv_std[c] +
                   (double)f->beta[c]);
}

static void batch_norm_again(dho_compute *compute, const dho_batch_norm_shape *shape,
                             const dho_batch_norm_tensors *t, const float *restrict mean,
                             const float *restrict inv_std)
{
    const kept f = {t->x, NULL, t->gamma, t->beta, mean, inv_std};
    const float *residual = t->residual;
    float *y = t->y;
    (void)compute;
    for (int64_t i = 0; i < shape->rows * shape->channels; i++) {
        const double v = output_at(&f, i, (int)(i % shape->channels));
        y[i] = activate(residual != NULL ? v + (double)residual[i] : v, shape->activation);
    }
}

/* dgamma = sum g xhat, dbeta = sum g, dx = gamma inv_std (g - dbeta/n - xhat dgamma/n)
 * (Ioffe & Szegedy 2015), with g = dy masked by the activation. Frozen: dx = gamma inv_std g. */
static void batch_norm_backward(dho_compute *compute, const dho_batch_norm_shape *shape,
                                const dho_batch_norm_gradients *t, const float *restrict mean,
                                const float *restrict inv_std)
{
    const int64_t rows = shape->rows;
    const int channels = shape->channels;
    const float *restrict x = t->x, *restrict dy = t->dy;
    float *restrict dx = t->dx, *restrict dresidual = t->dresidual;
    const kept f = {x, t->y, t->gamma, t->beta, mean, inv_std};
    (void)compute;
    for (int c = 0; c < channels; c++) {
        const double m = (double)mean[c], inverse = (double)inv_std[c];
        double sum = 0, sum_xhat = 0;
        for (int64_t r = 0; r < rows; r++) {
            const int64_t i = r * channels + c;
            const double g = mask((double)dy[i], output_at(&f, i, c), shape->activation);
            sum += g;
            sum_xhat += g * ((double)x[i] - m) * inverse;
        }
        for (int64_t r = 0; r < rows; r++) {
            const int64_t i = r * channels + c;
            const double g = mask((double)dy[i], output_at(&f, i, c), shape->activation);
            const double xhat = ((double)x[i] - m) * inverse;
            const double through = shape->frozen ? 0 : (sum + xhat * sum_xhat) / (double)rows;
            const double d = (double)t->gamma[c] * inverse * (g - through);
            dx[i] = (float)(t->accumulate_dx ? (double)dx[i] + d : d);
            if (dresidual == NULL) continue;
            dresidual[i] = (float)(t->accumulate_dresidual ? (double)dresidual[i] + g : g);
        }
        t->dgamma[c] = (float)((double)t->dgamma[c] + sum_xhat);
        t->dbeta[c] = (float)((double)t->dbeta[c] + sum);
    }
}

/* No restrict on x and y: they may be the same. */
static void batch_norm_inference(dho_compute *compute, const dho_batch_norm_shape *shape,
                                 const dho_batch_norm_tensors *t,
                                 const float *restrict running_mean,
                                 const float *restrict running_var)
{
    const int64_t rows = shape->rows;
    const int channels = shape->channels;
    const float *x = t->x, *residual = t->residual;
    float *y = t->y;
    (void)compute;
    for (int64_t r = 0; r < rows; r++) {
        for (int c = 0; c < channels; c++) {
            const int64_t i = r * channels + c;
            double v = (double)t->gamma[c] * ((double)x[i] - (double)running_mean[c]) /
                           sqrt((double)running_var[c] + (double)shape->eps) +
                       (double)t->beta[c];
            if (residual != NULL) v += (double)residual[i];
            y[i] = activate(v, shape->activation);
        }
    }
}

static void l2_normalise_forward(dho_compute *compute, const dho_rows_shape *shape,
                                 const float *restrict x, float *restrict y, float *restrict norms)
{
    const int64_t rows = shape->rows;
    const int channels = shape->channels;
    (void)compute;
    for (int64_t r = 0; r < rows; r++) {
        const float *in = x + r * channels;
        double squares = 0;
        for (int c = 0; c < channels; c++) squares += (double)in[c] * (double)in[c];
        const double norm = sqrt(squares);
        for (int c = 0; c < channels; c++) {
            y[r * channels + c] = (float)((double)in[c] / fmax(norm, 1e-12));
        }
        if (norms != NULL) norms[r] = (float)norm;
    }
}

/* dx = (dy - y <y, dy>) / |x|; below the floor of 1e-12 the division is by a constant. */
static void l2_normalise_backward(dho_compute *compute, const dho_rows_shape *shape,
                                  const float *restrict y, const float *restrict norms,
                                  const float *restrict dy, bool accumulate, float *restrict dx)
{
    const int64_t rows = shape->rows;
    const int channels = shape->channels;
    (void)compute;
    for (int64_t r = 0; r < rows; r++) {
        const double norm = (double)norms[r];
        double dot = 0;
        for (int c = 0; c < channels; c++) {
            dot += (double)y[r * channels + c] * (double)dy[r * channels + c];
        }
        if (norm < 1e-12) dot = 0;
        for (int c = 0; c < channels; c++) {
            const int64_t i = r * channels + c;
            const double d = ((double)dy[i] - (double)y[i] * dot) / fmax(norm, 1e-12);
            dx[i] = (float)(accumulate ? (double)dx[i] + d : d);
        }
    }
}

const dho_kernel_table dho_ref_norm = {
    .kernels = {.batch_norm_forward = batch_norm_forward,
                .batch_norm_again = batch_norm_again,
                .batch_norm_backward = batch_norm_backward,
                .batch_norm_inference = batch_norm_inference,
                .l2_normalise_forward = l2_normalise_forward,
                .l2_normalise_backward = l2_normalise_backward},
};
