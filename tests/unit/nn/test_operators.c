/* Every operator in a small graph against central differences: a case is one row. */
#include "dho/alloc.h"
#include "dho/rng.h"
#include "floats.h"
#include "nn/operator.h"

#include <math.h>
#include <string.h>

enum { BATCH = 3, SIZE = 6, CHANNELS = 12, HEADS = 2 };

/* What most cases read: a map, a float stream of tokens, a float vector. */
static dho_value map_of(dho_graph *graph, dho_value image)
{
    return dho_graph_conv(graph, image,
                          &(dho_conv_spec){.name = "map", .out_channels = CHANNELS, .kernel = 2});
}

static dho_value stream_of(dho_graph *graph, dho_value image)
{
    return dho_graph_embed_tokens(
        graph, map_of(graph, image),
        &(dho_token_spec){.class_token = "class", .position = "position"});
}

static dho_value vector_of(dho_graph *graph, dho_value image)
{
    return dho_graph_take_token(
        graph, dho_graph_layer_norm(graph, stream_of(graph, image),
                                    &(dho_layer_norm_spec){.name = "ln", .stream = true}));
}

static dho_value conv(dho_graph *graph, dho_value image)
{
    return dho_graph_conv(graph, map_of(graph, image),
                          &(dho_conv_spec){.name = "conv",
                                           .out_channels = 4,
                                           .kernel = 3,
                                           .stride = 2,
                                           .padding = 1,
                                           .groups = 2,
                                           .bias = true});
}

static dho_value depthwise(dho_graph *graph, dho_value image)
{
    return dho_graph_conv(
        graph, map_of(graph, image),
        &(dho_conv_spec){
            .name = "conv", .out_channels = CHANNELS, .kernel = 3, .groups = CHANNELS});
}

static dho_value batch_norm(dho_graph *graph, dho_value image)
{
    return dho_graph_batch_norm(graph, map_of(graph, image), "bn", -1, DHO_ACTIVATION_RELU);
}

/* Both edges of ReLU6, and a residual that is read twice. */
static dho_value residual(dho_graph *graph, dho_value image)
{
    const dho_value x = map_of(graph, image);
    const dho_value y = dho_graph_batch_norm(graph, x, "wide", x, DHO_ACTIVATION_RELU6);
    return dho_graph_batch_norm(graph, y, "bn", x, DHO_ACTIVATION_NONE);
}

static dho_value frozen_norm(dho_graph *graph, dho_value image)
{
    dho_graph_freeze_batch_norms(graph);
    return residual(graph, image);
}

static dho_value max_pool(dho_graph *graph, dho_value image)
{
    return dho_graph_max_pool(graph, map_of(graph, image), 3, 2, 1);
}

static dho_value average_pool(dho_graph *graph, dho_value image)
{
    return dho_graph_average_pool(graph, map_of(graph, image));
}

static dho_value average_pool_2x2(dho_graph *graph, dho_value image)
{
    return dho_graph_average_pool_2x2(graph, map_of(graph, image));
}

static dho_value linear(dho_graph *graph, dho_value image)
{
    return dho_graph_linear_of(
        graph, vector_of(graph, image),
        &(dho_linear_spec){.weight = "w", .bias = "b", .out_channels = 5, .scale = 2});
}

static dho_value tokens_linear(dho_graph *graph, dho_value image)
{
    return dho_graph_linear(graph, map_of(graph, image), "linear", 5, true);
}

static dho_value adding_linear(dho_graph *graph, dho_value image)
{
    const dho_value stream = stream_of(graph, image);
    const dho_value tokens =
        dho_graph_layer_norm(graph, stream, &(dho_layer_norm_spec){.name = "norm"});
    return dho_graph_linear_of(graph, tokens,
                               &(dho_linear_spec){.weight = "w",
                                                  .bias = "b",
                                                  .out_channels = CHANNELS,
                                                  .adds = true,
                                                  .residual = stream});
}

static dho_value l2_normalise(dho_graph *graph, dho_value image)
{
    return dho_graph_l2_normalise(graph, vector_of(graph, image));
}

static dho_value layer_norm(dho_graph *graph, dho_value image)
{
    return dho_graph_layer_norm(graph, stream_of(graph, image),
                                &(dho_layer_norm_spec){.name = "norm", .stream = true});
}

static dho_value gelu(dho_graph *graph, dho_value image)
{
    const dho_value x = dho_graph_linear(graph, map_of(graph, image), "linear", 5, false);
    return dho_graph_bias_gelu(graph, x, "bias", DHO_GELU_ERF);
}

static dho_value vector_gelu(dho_graph *graph, dho_value image)
{
    return dho_graph_gelu(graph, vector_of(graph, image));
}

static dho_value quick_gelu(dho_graph *graph, dho_value image)
{
    const dho_value x = dho_graph_linear(graph, map_of(graph, image), "linear", 5, false);
    return dho_graph_bias_gelu(graph, x, "bias", DHO_GELU_QUICK);
}

static dho_value attention(dho_graph *graph, dho_value image)
{
    return dho_graph_attention(
        graph, dho_graph_linear(graph, map_of(graph, image), "qkv", 24, true), HEADS, false);
}

static dho_value causal_attention(dho_graph *graph, dho_value image)
{
    return dho_graph_attention(
        graph, dho_graph_linear(graph, map_of(graph, image), "qkv", 24, true), HEADS, true);
}

static dho_value embed_tokens(dho_graph *graph, dho_value image)
{
    return stream_of(graph, image);
}

static dho_value take_token(dho_graph *graph, dho_value image)
{
    return vector_of(graph, image);
}

static dho_value attention_pool(dho_graph *graph, dho_value image)
{
    const dho_value tokens = dho_graph_pool_tokens(graph, map_of(graph, image), "pool_position");
    const dho_value mean = dho_graph_take_token(graph, tokens);
    return dho_graph_attention_pool(graph, dho_graph_linear(graph, mean, "q", 4, true),
                                    dho_graph_linear(graph, tokens, "k", 4, true),
                                    dho_graph_linear(graph, tokens, "v", 4, true), HEADS);
}

/* Outputs that are read on. */
static dho_value several(dho_graph *graph, dho_value image)
{
    const dho_value pooled = dho_graph_average_pool(graph, map_of(graph, image));
    const dho_value hidden = dho_graph_linear(graph, pooled, "hidden", 5, true);
    dho_graph_output(graph, pooled);
    dho_graph_output(graph, hidden);
    return dho_graph_linear(graph, dho_graph_l2_normalise(graph, hidden), "last", 3, false);
}

/* Only float values are added to the stream: the scale's branch goes through both conversions. */
static dho_value layer_scale(dho_graph *graph, dho_value image)
{
    const dho_value stream = dho_graph_widen(graph, map_of(graph, image));
    const dho_value branch = dho_graph_conv(graph, dho_graph_narrow(graph, stream),
                                            &(dho_conv_spec){.name = "depthwise",
                                                             .out_channels = CHANNELS,
                                                             .kernel = 7,
                                                             .padding = 3,
                                                             .groups = CHANNELS});
    return dho_graph_narrow(graph, dho_graph_layer_scale(graph, branch, "wide.scale", stream));
}

static dho_value dropped_scale(dho_graph *graph, dho_value image)
{
    dho_graph_enable_drop_path(graph);
    return layer_scale(graph, image);
}

static dho_value drop_path(dho_graph *graph, dho_value image)
{
    dho_graph_enable_drop_path(graph);
    dho_value stream = dho_graph_widen(graph, map_of(graph, image));
    for (int i = 0; i < 2; i++) {
        const char *names[2] = {"first", "second"};
        const dho_value tokens = dho_graph_narrow(graph, stream);
        stream = dho_graph_drop_path(
            graph, dho_graph_linear(graph, tokens, names[i], CHANNELS, true), stream);
    }
    return dho_graph_narrow(graph, stream);
}

static const struct operator_case {
    const char *name;
    dho_value (*build)(dho_graph *graph, dho_value image);
} cases[] = {
    {"convolution", conv},
    {"depthwise convolution", depthwise},
    {"batch norm", batch_norm},
    {"batch norm with a residual", residual},
    {"frozen batch norm", frozen_norm},
    {"max pool", max_pool},
    {"average pool", average_pool},
    {"average pool 2x2", average_pool_2x2},
    {"linear", linear},
    {"linear on tokens", tokens_linear},
    {"linear on tokens, added", adding_linear},
    {"normalise", l2_normalise},
    {"layer norm", layer_norm},
    {"gelu", gelu},
    {"gelu of a vector", vector_gelu},
    {"quick gelu", quick_gelu},
    {"attention", attention},
    {"causal attention", causal_attention},
    {"layer scale, conversions, depthwise 7x7", layer_scale},
    {"layer scale with factors", dropped_scale},
    {"drop path", drop_path},
    {"embeddings", embed_tokens},
    {"class token", take_token},
    {"mean token, attention pool", attention_pool},
    {"several outputs", several},
};
enum { CASES = sizeof cases / sizeof *cases, MOST_DROPS = 2 * BATCH };

typedef struct fixture {
    dho_graph *graph;
    dho_compute *compute;
    dho_executor *executor;
    dho_value output; /* the last one */
    size_t floats, output_floats;
    float *parameters, *gradients, *buffers, *statistics, *coefficients;
    float input[BATCH * SIZE * SIZE * 2], drops[MOST_DROPS]; /* factors of branches */
} fixture;

/* The output is a vector, if need be the mean of the case's. */
static void build(fixture *f, const struct operator_case *c)
{
    ck_assert_ok(dho_graph_create(&f->graph));
    f->output = c->build(f->graph, dho_graph_input(f->graph, SIZE, SIZE, 2));
    const dho_node *node = dho_graph_node(f->graph, f->output);
    if (node->height * node->width > 1) f->output = dho_graph_average_pool(f->graph, f->output);
    dho_graph_output(f->graph, f->output);
    ck_assert_ok(dho_graph_finish(f->graph));
}

/* Random numbers everywhere. Of "wide", whose outputs have the mean 3 and the deviation 2, as many
 * are above 6 as below 0. */
static void fill(fixture *f)
{
    dho_rng rng;
    dho_graph_initialise(f->graph, 6, f->parameters, f->buffers);
    dho_rng_init(&rng, 6, DHO_RNG_TEST, 0, 0);
    for (size_t p = 0; p < dho_graph_parameter_count(f->graph); p++) {
        const dho_slot *slot = dho_graph_parameter(f->graph, p);
        const bool wide = strncmp(slot->name, "wide", 4) == 0;
        const float mean = wide ? (strcmp(slot->name, "wide.bias") == 0 ? 3 : 1) : 0;
        for (size_t i = slot->offset; i < slot->offset + slot->count; i++)
            f->parameters[i] += mean + 0.1f * (float)dho_rng_normal(&rng);
    }
    for (size_t i = 0; i < sizeof f->input / sizeof *f->input; i++)
        f->input[i] = (float)dho_rng_normal(&rng);
    for (size_t i = 0; i < dho_graph_buffer_floats(f->graph); i++)
        f->buffers[i] = 1 + 0.3f * (float)dho_rng_uniform(&rng);
    for (int i = 0; i < MOST_DROPS; i++) f->drops[i] = i % 3 == 1 ? 0 : 1.5f;
    dho_executor_set_drops(f->executor, f->drops);
    for (size_t i = 0; i < f->output_floats; i++) f->coefficients[i] = (float)dho_rng_normal(&rng);
}

/* The floats of an output, or 0 of a value that is none. */
static size_t output_floats(const fixture *f, dho_value x)
{
    const dho_node *node = dho_graph_node(f->graph, x);
    return node->is_output ? (size_t)BATCH * (size_t)node->channels : 0;
}

/* Sum of coefficient * output; its gradient is the coefficients. */
static double loss(fixture *f)
{
    const float *coefficient = f->coefficients;
    double sum = 0;
    dho_executor_forward(f->executor, BATCH, f->input, f->parameters, f->buffers, f->statistics);
    for (dho_value x = 0; x <= f->output; x++) {
        const float *output = dho_executor_output(f->executor, x);
        for (size_t i = 0; i < output_floats(f, x); i++) sum += (double)*coefficient++ * output[i];
    }
    return sum;
}

static void backward(fixture *f)
{
    const float *coefficient = f->coefficients;
    for (dho_value x = 0; x <= f->output; x++) {
        const size_t count = output_floats(f, x);
        if (count == 0) continue;
        memcpy(dho_executor_output_gradient(f->executor, x), coefficient, count * sizeof(float));
        coefficient += count;
    }
    dho_executor_backward(f->executor, f->parameters, f->gradients);
}

/* h = 5e-4: rounding (1e-6 / h) and curvature (h^2) both stay below 2e-3 of a gradient of order
 * one; a ReLU or a maximum that changes sides inside 2h shows as an outlier. */
static int count_outliers(fixture *f)
{
    const float h = 5e-4f;
    int outliers = 0;
    for (size_t i = 0; i < f->floats; i++) {
        const float kept = f->parameters[i];
        f->parameters[i] = kept + h;
        const double high = loss(f);
        f->parameters[i] = kept - h;
        const double low = loss(f);
        f->parameters[i] = kept;
        const double expected = (high - low) / (2 * (double)h);
        if (fabs(expected - f->gradients[i]) > 5e-3 * fmax(1, fabs(expected))) outliers++;
    }
    return outliers;
}

START_TEST(test_gradients)
{
    static const dho_backend backends[] = {DHO_BACKEND_REF, DHO_BACKEND_BLIS, DHO_BACKEND_AUTO};
    const struct operator_case *c = &cases[_i % CASES];
    fixture f = {0};
    build(&f, c);
    ck_assert_ok(dho_compute_create(&f.compute, backends[_i / CASES], DHO_DTYPE_FP32, 1));
    const dho_executor_options options = {.compute = f.compute, .batch = BATCH, .training = true};
    ck_assert_ok(dho_executor_create(&f.executor, f.graph, &options));
    f.floats = dho_graph_parameter_floats(f.graph);
    for (dho_value x = 0; x <= f.output; x++) f.output_floats += output_floats(&f, x);
    float **const slabs[] = {&f.parameters, &f.gradients, &f.buffers, &f.statistics,
                             &f.coefficients};
    const size_t buffers = dho_graph_buffer_floats(f.graph);
    const size_t sizes[] = {f.floats, f.floats, buffers, buffers, f.output_floats};
    for (size_t i = 0; i < 5; i++) *slabs[i] = slab(sizes[i] + 1);
    fill(&f);
    loss(&f);
    backward(&f);
    const int outliers = count_outliers(&f);
    printf("%s, %s: %zu gradients, %d beside a kink\n", c->name,
           dho_compute_kernels(f.compute)->name, f.floats, outliers);
    ck_assert_int_le(outliers, (int)f.floats / 25);
    for (size_t i = 0; i < 5; i++) dho_free(*slabs[i]);
    dho_executor_destroy(&f.executor);
    dho_compute_destroy(&f.compute);
    dho_graph_destroy(&f.graph);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* An operator that can only be run is refused in a graph that is to be trained. */
START_TEST(test_without_backward)
{
    static const char message[] =
        "model: operator 1, text embeddings, can be run, not trained: it has no backward";
    dho_graph *graph;
    dho_compute *compute;
    dho_executor *executor;
    ck_assert_ok(dho_graph_create(&graph));
    const dho_value ids = dho_graph_text_input(graph, 4);
    dho_graph_embed_text(graph, ids, "token", "position", 9, 5, 8);
    ck_assert_fails(dho_graph_finish(graph), DHO_ERR_CONFIG, message);
    dho_graph_run_only(graph);
    ck_assert_ok(dho_graph_finish(graph));
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_REF, DHO_DTYPE_FP32, 1));
    dho_executor_options options = {.compute = compute, .batch = 1, .training = true};
    ck_assert_fails(dho_executor_create(&executor, graph, &options), DHO_ERR_CONFIG, message);
    options.training = false;
    ck_assert_ok(dho_executor_create(&executor, graph, &options));
    dho_executor_destroy(&executor);
    dho_compute_destroy(&compute);
    dho_graph_destroy(&graph);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* So is one whose value nobody reads: it would have no gradient. */
START_TEST(test_unread_value)
{
    dho_graph *graph;
    ck_assert_ok(dho_graph_create(&graph));
    const dho_value image = dho_graph_input(graph, SIZE, SIZE, 2);
    dho_graph_output(graph, dho_graph_average_pool(graph, map_of(graph, image)));
    ck_assert_ok(dho_graph_finish(graph));
    dho_graph_average_pool(graph, image);
    ck_assert_fails(dho_graph_finish(graph), DHO_ERR_CONFIG,
                    "model: operator 3, average pool, can be run, not trained: nobody reads it");
    dho_graph_destroy(&graph);
}
END_TEST

/* Operators that write the gradient of their input: the images have none. */
static dho_value on_image(dho_graph *graph, dho_value image, int which)
{
    switch (which) {
    case 0:
        return dho_graph_batch_norm(graph, image, "bn", -1, DHO_ACTIVATION_RELU);
    case 1:
        return dho_graph_widen(graph, image);
    case 2:
        return dho_graph_bias_gelu(graph, image, "bias", DHO_GELU_ERF);
    case 3:
        return dho_graph_attention(graph, image, 1, false);
    case 4:
        return dho_graph_pool_tokens(graph, image, "position");
    case 5:
        return dho_graph_embed_tokens(
            graph, image, &(dho_token_spec){.class_token = "class", .position = "position"});
    default:
        return dho_graph_take_token(graph, image);
    }
}

START_TEST(test_input_without_gradient)
{
    dho_graph *graph;
    ck_assert_ok(dho_graph_create(&graph));
    dho_graph_output(graph, on_image(graph, dho_graph_input(graph, SIZE, SIZE, 3), _i));
    ck_assert_fails(dho_graph_finish(graph), DHO_ERR_CONFIG, "it reads the input itself");
    dho_graph_destroy(&graph);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("operators");
    TCase *tests = tcase_create("operators");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_gradients, 0, 3 * CASES);
    tcase_add_test(tests, test_without_backward);
    tcase_add_test(tests, test_unread_value);
    tcase_add_loop_test(tests, test_input_without_gradient, 0, 7);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
