#include "dho/distill.h"

#include "base/compare.h"

#include <math.h>

static float row_max(int classes, const float *row)
{
    float max = row[0];
    for (int c = 1; c < classes; c++) max = row[c] > max ? row[c] : max;
    return max;
}

/* log(sum over c of exp(((double)row[c] - max) * scale)). */
static double log_sum_exp(int classes, const float *row, float max, double scale)
{
    double sum = 0;
    for (int c = 0; c < classes; c++) sum += exp(((double)row[c] - max) * scale);
    return log(sum);
}

/* A logit with its shift. */
static double shifted(const float *row, const double *shifts, int c)
{
    return shifts != NULL ? (double)row[c] + shifts[c] : (double)row[c];
}

/* dho_cross_entropy of one row; drow += weight * (softmax - one-hot) / rows. */
static double row_cross_entropy(int rows, int classes, const float *row, int32_t label,
                                const double *shifts, double weight, float *drow)
{
    double max = shifted(row, shifts, 0), sum = 0;
    for (int c = 1; c < classes; c++) {
        const double z = shifted(row, shifts, c);
        max = z > max ? z : max;
    }
    for (int c = 0; c < classes; c++) sum += exp(shifted(row, shifts, c) - max);
    const double log_sum = log(sum);
    for (int c = 0; c < classes; c++) {
        const double p = exp(shifted(row, shifts, c) - max - log_sum);
        drow[c] += (float)(weight * (p - (c == label)) / rows);
    }
    return log_sum - (shifted(row, shifts, label) - max);
}

/* The part of label smoothing beside dho_cross_entropy's own: e / classes * sum over c of w_c
 * (-log p_c), and its gradient. */
static double row_smoothing(int rows, int classes, const float *row,
                            const dho_class_balance *balance, double weight, float *drow)
{
    const double *weights = balance->weights, *shifts = balance->shifts;
    const double share = balance->smoothing / classes;
    double max = shifted(row, shifts, 0), sum = 0, all = 0, total = 0;
    for (int c = 1; c < classes; c++) max = dho_larger(max, shifted(row, shifts, c));
    for (int c = 0; c < classes; c++) {
        sum += exp(shifted(row, shifts, c) - max);
        all += weights != NULL ? weights[c] : 1;
    }
    const double log_sum = log(sum);
    for (int c = 0; c < classes; c++) {
        const double own = weights != NULL ? weights[c] : 1;
        const double log_p = shifted(row, shifts, c) - max - log_sum;
        total -= share * own * log_p;
        drow[c] += (float)(weight * share * (all * exp(log_p) - own) / rows);
    }
    return total;
}

double dho_cross_entropy(int rows, int classes, const float *logits, const int32_t *labels,
                         const dho_class_balance *balance, float weight, float *dlogits,
                         int *correct)
{
    const double *weights = balance != NULL ? balance->weights : NULL;
    const double *shifts = balance != NULL ? balance->shifts : NULL;
    const double smoothing = balance != NULL ? balance->smoothing : 0;
    double total = 0;
    int right = 0;
    for (int r = 0; r < rows; r++) {
        const float *row = logits + (size_t)r * (size_t)classes;
        float *drow = dlogits + (size_t)r * (size_t)classes;
        const double own = (weights != NULL ? weights[labels[r]] : 1) * (1 - smoothing);
        total += own * row_cross_entropy(rows, classes, row, labels[r], shifts, weight * own, drow);
        if (smoothing > 0) total += row_smoothing(rows, classes, row, balance, weight, drow);
        right += row[labels[r]] == row_max(classes, row);
    }
    if (correct != NULL) *correct = right;
    return rows > 0 ? total / rows : 0;
}

double dho_kl_divergence(int rows, int classes, const float *teacher, const float *student,
                         double temperature, float weight, float *dstudent)
{
    const double scale = 1 / temperature;
    double total = 0;
    for (int r = 0; r < rows; r++) {
        const float *t = teacher + (size_t)r * (size_t)classes;
        const float *s = student + (size_t)r * (size_t)classes;
        float *ds = dstudent + (size_t)r * (size_t)classes;
        const float t_max = row_max(classes, t), s_max = row_max(classes, s);
        const double t_log_sum = log_sum_exp(classes, t, t_max, scale);
        const double s_log_sum = log_sum_exp(classes, s, s_max, scale);
        for (int c = 0; c < classes; c++) {
            const double log_p = ((double)t[c] - t_max) * scale - t_log_sum;
            const double log_q = ((double)s[c] - s_max) * scale - s_log_sum;
            const double p = exp(log_p);
            if (p > 0) total += p * (log_p - log_q);
            ds[c] += (float)(weight * temperature * (exp(log_q) - p) / rows);
        }
    }
    return rows > 0 ? temperature * temperature * total / rows : 0;
}
