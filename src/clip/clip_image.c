/* A CLIP image tower from a published file, with a zero-shot head on it. */
#include "clip/clip_source.h"
#include "dho/alloc.h"
#include "dho/log.h"

#include <stdio.h>
#include <string.h>

enum { RESNET_STRIDE = 32 };

static const double clip_mean[3] = {0.48145466, 0.4578275, 0.40821073};
static const double clip_std[3] = {0.26862954, 0.26130258, 0.27577711};

/* The side of a grid whose positions, and one more, are `rows`; 0: there is none. */
static int grid_of(int rows)
{
    int side = 1;
    while (1 + side * side < rows) side++;
    return 1 + side * side == rows ? side : 0;
}

static dho_status resnet_sizes(const dho_clip_tensors *tensors, dho_student_options *out, int *rows)
{
    DHO_TRY(dho_clip_size(tensors, "visual.conv1.weight", 4, 0, &out->width));
    out->width *= 2; /* the stem's first two convolutions have half the first stage's channels */
    DHO_TRY(dho_clip_size(tensors, "visual.attnpool.c_proj.weight", 2, 0, &out->embed));
    return dho_clip_size(tensors, "visual.attnpool.positional_embedding", 2, 0, rows);
}

static dho_status vit_sizes(const dho_clip_tensors *tensors, dho_student_options *out, int *rows,
                            int *patch)
{
    DHO_TRY(dho_clip_size(tensors, "visual.conv1.weight", 4, 0, &out->width));
    DHO_TRY(dho_clip_size(tensors, "visual.conv1.weight", 4, 3, patch));
    DHO_TRY(dho_clip_layers(tensors, "visual.", &out->layers));
    DHO_TRY(dho_clip_size(tensors, "visual.proj", 2, 1, &out->embed));
    return dho_clip_size(tensors, "visual.positional_embedding", 2, 0, rows);
}

/* Everything about the tower that its file says. */
static dho_status sizes_of(const dho_weights *weights, const dho_clip_preset *preset,
                           dho_student_options *out)
{
    dho_clip_tensors tensors;
    int rows, unit = RESNET_STRIDE;
    DHO_TRY(dho_clip_find_tower(weights, "visual.conv1.weight", &tensors));
    DHO_TRY(preset->resnet ? resnet_sizes(&tensors, out, &rows)
                           : vit_sizes(&tensors, out, &rows, &unit));
    const int side = grid_of(rows);
    if (side == 0 || (int64_t)side * unit > 4096)
        return dho_fail(DHO_ERR_FORMAT, "%s: %d position embeddings are of no square grid",
                        dho_weights_path(weights), rows);
    out->image_size = side * unit;
    return DHO_OK;
}

static dho_status tell_sizes(const dho_clip_preset *preset, const char *path,
                             const dho_student_options *found)
{
    dho_student published;
    const dho_student_options options = {
        .model = preset->name, .image_size = preset->image_size, .classes = 1};
    DHO_TRY(dho_student_create(&published, &options));
    if (found->width != published.width || found->layers != published.layers ||
        found->embed != published.feature_dim || found->image_size != preset->image_size)
        dho_info("%s: not the published %s: width %d, %d layers, embedding %d, %d pixels", path,
                 preset->name, found->width, found->layers, found->embed, found->image_size);
    dho_student_destroy(&published);
    return DHO_OK;
}

/* The head's numbers into the one head of the model. */
static dho_status fill_head(dho_model *model, const dho_head_file *head)
{
    const dho_graph *graph = model->student.graph;
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        float *values = model->parameters + slot->offset;
        const bool bias = strcmp(slot->name, "head.bias") == 0;
        if (!bias && strcmp(slot->name, "head.weight") != 0) continue;
        if (head == NULL)
            memset(values, 0, slot->count * sizeof *values);
        else if (bias)
            dho_teacher_head_inner_bias(&head->head, values);
        else
            memcpy(values, head->head.weight, slot->count * sizeof *values);
    }
    if (head == NULL || head->dataset_classes == NULL) return DHO_OK;
    DHO_TRY(
        dho_alloc_zero(&model->class_names, (size_t)head->head.classes, sizeof(char *), "classes"));
    for (int c = 0; c < head->head.classes; c++)
        DHO_TRY(dho_strdup(&model->class_names[c], head->dataset_classes[c]));
    return DHO_OK;
}

static dho_status open_tower(dho_model *model, const dho_weights *weights,
                             const dho_clip_preset *preset, const dho_head_file *head)
{
    dho_student_options options = {.model = preset->name,
                                   .classes = head != NULL ? head->head.classes : 1,
                                   .head_forms = {DHO_HEAD_COSINE},
                                   .head_scale = head != NULL ? head->head.scale : 0,
                                   .expose_features = true};
    dho_init_report report;
    DHO_TRY(sizes_of(weights, preset, &options));
    if (head != NULL && head->head.dim != options.embed)
        return dho_fail(DHO_ERR_CONFIG, "%s: an embedding of %d channels, the head is for %d",
                        dho_weights_path(weights), options.embed, head->head.dim);
    DHO_TRY(tell_sizes(preset, dho_weights_path(weights), &options));
    DHO_TRY(dho_student_create(&model->student, &options));
    const dho_graph *graph = model->student.graph;
    DHO_TRY(dho_alloc_zero(&model->parameters, dho_graph_parameter_floats(graph), sizeof(float),
                           "parameters"));
    DHO_TRY(
        dho_alloc_zero(&model->buffers, dho_graph_buffer_floats(graph), sizeof(float), "buffers"));
    DHO_TRY(dho_state_dict_init(weights, graph, false, model->parameters, model->buffers, &report));
    memcpy(model->mean, clip_mean, sizeof model->mean);
    memcpy(model->std, clip_std, sizeof model->std);
    return fill_head(model, head);
}

dho_status dho_clip_image_open(dho_clip_image *out, const dho_clip_source *source,
                               const dho_head_file *head)
{
    const dho_clip_preset *preset;
    dho_weights *weights;
    *out = (dho_clip_image){0};
    DHO_TRY(dho_clip_find_preset(source->model, &preset));
    DHO_TRY(dho_weights_open(&weights, source->path, source->key));
    const dho_status status = open_tower(&out->model, weights, preset, head);
    dho_weights_close(&weights);
    if (status != DHO_OK) {
        dho_clip_image_close(out);
        return status;
    }
    out->squash = source->resize == DHO_CLIP_RESIZE_OWN ? preset->squash
                                                        : source->resize == DHO_CLIP_RESIZE_SQUASH;
    snprintf(out->name, sizeof out->name, "%s", preset->name);
    return DHO_OK;
}

dho_eval_transform dho_clip_transform(const dho_clip_image *image)
{
    return (dho_eval_transform){.resize_short = image->squash ? 0 : image->model.student.image_size,
                                .squash = image->squash,
                                .filter = DHO_FILTER_BICUBIC};
}

void dho_clip_image_close(dho_clip_image *image)
{
    dho_model_destroy(&image->model);
    *image = (dho_clip_image){0};
}
