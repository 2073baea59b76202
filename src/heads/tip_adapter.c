/* Tip-Adapter-F: the keys are trained on the few-shot images. */
#include "dho/tip_adapter.h"

#include "base/compare.h"
#include "base/fast_math.h"
#include "dho/alloc.h"
#include "dho/rng.h"
#include "heads/head_logits.h"

#include <math.h>
#include <string.h>

/* One training; everything is allocated before its first step. */
typedef struct training {
    dho_compute *compute;
    dho_teacher_head *head;
    const dho_shots *shots;
    const dho_tip_training *options;
    int64_t *order;                      /* owned, [count] */
    int64_t *labels;                     /* owned, [batch] */
    float *features;                     /* owned, [batch][dim] */
    float *logits;                       /* owned, [batch][classes] */
    float *affinities;                   /* owned, [batch][keys]; then dL/d affinity */
    float *gradient, *moment1, *moment2; /* owned, [keys][dim] */
    double *losses;                      /* owned, [batch] */
    bool *right;                         /* owned, [batch] */
} training;

static dho_status open_training(training *t, int batch)
{
    const size_t rows = (size_t)batch, keys = (size_t)t->head->key_count;
    const size_t dim = (size_t)t->head->dim;
    size_t affinities;
    if (__builtin_mul_overflow(rows, keys, &affinities))
        return dho_fail(DHO_ERR_MEMORY, "Tip-Adapter: the batch's affinities overflow");
    const char *what = "Tip-Adapter";
    DHO_TRY(dho_alloc(&t->order, (size_t)t->shots->count, sizeof *t->order, what));
    DHO_TRY(dho_alloc(&t->labels, rows, sizeof *t->labels, what));
    DHO_TRY(dho_alloc(&t->features, rows * dim, sizeof(float), what));
    DHO_TRY(dho_alloc(&t->logits, rows * (size_t)t->head->classes, sizeof(float), what));
    DHO_TRY(dho_alloc(&t->affinities, affinities, sizeof(float), what));
    DHO_TRY(dho_alloc(&t->gradient, keys * dim, sizeof(float), what));
    DHO_TRY(dho_alloc_zero(&t->moment1, keys * dim, sizeof(float), what));
    DHO_TRY(dho_alloc_zero(&t->moment2, keys * dim, sizeof(float), what));
    DHO_TRY(dho_alloc(&t->losses, rows, sizeof *t->losses, what));
    return dho_alloc(&t->right, rows, sizeof *t->right, what);
}

static void close_training(training *t)
{
    dho_free(t->order);
    dho_free(t->labels);
    dho_free(t->features);
    dho_free(t->logits);
    dho_free(t->affinities);
    dho_free(t->gradient);
    dho_free(t->moment1);
    dho_free(t->moment2);
    dho_free(t->losses);
    dho_free(t->right);
}

static void gather(training *t, const int64_t *order, int rows, int view)
{
    const size_t dim = (size_t)t->shots->dim;
    const float *features = t->shots->features + (size_t)view * (size_t)t->shots->count * dim;
    for (int r = 0; r < rows; r++) {
        memcpy(t->features + (size_t)r * dim, features + (size_t)order[r] * dim,
               dim * sizeof(float));
        t->labels[r] = t->shots->labels[order[r]];
    }
}

/* Softmax and cross-entropy of one row in place: logits become (p - onehot) / rows. */
static double row_loss(int classes, int64_t label, int rows, float *logits, bool *right)
{
    double max = -INFINITY;
    double sum = 0;
    for (int c = 0; c < classes; c++) max = dho_larger(max, (double)logits[c]);
    for (int c = 0; c < classes; c++) sum += exp((double)logits[c] - max);
    const double own = (double)logits[label] - max, log_sum = log(sum);
    *right = own == 0;
    for (int c = 0; c < classes; c++)
        logits[c] =
            (float)((exp((double)logits[c] - max - log_sum) - (c == label ? 1.0 : 0.0)) / rows);
    return log_sum - own;
}

/* Row r of the batch: from affinities f K^T to the loss and its gradient at them. */
static void run_row(training *t, int r, int rows)
{
    const dho_teacher_head *head = t->head;
    float *affinities = t->affinities + (size_t)r * (size_t)head->key_count;
    float *logits = t->logits + (size_t)r * (size_t)head->classes;
    dho_head_exponentials(head->key_count, head->beta, 1, affinities, affinities);
    dho_head_add_sums(head, 0, head->key_count, head->alpha, affinities, logits);
    t->losses[r] = row_loss(head->classes, t->labels[r], rows, logits, &t->right[r]);
    for (int c = 0; c < head->classes; c++) {
        const float factor = head->alpha * head->beta * logits[c];
        for (int k = head->first_key[c]; k < head->first_key[c + 1]; k++) affinities[k] *= factor;
    }
}

static void run_step(training *t, int rows, double lr, int64_t step)
{
    dho_teacher_head *head = t->head;
    const dho_kernels *kernels = dho_compute_kernels(t->compute);
    const int threads = dho_compute_threads(t->compute);
    dho_teacher_head linear = *head;
    linear.key_count = 0;
    dho_teacher_head_logits(t->compute, &linear, rows, t->features, NULL, t->logits);
    kernels->gemm(
        t->compute,
        &(dho_gemm_shape){
            .transpose_b = true, .m = rows, .n = head->key_count, .k = head->dim, .alpha = 1},
        t->features, head->keys, t->affinities);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int r = 0; r < rows; r++) run_row(t, r, rows);
    kernels->gemm(
        t->compute,
        &(dho_gemm_shape){
            .transpose_a = true, .m = head->key_count, .n = head->dim, .k = rows, .alpha = 1},
        t->affinities, t->features, t->gradient);
    kernels->adamw(t->compute, (size_t)head->key_count * (size_t)head->dim,
                   &(dho_adamw_step){.step = step,
                                     .lr = lr,
                                     .beta1 = 0.9,
                                     .beta2 = 0.999,
                                     .eps = t->options->eps,
                                     .weight_decay = t->options->weight_decay,
                                     .gradient_scale = 1},
                   t->gradient, head->keys, t->moment1, t->moment2);
}

/* Rows first .. of the epoch's order; their losses and hits are added. */
static dho_status run_epoch(training *t, int epoch, int batch, int64_t *step)
{
    const int64_t count = t->shots->count, steps = (count + batch - 1) / batch;
    const double total = (double)steps * t->options->epochs;
    double loss = 0;
    int64_t right = 0;
    dho_rng rng;
    for (int64_t i = 0; i < count; i++) t->order[i] = i;
    dho_rng_init(&rng, t->options->seed, DHO_RNG_TIP_ADAPTER, (uint64_t)epoch, 0);
    dho_rng_shuffle(&rng, t->order, count);
    for (int64_t first = 0; first < count; first += batch) {
        const int rows = (int)(count - first < batch ? count - first : batch);
        const double factor = 0.5 * (1 + cos(3.141592653589793 * (double)*step / total));
        gather(t, t->order + first, rows, epoch % t->shots->views);
        run_step(t, rows, t->options->lr * factor, ++*step);
        for (int r = 0; r < rows; r++) {
            loss += t->losses[r];
            right += t->right[r];
        }
    }
    if (!isfinite(loss))
        return dho_fail(DHO_ERR_NUMERIC,
                        "Tip-Adapter-F: epoch %d: the loss is not finite (a lower learning rate, "
                        "alpha or beta may help)",
                        epoch + 1);
    if (t->options->on_epoch != NULL)
        t->options->on_epoch(t->options->context, epoch, loss / (double)count,
                             (double)right / (double)count);
    return DHO_OK;
}

dho_status dho_tip_fine_tune(dho_compute *compute, dho_teacher_head *head, const dho_shots *shots,
                             const dho_tip_training *options)
{
    training t = {.compute = compute, .head = head, .shots = shots, .options = options};
    const int batch = shots->count < options->batch ? (int)shots->count : options->batch;
    int64_t step = 0;
    dho_status status = open_training(&t, batch);
    for (int epoch = 0; epoch < options->epochs && status == DHO_OK; epoch++)
        status = run_epoch(&t, epoch, batch, &step);
    close_training(&t);
    return status;
}
