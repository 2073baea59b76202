/* The checks of losses: methods, weights, divergences. */
#include "config/config_check.h"

/* Keys of one loss that the method, or another key, leaves without effect. */
static dho_status check_divergence(const dho_config_checker *c)
{
    static const struct {
        const char *key;
        dho_divergence of;
    } own[] = {{"distill.dkd_alpha", DHO_DIVERGENCE_DKD},
               {"distill.dkd_beta", DHO_DIVERGENCE_DKD},
               {"distill.wkd_weight", DHO_DIVERGENCE_WKD},
               {"distill.wkd_sharpen", DHO_DIVERGENCE_WKD},
               {"distill.wkd_entropy", DHO_DIVERGENCE_WKD},
               {"distill.wkd_iterations", DHO_DIVERGENCE_WKD}};
    const dho_config *k = c->config;
    const char *const *words = dho_schema_find(&dho_schema_config, "distill.divergence")->words;
    if (!dho_check_is_given(c, "distill.divergence")) /* a slip: they would be silently unused */
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            if (dho_check_is_given(c, own[i].key))
                return dho_check_fail(c, own[i].key, NULL,
                                      "has no effect without distill.divergence: %s",
                                      words[own[i].of]);
    if (k->distill.divergence == DHO_DIVERGENCE_KL) return DHO_OK;
    if (k->method != DHO_METHOD_SINGLE_HEAD && k->method != DHO_METHOD_LOGIT_FEATURE &&
        k->method != DHO_METHOD_DHO)
        return dho_check_fail(
            c, "distill.divergence", "method",
            "%s has no place in method: %s (single_head, logit_feature and dho have "
            "one)",
            words[k->distill.divergence], dho_method_name(k->method));
    if (k->distill.lambda_kd == 0)
        return dho_check_fail(c, "distill.lambda_kd", "distill.divergence",
                              "must not be 0 with distill.divergence: %s",
                              words[k->distill.divergence]);
    if (k->train.batch_labelled == 0)
        return dho_check_fail(
            c, "train.batch_labelled", "distill.divergence",
            "must not be 0 with distill.divergence: %s, which is of labelled images",
            words[k->distill.divergence]);
    return DHO_OK;
}

/* What needs a cross-entropy and a loss to the teacher. */
static dho_status check_two_losses(const dho_config_checker *c, bool both)
{
    const dho_config *k = c->config;
    const char *method = dho_method_name(k->method);
    const char *needing = k->train.conflict_every > 0                 ? "train.conflict_every"
                          : k->distill.gradients != DHO_GRADIENTS_SUM ? "distill.gradients"
                          : k->distill.ce_from > 0                    ? "distill.ce_from"
                          : k->distill.kd_until < 1                   ? "distill.kd_until"
                                                                      : NULL;
    if (needing != NULL && !both)
        return dho_check_fail(c, needing, "method",
                              "needs two losses: method %s with these weights has one", method);
    if (k->distill.kd_until < k->distill.ce_from)
        return dho_check_fail(
            c, "distill.kd_until", "distill.ce_from",
            "expected at least distill.ce_from (%g), got %g: between them nothing would "
            "be trained",
            k->distill.ce_from, k->distill.kd_until);
    return DHO_OK;
}

dho_status dho_check_losses(const dho_config_checker *c)
{
    const dho_config *k = c->config;
    const bool regresses = k->method == DHO_METHOD_FEATURE || k->method == DHO_METHOD_LOGIT_FEATURE;
    const bool has_ce = k->method != DHO_METHOD_KD && k->distill.lambda_ce > 0;
    const bool has_kl =
        k->method != DHO_METHOD_CE && k->method != DHO_METHOD_FEATURE && k->distill.lambda_kd > 0;
    const bool has_kd = has_kl || (regresses && k->distill.lambda_feature > 0);
    const char *method = dho_method_name(k->method);
    if (regresses && !has_ce && !has_kl)
        return dho_check_fail(c, "distill.lambda_ce", "method",
                              "must not be 0 with method: %s: its head would not be trained",
                              method);
    DHO_TRY(check_two_losses(c, has_ce && has_kd));
    DHO_TRY(check_divergence(c));
    if (!has_ce && !has_kd && k->method == DHO_METHOD_CE)
        return dho_check_fail(c, "distill.lambda_ce", "method", "must not be 0 with method: ce");
    if (!has_ce && !has_kd && k->method == DHO_METHOD_KD)
        return dho_check_fail(c, "distill.lambda_kd", "method", "must not be 0 with method: kd");
    if (!has_ce && !has_kd)
        return dho_check_fail(c, "distill.lambda_ce", "distill.lambda_kd",
                              "lambda_ce and lambda_kd are both 0: nothing would be trained");
    if (!has_ce && (k->method == DHO_METHOD_SSKD || k->method == DHO_METHOD_DHKD))
        return dho_check_fail(
            c, "distill.lambda_ce", "method",
            "must not be 0 with method: %s, whose prediction is the supervised head's", method);
    if (k->train.batch_labelled + k->train.batch_unlabelled == 0)
        return dho_check_fail(c, "train.batch_labelled", "train.batch_unlabelled",
                              "batch_labelled and batch_unlabelled are both 0");
    if (!k->distill.unlabelled && k->method == DHO_METHOD_CE)
        return dho_check_fail(c, "distill.unlabelled", "method",
                              "has no effect with method: ce, which draws no unlabelled images");
    if (!k->distill.unlabelled && k->train.batch_labelled == 0)
        return dho_check_fail(c, "train.batch_labelled", "distill.unlabelled",
                              "must not be 0 with distill.unlabelled: false");
    if (has_ce && k->train.batch_labelled == 0)
        return dho_check_fail(c, "train.batch_labelled", "method",
                              "must not be 0 with method: %s and a cross-entropy loss", method);
    return DHO_OK;
}
