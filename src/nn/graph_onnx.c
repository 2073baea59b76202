#include "nn/graph_onnx.h"

#include "base/compare.h"
#include "dho/alloc.h"
#include "nn/graph_internal.h"
#include "nn/onnx_pass.h"

#include <math.h>

/* The ONNX names of a value; NULL: it is not there in this form. */
typedef struct written_value {
    const char *names[DHO_ONNX_FORMS];
    bool rounded;
} written_value;

struct dho_onnx_writer {
    const dho_onnx_source *source;
    dho_onnx *onnx;
    written_value *values; /* owned, [graph->count] */
};

static dho_onnx_pass pass_of(struct dho_onnx_writer *writer, dho_value x)
{
    const dho_onnx_source *source = writer->source;
    const dho_graph *graph = source->graph;
    const dho_node *node = &graph->nodes[x];
    dho_onnx_pass pass = {.writer = writer, .onnx = writer->onnx, .node = node};
    for (int k = 0; k < DHO_NODE_INPUTS; k++)
        if (node->inputs[k] >= 0) pass.in[k] = &graph->nodes[node->inputs[k]];
    for (int k = 0; k < DHO_NODE_PARAMETERS; k++) {
        if (node->parameters[k] < 0) continue;
        pass.slots[k] = &graph->parameters.slots[node->parameters[k]];
        pass.parameters[k] = source->parameters + pass.slots[k]->offset;
    }
    for (int k = 0; k < DHO_NODE_BUFFERS; k++)
        if (node->buffers[k] >= 0)
            pass.buffers[k] = source->buffers + graph->buffers.slots[node->buffers[k]].offset;
    if (pass.in[0] != NULL && writer->values[node->inputs[0]].rounded && x <= source->last &&
        (node->op->in_8_bits & DHO_ROUNDS_INPUTS) != 0)
        pass.rounding = &source->roundings[node->inputs[0]];
    return pass;
}

dho_onnx_pass dho_onnx_pass_before(const dho_onnx_pass *pass)
{
    return pass_of(pass->writer, pass->node->inputs[0]);
}

dho_onnx_form dho_onnx_form_of(const dho_onnx_pass *pass, int input)
{
    const written_value *value = &pass->writer->values[pass->node->inputs[input]];
    return value->names[DHO_ONNX_MAP] != NULL ? DHO_ONNX_MAP : DHO_ONNX_ROWS;
}

const char *dho_onnx_read(const dho_onnx_pass *pass, int input, dho_onnx_form form)
{
    static const int orders[DHO_ONNX_FORMS][4] = {{0, 3, 1, 2}, {0, 2, 3, 1}};
    written_value *value = &pass->writer->values[pass->node->inputs[input]];
    if (value->names[form] == NULL)
        value->names[form] = dho_onnx_transpose(
            pass->onnx, value->names[dho_onnx_form_of(pass, input)], 4, orders[form]);
    return value->names[form];
}

void dho_onnx_write(const dho_onnx_pass *pass, const char *name, dho_onnx_form form)
{
    const dho_onnx_source *source = pass->writer->source;
    const ptrdiff_t x = pass->node - source->graph->nodes;
    written_value *value = &pass->writer->values[x];
    if (source->roundings != NULL && source->roundings[x].scale > 0) {
        name = dho_onnx_round(pass->onnx, name, source->roundings[x]);
        value->rounded = true;
    }
    value->names[form] = name;
}

void dho_onnx_refuse(const dho_onnx_pass *pass, const char *why)
{
    dho_onnx_keep_failure(pass->onnx,
                          dho_fail(DHO_ERR_CONFIG, "%s: %s", pass->node->op->name, why));
}

const char *dho_onnx_parameter(const dho_onnx_pass *pass, int k, int dims, const int64_t *shape)
{
    return dho_onnx_floats(pass->onnx, pass->slots[k]->name, dims, shape, pass->parameters[k]);
}

const char *dho_onnx_activate(dho_onnx *onnx, const char *y, dho_activation activation)
{
    if (activation == DHO_ACTIVATION_NONE) return y;
    if (activation == DHO_ACTIVATION_RELU) return dho_onnx_call(onnx, "Relu", y, NULL);
    return dho_onnx_add(
        onnx, &(dho_onnx_node){.op = "Clip",
                               .inputs = {y, dho_onnx_scalar(onnx, 0), dho_onnx_scalar(onnx, 6)}});
}

/* --- weights --- */

/* The scale of each channel; that of one with tiny weights is such that its bias fits 32 bits. */
static void scale_channels(const dho_onnx_pass *pass, const dho_onnx_weight *weight, float *row,
                           float *scales)
{
    const float most = 1 << 30;
    const size_t channels = (size_t)weight->shape[weight->axis];
    size_t count = 1, inner = 1;
    for (int d = 0; d < weight->dims; d++) count *= (size_t)weight->shape[d];
    for (int d = weight->axis + 1; d < weight->dims; d++) inner *= (size_t)weight->shape[d];
    for (size_t c = 0; c < channels; c++) {
        size_t n = 0;
        for (size_t i = c * inner; i < count; i += channels * inner)
            for (size_t j = 0; j < inner; j++) row[n++] = weight->values[i + j];
        scales[c] = dho_int8_weight_scale(row, n);
        if (weight->bias != NULL)
            scales[c] = (float)dho_larger(
                (double)scales[c], (double)(fabsf(weight->bias[c]) / pass->rounding->scale / most));
    }
}

void dho_onnx_add_weight(const dho_onnx_pass *pass, const dho_onnx_weight *weight,
                         const char **out_weight, const char **out_bias)
{
    const int64_t channels = weight->shape[weight->axis];
    float *scales = NULL, *row = NULL;
    size_t count = 1;
    dho_status status;
    *out_weight = *out_bias = NULL;
    if (pass->rounding == NULL) {
        *out_weight =
            dho_onnx_floats(pass->onnx, weight->name, weight->dims, weight->shape, weight->values);
        if (weight->bias != NULL)
            *out_bias = dho_onnx_floats(pass->onnx, NULL, 1, &channels, weight->bias);
        return;
    }
    for (int d = 0; d < weight->dims; d++) count *= (size_t)weight->shape[d];
    DHO_TRY_GOTO(dho_alloc(&scales, (size_t)channels, sizeof *scales, "ONNX model"));
    DHO_TRY_GOTO(dho_alloc(&row, count / (size_t)channels, sizeof *row, "ONNX model"));
    scale_channels(pass, weight, row, scales);
    *out_weight = dho_onnx_int8_weight(pass->onnx, weight->name, weight->dims, weight->shape,
                                       weight->axis, weight->values, scales);
    for (int64_t c = 0; c < channels; c++) scales[c] *= pass->rounding->scale;
    if (weight->bias != NULL)
        *out_bias = dho_onnx_int32_bias(pass->onnx, NULL, channels, weight->bias, scales);
fail:
    dho_onnx_keep_failure(pass->onnx, status);
    dho_free(scales);
    dho_free(row);
}

/* --- the graph --- */

/* The node that alone reads a value; NULL: none does, or several, or the caller. */
static const dho_node *only_reader(const dho_graph *graph, dho_value x)
{
    const dho_node *reader = NULL;
    if (graph->nodes[x].is_output) return NULL;
    for (int i = x + 1; i < graph->count; i++)
        for (int k = 0; k < DHO_NODE_INPUTS; k++) {
            if (graph->nodes[i].inputs[k] != x) continue;
            if (reader != NULL) return NULL;
            reader = &graph->nodes[i];
        }
    return reader;
}

/* Is the node written by the one that reads it? */
static bool is_taken(const dho_graph *graph, dho_value x)
{
    const dho_node *reader = only_reader(graph, x);
    return reader != NULL && reader->op->onnx_takes == graph->nodes[x].op && reader->inputs[0] == x;
}

dho_status dho_graph_to_onnx(const dho_onnx_source *source, dho_onnx *onnx, const char **out_names)
{
    const dho_graph *graph = source->graph;
    struct dho_onnx_writer writer = {.source = source, .onnx = onnx};
    dho_status status = DHO_OK;
    DHO_TRY(dho_alloc_zero(&writer.values, (size_t)graph->count, sizeof *writer.values, "ONNX"));
    for (int i = 0; i < graph->count; i++) {
        const dho_onnx_pass pass = pass_of(&writer, i);
        if (pass.node->op->onnx == NULL) {
            status = dho_fail(DHO_ERR_CONFIG, "operator %d, %s, has no ONNX form", i,
                              pass.node->op->name);
            break;
        }
        if (!is_taken(graph, i)) pass.node->op->onnx(&pass);
        const written_value *value = &writer.values[i];
        out_names[i] = value->names[DHO_ONNX_ROWS] != NULL ? value->names[DHO_ONNX_ROWS]
                                                           : value->names[DHO_ONNX_MAP];
    }
    dho_free(writer.values);
    return status;
}
