#include "dho/head_file.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/safetensors.h"
#include "heads/plausible.h"

#include <string.h>

static dho_status load_means(const dho_safetensors *file, const char *path, dho_head_file *out)
{
    const int64_t shape[2] = {out->head.classes, out->head.dim};
    const size_t count = (size_t)out->head.classes * (size_t)out->head.dim;
    const dho_tensor_view *tensor;
    if (dho_safetensors_find(file, "text_means") == NULL) return DHO_OK;
    DHO_TRY(dho_safetensors_require(file, "text_means", 2, shape, &tensor));
    DHO_TRY(dho_alloc(&out->text_means, count, sizeof *out->text_means, path));
    return dho_tensor_to_finite(tensor, path, out->text_means);
}

static dho_status load_classes(const dho_safetensors *file, const char *path, dho_head_file *out)
{
    json_t *list = NULL;
    dho_status status;
    const int classes = out->head.classes;
    const char *text = dho_safetensors_metadata(file, "dataset_classes");
    if (text == NULL) return DHO_OK;
    DHO_TRY_GOTO(dho_json_parse(&list, text, strlen(text), path));
    if (!json_is_array(list) || json_array_size(list) != (size_t)classes) {
        status = dho_fail(DHO_ERR_FORMAT, "%s: dataset_classes: expected a list of %d names", path,
                          classes);
        goto fail;
    }
    DHO_TRY_GOTO(dho_alloc_zero(&out->dataset_classes, (size_t)classes, sizeof(char *), path));
    for (int c = 0; c < classes; c++) {
        const char *name = json_string_value(json_array_get(list, (size_t)c));
        if (name == NULL) {
            status = dho_fail(DHO_ERR_FORMAT, "%s: dataset_classes: entry %d is no text", path, c);
            goto fail;
        }
        DHO_TRY_GOTO(dho_strdup(&out->dataset_classes[c], name));
    }
fail:
    json_decref(list);
    return status;
}

static dho_status load_all(const dho_safetensors *file, const char *path, dho_head_file *out)
{
    DHO_TRY(dho_teacher_head_read(&out->head, file, path, 0, 0));
    DHO_TRY(dho_teacher_head_judge(&out->head, path));
    DHO_TRY(load_means(file, path, out));
    return load_classes(file, path, out);
}

dho_status dho_head_file_parse(dho_head_file *out, const dho_safetensors *file, const char *path)
{
    *out = (dho_head_file){0};
    const dho_status status = load_all(file, path, out);
    if (status != DHO_OK) dho_head_file_free(out);
    return status;
}

dho_status dho_head_file_read(dho_head_file *out, const char *path)
{
    dho_safetensors *file = NULL;
    *out = (dho_head_file){0};
    DHO_TRY(dho_require_file(path));
    DHO_TRY(dho_safetensors_open(&file, path));
    const dho_status status = dho_head_file_parse(out, file, path);
    dho_safetensors_close(&file);
    return status;
}

void dho_head_file_free(dho_head_file *file)
{
    for (int c = 0; file->dataset_classes != NULL && c < file->head.classes; c++)
        dho_free(file->dataset_classes[c]);
    dho_free(file->dataset_classes);
    dho_free(file->text_means);
    dho_teacher_head_free(&file->head);
    *file = (dho_head_file){0};
}

dho_status dho_head_file_check(const dho_head_file *file, const char *path, int classes,
                               char *const *class_names)
{
    if (file->head.classes != classes)
        return dho_fail(DHO_ERR_CONFIG, "%s: a head of %d classes, the dataset has %d", path,
                        file->head.classes, classes);
    for (int c = 0; file->dataset_classes != NULL && c < classes; c++)
        if (strcmp(file->dataset_classes[c], class_names[c]) != 0)
            return dho_fail(DHO_ERR_CONFIG,
                            "%s: the head's class %d is \"%.80s\", the dataset's is \"%.80s\"",
                            path, c, file->dataset_classes[c], class_names[c]);
    return DHO_OK;
}
