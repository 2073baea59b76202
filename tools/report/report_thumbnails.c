/* Thumbnails of the picks: the evaluation's images, found again, small, as JPEG in base64. */
#include "dho/alloc.h"
#include "dho/run_setup.h"
#include "report/report_picture.h"
#include "report/report_run.h"

#include <string.h>

enum { SIDE = 96 };

static dho_status take(dho_picture_memory *memory, const dho_dataset *dataset, dho_pick *pick)
{
    return dho_picture_encode(memory, dataset, pick->row, SIDE, &pick->jpeg, &pick->width,
                              &pick->height);
}

/* Row i of the outputs must be image i: by its name, or for outputs without names by its label. */
static bool is_same(const dho_dataset *dataset, const dho_pick *pick)
{
    const dho_sample *sample = &dataset->samples[pick->row];
    if (sample->label != pick->label) return false;
    return pick->name == NULL || strcmp(sample->path, pick->name) == 0;
}

static dho_status take_all(dho_report_run *run, dho_report_set *set, const dho_dataset *dataset)
{
    dho_set_detail *detail = &set->detail;
    dho_picture_memory memory = {0};
    dho_status status = DHO_OK;
    size_t failed = 0;
    if (dataset->count != detail->count)
        return dho_fail(DHO_ERR_CONFIG, "there are %lld images now, %lld were evaluated",
                        (long long)dataset->count, (long long)detail->count);
    for (int g = 0; g < DHO_PICK_GROUPS; g++)
        for (size_t i = 0; i < detail->pick_count[g]; i++) {
            dho_pick *pick = &detail->picks[g][i];
            if (!is_same(dataset, pick)) {
                status = dho_fail(DHO_ERR_CONFIG, "the images have changed since");
                goto fail;
            }
            if (pick->name == NULL)
                DHO_TRY_GOTO(dho_strdup(&pick->name, dataset->samples[pick->row].path));
            status = take(&memory, dataset, pick);
            if (status == DHO_ERR_MEMORY) goto fail;
            if (status == DHO_OK) detail->pictures = true;
            if (status != DHO_OK && failed++ == 0)
                dho_report_run_note(run, "thumbnails of %s: %s", set->record->name,
                                    dho_error_message());
        }
    status = DHO_OK;
fail:
    dho_picture_memory_free(&memory);
    return status;
}

static dho_status open_images(const dho_config *config, const char *name,
                              const dho_set_detail *detail, dho_dataset *out)
{
    /* Without the classes' names the labels of a part of the classes would be wrong ones. */
    const dho_dataset reference = {.class_names = detail->class_names, .classes = detail->classes};
    if (config->data.holdout[0] != '\0' && strcmp(name, DHO_HOLDOUT_NAME) == 0)
        return dho_setup_holdout_set(config, out, NULL);
    for (size_t s = 0; s < config->eval.set_count; s++)
        if (strcmp(config->eval.sets[s].name, name) == 0)
            return dho_setup_set_quietly(&config->eval.sets[s],
                                         detail->class_names != NULL ? &reference : NULL, out);
    return dho_fail(DHO_ERR_CONFIG, "the configuration has no such set");
}

dho_status dho_set_detail_load_pictures(dho_report_run *run, dho_report_set *set)
{
    dho_dataset dataset;
    if (!run->has_config) return DHO_OK; /* noted already */
    dho_status status = open_images(&run->config, set->record->name, &set->detail, &dataset);
    if (status == DHO_OK) {
        status = take_all(run, set, &dataset);
        dho_dataset_free(&dataset);
    }
    if (status == DHO_ERR_MEMORY) return status;
    if (status != DHO_OK)
        dho_report_run_note(run, "thumbnails of %s: %s", set->record->name, dho_error_message());
    return DHO_OK;
}
