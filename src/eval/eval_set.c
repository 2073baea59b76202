#include "eval/eval_set.h"

#include "dho/run_setup.h"

#include <string.h>

/* A CoOp file brings classes of its own: they must be the student's, in the same order. */
static dho_status check_classes(const dho_dataset *dataset, char *const *class_names, int classes)
{
    if (dataset->classes != classes)
        return dho_fail(DHO_ERR_CONFIG, "has %d classes, the student %d", dataset->classes,
                        classes);
    for (int c = 0; c < classes; c++)
        if (strcmp(dataset->class_names[c], class_names[c]) != 0)
            return dho_fail(DHO_ERR_CONFIG, "its class %d is \"%s\", the student's is \"%s\"", c,
                            dataset->class_names[c], class_names[c]);
    return DHO_OK;
}

dho_status dho_eval_set_open(const dho_config_set *set, char *const *class_names, int classes,
                             dho_dataset *out)
{
    const dho_dataset reference = {.class_names = (char **)class_names, .classes = classes};
    dho_status status = dho_setup_set(set, &reference, out);
    if (status == DHO_OK) {
        status = check_classes(out, class_names, classes);
        if (status != DHO_OK) dho_dataset_free(out);
    }
    return status == DHO_OK ? status : dho_fail_prefix(status, "eval.sets %s: ", set->name);
}
