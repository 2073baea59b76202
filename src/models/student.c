#include "dho/student.h"

#include "dho/alloc.h"
#include "models/builders.h"

#include <stdio.h>
#include <string.h>

typedef struct model_entry {
    const char *name;
    dho_value (*build)(dho_graph *graph, dho_value image, const dho_model_size *size);
    dho_model_size published;
    const char *classifier;
} model_entry;

static const model_entry models[] = {
#define DHO_MODEL(word, build, head, ...) {#word, build, {__VA_ARGS__}, head},
#include "dho/model_rows.h"
#undef DHO_MODEL
};

/* MAX_WIDTH: no product of channels in a builder comes near INT_MAX. */
enum {
    MODEL_COUNT = sizeof models / sizeof models[0],
    MAX_WIDTH = 65536,
    MAX_LAYERS = 1024,
    NARROW_HEAD = 8
};

static dho_status find_model(const char *name, const model_entry **out)
{
    char known[512] = "";
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

/* The published size with what the options change: the embedding scales with the width; a
 * transformer has heads of the published width where that divides its own, narrow ones otherwise.
 */
static dho_status size_of(const model_entry *model, const dho_student_options *options,
                          dho_model_size *out)
{
    const dho_model_size *published = &model->published;
    *out = *published;
    if (options->width < 0 || options->width > MAX_WIDTH)
        return dho_fail(DHO_ERR_CONFIG, "student.width: must be in [0, %d], got %d", MAX_WIDTH,
                        options->width);
    if (options->layers < 0 || options->layers > MAX_LAYERS)
        return dho_fail(DHO_ERR_CONFIG, "student.layers: must be in [0, %d], got %d", MAX_LAYERS,
                        options->layers);
    if (options->layers > 0 && published->layers == 0)
        return dho_fail(DHO_ERR_CONFIG, "student.layers: the depth of %s is fixed, got %d",
                        model->name, options->layers);
    if (options->layers > 0) out->layers = options->layers;
    if (options->embed < 0 || options->embed > MAX_WIDTH ||
        (options->embed > 0 && published->embed == 0))
        return dho_fail(DHO_ERR_CONFIG, "student: an embedding of %d channels for %s",
                        options->embed, model->name);
    if (options->embed > 0) out->embed = options->embed;
    if (options->width == 0 || options->width == published->width) return DHO_OK;
    out->width = options->width;
    if (options->embed == 0)
        out->embed = (int)((int64_t)published->embed * out->width / published->width);
    if (published->head_dim == 0 || out->width % published->head_dim == 0) return DHO_OK;
    out->head_dim = NARROW_HEAD;
    const int unit =
        published->layers > 0 ? NARROW_HEAD : 2; /* a ResNet's last width is 32 times */
    if (out->width % unit != 0)
        return dho_fail(DHO_ERR_CONFIG, "student.width: of %s must be a multiple of %d, got %d",
                        model->name, unit, out->width);
    return DHO_OK;
}

const char *dho_student_head_name(const dho_student *student, int head)
{
    static const char *const names[2] = {"head_ce", "head_kd"};
    return student->head_count == 1 ? "head" : names[head];
}

/* What a head with a hidden layer reads: gelu(layer_norm(W f + b)). */
static dho_value add_hidden(dho_student *student, dho_value x, const char *name, int channels)
{
    char weight[DHO_HEAD_NAME_BYTES], bias[DHO_HEAD_NAME_BYTES], norm[DHO_HEAD_NAME_BYTES];
    snprintf(weight, sizeof weight, "%.8s.hidden.weight", name);
    snprintf(bias, sizeof bias, "%.8s.hidden.bias", name);
    snprintf(norm, sizeof norm, "%.8s.norm", name);
    x = dho_graph_linear_of(
        student->graph, x,
        &(dho_linear_spec){.weight = weight, .bias = bias, .out_channels = channels});
    x = dho_graph_layer_norm(student->graph, x,
                             &(dho_layer_norm_spec){.name = norm, .stream = true});
    return dho_graph_gelu(student->graph, x);
}

/* Logits from the features, an output. A cosine head is zero-shot CLIP's with a bias: scale * (W
 * f/|f| + b), W not normalised (the method's public code). */
static dho_value add_head(dho_student *student, const dho_student_options *options, int index)
{
    dho_graph *graph = student->graph;
    dho_value x = student->features;
    const char *name = dho_student_head_name(student, index);
    char weight[DHO_HEAD_NAME_BYTES], bias[DHO_HEAD_NAME_BYTES];
    float scale = 1;
    if (student->head_hidden[index] > 0)
        x = add_hidden(student, x, name, student->head_hidden[index]);
    if (student->head_forms[index] == DHO_HEAD_COSINE) {
        x = dho_graph_l2_normalise(graph, x);
        scale = student->head_scale;
    }
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    const dho_linear_spec linear = {
        .weight = weight, .bias = bias, .out_channels = options->classes, .scale = scale};
    x = dho_graph_linear_of(graph, x, &linear);
    dho_graph_output(graph, x);
    return x;
}

/* Has the model what an option is about? */
static dho_status check_parts(const model_entry *model, const dho_student_options *options,
                              const dho_graph *graph)
{
    if (options->freeze_batch_norm && dho_graph_buffer_floats(graph) == 0)
        return dho_fail(DHO_ERR_CONFIG,
                        "student.batch_norm: frozen has no effect: %s has no batch normalisation",
                        model->name);
    if (options->drop_path && dho_graph_drop_count(graph) == 0)
        return dho_fail(DHO_ERR_CONFIG,
                        "student.drop_path: has no effect: %s has no such branches (transformers "
                        "and ConvNeXt have)",
                        model->name);
    return DHO_OK;
}

dho_status dho_student_create(dho_student *out, const dho_student_options *options)
{
    const model_entry *model = NULL;
    dho_model_size size = {0};
    dho_status status;
    *out = (dho_student){.classes = options->classes,
                         .image_size = options->image_size,
                         .head_count = options->dual_head ? 2 : 1,
                         .heads = {-1, -1},
                         .head_hidden = {options->head_hidden[0], options->head_hidden[1]},
                         .head_scale = options->head_scale != 0 ? options->head_scale : 100,
                         .frozen_batch_norm = options->freeze_batch_norm,
                         .projection = -1};
    DHO_TRY(find_model(options->model, &model));
    DHO_TRY(size_of(model, options, &size));
    out->classifier = model->classifier;
    out->timm = model->published.timm;
    out->is_clip = size.embed > 0;
    out->width = size.width;
    out->layers = size.layers;
    snprintf(out->model, sizeof out->model, "%s", model->name);
    DHO_TRY(dho_graph_create(&out->graph));
    dho_graph *graph = out->graph;
    if (options->deploy) dho_graph_deploy(graph);
    if (options->freeze_batch_norm) dho_graph_freeze_batch_norms(graph);
    if (options->drop_path) dho_graph_enable_drop_path(graph);
    const dho_value image = dho_graph_input(graph, options->image_size, options->image_size, 3);
    out->features = model->build(graph, image, &size);
    if (options->freeze_backbone) dho_graph_freeze(graph);
    for (int h = 0; h < 2; h++) {
        const bool clip = h == 1 && size.embed > 0;
        out->head_forms[h] = options->head_forms[h];
        if (out->head_forms[h] == DHO_HEAD_AUTO)
            out->head_forms[h] = clip ? DHO_HEAD_COSINE : DHO_HEAD_LINEAR;
    }
    if (options->expose_features) dho_graph_output(graph, out->features);
    for (int h = 0; h < out->head_count; h++) out->heads[h] = add_head(out, options, h);
    if (options->projection > 0) {
        out->projection =
            dho_graph_linear(graph, out->features, "head_feature", options->projection, true);
        dho_graph_output(graph, out->projection);
    }
    DHO_TRY_GOTO(dho_graph_finish(graph));
    DHO_TRY_GOTO(check_parts(model, options, graph));
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
    for (int c = 0; c < model->student.classes; c++) {
        if (model->class_names != NULL) dho_free(model->class_names[c]);
        if (model->class_titles != NULL) dho_free(model->class_titles[c]);
    }
    dho_free(model->class_names);
    dho_free(model->class_titles);
    dho_free(model->parameters);
    dho_free(model->buffers);
    dho_student_destroy(&model->student);
    *model = (dho_model){0};
}
