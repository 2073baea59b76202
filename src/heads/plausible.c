#include "heads/plausible.h"

#include "base/compare.h"
#include "dho/alloc.h"
#include "dho/log.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rounding to fp16 or bf16 moves a probability, and the sum of many, by this much at most. */
#define SUM_TOLERANCE 0.02
#define LN_100 4.605170186

/* log sum exp(sign x). */
static double log_sum(const float *row, int classes, double sign)
{
    double largest = -INFINITY, sum = 0;
    for (int c = 0; c < classes; c++) largest = dho_larger(largest, sign * row[c]);
    for (int c = 0; c < classes; c++) sum += exp(sign * row[c] - largest);
    return largest + log(sum);
}

dho_status plausible_open(plausible_logits *out, int classes)
{
    *out = (plausible_logits){.classes = classes};
    return dho_alloc_zero(&out->predicted, (size_t)classes, sizeof *out->predicted, "logits");
}

void plausible_close(plausible_logits *p)
{
    dho_free(p->predicted);
    *p = (plausible_logits){0};
}

void plausible_add(plausible_logits *p, const float *row, int32_t label)
{
    float low = row[0], high = row[0];
    double sum = 0;
    int best = 0;
    for (int c = 0; c < p->classes; c++) {
        low = row[c] < low ? row[c] : low;
        if (row[c] > row[best]) best = c;
        sum += row[c];
    }
    high = row[best];
    p->rows++;
    p->predicted[best]++;
    p->by_chance += label >= 0;
    p->right += label >= 0 && label == best;
    p->widest = high - low > p->widest ? high - low : p->widest;
    p->flat += low == high;
    p->unit += low >= -1.001f && high <= 1.001f;
    if (low >= -1e-3f && high <= 1.001f) p->fractions++;
    if (low >= -1e-3f && high <= 1.001f && fabs(sum - 1) < SUM_TOLERANCE) p->sum_one++;
    if (low >= -0.1f && fabs(sum - 100) < 100 * SUM_TOLERANCE) p->sum_hundred++;
    if (high <= 0.01f && fabs(log_sum(row, p->classes, 1)) < SUM_TOLERANCE) p->log_fractions++;
    if (low >= -0.01f && fabs(log_sum(row, p->classes, -1)) < SUM_TOLERANCE) p->negated++;
}

void plausible_tell_agreement(int64_t right, int64_t rows, int classes, const char *path)
{
    const double n = (double)rows, chance = 1.0 / classes;
    if (rows == 0) return;
    dho_info("%s: the teacher's first class is the label of %.2f %% of %" PRId64 " views", path,
             100 * (double)right / n, rows);
    /* Two standard deviations above chance; of few rows nothing can be said. */
    if (rows >= 20 && (double)right <= n * chance + 2 * sqrt(n * chance * (1 - chance)))
        dho_warn("%s: that is no more than chance gives (%.2f %%): are rows and classes in the "
                 "dataset's "
                 "order?",
                 path, 100 * chance);
}

static dho_status refuse(const char *path, const char *why)
{
    return dho_fail(DHO_ERR_CONFIG, "%s: %s", path, why);
}

static bool one_class_for_all(const plausible_logits *p, int *out)
{
    for (*out = 0; *out < p->classes; (*out)++)
        if (p->predicted[*out] == p->rows) return p->rows >= 10;
    return false;
}

static void warn_of_oddities(const plausible_logits *p, const char *path, bool of_head)
{
    int only;
    if (!of_head && p->log_fractions == p->rows)
        dho_info("%s: log-probabilities, which serve as logits: the softmax is the same", path);
    if (!of_head && p->fractions == p->rows)
        dho_warn("%s: all values are from 0 to 1: outputs of a sigmoid are no logits", path);
    else if (p->unit == p->rows)
        dho_warn("%s: all logits are from -1 to 1: cosines without their scale? (CLIP's is 100)",
                 path);
    if (p->widest > 1000)
        dho_warn("%s: logits of one image differ by up to %g: is the scale applied twice, or the "
                 "default of 100 to a head that has none?",
                 path, (double)p->widest);
    if (one_class_for_all(p, &only))
        dho_warn("%s: the teacher says class %d of every image", path, only);
    plausible_tell_agreement(p->right, p->by_chance, p->classes, path);
}

dho_status plausible_judge(const plausible_logits *p, const char *path, bool of_head)
{
    if (p->rows == 0 || p->classes < 2) return DHO_OK;
    if (p->flat == p->rows)
        return refuse(path, of_head ? "features and head give every class the same logit: the "
                                      "teacher says nothing"
                                    : "all logits of a row are equal, in every row: the teacher "
                                      "says nothing");
    if (!of_head && p->sum_one == p->rows)
        return refuse(path,
                      "every row is from 0 to 1 and has the sum 1: probabilities, not logits: "
                      "give what stands before the softmax, or log(p)");
    if (!of_head && p->sum_hundred == p->rows)
        return refuse(path, "every row has the sum 100: percentages, not logits: give what stands "
                            "before the softmax, or log(p)");
    if (!of_head && p->negated == p->rows)
        return refuse(path, "every row is -log(p) of probabilities: the sign is the wrong one, the "
                            "largest logit is the most likely class's");
    warn_of_oddities(p, path, of_head);
    return DHO_OK;
}

dho_status plausible_judge_rows(uint64_t *sums, int64_t rows, const char *path, const char *what)
{
    int64_t copies = 0;
    if (rows < 2) return DHO_OK;
    qsort(sums, (size_t)rows, sizeof *sums, dho_compare_uint64);
    for (int64_t i = 1; i < rows; i++) copies += sums[i] == sums[i - 1];
    if (copies == rows - 1)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: all %" PRId64 " rows of %s are the same: the teacher "
                        "sees no difference between images",
                        path, rows, what);
    if (copies * 10 >= rows)
        dho_warn("%s: %" PRId64 " of %" PRId64 " rows of %s are copies of others: is each image in "
                 "it once?",
                 path, copies, rows, what);
    return DHO_OK;
}

/* --- heads --- */

static bool is_zero(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] != 0) return false;
    return true;
}

static dho_status judge_scale(const dho_teacher_head *head, const char *path)
{
    const double scale = head->scale;
    if (!(scale > 0))
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: a scale of %g turns the teacher's order of the classes %s: expected a "
                        "positive number, such as CLIP's 100",
                        path, scale, scale < 0 ? "around" : "off");
    if (fabs(scale - LN_100) < 0.005)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: a scale of %g is ln 100: CLIP's logit_scale is a logarithm: give its "
                        "exponential, 100 (--scale 100)",
                        path, scale);
    return DHO_OK;
}

dho_status dho_teacher_head_judge(const dho_teacher_head *head, const char *path)
{
    const size_t dim = (size_t)head->dim, classes = (size_t)head->classes;
    size_t zero = 0, same = 0;
    DHO_TRY(judge_scale(head, path));
    for (size_t c = 0; c < classes; c++) {
        const float *row = head->weight + c * dim;
        zero += is_zero(row, dim);
        same += memcmp(row, head->weight, dim * sizeof *row) == 0;
    }
    const bool keys = head->key_count > 0;
    if (zero == classes && !keys) return refuse(path, "the weights of all classes are 0");
    if (same == classes && classes > 1 && head->bias == NULL && !keys)
        return refuse(path, "all classes have the same weights");
    if (zero > 0) dho_warn("%s: the weights of %zu of %zu classes are all 0", path, zero, classes);
    return DHO_OK;
}
