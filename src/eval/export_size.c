#include "eval/export_size.h"

#include "dho/log.h"

#include <stdio.h>

/* The published width and depth of a student's model. */
static dho_status find_published(const dho_student *student, int *width, int *layers)
{
    dho_student published;
    const dho_student_options options = {
        .model = student->model, .image_size = student->image_size, .classes = 1};
    DHO_TRY(dho_student_create(&published, &options));
    *width = published.width;
    *layers = published.layers;
    dho_student_destroy(&published);
    return DHO_OK;
}

dho_status dho_export_is_published(const dho_student *student, bool *out)
{
    int width, layers;
    DHO_TRY(find_published(student, &width, &layers));
    *out = width == student->width && layers == student->layers;
    return DHO_OK;
}

dho_status dho_export_tell_size(const char *path, const dho_student *student)
{
    char depth[48] = "", usual[48] = "";
    int width, layers;
    DHO_TRY(find_published(student, &width, &layers));
    if (width == student->width && layers == student->layers) return DHO_OK;
    if (layers != student->layers) {
        snprintf(depth, sizeof depth, " and %d layers", student->layers);
        snprintf(usual, sizeof usual, " and %d", layers);
    }
    dho_warn(
        "%s: of width %d%s, where the published %s has %d%s: only dho reads this file, and ONNX "
        "(--out FILE.onnx) is for everybody else; torchvision, timm and transformers have no "
        "such model",
        path, student->width, depth, student->model, width, usual);
    return DHO_OK;
}
