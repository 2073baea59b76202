#include "checkpoint/resume_check.h"

#include <stdio.h>
#include <string.h>

/* The first setting that differs, as "a, now b". */
static dho_status compare_settings(const dho_checkpoint_info *found, const dho_config *config,
                                   bool *out, char *what, size_t bytes)
{
    dho_config before;
    dho_config_differences differences;
    DHO_TRY(dho_config_parse_keys(&before, found->settings, "the checkpoint's settings",
                                  DHO_DECIDES_NUMBERS));
    if (found->lacks_dtype) before.compute.dtype = config->compute.dtype;
    const dho_config *const configs[] = {&before, config};
    const dho_status status = dho_config_diff(&differences, configs, 2, DHO_DECIDES_NUMBERS);
    dho_config_free(&before);
    DHO_TRY(status);
    *out = differences.count > 0;
    if (*out) {
        const dho_config_difference *first = &differences.keys[0];
        snprintf(what, bytes, "\"%s: %s\", now \"%s: %s\"", first->key, first->values[0],
                 first->key, first->values[1]);
    }
    dho_config_differences_free(&differences);
    return DHO_OK;
}

dho_status dho_resume_differs(const dho_checkpoint_info *found, const dho_checkpoint_info *own,
                              const dho_config *config, bool *out, char *what, size_t bytes)
{
    *out = true;
    DHO_TRY(compare_settings(found, config, out, what, bytes));
    if (*out) return DHO_OK;
    *out = true;
    if (strcmp(found->teacher, own->teacher) != 0)
        snprintf(what, bytes, "\"%s\", now \"%s\"", found->teacher, own->teacher);
    else if (found->dataset_fingerprint != own->dataset_fingerprint ||
             found->classes != own->classes)
        snprintf(what, bytes, "the list of training images");
    else if (found->labelled_crc != own->labelled_crc)
        snprintf(what, bytes, "the labelled images");
    else
        *out = false;
    return DHO_OK;
}
