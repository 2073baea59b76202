/* Checks of what pretrained students are trained with (docs/pretrained.md). */
#include "config/config_check.h"

static dho_status check_augmentation(const dho_config_checker *c)
{
    const dho_config *k = c->config;
    if (k->data.colour_jitter[3] > 0.5)
        return dho_check_fail(c, "data.colour_jitter", NULL,
                              "expected a hue (the fourth number) of at most 0.5, got %g",
                              k->data.colour_jitter[3]);
    if (k->data.randaugment == 0 && k->data.randaugment_magnitude != 9)
        return dho_check_fail(c, "data.randaugment_magnitude", NULL,
                              "has no effect without data.randaugment");
    return DHO_OK;
}

/* What is trained of the student, and how far each part goes. */
static dho_status check_parts(const dho_config_checker *c)
{
    const dho_config *k = c->config;
    const bool frozen = k->student.freeze == DHO_FREEZE_BACKBONE;
    const bool starts = k->student.init[0] != '\0';
    if (frozen && !starts)
        return dho_check_fail(
            c, "student.freeze", NULL,
            "backbone needs student.init: random features would stay as they are");
    if (k->student.batch_norm == DHO_BATCH_NORM_FROZEN && !starts)
        return dho_check_fail(c, "student.batch_norm", NULL,
                              "frozen needs student.init: a new student has no running statistics");
    if (frozen && k->train.conflict_every > 0)
        return dho_check_fail(c, "train.conflict_every", "student.freeze",
                              "has no effect with student.freeze: backbone: no shared weights are "
                              "trained");
    if (frozen && k->distill.gradients == DHO_GRADIENTS_PCGRAD)
        return dho_check_fail(c, "distill.gradients", "student.freeze",
                              "pcgrad has no effect with student.freeze: backbone: no shared "
                              "weights are trained");
    if (frozen && k->student.drop_path > 0)
        return dho_check_fail(
            c, "student.drop_path", "student.freeze",
            "has no effect with student.freeze: backbone: its blocks are not trained");
    if (frozen && k->train.layer_decay < 1)
        return dho_check_fail(
            c, "train.layer_decay", "student.freeze",
            "has no effect with student.freeze: backbone: the heads are the last layer");
    if (k->train.weight_decay_on != DHO_DECAY_ON_ALL && k->train.weight_decay == 0)
        return dho_check_fail(c, "train.weight_decay_on", NULL,
                              "has no effect with train.weight_decay: 0");
    return DHO_OK;
}

static dho_status check_smoothing(const dho_config_checker *c)
{
    const dho_config *k = c->config;
    const bool has_ce = k->method != DHO_METHOD_KD && k->distill.lambda_ce > 0;
    if (has_ce || k->distill.label_smoothing == 0) return DHO_OK;
    return dho_check_fail(c, "distill.label_smoothing", "method",
                          "has no effect without a cross-entropy loss (method, distill.lambda_ce)");
}

dho_status dho_check_pretrained(const dho_config_checker *c)
{
    DHO_TRY(check_parts(c));
    DHO_TRY(check_smoothing(c));
    return check_augmentation(c);
}
