#include "checkpoint/head_init.h"

#include "dho/head_file.h"
#include "dho/log.h"

#include <string.h>

static bool is_head(const char *name)
{
    return strncmp(name, "head", 4) == 0 && strncmp(name, "head_feature.", 13) != 0;
}

static void fill(const dho_student *student, const dho_head_file *file, float *parameters)
{
    const bool means = file->text_means != NULL;
    const dho_graph *graph = student->graph;
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        float *values = parameters + slot->offset;
        if (!is_head(slot->name)) continue;
        if (slot->dims == 2)
            memcpy(values, means ? file->text_means : file->head.weight,
                   slot->count * sizeof *values);
        else if (means)
            memset(values, 0, slot->count * sizeof *values);
        else
            dho_teacher_head_inner_bias(&file->head, values);
    }
}

dho_status dho_head_init(const char *path, const dho_student *student, const dho_dataset *dataset,
                         float *parameters)
{
    dho_head_file file;
    DHO_TRY(dho_head_file_read(&file, path));
    dho_status status = dho_head_file_check(&file, path, dataset->classes, dataset->class_names);
    if (status == DHO_OK && file.head.dim != student->feature_dim)
        status = dho_fail(DHO_ERR_CONFIG, "%s: a head for %d features, %s has %d", path,
                          file.head.dim, student->model, student->feature_dim);
    if (status == DHO_OK) {
        fill(student, &file, parameters);
        dho_info("student.head_init: %s: %s of %d classes", path,
                 file.text_means != NULL ? "text means" : "weights", file.head.classes);
    }
    dho_head_file_free(&file);
    return status;
}
