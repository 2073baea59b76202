/* Losses of one row of logits against the teacher's that are not the KL divergence. */
#include "dho/distill.h"

#include <math.h>

/* log(1 + exp(x)) */
static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* A softmax at a temperature, split at the label. */
typedef struct split_softmax {
    double others; /* log(sum over c != y of exp(z_c / T)) */
    double margin; /* z_y / T - others: the label's class against all others together */
} split_softmax;

static split_softmax split_at(int classes, const float *z, int32_t label, double scale)
{
    double max = -INFINITY, sum = 0;
    for (int c = 0; c < classes; c++)
        if (c != label && z[c] * scale > max) max = z[c] * scale;
    for (int c = 0; c < classes; c++)
        if (c != label) sum += exp(z[c] * scale - max);
    const double others = max + log(sum);
    return (split_softmax){.others = others, .margin = z[label] * scale - others};
}

/* alpha TCKD + beta NCKD of one row; ds += weight * T^2 * its gradient. */
static double row_decoupled(const dho_objective *o, int classes, int32_t label, const float *t,
                            const float *s, double weight, float *ds)
{
    const double scale = 1 / (double)o->temperature, step = weight * (double)o->temperature;
    const split_softmax teacher = split_at(classes, t, label, scale);
    const split_softmax student = split_at(classes, s, label, scale);
    /* b = (p_y, 1 - p_y), with p_y = 1 / (1 + exp(-margin)) */
    const double p = 1 / (1 + exp(-teacher.margin)), q = 1 / (1 + exp(-student.margin));
    const double target = p * (softplus(-student.margin) - softplus(-teacher.margin)) +
                          (1 - p) * (softplus(student.margin) - softplus(teacher.margin));
    double others = 0;
    for (int c = 0; c < classes; c++) {
        if (c == label) {
            ds[c] += (float)(step * o->dkd_alpha * (q - p));
            continue;
        }
        const double log_p = t[c] * scale - teacher.others, log_q = s[c] * scale - student.others;
        const double p_c = exp(log_p), q_c = exp(log_q); /* among the others */
        if (p_c > 0) others += p_c * (log_p - log_q);
        ds[c] += (float)(step * (o->dkd_beta * (q_c - p_c) - o->dkd_alpha * (q - p) * q_c));
    }
    return o->dkd_alpha * target + o->dkd_beta * others;
}

double dho_decoupled_divergence(const dho_objective *o, int rows, int classes,
                                const int32_t *labels, const float *teacher, const float *student,
                                float weight, float *dstudent)
{
    double total = 0;
    if (classes < 2) return 0;
    for (int r = 0; r < rows; r++) {
        const size_t row = (size_t)r * (size_t)classes;
        total += row_decoupled(o, classes, labels[r], teacher + row, student + row,
                               (double)weight / rows, dstudent + row);
    }
    return rows > 0 ? (double)o->temperature * (double)o->temperature * total / rows : 0;
}

double dho_binary_divergence(int rows, int classes, const float *teacher, const float *student,
                             double temperature, float weight, float *dstudent)
{
    const size_t count = (size_t)rows * (size_t)classes;
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        const double u = ((double)student[i] - teacher[i]) / temperature;
        /* KL of (1/2, 1/2) to (q, 1 - q), q = 1 / (1 + exp(-u)) */
        total += (softplus(u) + softplus(-u)) / 2 - log(2);
        dstudent[i] += (float)(weight * temperature * (1 / (1 + exp(-u)) - 0.5) / rows);
    }
    return rows > 0 ? temperature * temperature * total / rows : 0;
}
