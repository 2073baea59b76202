#include "dho/calibration.h"

#include "dho/alloc.h"
#include "eval/log_probability.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What one image adds. */
typedef struct image_score {
    double confidence, nll, brier;
    bool right;
} image_score;

/* z: [classes], the memory of one thread. */
static image_score score_image(const dho_head_outputs *outputs, int64_t row,
                               const dho_combination *by, double *z)
{
    const int classes = outputs->classes, label = outputs->labels[row];
    const double scale = 1 / by->temperature;
    dho_log_probability(outputs, row, by->alpha, by->beta, z);
    const double log_sum = dho_log_sum_exp(classes, z, scale);
    double squares = 0, most = 0;
    for (int c = 0; c < classes; c++) {
        const double q = exp(scale * z[c] - log_sum);
        squares += q * q;
        most = q > most ? q : most;
    }
    const double log_own = scale * z[label] - log_sum, own = exp(log_own);
    return (image_score){
        .confidence = most, .nll = -log_own, .brier = squares - own * own + (1 - own) * (1 - own)};
}

static int compare_scores(const void *a, const void *b)
{
    const double x = ((const image_score *)a)->confidence, y = ((const image_score *)b)->confidence;
    return (x > y) - (x < y);
}

static double gap_of(const dho_calibration_bin *bin)
{
    return fabs((double)bin->right - bin->confidence);
}

static void add_to_bin(dho_calibration_bin *bin, const image_score *score)
{
    bin->count++;
    bin->right += score->right;
    bin->confidence += score->confidence;
}

static double equal_width(const image_score *scores, int64_t count, dho_calibration_bin *bins)
{
    double sum = 0;
    memset(bins, 0, DHO_CALIBRATION_BINS * sizeof *bins);
    for (int64_t i = 0; i < count; i++) {
        const double at = ceil(scores[i].confidence * DHO_CALIBRATION_BINS) - 1;
        const int bin = at < 0 || isnan(at)             ? 0
                        : at < DHO_CALIBRATION_BINS - 1 ? (int)at
                                                        : DHO_CALIBRATION_BINS - 1;
        add_to_bin(&bins[bin], &scores[i]);
    }
    for (int b = 0; b < DHO_CALIBRATION_BINS; b++) sum += gap_of(&bins[b]);
    return sum / (double)count;
}

/* Sorts the scores. */
static double equal_mass(image_score *scores, int64_t count)
{
    double sum = 0;
    int64_t i = 0;
    qsort(scores, (size_t)count, sizeof *scores, compare_scores);
    for (int64_t b = 1; b <= DHO_CALIBRATION_BINS; b++) {
        const int64_t end = count * b / DHO_CALIBRATION_BINS;
        dho_calibration_bin bin = {0};
        for (; i < count &&
               (i < end || (bin.count > 0 && scores[i].confidence == scores[i - 1].confidence));
             i++)
            add_to_bin(&bin, &scores[i]);
        sum += gap_of(&bin);
    }
    return sum / (double)count;
}

dho_status dho_outputs_calibrate(const dho_head_outputs *outputs, const dho_combination *by,
                                 const dho_prediction *predictions, int threads,
                                 dho_calibration *out, dho_calibration_bin *out_bins)
{
    const size_t classes = (size_t)outputs->classes;
    const int64_t count = outputs->count;
    dho_calibration_bin bins[DHO_CALIBRATION_BINS] = {{0}};
    image_score *scores = NULL;
    double *memory = NULL;
    dho_status status;
    *out = (dho_calibration){0};
    DHO_TRY_GOTO(dho_alloc(&scores, (size_t)count, sizeof *scores, "calibration"));
    DHO_TRY_GOTO(dho_alloc(&memory, (size_t)threads * classes, sizeof *memory, "calibration"));
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++)
        for (int64_t i = count * t / threads; i < count * (t + 1) / threads; i++) {
            scores[i] = score_image(outputs, i, by, memory + (size_t)t * classes);
            scores[i].right = predictions[i].top == outputs->labels[i];
        }
    for (int64_t i = 0; i < count; i++) {
        out->nll += scores[i].nll / (double)count;
        out->brier += scores[i].brier / (double)count;
    }
    if (count > 0) {
        out->ece = equal_width(scores, count, bins);
        out->ece_adaptive = equal_mass(scores, count);
    }
    if (out_bins != NULL) memcpy(out_bins, bins, sizeof bins);
fail:
    dho_free(scores);
    dho_free(memory);
    return status;
}
