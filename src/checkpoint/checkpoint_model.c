/* A model to run from a checkpoint. */
#include "dho/checkpoint.h"

#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/log.h"

#include <string.h>

/* *out_ema: the average is what is asked for. */
static dho_status choose_weights(const char *path, dho_checkpoint_weights asked,
                                 const dho_checkpoint_info *info, bool *out_ema)
{
    *out_ema = asked == DHO_CHECKPOINT_EMA || (asked == DHO_CHECKPOINT_AUTO && info->has_ema);
    if (*out_ema && !info->has_ema)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: has no average of the weights: it was trained without "
                        "train.ema",
                        path);
    if (info->has_ema)
        dho_info("%s: its weights are %s", path,
                 *out_ema ? "the average over the steps (train.ema)"
                          : "those of the last step, not the average (train.ema)");
    return DHO_OK;
}

static dho_status open_local(const char *path, const dho_checkpoint_choice *choice,
                             bool expose_features, dho_model *out, dho_checkpoint_info *out_info)
{
    dho_checkpoint_info info;
    dho_status status;
    *out = (dho_model){0};
    DHO_TRY(dho_checkpoint_read_info(path, &info));
    DHO_TRY_GOTO(choose_weights(path, choice->weights, &info, &info.is_ema));
    const dho_student_options options = {.model = info.model,
                                         .width = info.width,
                                         .layers = info.layers,
                                         .image_size = info.image_size,
                                         .classes = info.classes,
                                         .dual_head = dho_method_is_dual(info.method),
                                         .head_forms = {info.head_forms[0], info.head_forms[1]},
                                         .head_scale = (float)info.head_scale,
                                         .head_hidden = {info.head_hidden[0], info.head_hidden[1]},
                                         .expose_features = expose_features};
    DHO_TRY_GOTO(dho_student_create(&out->student, &options));
    const dho_graph *graph = out->student.graph;
    DHO_TRY_GOTO(dho_alloc_zero(&out->parameters, dho_graph_parameter_floats(graph), sizeof(float),
                                "parameters"));
    DHO_TRY_GOTO(
        dho_alloc_zero(&out->buffers, dho_graph_buffer_floats(graph), sizeof(float), "buffers"));
    dho_checkpoint_slabs slabs = {0};
    *(info.is_ema ? &slabs.ema_parameters : &slabs.parameters) = out->parameters;
    *(info.is_ema ? &slabs.ema_buffers : &slabs.buffers) = out->buffers;
    DHO_TRY_GOTO(dho_checkpoint_load(path, &info, &out->student, &slabs));
    memcpy(out->mean, info.mean, sizeof out->mean);
    memcpy(out->std, info.std, sizeof out->std);
    out->class_names = info.class_names;
    out->class_titles = info.class_titles;
    info.class_names = info.class_titles = NULL;
    *out_info = info;
    return DHO_OK;
fail:
    dho_checkpoint_info_free(&info);
    dho_model_destroy(out);
    return status;
}

dho_status dho_checkpoint_open_model(dho_comm *comm, const dho_checkpoint_choice *choice,
                                     bool expose_features, dho_model *out,
                                     dho_checkpoint_info *out_info)
{
    dho_checkpoint_info info = {0};
    char *found;
    *out = (dho_model){0};
    DHO_TRY(dho_checkpoint_agree(comm, choice, &found));
    dho_status status = dho_comm_agree(
        comm, dho_input_status(open_local(found, choice, expose_features, out, &info)));
    if (status == DHO_OK) {
        const dho_graph *graph = out->student.graph;
        status = dho_comm_check_equal(comm, out->parameters,
                                      dho_graph_parameter_floats(graph) * sizeof(float), found);
        if (status == DHO_OK)
            status = dho_comm_check_equal(comm, out->buffers,
                                          dho_graph_buffer_floats(graph) * sizeof(float), found);
    }
    dho_free(found);
    if (status != DHO_OK) dho_model_destroy(out);
    if (status != DHO_OK || out_info == NULL)
        dho_checkpoint_info_free(&info);
    else
        *out_info = info;
    return status;
}
