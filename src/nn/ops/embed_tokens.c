/* The start of an image's residual stream: class token, patches, positions. */
#include "nn/operator.h"

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

static const dho_operator embed_tokens = {.name = "embeddings",
                                          .shape = shape,
                                          .forward = forward,
                                          .backward = backward,
                                          .only_sets = true};

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
