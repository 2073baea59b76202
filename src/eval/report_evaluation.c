/* eval.json and the head outputs that were stored with it. */
#include "base/json.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "eval/outputs.h"
#include "eval/report_run.h"

#include <math.h>
#include <string.h>

#define MAX_EVAL_BYTES ((size_t)64 << 20)
enum { MAX_SETS = 64 };

static double percent_of(const json_t *value)
{
    const double number = json_is_number(value) ? json_number_value(value) : NAN;
    return number >= 0 && number <= 100 ? number : NAN;
}

static dho_score score_of(const json_t *value)
{
    const json_t *interval = json_object_get(value, "top1_interval95");
    const dho_score score = {.top1 = percent_of(json_object_get(value, "top1")),
                             .low = percent_of(json_array_get(interval, 0)),
                             .high = percent_of(json_array_get(interval, 1)),
                             .top5 = percent_of(json_object_get(value, "top5"))};
    if (isnan(score.top1) || isnan(score.low) || isnan(score.high)) return (dho_score){0};
    dho_score present = score;
    present.present = true;
    return present;
}

static dho_status copy_text(const json_t *value, char **out)
{
    return dho_strdup(out, json_string_value(value)); /* NULL for what is no text */
}

/* A set's name is part of a file's. */
static bool is_plain_name(const char *name)
{
    return name != NULL && name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static dho_status add_set(dho_report_run *run, const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "name"));
    if (!is_plain_name(name) || dho_report_run_find_set(run, name) < run->set_count) {
        dho_report_run_note(run, "eval.json: a set without a proper name of its own is left out");
        return DHO_OK;
    }
    dho_report_set *set = &run->sets[run->set_count];
    *set = (dho_report_set){.images = json_integer_value(json_object_get(entry, "images")),
                            .classes = json_integer_value(json_object_get(entry, "classes")),
                            .chosen_here =
                                json_is_true(json_object_get(entry, "alpha_beta_chosen_here")),
                            .combined = score_of(json_object_get(entry, "combined")),
                            .heads = {score_of(json_object_get(entry, "ce_head")),
                                      score_of(json_object_get(entry, "kd_head"))}};
    DHO_TRY(dho_strdup(&set->name, name));
    run->set_count++;
    return DHO_OK;
}

static dho_status read_scores(dho_report_run *run, const json_t *root)
{
    const json_t *sets = json_object_get(root, "sets");
    const json_t *alpha = json_object_get(root, "alpha"), *beta = json_object_get(root, "beta");
    size_t count = json_array_size(sets);
    if (count > MAX_SETS) {
        dho_report_run_note(run, "eval.json: only the first %d of %zu sets are shown", MAX_SETS,
                            count);
        count = MAX_SETS;
    }
    DHO_TRY(copy_text(json_object_get(root, "method"), &run->method));
    DHO_TRY(copy_text(json_object_get(root, "checkpoint"), &run->checkpoint));
    DHO_TRY(copy_text(json_object_get(root, "chosen_on"), &run->chosen_on));
    run->step = json_integer_value(json_object_get(root, "step"));
    if (json_number_value(alpha) >= 0 && json_number_value(alpha) <= 1 && json_is_number(alpha))
        run->alpha = json_number_value(alpha);
    if (json_number_value(beta) > 1e-6 && json_number_value(beta) < 1e6)
        run->beta = json_number_value(beta);
    DHO_TRY(dho_alloc_zero(&run->sets, count, sizeof *run->sets, "sets"));
    for (size_t i = 0; i < count; i++) DHO_TRY(add_set(run, json_array_get(sets, i)));
    run->has_evaluation = true;
    return DHO_OK;
}

/* Outputs of older versions have no class names: those of the checkpoint, if the run has it still.
 */
static dho_status find_class_names(const dho_report_run *run, dho_head_outputs *outputs)
{
    const char *slash = strrchr(run->checkpoint, '/');
    char *path;
    json_t *state = NULL;
    if (outputs->class_names != NULL) return DHO_OK;
    DHO_TRY(dho_asprintf(&path, "%s/checkpoints/%s/state.json", run->path,
                         slash != NULL ? slash + 1 : run->checkpoint));
    dho_status status = DHO_OK;
    dho_text names = {0};
    if (dho_path_exists(path)) status = dho_json_load_sealed(&state, path, MAX_EVAL_BYTES);
    const json_t *list = status == DHO_OK ? json_object_get(state, "class_names") : NULL;
    if (json_array_size(list) == (size_t)outputs->classes) {
        for (size_t c = 0; c < json_array_size(list); c++) {
            const char *name = json_string_value(json_array_get(list, c));
            dho_text_append(&names, name != NULL ? name : "", name != NULL ? strlen(name) : 0);
            dho_text_append(&names, "", 1);
        }
        status = names.status;
        outputs->class_names = names.data;
        outputs->class_name_bytes = names.used;
    }
    json_decref(state);
    dho_free(path);
    return status == DHO_ERR_MEMORY ? status : DHO_OK;
}

/* Reads one set's outputs, takes from them what the report shows, and lets them go: those of
 * ImageNet are 400 MB. */
static dho_status read_detail(dho_report_run *run, dho_report_set *set,
                              const dho_report_reading *reading)
{
    char *path = NULL;
    dho_head_outputs outputs = {0};
    dho_status status;
    const dho_outputs_origin origin = {run->method, run->checkpoint, run->step};
    DHO_TRY_GOTO(dho_asprintf(&path, "%s/eval/%s.safetensors", run->path, set->name));
    DHO_TRY_GOTO(dho_outputs_load(path, &origin, &outputs));
    if (outputs.count != set->images) {
        status = dho_fail(DHO_ERR_FORMAT, "%s: has %lld rows, eval.json says %lld images", path,
                          (long long)outputs.count, (long long)set->images);
        goto fail;
    }
    /* eval.mask_classes: false leaves all classes in, whichever the set has. */
    for (int c = 0; c < outputs.classes && set->classes == outputs.classes; c++)
        outputs.mask[c] = true;
    DHO_TRY_GOTO(find_class_names(run, &outputs));
    DHO_TRY_GOTO(dho_set_detail_compute(&set->detail, &outputs, run, reading));
    set->has_detail = true;
fail:
    dho_head_outputs_free(&outputs);
    dho_free(path);
    return status;
}

static dho_status read_details(dho_report_run *run, const dho_report_reading *reading)
{
    if (run->method == NULL || run->checkpoint == NULL) {
        dho_report_run_note(run, "eval.json names no checkpoint: the stored outputs are not used");
        return DHO_OK;
    }
    for (size_t s = 0; s < run->set_count; s++) {
        dho_status status = read_detail(run, &run->sets[s], reading);
        if (status == DHO_OK && reading->samples > 0)
            status = dho_set_detail_load_pictures(run, &run->sets[s]);
        if (status == DHO_ERR_MEMORY) return status;
        if (status != DHO_OK) dho_report_run_note(run, "%s", dho_error_message());
    }
    return DHO_OK;
}

dho_status dho_report_run_read_evaluation(dho_report_run *run, const dho_report_reading *reading)
{
    char *path;
    json_t *root = NULL;
    DHO_TRY(dho_path_join(&path, run->path, "eval.json"));
    if (!dho_path_exists(path)) {
        dho_report_run_note(run, "eval.json is not there: run dho eval to see accuracies");
        dho_free(path);
        return DHO_OK;
    }
    dho_status status = dho_json_load(&root, path, MAX_EVAL_BYTES);
    if (status == DHO_OK && !json_is_array(json_object_get(root, "sets")))
        status = dho_fail(DHO_ERR_FORMAT, "%s: has no list of sets", path);
    dho_free(path);
    if (status == DHO_OK) {
        status = read_scores(run, root);
        json_decref(root);
        return status == DHO_OK ? read_details(run, reading) : status;
    }
    json_decref(root);
    if (status == DHO_ERR_MEMORY) return status;
    dho_report_run_note(run, "%s", dho_error_message());
    return DHO_OK;
}
