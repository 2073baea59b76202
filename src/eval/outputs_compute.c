#define _GNU_SOURCE
#include "eval/outputs.h"

#include "dho/alloc.h"
#include "dho/run_setup.h"

#include <string.h>

/* What lets a report name and show the images without guessing which row is which. */
static dho_status fill_names(const dho_dataset *dataset, dho_head_outputs *out)
{
    for (int64_t i = 0; i < dataset->count; i++)
        out->image_name_bytes += strlen(dataset->samples[i].path) + 1;
    for (int c = 0; c < dataset->classes; c++)
        out->class_name_bytes += strlen(dataset->class_names[c]) + 1;
    DHO_TRY(dho_alloc(&out->image_names, out->image_name_bytes, 1, "image names"));
    DHO_TRY(dho_alloc(&out->class_names, out->class_name_bytes, 1, "class names"));
    char *to = out->image_names;
    for (int64_t i = 0; i < dataset->count; i++) to = stpcpy(to, dataset->samples[i].path) + 1;
    to = out->class_names;
    for (int c = 0; c < dataset->classes; c++) to = stpcpy(to, dataset->class_names[c]) + 1;
    return DHO_OK;
}

static dho_status fill_labels(const dho_dataset *dataset, int classes, dho_head_outputs *out)
{
    const size_t count = (size_t)dataset->count;
    out->count = dataset->count;
    out->classes = classes;
    DHO_TRY(dho_alloc(&out->labels, count, sizeof *out->labels, "labels"));
    for (size_t i = 0; i < count; i++) out->labels[i] = dataset->samples[i].label;
    DHO_TRY(dho_alloc(&out->mask, (size_t)classes, sizeof *out->mask, "class mask"));
    memcpy(out->mask, dataset->class_present, (size_t)classes * sizeof *out->mask);
    return fill_names(dataset, out);
}

dho_status dho_outputs_compute(const dho_config *config, dho_comm *comm, dho_infer *infer,
                               const dho_model *model, const dho_dataset *dataset,
                               dho_head_outputs *out)
{
    const dho_student *student = &model->student;
    const bool dual = student->head_count == 2;
    dho_infer_rows heads[2];
    for (int h = 0; h < student->head_count; h++)
        heads[h] = (dho_infer_rows){.node = student->heads[h],
                                    .width = (size_t)student->classes,
                                    .name = !dual    ? "the student's output"
                                            : h == 0 ? "the student's output (head_ce)"
                                                     : "the student's output (head_kd)"};
    *out = (dho_head_outputs){0};
    DHO_TRY(dho_infer_all(infer, comm, dataset,
                          dho_setup_eval_transform(config, student->image_size), heads,
                          student->head_count));
    for (int h = 0; h < student->head_count; h++) out->logits[h] = heads[h].rows;
    const bool first = dho_comm_rank(comm) == 0;
    const dho_status status =
        dho_comm_agree(comm, first ? fill_labels(dataset, student->classes, out) : DHO_OK);
    if (status != DHO_OK) dho_head_outputs_free(out);
    return status;
}
