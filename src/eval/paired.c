#include "dho/paired.h"

#include "dho/alloc.h"
#include "dho/file.h"

#include <math.h>

dho_status dho_hits_of(dho_hits *out, const dho_head_outputs *outputs,
                       const dho_prediction *predictions)
{
    *out = (dho_hits){.count = outputs->count};
    DHO_TRY(dho_alloc(&out->right, (size_t)outputs->count, sizeof *out->right, "hits"));
    for (int64_t i = 0; i < outputs->count; i++)
        out->right[i] = predictions[i].top == outputs->labels[i];
    out->images =
        outputs->image_names != NULL
            ? dho_crc32(0, outputs->image_names, outputs->image_name_bytes)
            : dho_crc32(0, outputs->labels, (size_t)outputs->count * sizeof *outputs->labels);
    return DHO_OK;
}

dho_status dho_hits_load(dho_hits *out, const dho_evaluation *evaluation, const char *run_folder,
                         const dho_evaluated_set *set, int threads)
{
    dho_head_outputs outputs;
    dho_prediction *predictions = NULL;
    dho_status status;
    *out = (dho_hits){0};
    DHO_TRY(dho_evaluation_load_outputs(evaluation, run_folder, set, &outputs));
    DHO_TRY_GOTO(dho_alloc(&predictions, (size_t)outputs.count, sizeof *predictions, "hits"));
    DHO_TRY_GOTO(
        dho_outputs_predict(&outputs, evaluation->alpha, evaluation->beta, threads, predictions));
    status = dho_hits_of(out, &outputs, predictions);
fail:
    dho_free(predictions);
    dho_head_outputs_free(&outputs);
    return status;
}

void dho_hits_free(dho_hits *hits)
{
    dho_free(hits->right);
    *hits = (dho_hits){0};
}

bool dho_hits_are_paired(const dho_hits *a, const dho_hits *b)
{
    return a->count == b->count && a->images == b->images;
}

/* The terms fall from i = k downwards; what is below rounding is left out. */
static double exact_p(int64_t n, int64_t k)
{
    const double all = (double)n, least = (double)k;
    double term = exp(lgamma(all + 1) - lgamma(least + 1) - lgamma(all - least + 1) - all * log(2)),
           sum = 0;
    for (double i = least; i >= 0 && term > 1e-18 * sum; i--) {
        sum += term;
        term *= i / (all - i + 1);
    }
    return 2 * sum < 1 ? 2 * sum : 1;
}

dho_paired dho_paired_compare(const dho_hits *a, const dho_hits *b)
{
    const double z = 1.959963984540054, images = (double)a->count;
    dho_paired out = {.images = a->count};
    for (int64_t i = 0; i < a->count; i++) {
        out.only_a += a->right[i] && !b->right[i];
        out.only_b += b->right[i] && !a->right[i];
    }
    const double share_a = ((double)out.only_a + 1) / (images + 2),
                 share_b = ((double)out.only_b + 1) / (images + 2), middle = share_b - share_a;
    const double half = z * sqrt((share_a + share_b - middle * middle) / (images + 2));
    out.difference = ((double)out.only_b - (double)out.only_a) / images;
    out.low = fmax(middle - half, -1);
    out.high = fmin(middle + half, 1);
    out.p = exact_p(out.only_a + out.only_b, out.only_a < out.only_b ? out.only_a : out.only_b);
    return out;
}
