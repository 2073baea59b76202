#include "dho/distill.h"

#include <math.h>

static double mean_square(int dim, const float *target, const float *x, double weight, float *dx)
{
    double sum = 0;
    for (int d = 0; d < dim; d++) {
        const double difference = (double)x[d] - target[d];
        sum += difference * difference;
        dx[d] += (float)(weight * 2 * difference / dim);
    }
    return sum / dim;
}

/* With c = x.t / (|x| |t|): dc/dx = (t/|t| - c x/|x|) / |x|. */
static double cosine_distance(int dim, const float *target, const float *x, double weight,
                              float *dx)
{
    double dot = 0, xx = 0, tt = 0;
    for (int d = 0; d < dim; d++) {
        dot += (double)x[d] * target[d];
        xx += (double)x[d] * x[d];
        tt += (double)target[d] * target[d];
    }
    const double x_norm = fmax(sqrt(xx), 1e-8), t_norm = fmax(sqrt(tt), 1e-8);
    const double cosine = dot / (x_norm * t_norm);
    for (int d = 0; d < dim; d++)
        dx[d] -= (float)(weight * (target[d] / t_norm - cosine * x[d] / x_norm) / x_norm);
    return 1 - cosine;
}

double dho_feature_distance(dho_feature_loss kind, int rows, int dim, const float *target,
                            const float *x, float weight, float *dx)
{
    double total = 0;
    for (int r = 0; r < rows; r++) {
        const size_t row = (size_t)r * (size_t)dim;
        const double row_weight = (double)weight / rows;
        total += kind == DHO_FEATURE_MSE
                     ? mean_square(dim, target + row, x + row, row_weight, dx + row)
                     : cosine_distance(dim, target + row, x + row, row_weight, dx + row);
    }
    return rows > 0 ? total / rows : 0;
}
