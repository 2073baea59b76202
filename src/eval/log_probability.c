#include "eval/log_probability.h"

#include <math.h>

double dho_log_sum_exp(int classes, const double *x, double scale)
{
    double max = -INFINITY, sum = 0;
    for (int c = 0; c < classes; c++) max = x[c] > max ? x[c] : max;
    for (int c = 0; c < classes; c++) sum += exp(scale * (x[c] - max));
    return scale * max + log(sum);
}

/* out = log softmax(logits * scale) over the classes that take part. */
static void log_softmax(const dho_head_outputs *outputs, int head, int64_t row, double scale,
                        double *out)
{
    const float *logits = outputs->logits[head] + (size_t)row * (size_t)outputs->classes;
    for (int c = 0; c < outputs->classes; c++)
        out[c] = outputs->mask == NULL || outputs->mask[c] ? scale * logits[c] : -INFINITY;
    const double log_sum = dho_log_sum_exp(outputs->classes, out, 1);
    for (int c = 0; c < outputs->classes; c++) out[c] -= log_sum;
}

/* log(exp(a) + exp(b)); both may be -INFINITY. */
static double log_add(double a, double b)
{
    const double high = a > b ? a : b, low = a > b ? b : a;
    return low == -INFINITY ? high : high + log1p(exp(low - high));
}

void dho_log_probability(const dho_head_outputs *outputs, int64_t row, double alpha, double beta,
                         double *out)
{
    const int classes = outputs->classes;
    if (outputs->logits[1] == NULL || alpha == 1) {
        log_softmax(outputs, 0, row, 1, out);
        return;
    }
    log_softmax(outputs, 1, row, 1 / beta, out);
    if (alpha == 0) return;
    const float *ce = outputs->logits[0] + (size_t)row * (size_t)classes;
    double max = -INFINITY, sum = 0;
    for (int c = 0; c < classes; c++)
        if ((outputs->mask == NULL || outputs->mask[c]) && ce[c] > max) max = ce[c];
    for (int c = 0; c < classes; c++)
        if (outputs->mask == NULL || outputs->mask[c]) sum += exp(ce[c] - max);
    const double own = log(alpha) - max - log(sum), rest = log1p(-alpha);
    for (int c = 0; c < classes; c++)
        if (outputs->mask == NULL || outputs->mask[c]) out[c] = log_add(own + ce[c], rest + out[c]);
}
