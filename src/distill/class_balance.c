/* Classes with few labelled images in the cross-entropy. */
#include "dho/distill.h"

#include "dho/alloc.h"

#include <math.h>

void dho_class_balance_free(dho_class_balance *balance)
{
    dho_free(balance->weights);
    dho_free(balance->shifts);
    *balance = (dho_class_balance){0};
}

/* Up to a factor that all classes share. */
static double weight_of(const dho_config *config, double count)
{
    if (config->distill.class_weights == DHO_WEIGHTS_INVERSE) return 1 / count;
    return -1 / expm1(count * log(config->distill.effective_beta)); /* 1 / (1 - beta^n) */
}

static dho_status set_weights(dho_class_balance *out, const dho_config *config, int classes,
                              const double *counts)
{
    double images = 0, sum = 0;
    DHO_TRY(dho_alloc_zero(&out->weights, (size_t)classes, sizeof(double), "class weights"));
    for (int c = 0; c < classes; c++) {
        if (counts[c] == 0) continue;
        out->weights[c] = weight_of(config, counts[c]);
        images += counts[c];
        sum += counts[c] * out->weights[c];
    }
    for (int c = 0; c < classes; c++) out->weights[c] *= images / sum;
    return DHO_OK;
}

static dho_status set_shifts(dho_class_balance *out, const dho_config *config,
                             const dho_dataset *dataset, const double *counts)
{
    double images = 0;
    DHO_TRY(dho_alloc_zero(&out->shifts, (size_t)dataset->classes, sizeof(double), "class shifts"));
    for (int c = 0; c < dataset->classes; c++) images += counts[c];
    for (int c = 0; c < dataset->classes; c++) {
        if (counts[c] == 0)
            return dho_fail(DHO_ERR_CONFIG,
                            "distill.logit_adjust: class \"%s\" has no labelled image, and log(0) "
                            "is no number",
                            dataset->class_names[c]);
        out->shifts[c] = config->distill.logit_adjust * log(counts[c] / images);
    }
    return DHO_OK;
}

dho_status dho_class_balance_create(dho_class_balance *out, const dho_config *config,
                                    const dho_dataset *dataset, const dho_id_list *labelled)
{
    double *counts = NULL;
    dho_status status = DHO_OK;
    const bool weights = config->distill.class_weights != DHO_WEIGHTS_NONE;
    const bool shifts = config->distill.logit_adjust > 0;
    *out = (dho_class_balance){.smoothing = config->distill.label_smoothing};
    if (labelled->count == 0 || !(weights || shifts)) return DHO_OK;
    DHO_TRY(dho_alloc_zero(&counts, (size_t)dataset->classes, sizeof *counts, "class balance"));
    for (int64_t i = 0; i < labelled->count; i++)
        counts[dataset->samples[labelled->ids[i]].label]++;
    if (weights) DHO_TRY_GOTO(set_weights(out, config, dataset->classes, counts));
    if (shifts) DHO_TRY_GOTO(set_shifts(out, config, dataset, counts));
fail:
    dho_free(counts);
    if (status != DHO_OK) dho_class_balance_free(out);
    return status;
}
