/* The combination whose alpha follows from how sure each head is of the image. */
#include "dho/evaluate.h"

#include "dho/alloc.h"
#include "dho/distill.h"

#include <math.h>

/* -sum of p log p */
static double entropy(int classes, const float *p)
{
    double sum = 0;
    for (int c = 0; c < classes; c++)
        if (p[c] > 0) sum -= p[c] * log((double)p[c]);
    return sum;
}

static double entropy_alpha(int classes, const float *ce, const float *kd)
{
    return 1 / (1 + exp(entropy(classes, ce) - entropy(classes, kd)));
}

dho_status dho_outputs_by_entropy(const dho_head_outputs *outputs, double beta, int threads,
                                  dho_accuracy *out)
{
    const int classes = outputs->classes;
    const size_t width = (size_t)classes, n = (size_t)threads;
    int64_t top1 = 0, top5 = 0;
    float *heads = NULL;
    double *combined = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&heads, n * 2 * width, sizeof *heads, "scores"));
    DHO_TRY_GOTO(dho_alloc(&combined, n * width, sizeof *combined, "scores"));
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : top1, top5)
    for (int t = 0; t < threads; t++) {
        float *ce = heads + 2 * (size_t)t * width, *kd = ce + width;
        double *p = combined + (size_t)t * width;
        const int64_t begin = outputs->count * t / threads,
                      end = outputs->count * (t + 1) / threads;
        for (int64_t i = begin; i < end; i++) {
            const size_t row = (size_t)i * width;
            dho_masked_softmax(classes, outputs->mask, outputs->logits[0] + row, 1, ce);
            dho_masked_softmax(classes, outputs->mask, outputs->logits[1] + row, beta, kd);
            dho_combine(classes, entropy_alpha(classes, ce, kd), ce, kd, p);
            const int rank = dho_rank_of(classes, p, outputs->labels[i]);
            top1 += rank == 0;
            top5 += rank < 5;
        }
    }
    *out = (dho_accuracy){.count = outputs->count, .top1 = top1, .top5 = top5};
fail:
    dho_free(heads);
    dho_free(combined);
    return status;
}
