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
    return method == DHO_METHOD_DHO || method == DHO_METHOD_SSKD || method == DHO_METHOD_DHKD;
}

bool dho_method_combines(dho_method method)
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
                           .feature_loss = config->distill.feature_loss,
                           .divergence = config->distill.divergence,
                           .dkd_alpha = config->distill.dkd_alpha,
                           .dkd_beta = config->distill.dkd_beta,
                           .wkd_weight = config->distill.wkd_weight,
                           .ce_from = config->distill.ce_from,
                           .kd_until = config->distill.kd_until};
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

dho_objective dho_objective_at(const dho_objective *objective, int64_t step, int64_t total)
{
    dho_objective now = *objective;
    if ((double)step < objective->ce_from * (double)total) now = dho_objective_only_teacher(&now);
    if ((double)step >= objective->kd_until * (double)total) now = dho_objective_only_ce(&now);
    return now;
}

/* distill.divergence of the labelled rows. */
static double labelled_divergence(const dho_objective *o, int rows, int classes,
                                  const int32_t *labels, const float *teacher, const float *head,
                                  float *dhead)
{
    const float weight = o->lambda_kd;
    switch (o->divergence) {
    case DHO_DIVERGENCE_KL:
        break;
    case DHO_DIVERGENCE_DKD:
        return dho_decoupled_divergence(o, rows, classes, labels, teacher, head, weight, dhead);
    case DHO_DIVERGENCE_WKD:
        return dho_wasserstein_divergence(o, rows, classes, labels, teacher, head, weight, dhead);
    }
    return dho_kl_divergence(rows, classes, teacher, head, o->temperature, weight, dhead);
}

/* The teacher's losses, unweighted:
 *   one head  KL of all rows; with dkd or wkd that of the labelled rows, KL of the others
 *   dho       KL(h_kd) of all rows; with dkd or wkd also that of the labelled rows at h_ce
 *   sskd      KL_labelled(h_ce) + KL_unlabelled(h_kd)
 *   dhkd      BinaryKL-Norm(h_kd) of all rows */
static dho_loss_terms compare_with_teacher(const dho_objective *o, int rows, int labelled,
                                           int classes, const int32_t *labels, const float *teacher,
                                           const float *const heads[2], float *const dheads[2])
{
    const size_t split = (size_t)labelled * (size_t)classes;
    const int rest = rows - labelled, kd = dho_method_is_dual(o->method) ? 1 : 0;
    const float t = o->temperature, weight = o->lambda_kd;
    dho_loss_terms terms = {0};
    if (o->method == DHO_METHOD_DHKD) {
        terms.kd_labelled =
            dho_binary_divergence(labelled, classes, teacher, heads[1], t, weight, dheads[1]);
        terms.kd_unlabelled = dho_binary_divergence(rest, classes, teacher + split,
                                                    heads[1] + split, t, weight, dheads[1] + split);
        return terms;
    }
    terms.kd_unlabelled = dho_kl_divergence(rest, classes, teacher + split, heads[kd] + split, t,
                                            weight, dheads[kd] + split);
    if (o->method == DHO_METHOD_DHO)
        terms.kd_labelled =
            dho_kl_divergence(labelled, classes, teacher, heads[1], t, weight, dheads[1]);
    if (o->method != DHO_METHOD_DHO || o->divergence != DHO_DIVERGENCE_KL)
        terms.kd_labelled +=
            labelled_divergence(o, labelled, classes, labels, teacher, heads[0], dheads[0]);
    return terms;
}

dho_loss_terms dho_objective_evaluate(const dho_objective *objective, int rows, int labelled,
                                      int classes, const int32_t *labels, const float *teacher,
                                      const float *const heads[2], float *const dheads[2])
{
    const int head_count = dho_method_is_dual(objective->method) ? 2 : 1;
    dho_loss_terms terms = {0};

    for (int h = 0; h < head_count; h++)
        memset(dheads[h], 0, (size_t)rows * (size_t)classes * sizeof(float));

    /* kd ignores the labels: its accuracy is reported, its weight is 0. */
    const float ce_weight = objective->method == DHO_METHOD_KD ? 0 : objective->lambda_ce;
    terms.ce = dho_cross_entropy(labelled, classes, heads[0], labels, objective->balance, ce_weight,
                                 dheads[0], &terms.correct);
    terms.total = ce_weight * terms.ce;

    if (dho_method_uses_teacher(objective->method) && objective->method != DHO_METHOD_FEATURE) {
        const dho_loss_terms kd = compare_with_teacher(objective, rows, labelled, classes, labels,
                                                       teacher, heads, dheads);
        terms.kd_labelled = kd.kd_labelled;
        terms.kd_unlabelled = kd.kd_unlabelled;
        terms.total += objective->lambda_kd * (terms.kd_labelled + terms.kd_unlabelled);
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
