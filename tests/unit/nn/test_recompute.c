/* compute.recompute: the same bits with less memory, for every kind of student. */
#include "dho/alloc.h"
#include "dho/rng.h"
#include "dho/student.h"
#include "floats.h"

#include <string.h>

enum { BATCH = 3, CLASSES = 4 };

static const struct recompute_case {
    const char *model;
    int width, layers, size;
    double memory; /* of `block` over `none`, at most */
} cases[] = {{"resnet18", 8, 0, 64, 0.9},      {"resnet50", 8, 0, 64, 0.9},
             {"mobilenet_v2", 8, 0, 64, 0.9},  {"clip_rn50", 8, 0, 64, 0.9},
             {"clip_vit_b16", 64, 6, 64, 0.6}, {"clip_vit_l14", 48, 12, 56, 0.4}};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct run {
    float *gradients, *statistics, outputs[2][BATCH * CLASSES];
    size_t arena_bytes;
} run;

static dho_student_options options_of(const struct recompute_case *c)
{
    return (dho_student_options){.model = c->model,
                                 .width = c->width,
                                 .layers = c->layers,
                                 .image_size = c->size,
                                 .classes = CLASSES,
                                 .dual_head = true};
}

/* Two steps, the second of which is kept: nothing may be left over from a backward. */
static run run_steps(const struct recompute_case *c, dho_compute *compute, const void *images,
                     dho_recompute recompute)
{
    dho_student student;
    dho_executor *executor;
    run out;
    const dho_student_options options = options_of(c);
    ck_assert_ok(dho_student_create(&student, &options));
    const dho_executor_options execution = {
        .compute = compute, .batch = BATCH, .training = true, .recompute = recompute};
    ck_assert_ok(dho_executor_create(&executor, student.graph, &execution));
    float *parameters = slab(dho_graph_parameter_floats(student.graph));
    float *buffers = slab(dho_graph_buffer_floats(student.graph));
    out.gradients = slab(dho_graph_parameter_floats(student.graph));
    out.statistics = slab(dho_graph_buffer_floats(student.graph));
    dho_graph_initialise(student.graph, 3, parameters, buffers);
    for (int step = 0; step < 2; step++) {
        dho_executor_forward(executor, BATCH, images, parameters, NULL, out.statistics);
        for (int h = 0; h < 2; h++) {
            const float *y = dho_executor_output(executor, student.heads[h]);
            float *dy = dho_executor_output_gradient(executor, student.heads[h]);
            memcpy(out.outputs[h], y, sizeof out.outputs[h]);
            for (int i = 0; i < BATCH * CLASSES; i++) dy[i] = (float)(i % 5) - 2 + y[i];
        }
        /* What backward makes again leaves the statistics alone. */
        for (size_t i = 0; i < dho_graph_buffer_floats(student.graph); i++) out.statistics[i] += 1;
        dho_executor_backward(executor, parameters, out.gradients);
    }
    out.arena_bytes = dho_executor_arena_bytes(executor);
    dho_free(parameters), dho_free(buffers);
    dho_executor_destroy(&executor);
    const size_t floats = dho_graph_parameter_floats(student.graph);
    double largest = 0;
    for (size_t i = 0; i < floats; i++)
        if (out.gradients[i] > largest) largest = out.gradients[i];
    ck_assert_double_gt(largest, 0);
    dho_student_destroy(&student);
    return out;
}

START_TEST(test_same_bits)
{
    const struct recompute_case *c = &cases[_i / 2];
    dho_compute *compute;
    dho_rng rng;
    const dho_compute_dtype dtype = _i % 2 == 0 ? DHO_DTYPE_FP32 : DHO_DTYPE_BF16;
    if (dho_compute_create(&compute, DHO_BACKEND_AUTO, dtype, 2) != DHO_OK)
        skip_test("%s", dho_error_message());
    const size_t pixels = (size_t)(BATCH * c->size * c->size * 3);
    float *floats = slab(pixels), *images = slab(pixels);
    dho_rng_init(&rng, 6, DHO_RNG_TEST, 0, (uint64_t)_i);
    for (size_t i = 0; i < pixels; i++) floats[i] = (float)dho_rng_normal(&rng);
    dho_compute_kernels(compute)->store(compute, pixels, floats, images);
    run none = run_steps(c, compute, images, DHO_RECOMPUTE_NONE);
    run block = run_steps(c, compute, images, DHO_RECOMPUTE_BLOCK);
    dho_student student;
    const dho_student_options options = options_of(c);
    ck_assert_ok(dho_student_create(&student, &options));
    ck_assert_mem_eq(none.outputs, block.outputs, sizeof none.outputs);
    ck_assert_mem_eq(none.gradients, block.gradients,
                     dho_graph_parameter_floats(student.graph) * sizeof(float));
    if (dho_graph_buffer_floats(student.graph) > 0)
        ck_assert_mem_eq(none.statistics, block.statistics,
                         dho_graph_buffer_floats(student.graph) * sizeof(float));
    dho_student_destroy(&student);
    printf("%s, %s: arena %zu bytes, by blocks %zu (%.2f)\n", c->model,
           dtype == DHO_DTYPE_FP32 ? "fp32" : "bf16", none.arena_bytes, block.arena_bytes,
           (double)block.arena_bytes / (double)none.arena_bytes);
    ck_assert_double_le((double)block.arena_bytes, c->memory * (double)none.arena_bytes);
    dho_free(none.gradients), dho_free(none.statistics);
    dho_free(block.gradients), dho_free(block.statistics);
    dho_free(floats), dho_free(images);
    dho_compute_destroy(&compute);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* A value whose gradient a kernel can only set must not be read elsewhere. */
START_TEST(test_set_only_gradients)
{
    dho_graph *graph;
    dho_compute *compute;
    dho_executor *executor;
    ck_assert_ok(dho_graph_create(&graph));
    dho_value x = dho_graph_input(graph, 4, 4, 3);
    x = dho_graph_conv(
        graph, x, &(dho_conv_spec){.name = "conv", .out_channels = 6, .kernel = 2, .stride = 2});
    const dho_value y = dho_graph_attention(graph, x, 1, false);
    dho_graph_output(graph, dho_graph_average_pool(graph, x));
    dho_graph_output(graph, dho_graph_average_pool(graph, y));
    ck_assert_ok(dho_graph_finish(graph));
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_BLIS, DHO_DTYPE_FP32, 1));
    dho_executor_options options = {.compute = compute, .batch = 1, .training = true};
    /* In backward order the attention comes second. */
    ck_assert_fails(dho_executor_create(&executor, graph, &options), DHO_ERR_CONFIG, "elsewhere");
    options.training = false;
    ck_assert_ok(dho_executor_create(&executor, graph, &options));
    dho_executor_destroy(&executor);
    dho_compute_destroy(&compute);
    dho_graph_destroy(&graph);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_allocation_failures)
{
    dho_compute *compute;
    dho_student student;
    const dho_student_options options = {.model = "clip_vit_b16",
                                         .width = 16,
                                         .layers = 1,
                                         .image_size = 32,
                                         .classes = 2,
                                         .dual_head = true};
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_BLIS, DHO_DTYPE_FP32, 1));
    const int64_t before = dho_alloc_get_stats().live_blocks;
    for (int64_t n = 1; n < 400; n++) {
        dho_executor *executor = NULL;
        dho_alloc_fail_at(n);
        dho_status status = dho_student_create(&student, &options);
        if (status == DHO_OK) {
            const dho_executor_options execution = {
                .compute = compute, .batch = 1, .training = true, .recompute = DHO_RECOMPUTE_BLOCK};
            status = dho_executor_create(&executor, student.graph, &execution);
            dho_student_destroy(&student);
        }
        dho_alloc_fail_at(0);
        dho_executor_destroy(&executor);
        if (status == DHO_OK) {
            dho_compute_destroy(&compute);
            return;
        }
        ck_assert_int_eq(status, DHO_ERR_MEMORY);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before);
    }
    ck_abort_msg("never succeeded");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recompute");
    TCase *tests = tcase_create("recompute");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, test_same_bits, 0, 2 * CASES);
    tcase_add_test(tests, test_set_only_gradients);
    tcase_add_test(tests, test_allocation_failures);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
