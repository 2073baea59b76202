#include "dho/student.h"

#include "dho/alloc.h"
#include "models/builders.h"

#include <stdio.h>
#include <string.h>

typedef struct model_entry {
    const char *name;
    dho_value (*build)(dho_graph *graph, dho_value image, int width);
    int published_width;
    const char *classifier;
} model_entry;

static const model_entry models[] = {
    {"resnet18", dho_build_resnet18, 64, "fc"},
    {"resnet50", dho_build_resnet50, 64, "fc"},
    {"mobilenet_v2", dho_build_mobilenet_v2, 32, "classifier.1"},
};

/* MAX_WIDTH: no product of channels in a builder comes near INT_MAX. */
enum { MODEL_COUNT = sizeof models / sizeof models[0], MAX_WIDTH = 65536 };

static dho_status find_model(const char *name, const model_entry **out)
{
    char known[256] = "";
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        if (strcmp(models[i].name, name) == 0) {
            *out = &models[i];
            return DHO_OK;
        }
        strncat(known, i > 0 ? ", " : "", sizeof known - strlen(known) - 1);
        strncat(known, models[i].name, sizeof known - strlen(known) - 1);
    }
    return dho_fail(DHO_ERR_CONFIG, "student.model: unknown model \"%s\" (known: %s)", name, known);
}

dho_status dho_student_create(dho_student *out, const dho_student_options *options)
{
    const model_entry *model;
    dho_status status;
    *out = (dho_student){.classes = options->classes,
                         .image_size = options->image_size,
                         .head_count = options->dual_head ? 2 : 1,
                         .heads = {-1, -1}};
    DHO_TRY(find_model(options->model, &model));
    if (options->width < 0 || options->width > MAX_WIDTH)
        return dho_fail(DHO_ERR_CONFIG, "student.width: must be in [0, %d], got %d", MAX_WIDTH,
                        options->width);
    out->classifier = model->classifier;
    out->width = options->width > 0 ? options->width : model->published_width;
    snprintf(out->model, sizeof out->model, "%s", model->name);
    DHO_TRY(dho_graph_create(&out->graph));
    dho_graph *graph = out->graph;
    const dho_value image = dho_graph_input(graph, options->image_size, options->image_size, 3);
    out->features = model->build(graph, image, out->width);
    if (options->expose_features) dho_graph_output(graph, out->features);
    out->heads[0] = dho_graph_linear(graph, out->features, options->dual_head ? "head_ce" : "head",
                                     options->classes, true);
    dho_graph_output(graph, out->heads[0]);
    if (options->dual_head) {
        out->heads[1] = dho_graph_linear(graph, out->features, "head_kd", options->classes, true);
        dho_graph_output(graph, out->heads[1]);
    }
    DHO_TRY_GOTO(dho_graph_finish(graph));
    out->feature_dim = dho_graph_channels(graph, out->features);
    return DHO_OK;
fail:
    dho_student_destroy(out);
    return status;
}

void dho_student_destroy(dho_student *student)
{
    dho_graph_destroy(&student->graph);
}

void dho_model_destroy(dho_model *model)
{
    for (int c = 0; model->class_names != NULL && c < model->student.classes; c++)
        dho_free(model->class_names[c]);
    dho_free(model->class_names);
    dho_free(model->parameters);
    dho_free(model->buffers);
    dho_student_destroy(&model->student);
    *model = (dho_model){0};
}
