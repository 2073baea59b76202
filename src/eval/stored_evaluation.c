#include "eval/stored_evaluation.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/evaluate.h"
#include "dho/file.h"

#include <math.h>
#include <string.h>

#define MAX_EVAL_BYTES ((size_t)64 << 20)

const char *const dho_score_names[DHO_SCORE_KINDS + 1] = {"combined", "ce_head", "kd_head", "exact",
                                                          NULL};

static double percent_of(const json_t *value)
{
    const double number = json_is_number(value) ? json_number_value(value) : NAN;
    return number >= 0 && number <= 100 ? number : NAN;
}

static dho_status read_score(const json_t *entry, const char *key, const char *path, int64_t images,
                             dho_score *out)
{
    const json_t *score = json_object_get(entry, key);
    if (score == NULL) return DHO_OK;
    out->top1 = percent_of(json_object_get(score, "top1"));
    out->top5 = percent_of(json_object_get(score, "top5"));
    if (isnan(out->top1))
        return dho_fail(DHO_ERR_FORMAT, "%s: %s.top1 is no percentage", path, key);
    dho_wilson_interval(llround(out->top1 / 100 * (double)images), images, &out->low, &out->high);
    out->low *= 100;
    out->high *= 100;
    out->present = true;
    return DHO_OK;
}

/* A set's name is part of a file's. */
static bool is_plain_name(const char *name)
{
    return name != NULL && name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static dho_status read_set(dho_stored_evaluation *evaluation, const json_t *entry, const char *path)
{
    const char *name = json_string_value(json_object_get(entry, "name"));
    const json_t *images = json_object_get(entry, "images");
    dho_stored_set *set = &evaluation->sets[evaluation->set_count];
    if (!is_plain_name(name) || dho_stored_evaluation_find(evaluation, name) != NULL)
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

/* NULL for what is no text. */
static dho_status copy_text(const json_t *root, const char *key, char **out)
{
    return dho_strdup(out, json_string_value(json_object_get(root, key)));
}

static dho_status read_all(dho_stored_evaluation *out, const json_t *root, const char *path)
{
    const json_t *sets = json_object_get(root, "sets");
    const double alpha = json_number_value(json_object_get(root, "alpha"));
    const double beta = json_number_value(json_object_get(root, "beta"));
    if (!json_is_array(sets)) return dho_fail(DHO_ERR_FORMAT, "%s: has no list of sets", path);
    if (json_is_number(json_object_get(root, "alpha")) && alpha >= 0 && alpha <= 1)
        out->alpha = alpha;
    if (beta > 1e-6 && beta < 1e6) out->beta = beta;
    out->step = json_integer_value(json_object_get(root, "step"));
    DHO_TRY(copy_text(root, "method", &out->method));
    DHO_TRY(copy_text(root, "checkpoint", &out->checkpoint));
    DHO_TRY(copy_text(root, "chosen_on", &out->chosen_on));
    DHO_TRY(dho_alloc_zero(&out->sets, json_array_size(sets), sizeof *out->sets, "sets"));
    for (size_t i = 0; i < json_array_size(sets); i++)
        DHO_TRY(read_set(out, json_array_get(sets, i), path));
    return DHO_OK;
}

dho_status dho_stored_evaluation_load(dho_stored_evaluation *out, const char *run_folder)
{
    char *path;
    json_t *root = NULL;
    dho_status status;
    *out = (dho_stored_evaluation){.alpha = 0.5, .beta = 1};
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
    if (status != DHO_OK) dho_stored_evaluation_free(out);
    return status;
}

void dho_stored_evaluation_free(dho_stored_evaluation *evaluation)
{
    for (size_t s = 0; s < evaluation->set_count; s++) dho_free(evaluation->sets[s].name);
    dho_free(evaluation->sets);
    dho_free(evaluation->method);
    dho_free(evaluation->checkpoint);
    dho_free(evaluation->chosen_on);
    *evaluation = (dho_stored_evaluation){0};
}

const dho_stored_set *dho_stored_evaluation_find(const dho_stored_evaluation *evaluation,
                                                 const char *name)
{
    for (size_t s = 0; s < evaluation->set_count; s++)
        if (strcmp(evaluation->sets[s].name, name) == 0) return &evaluation->sets[s];
    return NULL;
}
