/* RUN/eval.json, written and read. */
#include "dho/evaluation.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <math.h>
#include <string.h>

#define MAX_EVAL_BYTES ((size_t)64 << 20)

const char *const dho_score_names[DHO_SCORE_KINDS + 1] = {
    [DHO_SCORE_COMBINED] = "combined", [DHO_SCORE_CE_HEAD] = "ce_head",
    [DHO_SCORE_KD_HEAD] = "kd_head",   [DHO_SCORE_EXACT] = "exact",
    [DHO_SCORE_FIXED] = "fixed",       [DHO_SCORE_ENTROPY] = "entropy"};

static double percent(int64_t k, int64_t n)
{
    return n > 0 ? 100.0 * (double)k / (double)n : 0;
}

/* Its top-1 interval in percent: top1 hits among `images`. */
static void set_interval(dho_score *score, int64_t top1, int64_t images)
{
    dho_wilson_interval(top1, images, &score->low, &score->high);
    score->low *= 100;
    score->high *= 100;
}

dho_score dho_score_of(const dho_accuracy *accuracy)
{
    const dho_calibration none = {NAN, NAN, NAN, NAN};
    dho_score out = {.present = true,
                     .top1 = percent(accuracy->top1, accuracy->count),
                     .top5 = percent(accuracy->top5, accuracy->count),
                     .macro = NAN,
                     .plain = none,
                     .scaled = none};
    set_interval(&out, accuracy->top1, accuracy->count);
    return out;
}

/* --- writing ------------------------------------------------------------------------------------
 */

static void add_calibration(json_t *score, const char *key, const dho_calibration *calibration)
{
    if (isnan(calibration->ece)) return;
    json_object_set_new(score, key,
                        json_pack("{s:f, s:f, s:f, s:f}", "ece", calibration->ece, "ece_adaptive",
                                  calibration->ece_adaptive, "nll", calibration->nll, "brier",
                                  calibration->brier));
}

static json_t *score_json(const dho_score *score)
{
    json_t *out = json_object();
    if (!isnan(score->macro)) json_object_set_new(out, "macro_top1", json_real(score->macro));
    add_calibration(out, "calibration", &score->plain);
    add_calibration(out, "calibration_scaled", &score->scaled);
    json_object_update_new(out, json_pack("{s:f, s:f, s:[f,f]}", "top1", score->top1, "top5",
                                          score->top5, "top1_interval95", score->low, score->high));
    return out;
}

/* The temperatures of the kinds of scores that have a scaled calibration. */
static json_t *temperature_json(const dho_evaluation *evaluation)
{
    json_t *out = json_pack("{s:s}", "chosen_on", evaluation->scaled_on);
    for (int k = 0; k < DHO_SCORE_KINDS && evaluation->set_count > 0; k++) {
        const dho_score *score = &evaluation->sets[0].scores[k];
        if (score->present && !isnan(score->scaled.ece))
            json_object_set_new(out, dho_score_names[k], json_real(evaluation->temperatures[k]));
    }
    return out;
}

static json_t *set_json(const dho_evaluated_set *set)
{
    json_t *out =
        json_pack("{s:s, s:I, s:I, s:b}", "name", set->name, "images", (json_int_t)set->images,
                  "classes", (json_int_t)set->classes, "alpha_beta_chosen_here", set->chosen_here);
    for (int k = 0; k < DHO_SCORE_KINDS; k++)
        if (set->scores[k].present)
            json_object_set_new(out, dho_score_names[k], score_json(&set->scores[k]));
    return out;
}

static json_t *plateau_json(const dho_plateau *plateau, int64_t images)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "beta", plateau->beta, "alpha",
                     dho_plateau_alpha(plateau), "alpha_low", plateau->low, "alpha_high",
                     plateau->high, "top1", percent(plateau->top1, images));
}

/* The exact choice, and the best plateau at each beta. */
static json_t *exact_choice_json(const dho_evaluation *evaluation)
{
    int64_t images = 0;
    for (size_t i = 0; i < evaluation->set_count; i++)
        if (evaluation->sets[i].chosen_here) images = evaluation->sets[i].images;
    json_t *all = json_array();
    for (size_t b = 0; b < evaluation->plateau_count; b++)
        json_array_append_new(all, plateau_json(&evaluation->plateaus[b], images));
    const size_t best = dho_plateau_best(evaluation->plateaus, evaluation->plateau_count);
    return json_pack("{s:o, s:o}", "best", plateau_json(&evaluation->plateaus[best], images),
                     "by_beta", all);
}

dho_status dho_evaluation_save(const dho_evaluation *evaluation, const char *path)
{
    json_t *sets = json_array();
    for (size_t i = 0; i < evaluation->set_count; i++)
        json_array_append_new(sets, set_json(&evaluation->sets[i]));
    json_t *root = json_pack("{s:s, s:s, s:I}", "checkpoint", evaluation->checkpoint, "method",
                             evaluation->method, "step", (json_int_t)evaluation->step);
    if (root == NULL) {
        json_decref(sets);
        return dho_fail(DHO_ERR_MEMORY, "%s: cannot format", path);
    }
    if (evaluation->scaled_on != NULL)
        json_object_set_new(root, "temperature", temperature_json(evaluation));
    json_object_set_new(root, "sets", sets);
    if (evaluation->ema) json_object_set_new(root, "weights", json_string("ema"));
    if (evaluation->dual) {
        json_object_set_new(root, "alpha", json_real(evaluation->alpha));
        json_object_set_new(root, "beta", json_real(evaluation->beta));
        json_object_set_new(root, "chosen_on", json_string(evaluation->chosen_on));
        if (evaluation->chosen_on[0] != '\0')
            json_object_set_new(root, "fixed",
                                json_pack("{s:f, s:f}", "alpha", evaluation->fixed_alpha, "beta",
                                          evaluation->fixed_beta));
    }
    if (evaluation->holdout != NULL)
        json_object_set_new(root, "holdout", json_string(evaluation->holdout));
    if (evaluation->plateau_count > 0)
        json_object_set_new(root, "exact_choice", exact_choice_json(evaluation));
    const dho_status status = dho_json_save(root, path);
    json_decref(root);
    return status;
}

/* --- reading ------------------------------------------------------------------------------------
 */

/* NAN for what is no number from 0 to `most`. */
static double number_of(const json_t *object, const char *key, double most)
{
    const json_t *value = json_object_get(object, key);
    const double number = json_is_number(value) ? json_number_value(value) : NAN;
    return number >= 0 && number <= most ? number : NAN;
}

static dho_calibration calibration_of(const json_t *score, const char *key)
{
    const json_t *from = json_object_get(score, key);
    const dho_calibration none = {NAN, NAN, NAN, NAN};
    const dho_calibration out = {
        .ece = number_of(from, "ece", 1),
        .ece_adaptive = number_of(from, "ece_adaptive", 1),
        .nll = number_of(from, "nll", 1e300),
        .brier = number_of(from, "brier", 2),
    };
    return isnan(out.ece + out.ece_adaptive + out.nll + out.brier) ? none : out;
}

static dho_status read_score(const json_t *entry, const char *key, const char *path, int64_t images,
                             dho_score *out)
{
    const json_t *score = json_object_get(entry, key);
    if (score == NULL) return DHO_OK;
    out->top1 = number_of(score, "top1", 100);
    out->top5 = number_of(score, "top5", 100);
    out->macro = number_of(score, "macro_top1", 100);
    out->plain = calibration_of(score, "calibration");
    out->scaled = calibration_of(score, "calibration_scaled");
    if (isnan(out->top1))
        return dho_fail(DHO_ERR_FORMAT, "%s: %s.top1 is no percentage", path, key);
    set_interval(out, llround(out->top1 / 100 * (double)images), images);
    out->present = true;
    return DHO_OK;
}

/* A set's name is part of a file's. */
static bool is_plain_name(const char *name)
{
    return name != NULL && name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static dho_status read_set(dho_evaluation *evaluation, const json_t *entry, const char *path)
{
    const char *name = json_string_value(json_object_get(entry, "name"));
    const json_t *images = json_object_get(entry, "images");
    dho_evaluated_set *set = &evaluation->sets[evaluation->set_count];
    if (!is_plain_name(name) || dho_evaluation_find(evaluation, name) != NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s: has a set without a proper name of its own", path);
    set->images = json_integer_value(images);
    if (!json_is_integer(images) || set->images < 1 || set->images > 1000000000)
        return dho_fail(DHO_ERR_FORMAT, "%s: a set's number of images is not one", path);
    set->classes = json_integer_value(json_object_get(entry, "classes"));
    set->chosen_here = json_is_true(json_object_get(entry, "alpha_beta_chosen_here"));
    for (int k = 0; k < DHO_SCORE_KINDS; k++)
        DHO_TRY(read_score(entry, dho_score_names[k], path, set->images, &set->scores[k]));
    if (!set->scores[DHO_SCORE_COMBINED].present)
        return dho_fail(DHO_ERR_FORMAT, "%s: a set has no combined accuracy", path);
    DHO_TRY(dho_strdup(&set->name, name));
    evaluation->set_count++;
    return DHO_OK;
}

/* Values that are no temperatures stay 1. */
static dho_status read_temperatures(dho_evaluation *out, const json_t *root)
{
    const json_t *from = json_object_get(root, "temperature");
    for (int k = 0; k < DHO_SCORE_KINDS; k++) {
        const double found = number_of(from, dho_score_names[k], DHO_TEMPERATURE_MOST);
        out->temperatures[k] = found >= DHO_TEMPERATURE_LEAST ? found : 1;
    }
    return dho_strdup(&out->scaled_on, json_string_value(json_object_get(from, "chosen_on")));
}

/* NULL for what is no text. */
static dho_status copy_text(const json_t *root, const char *key, char **out)
{
    return dho_strdup(out, json_string_value(json_object_get(root, key)));
}

/* Values out of range leave what is there. True where both are numbers. */
static bool read_combination(const json_t *from, double *out_alpha, double *out_beta)
{
    const json_t *alpha = json_object_get(from, "alpha"), *beta = json_object_get(from, "beta");
    if (json_is_number(alpha) && json_number_value(alpha) >= 0 && json_number_value(alpha) <= 1)
        *out_alpha = json_number_value(alpha);
    if (json_number_value(beta) > 1e-6 && json_number_value(beta) < 1e6)
        *out_beta = json_number_value(beta);
    return json_is_number(alpha) && json_is_number(beta);
}

static dho_status read_all(dho_evaluation *out, const json_t *root, const char *path)
{
    const json_t *sets = json_object_get(root, "sets");
    if (!json_is_array(sets)) return dho_fail(DHO_ERR_FORMAT, "%s: has no list of sets", path);
    out->dual = read_combination(root, &out->alpha, &out->beta);
    out->fixed_alpha = out->alpha;
    out->fixed_beta = out->beta;
    read_combination(json_object_get(root, "fixed"), &out->fixed_alpha, &out->fixed_beta);
    out->step = json_integer_value(json_object_get(root, "step"));
    const char *weights = json_string_value(json_object_get(root, "weights"));
    out->ema = weights != NULL && strcmp(weights, "ema") == 0;
    DHO_TRY(copy_text(root, "method", &out->method));
    DHO_TRY(copy_text(root, "checkpoint", &out->checkpoint));
    DHO_TRY(copy_text(root, "chosen_on", &out->chosen_on));
    DHO_TRY(read_temperatures(out, root));
    DHO_TRY(copy_text(root, "holdout", &out->holdout));
    DHO_TRY(dho_alloc_zero(&out->sets, json_array_size(sets), sizeof *out->sets, "sets"));
    for (size_t i = 0; i < json_array_size(sets); i++)
        DHO_TRY(read_set(out, json_array_get(sets, i), path));
    return DHO_OK;
}

dho_status dho_evaluation_load(dho_evaluation *out, const char *run_folder)
{
    char *path;
    json_t *root = NULL;
    dho_status status;
    *out = (dho_evaluation){.alpha = 0.5, .beta = 1};
    DHO_TRY(dho_path_join(&path, run_folder, "eval.json"));
    if (!dho_path_exists(path)) {
        status = dho_fail(DHO_ERR_CONFIG, "%s: is not there: not evaluated yet (dho eval)", path);
        goto fail;
    }
    DHO_TRY_GOTO(dho_json_load(&root, path, MAX_EVAL_BYTES));
    DHO_TRY_GOTO(read_all(out, root, path));
fail:
    json_decref(root);
    dho_free(path);
    if (status != DHO_OK) dho_evaluation_free(out);
    return status;
}

void dho_evaluation_free(dho_evaluation *evaluation)
{
    for (size_t s = 0; s < evaluation->set_count; s++) {
        dho_free(evaluation->sets[s].name);
        dho_free(evaluation->sets[s].counts);
    }
    dho_free(evaluation->sets);
    dho_free(evaluation->method);
    dho_free(evaluation->checkpoint);
    dho_free(evaluation->chosen_on);
    dho_free(evaluation->scaled_on);
    dho_free(evaluation->holdout);
    dho_free(evaluation->plateaus);
    *evaluation = (dho_evaluation){0};
}

const dho_evaluated_set *dho_evaluation_find(const dho_evaluation *evaluation, const char *name)
{
    for (size_t s = 0; s < evaluation->set_count; s++)
        if (strcmp(evaluation->sets[s].name, name) == 0) return &evaluation->sets[s];
    return NULL;
}
