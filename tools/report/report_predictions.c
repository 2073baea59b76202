/* What the stored head outputs of a set say: per class, confusions, the alpha-beta map, images
 * worth a look. */
#include "base/compare.h"
#include "dho/alloc.h"
#include "dho/distill.h"
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
    dho_free(detail->class_total);
    dho_free(detail->class_right);
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

/* Memory of predicting one row. */
typedef struct predictor {
    const dho_head_outputs *outputs;
    double alpha, beta;
    float *heads[2]; /* owned together at heads[0], [classes] each */
    double *p;       /* owned, [classes] */
} predictor;

static void predict_row(predictor *by, int64_t row, dho_prediction *combined,
                        dho_prediction heads[2])
{
    const dho_head_outputs *outputs = by->outputs;
    const int32_t classes = outputs->classes, label = outputs->labels[row];
    const size_t offset = (size_t)row * (size_t)classes;
    const bool dual = outputs->logits[1] != NULL;
    for (int h = 0; h < 1 + dual; h++) {
        dho_masked_softmax(classes, outputs->mask, outputs->logits[h] + offset,
                           h == 0 ? 1 : by->beta, by->heads[h]);
        dho_combine(classes, 1, by->heads[h], NULL, by->p);
        heads[h] = predict(by->p, classes, label);
    }
    dho_combine(classes, by->alpha, by->heads[0], dual ? by->heads[1] : NULL, by->p);
    *combined = predict(by->p, classes, label);
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

static dho_status predict_all(dho_set_detail *out, predictor *by, size_t samples)
{
    const dho_head_outputs *outputs = by->outputs;
    uint64_t *pairs;
    size_t wrong = 0;
    DHO_TRY(dho_alloc(&pairs, (size_t)outputs->count, sizeof *pairs, "confusions"));
    for (int64_t i = 0; i < outputs->count; i++) {
        dho_pick pick = {.row = i, .label = outputs->labels[i]};
        predict_row(by, i, &pick.combined, pick.heads);
        const bool right = pick.combined.top == pick.label;
        out->class_total[pick.label]++;
        out->class_right[pick.label] += right;
        if (!right && pick.combined.top >= 0)
            pairs[wrong++] = (uint64_t)pick.label << 32 | (uint32_t)pick.combined.top;
        if (samples > 0) offer_row(out, &pick, samples);
    }
    count_confusions(out, pairs, wrong);
    dho_free(pairs);
    return DHO_OK;
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
    predictor by = {
        .outputs = outputs, .alpha = run->evaluation.alpha, .beta = run->evaluation.beta};
    dho_status status;
    *out = (dho_set_detail){
        .count = outputs->count, .classes = outputs->classes, .dual = outputs->logits[1] != NULL};
    DHO_TRY_GOTO(dho_alloc_zero(&out->class_total, classes, sizeof(int64_t), "classes"));
    DHO_TRY_GOTO(dho_alloc_zero(&out->class_right, classes, sizeof(int64_t), "classes"));
    DHO_TRY_GOTO(dho_alloc_zero(&out->worst_rival, classes, sizeof *out->worst_rival, "classes"));
    DHO_TRY_GOTO(dho_alloc_zero(&by.heads[0], 2 * classes, sizeof(float), "predictions"));
    by.heads[1] = by.heads[0] + classes;
    DHO_TRY_GOTO(dho_alloc_zero(&by.p, classes, sizeof *by.p, "predictions"));
    DHO_TRY_GOTO(take_class_names(out, outputs));
    DHO_TRY_GOTO(predict_all(out, &by, samples));
    DHO_TRY_GOTO(compute_map(out, outputs, run, reading->threads));
    DHO_TRY_GOTO(name_picks(out, outputs));
fail:
    dho_free(by.heads[0]);
    dho_free(by.p);
    if (status != DHO_OK) dho_set_detail_free(out);
    return status;
}
