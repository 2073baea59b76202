/* The executor as a whole against central differences, and the memory planner's promise. */
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/graph.h"
#include "dho/rng.h"
#include "nn/planner.h"

#include <math.h>
#include <string.h>

enum { BATCH = 3, SIZE = 9, OUT = 4 };

/* Every operator once: residual, projection, pools, normalisation, an output that is read on. */
static dho_graph *small_graph(dho_value *first, dho_value *second)
{
    dho_graph *graph;
    ck_assert_ok(dho_graph_create(&graph));
    dho_value x = dho_graph_input(graph, SIZE, SIZE, 2);
    x = dho_graph_conv(graph, x,
                       &(dho_conv_spec){.name = "stem",
                                        .out_channels = 4,
                                        .kernel = 3,
                                        .stride = 2,
                                        .padding = 1,
                                        .bias = true});
    x = dho_graph_batch_norm(graph, x, "stem_bn", -1, DHO_ACTIVATION_RELU);
    dho_value y = dho_graph_conv(
        graph, x,
        &(dho_conv_spec){
            .name = "grouped", .out_channels = 4, .kernel = 3, .padding = 1, .groups = 2});
    y = dho_graph_batch_norm(graph, y, "grouped_bn", x, DHO_ACTIVATION_RELU);
    /* As a linear bottleneck: ReLU6 on both of its edges, then a sum without activation. */
    x = dho_graph_conv(
        graph, y,
        &(dho_conv_spec){
            .name = "depthwise", .out_channels = 4, .kernel = 3, .padding = 1, .groups = 4});
    x = dho_graph_batch_norm(graph, x, "depthwise_bn", -1, DHO_ACTIVATION_RELU6);
    x = dho_graph_conv(graph, x,
                       &(dho_conv_spec){.name = "project", .out_channels = 4, .kernel = 1});
    y = dho_graph_batch_norm(graph, x, "project_bn", y, DHO_ACTIVATION_NONE);
    x = dho_graph_max_pool(graph, y, 3, 2, 1);
    x = dho_graph_average_pool(graph, x);
    *first = dho_graph_linear(graph, x, "first", OUT, true);
    const dho_value unit = dho_graph_l2_normalise(graph, x);
    *second = dho_graph_linear(graph, unit, "second", OUT, false);
    dho_graph_output(graph, *first);
    dho_graph_output(graph, *second);
    ck_assert_ok(dho_graph_finish(graph));
    return graph;
}

static void fill_parameter(const dho_graph *graph, const char *name, float value, float *slab)
{
    for (size_t p = 0; p < dho_graph_parameter_count(graph); p++) {
        const dho_slot *slot = dho_graph_parameter(graph, p);
        if (strcmp(slot->name, name) != 0) continue;
        for (size_t i = 0; i < slot->count; i++) slab[slot->offset + i] = value;
        return;
    }
    ck_abort_msg("no parameter %s", name);
}

/* loss = sum of coefficient * output; its gradient is the coefficients. */
static double loss(dho_executor *executor, dho_value first, dho_value second,
                   const float *coefficients)
{
    const float *a = dho_executor_output(executor, first);
    const float *b = dho_executor_output(executor, second);
    double sum = 0;
    for (int i = 0; i < BATCH * OUT; i++)
        sum += (double)coefficients[i] * a[i] + (double)coefficients[BATCH * OUT + i] * b[i];
    return sum;
}

START_TEST(test_gradients_against_differences)
{
    dho_value first, second;
    dho_compute *compute;
    dho_executor *executor;
    dho_rng rng;
    dho_graph *graph = small_graph(&first, &second);
    ck_assert_ok(dho_compute_create(&compute,
                                    _i == 0   ? DHO_BACKEND_REF
                                    : _i == 1 ? DHO_BACKEND_BLIS
                                              : DHO_BACKEND_AUTO,
                                    DHO_DTYPE_FP32, 1));
    const dho_executor_options options = {.compute = compute, .batch = BATCH, .training = true};
    ck_assert_ok(dho_executor_create(&executor, graph, &options));
    const size_t floats = dho_graph_parameter_floats(graph);
    float *parameters, *buffers, *statistics, *gradients;
    ck_assert_ok(dho_alloc_zero(&parameters, floats, sizeof(float), "test"));
    ck_assert_ok(dho_alloc_zero(&gradients, floats, sizeof(float), "test"));
    ck_assert_ok(dho_alloc_zero(&buffers, dho_graph_buffer_floats(graph), sizeof(float), "test"));
    ck_assert_ok(
        dho_alloc_zero(&statistics, dho_graph_buffer_floats(graph), sizeof(float), "test"));
    dho_graph_initialise(graph, 6, parameters, buffers);
    /* Mean 3, deviation 2: as many values beyond 6 as below 0. */
    fill_parameter(graph, "depthwise_bn.weight", 2, parameters);
    fill_parameter(graph, "depthwise_bn.bias", 3, parameters);
    float input[BATCH * SIZE * SIZE * 2], coefficients[2 * BATCH * OUT];
    dho_rng_init(&rng, 6, DHO_RNG_TEST, 0, 0);
    for (size_t i = 0; i < sizeof input / sizeof *input; i++)
        input[i] = (float)dho_rng_normal(&rng);
    for (size_t i = 0; i < 2 * BATCH * OUT; i++) coefficients[i] = (float)dho_rng_normal(&rng);

    dho_executor_forward(executor, BATCH, input, parameters, NULL, statistics);
    memcpy(dho_executor_output_gradient(executor, first), coefficients,
           BATCH * OUT * sizeof(float));
    memcpy(dho_executor_output_gradient(executor, second), coefficients + BATCH * OUT,
           BATCH * OUT * sizeof(float));
    dho_executor_backward(executor, parameters, gradients);

    /* h = 2e-3: rounding (1e-6 / h) and curvature (h^2) both stay below 2e-3 of a gradient of
     * order one; a ReLU or a maximum that changes sides inside 2h would show as an outlier, so a
     * few are let pass. */
    const float h = 2e-3f;
    int checked = 0, outliers = 0;
    for (size_t p = 0; p < dho_graph_parameter_count(graph); p++) {
        const dho_slot *slot = dho_graph_parameter(graph, p);
        for (size_t i = slot->offset; i < slot->offset + slot->count; i++) {
            const float kept = parameters[i];
            parameters[i] = kept + h;
            dho_executor_forward(executor, BATCH, input, parameters, NULL, statistics);
            const double high = loss(executor, first, second, coefficients);
            parameters[i] = kept - h;
            dho_executor_forward(executor, BATCH, input, parameters, NULL, statistics);
            const double low = loss(executor, first, second, coefficients);
            parameters[i] = kept;
            const double expected = (high - low) / (2 * (double)h);
            checked++;
            if (fabs(expected - gradients[i]) > 5e-3 * fmax(1, fabs(expected))) outliers++;
        }
    }
    printf("%s: %d gradients, %d beside a kink\n", dho_compute_kernels(compute)->name, checked,
           outliers);
    ck_assert_int_gt(checked, 150);
    ck_assert_int_le(outliers, checked / 50);
    dho_free(parameters);
    dho_free(gradients);
    dho_free(buffers);
    dho_free(statistics);
    dho_executor_destroy(&executor);
    dho_compute_destroy(&compute);
    dho_graph_destroy(&graph);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_planner_never_overlaps)
{
    enum { BLOCKS = 60 };
    dho_block blocks[BLOCKS];
    dho_rng rng;
    size_t bytes, live_peak = 0;
    dho_rng_init(&rng, 6, DHO_RNG_TEST, 0, (uint64_t)_i);
    for (int i = 0; i < BLOCKS; i++) {
        const int first = (int)dho_rng_below(&rng, 50);
        blocks[i] =
            (dho_block){.bytes = dho_rng_below(&rng, 5) == 0 ? 0 : dho_rng_below(&rng, 9000),
                        .first = first,
                        .last = first + (int)dho_rng_below(&rng, 20)};
    }
    ck_assert_ok(dho_planner_place(blocks, BLOCKS, &bytes));
    for (int i = 0; i < BLOCKS; i++) {
        ck_assert_uint_eq(blocks[i].offset % 64, 0);
        ck_assert_uint_le(blocks[i].bytes > 0 ? blocks[i].offset + blocks[i].bytes : 0, bytes);
        for (int j = 0; j < i; j++) {
            const bool time =
                blocks[i].first <= blocks[j].last && blocks[j].first <= blocks[i].last;
            const bool space = blocks[i].offset < blocks[j].offset + blocks[j].bytes &&
                               blocks[j].offset < blocks[i].offset + blocks[i].bytes;
            ck_assert(!(time && space && blocks[i].bytes > 0 && blocks[j].bytes > 0));
        }
    }
    for (int t = 0; t < 70; t++) {
        size_t live = 0;
        for (int i = 0; i < BLOCKS; i++)
            if (blocks[i].first <= t && t <= blocks[i].last)
                live += (blocks[i].bytes + 63) / 64 * 64;
        live_peak = live > live_peak ? live : live_peak;
    }
    ck_assert_uint_ge(bytes, live_peak);
    ck_assert_uint_le(bytes, 2 * live_peak); /* greedy is near the floor in practice */
}
END_TEST

START_TEST(test_image_too_small_is_an_error)
{
    dho_graph *graph;
    ck_assert_ok(dho_graph_create(&graph));
    dho_value x = dho_graph_input(graph, 4, 4, 3);
    x = dho_graph_conv(graph, x, &(dho_conv_spec){.name = "a", .out_channels = 8, .kernel = 7});
    dho_graph_linear(graph, x, "b", 2, true);
    ck_assert_fails(dho_graph_finish(graph), DHO_ERR_CONFIG, "too small");
    dho_graph_destroy(&graph);
}
END_TEST

/* Operators that would read bf16 as float, or another shape, are refused when they are appended. */
START_TEST(test_demands)
{
    static const char *const expected[] = {
        "GELU of a float value",      "a residual that is not float", "a residual of another shape",
        "attention of a float value", "patches that are float",       "a residual that is float",
        "a residual of another shape"};
    dho_graph *graph;
    ck_assert_ok(dho_graph_create(&graph));
    const dho_value image = dho_graph_input(graph, 4, 4, 6);
    const dho_value map = dho_graph_conv(
        graph, image, &(dho_conv_spec){.name = "conv", .out_channels = 6, .kernel = 1});
    const dho_value stream = dho_graph_embed_tokens(graph, map, "class", "position");
    const dho_value tokens = dho_graph_layer_norm(graph, stream, "norm", false);
    dho_linear_spec spec = {.weight = "w", .out_channels = 6, .adds = true, .residual = stream};
    ck_assert_int_ge(dho_graph_linear_of(graph, tokens, &spec), 0);
    spec.weight = "w2";
    switch (_i) {
    case 0:
        dho_graph_bias_gelu(graph, stream, "bias", DHO_GELU_ERF);
        break;
    case 1:
        spec.residual = tokens;
        dho_graph_linear_of(graph, tokens, &spec);
        break;
    case 2:
        spec.out_channels = 12;
        dho_graph_linear_of(graph, tokens, &spec);
        break;
    case 3:
        dho_graph_attention(graph, stream, 1, false);
        break;
    case 4:
        dho_graph_embed_tokens(graph, stream, "class2", "position2");
        break;
    case 5:
        dho_graph_batch_norm(graph, tokens, "bn", stream, DHO_ACTIVATION_NONE);
        break;
    default:
        dho_graph_batch_norm(graph, tokens, "bn", map, DHO_ACTIVATION_NONE);
    }
    ck_assert_fails(dho_graph_finish(graph), DHO_ERR_CONFIG, expected[_i]);
    dho_graph_destroy(&graph);
}
END_TEST

START_TEST(test_allocation_failures)
{
    const int64_t before = dho_alloc_get_stats().live_blocks;
    for (int64_t n = 1; n < 200; n++) {
        dho_graph *graph = NULL;
        dho_alloc_fail_at(n);
        dho_status status = dho_graph_create(&graph);
        if (status == DHO_OK) {
            dho_value x = dho_graph_input(graph, 8, 8, 3);
            x = dho_graph_conv(
                graph, x,
                &(dho_conv_spec){
                    .name = "a", .out_channels = 8, .kernel = 3, .padding = 1, .bias = true});
            x = dho_graph_batch_norm(graph, x, "b", -1, DHO_ACTIVATION_RELU);
            dho_graph_output(graph, x);
            status = dho_graph_finish(graph);
        }
        dho_alloc_fail_at(0);
        dho_graph_destroy(&graph);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before);
        if (status == DHO_OK) return;
        ck_assert_int_eq(status, DHO_ERR_MEMORY);
    }
    ck_abort_msg("never succeeded");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("graph");
    TCase *tests = tcase_create("graph");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_gradients_against_differences, 0, 3);
    tcase_add_loop_test(tests, test_planner_never_overlaps, 0, 50);
    tcase_add_test(tests, test_image_too_small_is_an_error);
    tcase_add_loop_test(tests, test_demands, 0, 7);
    tcase_add_test(tests, test_allocation_failures);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
