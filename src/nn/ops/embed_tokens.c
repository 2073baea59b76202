/* The start of an image's residual stream: class token, patches, positions. */
#include "nn/onnx_pass.h"

enum { CLASS, POSITION };

static void shape(dho_graph *graph, dho_node *node)
{
    dho_graph_demand(graph, !dho_graph_node(graph, node->inputs[0])->is_float,
                     "patches that are float");
    dho_shape_of_tokens(graph, node);
    node->is_float = true;
}

static void forward(const dho_node_pass *pass)
{
    const dho_places_shape s = dho_pass_places(pass);
    pass->kernels->embed_tokens_forward(pass->compute, &s, pass->x[0], pass->parameters[CLASS],
                                        pass->parameters[POSITION], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_places_shape s = dho_pass_places(pass);
    pass->kernels->embed_tokens_backward(pass->compute, &s, pass->dy, pass->dx[0],
                                         pass->gradients[CLASS], pass->gradients[POSITION]);
}

/* A row of zeros in front of the patches, then a constant for each token. */
static void onnx(const dho_onnx_pass *pass)
{
    static const int order[3] = {0, 2, 1};
    static const int64_t before[6] = {0, 1, 0, 0, 0, 0};
    const int64_t channels = pass->node->channels, tokens = pass->node->height;
    const int64_t grid[3] = {0, channels, tokens - 1}, shape[3] = {1, tokens, channels};
    const char *x = dho_onnx_read(pass, 0, DHO_ONNX_MAP);
    float *start;
    x = dho_onnx_reshape(pass->onnx, x, 3, grid);
    x = dho_onnx_transpose(pass->onnx, x, 3, order);
    x = dho_onnx_call(pass->onnx, "Pad", x, dho_onnx_integers(pass->onnx, 6, before));
    const char *constant = dho_onnx_constant(pass->onnx, pass->slots[POSITION]->name,
                                             DHO_ONNX_FLOAT, 3, shape, &start);
    for (int64_t i = 0; start != NULL && i < tokens * channels; i++)
        start[i] = pass->parameters[POSITION][i] + (i < channels ? pass->parameters[CLASS][i] : 0);
    dho_onnx_write(pass, dho_onnx_call(pass->onnx, "Add", x, constant), DHO_ONNX_ROWS);
}

static const dho_operator embed_tokens = {.name = "embeddings",
                                          .shape = shape,
                                          .forward = forward,
                                          .backward = backward,
                                          .only_sets = true,
                                          .onnx = onnx};

dho_value dho_graph_embed_tokens(dho_graph *graph, dho_value patches, const dho_token_spec *spec)
{
    const dho_node *grid = dho_graph_node(graph, patches);
    const int64_t channels = grid->channels;
    const dho_init init = spec->init != DHO_INIT_ZEROS ? spec->init : DHO_INIT_NORMAL;
    const dho_slot one = {.dims = 1, .shape = {channels}, .init = init, .fan_in = channels};
    const dho_slot batched = {
        .dims = 3, .shape = {1, 1, channels}, .init = init, .fan_in = channels};
    dho_node node = dho_node_begin(&embed_tokens, patches);
    node.parameters[CLASS] =
        dho_graph_add_parameter(graph, spec->class_token, NULL, spec->batched ? batched : one);
    node.parameters[POSITION] =
        dho_graph_add_position(graph, spec->position, grid, spec->batched, init);
    return dho_graph_append(graph, node);
}
