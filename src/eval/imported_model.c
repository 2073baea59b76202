#include "eval/imported_model.h"

#include "checkpoint/initial_weights.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/run_setup.h"
#include "dho/weights.h"
#include "eval/classifier_export.h"

#include <stdio.h>
#include <string.h>

/* Does the file's metadata describe its model? */
static bool is_export(const char *path)
{
    dho_safetensors *file;
    if (dho_safetensors_open(&file, path) != DHO_OK) return false; /* the reader says why */
    const bool described = dho_safetensors_metadata(file, "model") != NULL &&
                           dho_safetensors_metadata(file, "class_names") != NULL;
    dho_safetensors_close(&file);
    return described;
}

/* Has the file a tensor of that name behind any prefix? */
static bool names_tensor(const dho_weights *weights, const char *wanted)
{
    const size_t length = strlen(wanted);
    for (size_t i = 0; i < dho_weights_count(weights); i++) {
        const char *name = dho_weights_at(weights, i)->name, *end = name + strlen(name);
        if ((size_t)(end - name) < length || strcmp(end - length, wanted) != 0) continue;
        if (end - length == name || end[-(ptrdiff_t)length - 1] == '.') return true;
    }
    return false;
}

/* With student.head_init the file's own heads do not count. */
static dho_status find_method(const dho_config *config, const char *path, dho_method *out)
{
    dho_weights *weights;
    DHO_TRY(dho_weights_open(&weights, path, config->student.init_key));
    const bool dual =
        config->student.head_init[0] == '\0' &&
        ((names_tensor(weights, "head_ce.weight") && names_tensor(weights, "head_kd.weight")) ||
         (names_tensor(weights, "ce_head.weight") && names_tensor(weights, "kd_head.weight")));
    *out = dual ? DHO_METHOD_DHO : DHO_METHOD_CE;
    dho_weights_close(&weights);
    return DHO_OK;
}

static dho_student_options options_of(const dho_config *config, dho_method method, int classes)
{
    return (dho_student_options){.model = config->student.model,
                                 .width = (int)config->student.width,
                                 .layers = (int)config->student.layers,
                                 .image_size = (int)config->data.image_size,
                                 .classes = classes,
                                 .dual_head = dho_method_is_dual(method),
                                 .head_forms = {config->student.head_ce, config->student.head_kd},
                                 .head_scale = (float)config->student.head_scale};
}

/* The dataset's names become the model's. */
static void take_classes(dho_dataset *dataset, dho_model *out)
{
    out->class_names = dataset->class_names;
    out->class_titles = dataset->class_titles;
    dataset->class_names = dataset->class_titles = NULL;
}

static dho_status fill(const dho_config *config, const char *path, const dho_dataset *dataset,
                       dho_model *out)
{
    dho_config start = *config; /* its strings stay the given one's */
    const dho_graph *graph = out->student.graph;
    start.student.init = (char *)path;
    start.student.init_head = config->student.head_init[0] == '\0';
    DHO_TRY(dho_alloc_zero(&out->parameters, dho_graph_parameter_floats(graph), sizeof(float),
                           "parameters"));
    DHO_TRY(
        dho_alloc_zero(&out->buffers, dho_graph_buffer_floats(graph), sizeof(float), "buffers"));
    memcpy(out->mean, config->data.mean, sizeof out->mean);
    memcpy(out->std, config->data.std, sizeof out->std);
    return dho_initial_weights_load(&start, &out->student, dataset, out->parameters, out->buffers);
}

static dho_status import(const dho_config *config, const char *path, dho_model *out,
                         dho_checkpoint_info *out_info)
{
    dho_dataset dataset = {0};
    dho_status status;
    DHO_TRY(dho_setup_classed(config, &dataset));
    DHO_TRY_GOTO(find_method(config, path, &out_info->method));
    const dho_student_options options = options_of(config, out_info->method, dataset.classes);
    DHO_TRY_GOTO(dho_student_create(&out->student, &options));
    DHO_TRY_GOTO(fill(config, path, &dataset, out));
    take_classes(&dataset, out);
fail:
    dho_dataset_free(&dataset);
    return status;
}

static dho_status check_file(const char *path)
{
    if (!dho_path_exists(path)) return dho_fail(DHO_ERR_CONFIG, "--weights %s: no such file", path);
    if (dho_path_is_folder(path))
        return dho_fail(DHO_ERR_CONFIG,
                        "--weights %s: is a folder: a run or a checkpoint is evaluated without "
                        "--weights",
                        path);
    return DHO_OK;
}

static dho_status open_export(dho_comm *comm, const char *path, dho_model *out,
                              dho_checkpoint_info *out_info)
{
    dho_classifier classifier = {0};
    DHO_TRY(dho_classifier_open_export(comm, path, &classifier));
    const bool one_of_two =
        dho_method_is_dual(classifier.method) && classifier.model.student.head_count == 1;
    out_info->method = one_of_two ? DHO_METHOD_CE : classifier.method;
    out_info->step = classifier.step;
    out_info->is_ema = classifier.ema;
    *out = classifier.model;
    classifier.model = (dho_model){0};
    dho_classifier_close(&classifier);
    return DHO_OK;
}

static dho_status check_equal(dho_comm *comm, const char *path, const dho_model *model)
{
    const dho_graph *graph = model->student.graph;
    DHO_TRY(dho_comm_check_equal(comm, model->parameters,
                                 dho_graph_parameter_floats(graph) * sizeof(float), path));
    return dho_comm_check_equal(comm, model->buffers,
                                dho_graph_buffer_floats(graph) * sizeof(float), path);
}

dho_status dho_imported_model_open(dho_comm *comm, const dho_config *config, const char *path,
                                   dho_model *out, dho_checkpoint_info *out_info)
{
    dho_status status;
    int described;
    *out = (dho_model){0};
    *out_info = (dho_checkpoint_info){0};
    DHO_TRY(dho_comm_agree(comm, check_file(path)));
    described = is_export(path);
    DHO_TRY(dho_comm_check_equal(comm, &described, sizeof described, path));
    if (described)
        DHO_TRY_GOTO(open_export(comm, path, out, out_info));
    else
        DHO_TRY_GOTO(dho_comm_agree(comm, dho_input_status(import(config, path, out, out_info))));
    DHO_TRY_GOTO(check_equal(comm, path, out));
    snprintf(out_info->model, sizeof out_info->model, "%s", out->student.model);
    out_info->image_size = out->student.image_size;
    dho_info("%s: %s with %s, %d classes%s", path, out->student.model,
             out->student.head_count == 2 ? "two heads" : "one head", out->student.classes,
             described ? ", as its metadata say" : ", those of data.root");
fail:
    if (status != DHO_OK) {
        dho_model_destroy(out);
        dho_checkpoint_info_free(out_info);
    }
    return status;
}
