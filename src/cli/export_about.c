#include "cli/export_about.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/file.h"
#include "dho/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EVAL_BYTES ((size_t)64 << 20)

dho_status dho_export_check_place(const char *option, const char *path)
{
    static const char suffix[] = ".safetensors";
    const size_t length = strlen(path), tail = strlen(suffix);
    if (length <= tail || strcmp(path + length - tail, suffix) != 0)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: only safetensors is written: expected a name that ends in "
                        ".safetensors, got \"%s\" (in Python, safetensors.torch.load_file gives a "
                        "state dict)",
                        option, path);
    return dho_file_check_place(path);
}

/* "RUN/eval.json" of RUN or of RUN/checkpoints/step-N, when it is of this checkpoint. */
static dho_status load_evaluation(const char *checkpoint, const dho_checkpoint_info *info,
                                  json_t **out)
{
    static const char *const places[] = {"eval.json", "../../eval.json"};
    *out = NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places && *out == NULL; i++) {
        char *path;
        dho_status status = DHO_OK;
        DHO_TRY(dho_path_join(&path, checkpoint, places[i]));
        if (dho_path_exists(path)) status = dho_json_load(out, path, MAX_EVAL_BYTES);
        dho_free(path);
        DHO_TRY(status);
    }
    const char *method = json_string_value(json_object_get(*out, "method"));
    if (json_integer_value(json_object_get(*out, "step")) == info->step && method != NULL &&
        strcmp(method, dho_method_name(info->method)) == 0)
        return DHO_OK;
    json_decref(*out);
    *out = NULL;
    return DHO_OK;
}

/* Texts of the evaluation's alpha and beta. */
static dho_status find_alpha(const char *checkpoint, const dho_checkpoint_info *info,
                             dho_export_about *out)
{
    json_t *evaluation;
    if (!dho_method_is_dual(info->method)) return DHO_OK;
    DHO_TRY(load_evaluation(checkpoint, info, &evaluation));
    const json_t *alpha = json_object_get(evaluation, "alpha");
    const json_t *beta = json_object_get(evaluation, "beta");
    out->has_alpha = json_is_number(alpha) && json_is_number(beta);
    if (out->has_alpha) {
        snprintf(out->alpha, sizeof out->alpha, "%.9g", json_number_value(alpha));
        snprintf(out->beta, sizeof out->beta, "%.9g", json_number_value(beta));
    }
    json_decref(evaluation);
    return DHO_OK;
}

static dho_status format_names(char *const *names, int classes, char **out)
{
    json_t *list = json_array();
    int failed = list == NULL;
    for (int c = 0; c < classes && !failed; c++)
        failed = json_array_append_new(list, json_string(names[c]));
    *out = failed ? NULL : json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return *out != NULL ? DHO_OK : dho_fail(DHO_ERR_MEMORY, "class names: cannot format");
}

static void add(dho_export_about *about, size_t *count, const char *key, const char *value)
{
    about->list[(*count)++] = key;
    about->list[(*count)++] = value;
    about->list[*count] = NULL;
}

dho_status dho_export_describe(dho_export_about *out, const dho_model *model,
                               const dho_checkpoint_info *info, const char *checkpoint,
                               const char *head)
{
    size_t count = 0;
    *out = (dho_export_about){0};
    snprintf(out->mean, sizeof out->mean, "%.9g %.9g %.9g", info->mean[0], info->mean[1],
             info->mean[2]);
    snprintf(out->std, sizeof out->std, "%.9g %.9g %.9g", info->std[0], info->std[1], info->std[2]);
    snprintf(out->size, sizeof out->size, "%d", info->image_size);
    snprintf(out->width, sizeof out->width, "%d", info->width);
    snprintf(out->layers, sizeof out->layers, "%d", info->layers);
    DHO_TRY(find_alpha(checkpoint, info, out));
    DHO_TRY(format_names(model->class_names, model->student.classes, &out->class_names));
    add(out, &count, "format", "pt");
    add(out, &count, "model", model->student.model);
    add(out, &count, "method", dho_method_name(info->method));
    add(out, &count, "width", out->width);
    if (info->layers > 0) add(out, &count, "layers", out->layers);
    add(out, &count, "image_size", out->size);
    add(out, &count, "mean", out->mean);
    add(out, &count, "std", out->std);
    add(out, &count, "head", head);
    add(out, &count, "class_names", out->class_names);
    if (out->has_alpha) add(out, &count, "alpha", out->alpha);
    if (out->has_alpha) add(out, &count, "beta", out->beta);
    return DHO_OK;
}

void dho_export_about_free(dho_export_about *about)
{
    free(about->class_names);
    *about = (dho_export_about){0};
}

dho_status dho_export_tell_size(const char *path, const dho_student *student)
{
    dho_student published;
    char depth[48] = "", usual[48] = "";
    const dho_student_options options = {
        .model = student->model, .image_size = student->image_size, .classes = 1};
    DHO_TRY(dho_student_create(&published, &options));
    const int width = published.width, layers = published.layers;
    dho_student_destroy(&published);
    if (width == student->width && layers == student->layers) return DHO_OK;
    if (layers != student->layers) {
        snprintf(depth, sizeof depth, " and %d layers", student->layers);
        snprintf(usual, sizeof usual, " and %d", layers);
    }
    dho_warn("%s: of width %d%s, where the published %s has %d%s: torchvision, timm and "
             "transformers have no such model; dho has (student.model, .width, .layers, .init)",
             path, student->width, depth, student->model, width, usual);
    return DHO_OK;
}
