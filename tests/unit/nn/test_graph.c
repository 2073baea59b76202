/* What a graph refuses, and the memory planner's promise. */
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/graph.h"
#include "dho/rng.h"
#include "nn/planner.h"

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
    const dho_value stream = dho_graph_embed_tokens(
        graph, map, &(dho_token_spec){.class_token = "class", .position = "position"});
    const dho_value tokens =
        dho_graph_layer_norm(graph, stream, &(dho_layer_norm_spec){.name = "norm"});
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
        dho_graph_embed_tokens(graph, stream,
                               &(dho_token_spec){.class_token = "class2", .position = "position2"});
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
    tcase_add_loop_test(tests, test_planner_never_overlaps, 0, 50);
    tcase_add_test(tests, test_image_too_small_is_an_error);
    tcase_add_loop_test(tests, test_demands, 0, 7);
    tcase_add_test(tests, test_allocation_failures);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
