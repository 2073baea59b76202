/* A model to run from a checkpoint. */
#include "dho/checkpoint.h"

#include "dho/alloc.h"
#include "dho/distill.h"

#include <string.h>

static dho_status open_local(const char *path, bool expose_features, dho_model *out,
                             dho_checkpoint_info *out_info)
{
    dho_checkpoint_info info;
    dho_status status;
    *out = (dho_model){0};
    DHO_TRY(dho_checkpoint_read_info(path, &info));
    const dho_student_options options = {.model = info.model,
                                         .width = info.width,
                                         .layers = info.layers,
                                         .image_size = info.image_size,
                                         .classes = info.classes,
                                         .dual_head = dho_method_is_dual(info.method),
                                         .head_forms = {info.head_forms[0], info.head_forms[1]},
                                         .head_scale = (float)info.head_scale,
                                         .expose_features = expose_features};
    DHO_TRY_GOTO(dho_student_create(&out->student, &options));
    const dho_graph *graph = out->student.graph;
    DHO_TRY_GOTO(dho_alloc_zero(&out->parameters, dho_graph_parameter_floats(graph), sizeof(float),
                                "parameters"));
    DHO_TRY_GOTO(
        dho_alloc_zero(&out->buffers, dho_graph_buffer_floats(graph), sizeof(float), "buffers"));
    const dho_checkpoint_slabs slabs = {.parameters = out->parameters, .buffers = out->buffers};
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

dho_status dho_checkpoint_agree(dho_comm *comm, const char *path, char **out)
{
    dho_status status = DHO_OK;
    uint64_t bytes = 0;
    *out = NULL;
    if (dho_comm_rank(comm) == 0) {
        status = dho_input_status(dho_checkpoint_resolve(path, out));
        if (status == DHO_OK) bytes = strlen(*out) + 1;
    }
    DHO_TRY_GOTO(dho_comm_agree(comm, status));
    DHO_TRY_GOTO(dho_comm_broadcast(comm, &bytes, sizeof bytes, 0));
    if (dho_comm_rank(comm) != 0) status = dho_alloc(out, bytes, 1, "path");
    DHO_TRY_GOTO(dho_comm_agree(comm, status));
    DHO_TRY_GOTO(dho_comm_broadcast(comm, *out, bytes, 0));
    return DHO_OK;
fail:
    dho_free(*out);
    *out = NULL;
    return status;
}

dho_status dho_checkpoint_open_model(dho_comm *comm, const char *path, bool expose_features,
                                     dho_model *out, dho_checkpoint_info *out_info)
{
    dho_checkpoint_info info = {0};
    char *found;
    *out = (dho_model){0};
    DHO_TRY(dho_checkpoint_agree(comm, path, &found));
    dho_status status =
        dho_comm_agree(comm, dho_input_status(open_local(found, expose_features, out, &info)));
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
