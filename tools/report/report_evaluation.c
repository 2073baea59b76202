/* eval.json and the head outputs that were stored with it. */
#include "base/text.h"
#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/file.h"
#include "report/report_run.h"

#include <string.h>

enum { MAX_SETS = 64 };

static dho_status open_sets(dho_report_run *run)
{
    size_t count = run->evaluation.set_count;
    if (count > MAX_SETS) {
        dho_report_run_note(run, "eval.json: only the first %d of %zu sets are shown", MAX_SETS,
                            count);
        count = MAX_SETS;
    }
    DHO_TRY(dho_alloc_zero(&run->sets, count, sizeof *run->sets, "sets"));
    for (size_t s = 0; s < count; s++) run->sets[s].record = &run->evaluation.sets[s];
    run->set_count = count;
    return DHO_OK;
}

/* Outputs of older versions have no class names: those of the checkpoint, if the run has it still.
 */
static dho_status find_class_names(const dho_report_run *run, dho_head_outputs *outputs)
{
    char *path;
    dho_checkpoint_info info;
    dho_text names = {0};
    if (outputs->class_names != NULL) return DHO_OK;
    DHO_TRY(dho_asprintf(&path, "%s/checkpoints/%s", run->path,
                         dho_base_name(run->evaluation.checkpoint)));
    const dho_status status = dho_checkpoint_read_state(path, &info);
    dho_free(path);
    if (status != DHO_OK) return status == DHO_ERR_MEMORY ? status : DHO_OK;
    if (info.classes == outputs->classes) {
        for (int c = 0; c < info.classes; c++)
            dho_text_append(&names, info.class_names[c], strlen(info.class_names[c]) + 1);
        outputs->class_names = names.data;
        outputs->class_name_bytes = names.used;
    }
    dho_checkpoint_info_free(&info);
    return names.status;
}

/* Reads one set's outputs, takes from them what the report shows, and lets them go: those of
 * ImageNet are 400 MB. */
static dho_status read_detail(dho_report_run *run, dho_report_set *set,
                              const dho_report_reading *reading)
{
    dho_head_outputs outputs;
    DHO_TRY(dho_evaluation_load_outputs(&run->evaluation, run->path, set->record, &outputs));
    dho_status status = find_class_names(run, &outputs);
    if (status == DHO_OK) status = dho_set_detail_compute(&set->detail, &outputs, run, reading);
    set->has_detail = status == DHO_OK;
    dho_head_outputs_free(&outputs);
    return status;
}

static dho_status read_details(dho_report_run *run, const dho_report_reading *reading)
{
    if (run->evaluation.method == NULL || run->evaluation.checkpoint == NULL) {
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
    dho_status status = dho_evaluation_load(&run->evaluation, run->path);
    if (status == DHO_OK) {
        run->has_evaluation = true;
        DHO_TRY(dho_evaluation_age(&run->evaluation, run->path, &run->age));
        if (run->age != NULL) dho_report_run_note(run, "%s", run->age);
        DHO_TRY(open_sets(run));
        return read_details(run, reading);
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
