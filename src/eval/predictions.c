/* What is predicted for each image, and what that says of each class. */
#include "dho/evaluate.h"

#include "dho/alloc.h"
#include "dho/distill.h"

#include <string.h>

/* The first class of p other than `except`; -1 where nothing is a number. */
static int32_t first_class(const double *p, int32_t classes, int32_t except)
{
    int32_t best = -1;
    for (int32_t c = 0; c < classes; c++)
        if (c != except && p[c] >= 0 && (best < 0 || p[c] > p[best])) best = c;
    return best;
}

static dho_prediction predict(const double *p, int32_t classes, int32_t label)
{
    const bool right = dho_rank_of(classes, p, label) == 0;
    const int32_t top = right ? label : first_class(p, classes, label);
    return (dho_prediction){.top = top, .probability = top >= 0 ? p[top] : 0};
}

dho_status dho_outputs_predict(const dho_head_outputs *outputs, double alpha, double beta,
                               int threads, dho_prediction *out)
{
    const size_t classes = (size_t)outputs->classes, n = (size_t)threads;
    const bool with_kd = outputs->logits[1] != NULL && alpha < 1, with_ce = !with_kd || alpha > 0;
    float *heads = NULL;
    double *combined = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&heads, n * 2 * classes, sizeof *heads, "predictions"));
    DHO_TRY_GOTO(dho_alloc(&combined, n * classes, sizeof *combined, "predictions"));
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        float *ce = heads + 2 * (size_t)t * classes, *kd = ce + classes;
        double *p = combined + (size_t)t * classes;
        const int64_t begin = outputs->count * t / threads,
                      end = outputs->count * (t + 1) / threads;
        for (int64_t i = begin; i < end; i++) {
            const size_t row = (size_t)i * classes;
            dho_masked_softmax(outputs->classes, outputs->mask, outputs->logits[0] + row, 1, ce);
            if (with_kd)
                dho_masked_softmax(outputs->classes, outputs->mask, outputs->logits[1] + row, beta,
                                   kd);
            if (with_ce && with_kd)
                dho_combine(outputs->classes, alpha, ce, kd, p);
            else
                dho_combine(outputs->classes, 1, with_ce ? ce : kd, NULL, p);
            out[i] = predict(p, outputs->classes, outputs->labels[i]);
        }
    }
fail:
    dho_free(heads);
    dho_free(combined);
    return status;
}

void dho_outputs_count_classes(const dho_head_outputs *outputs, const dho_prediction *predictions,
                               dho_class_count *out)
{
    memset(out, 0, (size_t)outputs->classes * sizeof *out);
    for (int64_t i = 0; i < outputs->count; i++) {
        out[outputs->labels[i]].images++;
        out[outputs->labels[i]].right += predictions[i].top == outputs->labels[i];
        if (predictions[i].top >= 0) out[predictions[i].top].predicted++;
    }
}

double dho_macro_accuracy(const dho_class_count *counts, int classes)
{
    double sum = 0;
    int used = 0;
    for (int c = 0; c < classes; c++) {
        if (counts[c].images == 0) continue;
        sum += (double)counts[c].right / (double)counts[c].images;
        used++;
    }
    return used > 0 ? sum / used : 0;
}
