/* "None of these": the score of an image, and the threshold from a set's stored outputs. */
#include "dho/classifier.h"

#include "base/compare.h"
#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/evaluation.h"
#include "dho/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -T log sum exp(logits / T) */
static double energy(int classes, const float *logits, double temperature)
{
    float max = logits[0];
    for (int c = 1; c < classes; c++)
        if (logits[c] > max) max = logits[c];
    double sum = 0;
    for (int c = 0; c < classes; c++) sum += exp((double)(logits[c] - max) / temperature);
    return -(double)max - temperature * log(sum);
}

double dho_classifier_score(const dho_classifier *classifier, dho_reject kind,
                            const float *const heads[2], const double *p)
{
    const dho_student *student = &classifier->model.student;
    if (kind == DHO_REJECT_ENERGY) {
        const double ce = energy(student->classes, heads[0], 1);
        if (student->head_count < 2) return ce;
        return classifier->alpha * ce +
               (1 - classifier->alpha) * energy(student->classes, heads[1], classifier->beta);
    }
    double largest = p[0];
    for (int c = 1; c < student->classes; c++)
        if (p[c] > largest) largest = p[c];
    return 1 - largest;
}

/* Scores of all rows, in their order. */
static dho_status score_rows(const dho_classifier *classifier, dho_reject kind,
                             const dho_head_outputs *outputs, double *scores)
{
    const size_t classes = (size_t)outputs->classes;
    float *shares;
    double *p = NULL;
    dho_status status;
    DHO_TRY(dho_alloc(&shares, 2 * classes, sizeof *shares, "probabilities"));
    DHO_TRY_GOTO(dho_alloc(&p, classes, sizeof *p, "probabilities"));
    for (int64_t i = 0; i < outputs->count; i++) {
        const float *kd = outputs->logits[1];
        const float *const heads[2] = {outputs->logits[0] + (size_t)i * classes,
                                       kd != NULL ? kd + (size_t)i * classes : NULL};
        dho_classifier_combine(classifier, heads, shares, shares + classes, p);
        scores[i] = dho_classifier_score(classifier, kind, heads, p);
    }
fail:
    dho_free(shares);
    dho_free(p);
    return status;
}

/* A score that at least `accept` of them do not exceed: halfway to the next one, since a prediction
 * rounds in another way than the evaluation. */
static dho_status choose(const dho_classifier *classifier, dho_reject kind, double accept,
                         const dho_head_outputs *outputs, double *out)
{
    double *scores;
    const dho_student *student = &classifier->model.student;
    if (outputs->count == 0 || outputs->classes != student->classes ||
        (outputs->logits[1] != NULL) != (student->head_count == 2))
        return dho_fail(DHO_ERR_FORMAT, "%s: its stored outputs are not of this student",
                        classifier->source);
    DHO_TRY(dho_alloc(&scores, (size_t)outputs->count, sizeof *scores, "scores"));
    const dho_status status = score_rows(classifier, kind, outputs, scores);
    if (status == DHO_OK) {
        qsort(scores, (size_t)outputs->count, sizeof *scores, dho_compare_doubles);
        const double rank = ceil(accept * (double)outputs->count - 1e-9);
        const int64_t last = rank < 1 ? 0 : (int64_t)rank - 1;
        *out = (scores[last] + scores[last + (last + 1 < outputs->count)]) / 2;
    }
    dho_free(scores);
    return status;
}

/* Is the evaluation of these very weights? */
static dho_status check_evaluation(const dho_classifier *classifier,
                                   const dho_evaluation *evaluation, const char *run)
{
    const char *method = dho_method_name(classifier->method);
    if (evaluation->set_count == 0 || evaluation->checkpoint == NULL)
        return dho_fail(DHO_ERR_CONFIG, "%s: its evaluation names no set or no checkpoint", run);
    if (evaluation->step == classifier->step && evaluation->method != NULL &&
        strcmp(evaluation->method, method) == 0)
        return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "%s: its evaluation is of step %lld, the weights are of step %lld: dho eval",
                    run, (long long)evaluation->step, (long long)classifier->step);
}

/* The set on which alpha and beta were chosen; without one, the first. */
static const dho_evaluated_set *pick_set(const dho_evaluation *evaluation)
{
    const char *name = evaluation->chosen_on != NULL ? evaluation->chosen_on : "";
    const dho_evaluated_set *chosen = dho_evaluation_find(evaluation, name);
    return chosen != NULL ? chosen : &evaluation->sets[0];
}

dho_status dho_classifier_find_threshold(const dho_classifier *classifier, dho_reject kind,
                                         double accept, double *out, char **out_set)
{
    dho_evaluation evaluation = {0};
    dho_head_outputs outputs = {0};
    char *run = NULL;
    dho_status status;
    *out_set = NULL;
    if (!dho_path_is_folder(classifier->source))
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: an export has no outputs of an evaluation: give the run's folder, or "
                        "a threshold",
                        classifier->source);
    DHO_TRY_GOTO(dho_checkpoint_run(classifier->source, &run));
    DHO_TRY_GOTO(dho_evaluation_load(&evaluation, run));
    DHO_TRY_GOTO(check_evaluation(classifier, &evaluation, run));
    const dho_evaluated_set *set = pick_set(&evaluation);
    DHO_TRY_GOTO(dho_evaluation_load_outputs(&evaluation, run, set, &outputs));
    DHO_TRY_GOTO(choose(classifier, kind, accept, &outputs, out));
    status = dho_strdup(out_set, set->name);
fail:
    dho_head_outputs_free(&outputs);
    dho_evaluation_free(&evaluation);
    dho_free(run);
    return status;
}
