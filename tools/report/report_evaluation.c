/* eval.json and the head outputs that were stored with it. */
#include "base/json.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "eval/evaluation_age.h"
#include "eval/outputs.h"
#include "report/report_run.h"

#include <string.h>

#define MAX_STATE_BYTES ((size_t)64 << 20)
enum { MAX_SETS = 64 };

/* Takes over what eval.json says. */
static dho_status take_scores(dho_report_run *run, dho_stored_evaluation *from)
{
    size_t count = from->set_count;
    if (count > MAX_SETS) {
        dho_report_run_note(run, "eval.json: only the first %d of %zu sets are shown", MAX_SETS,
                            count);
        count = MAX_SETS;
    }
    DHO_TRY(dho_alloc_zero(&run->sets, count, sizeof *run->sets, "sets"));
    for (; run->set_count < count; run->set_count++) {
        dho_stored_set *set = &from->sets[run->set_count];
        run->sets[run->set_count] = (dho_report_set){
            .name = set->name,
            .images = set->images,
            .classes = set->classes,
            .chosen_here = set->chosen_here,
            .combined = set->scores[DHO_SCORE_COMBINED],
            .heads = {set->scores[DHO_SCORE_CE_HEAD], set->scores[DHO_SCORE_KD_HEAD]}};
        set->name = NULL;
    }
    run->method = from->method;
    run->checkpoint = from->checkpoint;
    run->chosen_on = from->chosen_on;
    from->method = from->checkpoint = from->chosen_on = NULL;
    run->step = from->step;
    run->alpha = from->alpha;
    run->beta = from->beta;
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
    if (dho_path_exists(path)) status = dho_json_load_sealed(&state, path, MAX_STATE_BYTES);
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
    dho_stored_evaluation stored;
    dho_status status = dho_stored_evaluation_load(&stored, run->path);
    if (status == DHO_OK) {
        status = dho_evaluation_age(&stored, run->path, &run->age);
        if (run->age != NULL) dho_report_run_note(run, "%s", run->age);
        if (status == DHO_OK) status = take_scores(run, &stored);
        dho_stored_evaluation_free(&stored);
        return status == DHO_OK ? read_details(run, reading) : status;
    }
    if (status == DHO_ERR_MEMORY) return status;
    if (status != DHO_ERR_CONFIG) {
        dho_report_run_note(run, "%s", dho_error_message());
        return DHO_OK;
    }
    char *command;
    DHO_TRY(dho_evaluation_command(run->path, &command));
    dho_report_run_note(run, "eval.json is not there: not evaluated: %s", command);
    dho_free(command);
    return DHO_OK;
}
