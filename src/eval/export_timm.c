#include "eval/export_timm.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/export.h"
#include "dho/file.h"
#include "dho/log.h"
#include "eval/export_about.h"
#include "eval/export_size.h"

#include <math.h>
#include <string.h>

static dho_status save(const char *folder, const char *name, const dho_tensor_view *tensors,
                       size_t count, const char *const *about)
{
    char *path;
    DHO_TRY(dho_path_join(&path, folder, name));
    const dho_status status = dho_safetensors_save(path, tensors, count, about, NULL);
    dho_free(path);
    return status;
}

/* heads.safetensors, or no such file of an earlier student. */
static dho_status save_heads(const char *folder, const dho_classifier *from,
                             const char *const *about)
{
    dho_export_list list = {0};
    char *path = NULL;
    dho_status status;
    size_t heads = 0;
    if (from->model.student.head_count < 2) {
        DHO_TRY(dho_path_join(&path, folder, "heads.safetensors"));
        status = dho_remove_tree(path);
        dho_free(path);
        return status;
    }
    DHO_TRY_GOTO(dho_export_list_build(&list, &from->model, DHO_EXPORT_BOTH, NULL, from->step));
    for (size_t i = 0; i < list.count; i++)
        if (strncmp(list.tensors[i].name, "head_", 5) == 0) list.tensors[heads++] = list.tensors[i];
    DHO_TRY_GOTO(save(folder, "heads.safetensors", list.tensors, heads, about));
fail:
    dho_export_list_free(&list);
    return status;
}

/* image / resize, rounded down to what JSON keeps of it: timm's floor(image / crop_pct) is the
 * resize. */
static double crop_share(int image, int resize)
{
    return floor(1e6 * image / resize) / 1e6;
}

/* What timm calls pretrained_cfg: the preprocessing, and where the model begins and ends. */
static json_t *describe_input(const dho_classifier *from, const dho_export_list *list, int classes)
{
    const dho_model *model = &from->model;
    const int side = model->student.image_size, resize = from->transform.resize_short;
    char first[64];
    snprintf(first, sizeof first, "%s", list->tensors[0].name);
    char *end = strrchr(first, '.');
    if (end != NULL) *end = '\0';
    return json_pack("{s:i, s:[i, i, i], s:s, s:f, s:s, s:o, s:o, s:s, s:s}", "num_classes",
                     classes, "input_size", 3, side, side, "interpolation",
                     dho_filter_name(from->transform.filter), "crop_pct", crop_share(side, resize),
                     "crop_mode", "center", "mean", dho_json_triple(model->mean), "std",
                     dho_json_triple(model->std), "first_conv", first, "classifier",
                     list->classifier[0] != '\0' ? list->classifier : "head");
}

/* A model with position embeddings is for one size of image. */
static bool is_built_for_size(const dho_student *student)
{
    return student->layers > 0 || student->is_clip;
}

static dho_status save_config(const char *folder, const dho_classifier *from,
                              const dho_export_list *list, int classes)
{
    const dho_student *student = &from->model.student;
    char *path;
    json_t *root = json_pack("{s:s, s:i, s:i, s:o}", "architecture", student->timm, "num_classes",
                             classes, "num_features", student->feature_dim, "pretrained_cfg",
                             describe_input(from, list, classes));
    if (is_built_for_size(student))
        json_object_set_new(root, "model_args",
                            json_pack("{s:i}", "img_size", student->image_size));
    if (classes == student->classes) {
        json_t *names = json_array();
        for (int c = 0; c < classes; c++)
            json_array_append_new(names, json_string(dho_classifier_title(from, c)));
        json_object_set_new(root, "label_names", names);
    }
    dho_status status = root != NULL ? DHO_OK : dho_fail(DHO_ERR_MEMORY, "config.json");
    if (status == DHO_OK) status = dho_path_join(&path, folder, "config.json");
    if (status == DHO_OK) {
        status = dho_json_save(root, path);
        dho_free(path);
    }
    json_decref(root);
    return status;
}

static dho_status check(const char *folder, const dho_student *student)
{
    bool published;
    DHO_TRY(dho_export_is_published(student, &published));
    if (student->timm != NULL && published) return DHO_OK;
    return dho_fail(
        DHO_ERR_CONFIG, "%s: timm has no %s%s: give --out FILE.onnx, or FILE.safetensors for dho",
        folder, student->model, student->timm != NULL ? " of this width and depth" : "");
}

dho_status dho_export_timm(const char *folder, const dho_classifier *from, const char *const *about)
{
    const dho_student *student = &from->model.student;
    const bool dual = student->head_count == 2, clip = student->is_clip;
    const dho_export_head head = dual && clip ? DHO_EXPORT_NONE : dho_export_lone_head(from);
    const int classes = head == DHO_EXPORT_NONE ? student->feature_dim : student->classes;
    dho_export_list list = {0};
    dho_status status;
    DHO_TRY(check(folder, student));
    DHO_TRY_GOTO(dho_export_list_build(&list, &from->model, head, "timm", from->step));
    DHO_TRY_GOTO(dho_make_folders(folder));
    DHO_TRY_GOTO(save_heads(folder, from, about));
    DHO_TRY_GOTO(save(folder, "model.safetensors", list.tensors, list.count, about));
    DHO_TRY_GOTO(save_config(folder, from, &list, classes));
    dho_info("%s: %s for timm's %s%s", folder, student->model, student->timm,
             !dual                   ? ""
             : clip                  ? ", up to the embedding; both heads in heads.safetensors"
             : head == DHO_EXPORT_KD ? ", with head_kd; both heads in heads.safetensors"
                                     : ", with head_ce; both heads in heads.safetensors");
fail:
    dho_export_list_free(&list);
    return status;
}
