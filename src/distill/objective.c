#include "dho/distill.h"

#include <string.h>

bool dho_method_uses_teacher(dho_method method)
{
    return method != DHO_METHOD_CE;
}

bool dho_method_uses_features(dho_method method)
{
    return method == DHO_METHOD_FEATURE || method == DHO_METHOD_LOGIT_FEATURE;
}

bool dho_method_is_dual(dho_method method)
{
    return method == DHO_METHOD_DHO;
}

dho_objective dho_objective_create(const dho_config *config)
{
    return (dho_objective){.method = config->method,
                           .temperature = (float)config->distill.temperature,
                           .lambda_ce = (float)config->distill.lambda_ce,
                           .lambda_kd = (float)config->distill.lambda_kd,
                           .lambda_feature = (float)config->distill.lambda_feature,
                           .feature_loss = config->distill.feature_loss};
}

dho_objective dho_objective_only_ce(const dho_objective *objective)
{
    dho_objective part = *objective;
    part.lambda_kd = part.lambda_feature = 0;
    return part;
}

dho_objective dho_objective_only_teacher(const dho_objective *objective)
{
    dho_objective part = *objective;
    part.lambda_ce = 0;
    return part;
}

dho_loss_terms dho_objective_evaluate(const dho_objective *objective, int rows, int labelled,
                                      int classes, const int32_t *labels, const float *teacher,
                                      const float *const heads[2], float *const dheads[2])
{
    const bool dual = dho_method_is_dual(objective->method);
    const size_t row = (size_t)classes, split = (size_t)labelled * row;
    const int kd = dual ? 1 : 0; /* the head that meets the teacher */
    dho_loss_terms terms = {0};

    for (int h = 0; h <= kd; h++) memset(dheads[h], 0, (size_t)rows * row * sizeof(float));

    /* kd ignores the labels: its accuracy is reported, its weight is 0. */
    const float ce_weight = objective->method == DHO_METHOD_KD ? 0 : objective->lambda_ce;
    terms.ce = dho_cross_entropy(labelled, classes, heads[0], labels, objective->balance, ce_weight,
                                 dheads[0], &terms.correct);
    terms.total = ce_weight * terms.ce;

    if (dho_method_uses_teacher(objective->method) && objective->method != DHO_METHOD_FEATURE) {
        const float weight = objective->lambda_kd;
        terms.kd_labelled = dho_kl_divergence(labelled, classes, teacher, heads[kd],
                                              objective->temperature, weight, dheads[kd]);
        terms.kd_unlabelled =
            dho_kl_divergence(rows - labelled, classes, teacher + split, heads[kd] + split,
                              objective->temperature, weight, dheads[kd] + split);
        terms.total += weight * (terms.kd_labelled + terms.kd_unlabelled);
    }
    return terms;
}

void dho_objective_add_features(const dho_objective *objective, int rows, int labelled, int dim,
                                const float *embeddings, const float *projected, float *dprojected,
                                dho_loss_terms *inout)
{
    const size_t split = (size_t)labelled * (size_t)dim;
    const float weight = objective->lambda_feature;
    memset(dprojected, 0, (size_t)rows * (size_t)dim * sizeof *dprojected);
    inout->feature_labelled = dho_feature_distance(objective->feature_loss, labelled, dim,
                                                   embeddings, projected, weight, dprojected);
    inout->feature_unlabelled =
        dho_feature_distance(objective->feature_loss, rows - labelled, dim, embeddings + split,
                             projected + split, weight, dprojected + split);
    inout->total += weight * (inout->feature_labelled + inout->feature_unlabelled);
}
