/* What the stored head outputs of a set say: per class, confusions, the alpha-beta map, images
 * worth a look. */
#include "base/compare.h"
#include "dho/alloc.h"
#include "dho/rng.h"
#include "report/report_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CELLS = 20000 };

void dho_set_detail_free(dho_set_detail *detail)
{
    for (int g = 0; g < DHO_PICK_GROUPS; g++)
        for (size_t i = 0; i < detail->pick_count[g]; i++) {
            dho_free(detail->picks[g][i].name);
            dho_text_free(&detail->picks[g][i].jpeg);
        }
    dho_free(detail->class_text);
    dho_free(detail->class_names);
    dho_free(detail->counts);
    dho_hits_free(&detail->hits);
    dho_free(detail->worst_rival);
    dho_free(detail->grid);
    dho_free(detail->plateaus);
    *detail = (dho_set_detail){0};
}

const char *dho_class_word(const dho_set_detail *detail, int32_t label, char buffer[24])
{
    if (label < 0) return "not a number";
    if (detail->class_names != NULL) return detail->class_names[label];
    snprintf(buffer, 24, "class %d", (int)label);
    return buffer;
}

/* Takes the class names over; rows' names stay with the outputs. */
static dho_status take_class_names(dho_set_detail *out, const dho_head_outputs *outputs)
{
    if (outputs->class_names == NULL) return DHO_OK;
    DHO_TRY(dho_alloc(&out->class_text, outputs->class_name_bytes, 1, "class names"));
    memcpy(out->class_text, outputs->class_names, outputs->class_name_bytes);
    DHO_TRY(dho_alloc(&out->class_names, (size_t)out->classes, sizeof(char *), "class names"));
    char *name = out->class_text;
    for (int32_t c = 0; c < out->classes; c++) {
        out->class_names[c] = name;
        name += strlen(name) + 1;
    }
    return DHO_OK;
}

/* A fixed shuffle of the rows: the same picture of the same run every time. */
static double shuffled(int64_t row)
{
    const uint32_t key[2] = {0x64686Fu, 0},
                   counter[4] = {(uint32_t)row, (uint32_t)((uint64_t)row >> 32), 0, 0};
    uint32_t output[4];
    dho_philox(key, counter, output);
    return (double)output[0];
}

/* Keeps the `most` candidates of the smallest order, only one of each label. */
static void offer(dho_set_detail *detail, int group, size_t most, const dho_pick *candidate)
{
    dho_pick *picks = detail->picks[group];
    size_t count = detail->pick_count[group], at = count;
    for (size_t i = 0; i < count; i++) {
        if (picks[i].label != candidate->label) continue;
        if (picks[i].order <= candidate->order) return;
        memmove(picks + i, picks + i + 1, (count - i - 1) * sizeof *picks);
        count--;
        break;
    }
    while (at > count) at--;
    while (at > 0 && picks[at - 1].order > candidate->order) at--;
    if (at < most) {
        if (count == most) count--;
        memmove(picks + at + 1, picks + at, (count - at) * sizeof *picks);
        picks[at] = *candidate;
        count++;
    }
    detail->pick_count[group] = count;
}

static void offer_row(dho_set_detail *detail, dho_pick *pick, size_t most)
{
    pick->order = shuffled(pick->row);
    if (pick->combined.top == pick->label) offer(detail, DHO_PICK_RIGHT, most, pick);
    if (detail->dual && pick->heads[0].top != pick->heads[1].top)
        offer(detail, DHO_PICK_DISAGREE, most, pick);
    pick->order = -pick->combined.probability;
    if (pick->combined.top != pick->label) offer(detail, DHO_PICK_WRONG, most, pick);
}

/* pairs: label << 32 | predicted of each mistake. */
static void count_confusions(dho_set_detail *out, uint64_t *pairs, size_t count)
{
    if (count > 0) qsort(pairs, count, sizeof *pairs, dho_compare_uint64);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i; next < count && pairs[next] == pairs[i];) next++;
        const dho_confusion found = {(int32_t)(pairs[i] >> 32), (int32_t)(uint32_t)pairs[i],
                                     (int64_t)(next - i)};
        if (found.count > out->worst_rival[found.label].count)
            out->worst_rival[found.label] = found;
        size_t at = out->confusion_count;
        while (at > 0 && out->confusions[at - 1].count < found.count) at--;
        if (at == DHO_MAX_CONFUSIONS) continue;
        if (out->confusion_count < DHO_MAX_CONFUSIONS) out->confusion_count++;
        memmove(out->confusions + at + 1, out->confusions + at,
                (out->confusion_count - at - 1) * sizeof found);
        out->confusions[at] = found;
    }
}

/* What is predicted for each row: combined, by the CE head, by the KD head at the run's beta. */
enum { COMBINED, OF_CE, OF_KD, PREDICTIONS };

static dho_status look_at_rows(dho_set_detail *out, const dho_head_outputs *outputs,
                               const dho_prediction *const predictions[PREDICTIONS], size_t samples)
{
    uint64_t *pairs;
    size_t wrong = 0;
    DHO_TRY(dho_alloc(&pairs, (size_t)outputs->count, sizeof *pairs, "confusions"));
    for (int64_t i = 0; i < outputs->count; i++) {
        dho_pick pick = {
            .row = i, .label = outputs->labels[i], .combined = predictions[COMBINED][i]};
        for (int h = 0; h < 1 + out->dual; h++) pick.heads[h] = predictions[OF_CE + h][i];
        if (pick.combined.top != pick.label && pick.combined.top >= 0)
            pairs[wrong++] = (uint64_t)pick.label << 32 | (uint32_t)pick.combined.top;
        if (samples > 0) offer_row(out, &pick, samples);
    }
    count_confusions(out, pairs, wrong);
    dho_free(pairs);
    return DHO_OK;
}

/* The bins of the combined prediction, as it is and at the evaluation's temperature. */
static dho_status calibrate(dho_set_detail *out, const dho_head_outputs *outputs,
                            const dho_evaluation *evaluation, const dho_prediction *predictions,
                            int threads)
{
    dho_combination by = dho_evaluation_combination(evaluation, DHO_SCORE_COMBINED);
    dho_calibration numbers;
    for (int scaled = 0; scaled < 2; scaled++) {
        if (scaled) by.temperature = evaluation->temperatures[DHO_SCORE_COMBINED];
        DHO_TRY(
            dho_outputs_calibrate(outputs, &by, predictions, threads, &numbers, out->bins[scaled]));
    }
    return DHO_OK;
}

static dho_status predict_all(dho_set_detail *out, const dho_head_outputs *outputs,
                              const dho_evaluation *evaluation, size_t samples, int threads)
{
    const double alphas[PREDICTIONS] = {evaluation->alpha, 1, 0};
    const dho_prediction *views[PREDICTIONS];
    dho_prediction *predictions;
    dho_status status;
    DHO_TRY(dho_alloc(&predictions, PREDICTIONS * (size_t)outputs->count, sizeof *predictions,
                      "predictions"));
    for (int k = 0; k < PREDICTIONS; k++) {
        dho_prediction *own = predictions + (size_t)k * (size_t)outputs->count;
        views[k] = own;
        if (k == OF_KD && !out->dual) continue;
        DHO_TRY_GOTO(dho_outputs_predict(outputs, alphas[k], evaluation->beta, threads, own));
    }
    dho_outputs_count_classes(outputs, views[COMBINED], out->counts);
    DHO_TRY_GOTO(dho_hits_of(&out->hits, outputs, views[COMBINED]));
    DHO_TRY_GOTO(look_at_rows(out, outputs, views, samples));
    status = calibrate(out, outputs, evaluation, views[COMBINED], threads);
fail:
    dho_free(predictions);
    return status;
}

/* The grid is that of the run's configuration; without one, or for one that no eye could read,
 * there is no map. */
static dho_status compute_map(dho_set_detail *out, const dho_head_outputs *outputs,
                              const dho_report_run *run, int threads)
{
    const size_t alphas = run->config.eval.alpha_count, betas = run->config.eval.beta_count;
    if (!out->dual || !run->has_config || outputs->count == 0) return DHO_OK;
    if (alphas == 0 || betas == 0 || alphas > MAX_CELLS / betas) return DHO_OK;
    DHO_TRY(dho_alloc(&out->grid, alphas * betas, sizeof *out->grid, "alpha-beta map"));
    DHO_TRY(dho_outputs_sweep(outputs, run->config.eval.alphas, alphas, run->config.eval.betas,
                              betas, threads, out->grid));
    DHO_TRY(dho_alloc(&out->plateaus, betas, sizeof *out->plateaus, "plateaus"));
    return dho_outputs_plateaus(outputs, out->grid, run->config.eval.alphas, alphas,
                                run->config.eval.betas, betas, threads, out->plateaus);
}

/* image_names is a chain of texts: the picks' are found in one walk. */
static dho_status name_picks(dho_set_detail *out, const dho_head_outputs *outputs)
{
    const char *name = outputs->image_names;
    for (int64_t i = 0; name != NULL && i < outputs->count; i++, name += strlen(name) + 1)
        for (int g = 0; g < DHO_PICK_GROUPS; g++)
            for (size_t k = 0; k < out->pick_count[g]; k++)
                if (out->picks[g][k].row == i) DHO_TRY(dho_strdup(&out->picks[g][k].name, name));
    return DHO_OK;
}

dho_status dho_set_detail_compute(dho_set_detail *out, const dho_head_outputs *outputs,
                                  const dho_report_run *run, const dho_report_reading *reading)
{
    const size_t classes = (size_t)outputs->classes;
    const size_t samples = reading->samples < DHO_MAX_PICKS ? reading->samples : DHO_MAX_PICKS;
    dho_status status;
    *out = (dho_set_detail){
        .count = outputs->count, .classes = outputs->classes, .dual = outputs->logits[1] != NULL};
    DHO_TRY_GOTO(dho_alloc_zero(&out->counts, classes, sizeof *out->counts, "classes"));
    DHO_TRY_GOTO(dho_alloc_zero(&out->worst_rival, classes, sizeof *out->worst_rival, "classes"));
    DHO_TRY_GOTO(take_class_names(out, outputs));
    DHO_TRY_GOTO(predict_all(out, outputs, &run->evaluation, samples, reading->threads));
    DHO_TRY_GOTO(compute_map(out, outputs, run, reading->threads));
    DHO_TRY_GOTO(name_picks(out, outputs));
fail:
    if (status != DHO_OK) dho_set_detail_free(out);
    return status;
}
