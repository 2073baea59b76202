/* Passes of several batch sizes: each is planned, so that no pass allocates, and each takes the
 * algorithms of the largest one. */
#include "conv_shape.h"
#include "dho/alloc.h"
#include "dho/rng.h"
#include "dho/student.h"
#include "floats.h"

#include "compute/fast/winograd.h"

#include <string.h>

static const struct engine {
    dho_backend backend;
    dho_compute_dtype dtype;
} engines[] = {{DHO_BACKEND_BLIS, DHO_DTYPE_FP32},
               {DHO_BACKEND_ONEDNN, DHO_DTYPE_FP32},
               {DHO_BACKEND_BLIS, DHO_DTYPE_BF16},
               {DHO_BACKEND_ONEDNN, DHO_DTYPE_BF16}};
enum { ENGINES = sizeof engines / sizeof *engines };

/* NULL: not in this build, or not on this processor; the message says which. */
static dho_compute *open_engine(int i)
{
    dho_compute *compute;
    if (dho_compute_create(&compute, engines[i].backend, engines[i].dtype, 2) != DHO_OK)
        return NULL;
    return compute;
}

/* In the dtype that the executor reads; room for floats. */
static float *random_images(dho_compute *compute, size_t count)
{
    float *pixels = random_slab(count, 0), *out;
    ck_assert_ok(dho_alloc_zero(&out, count, sizeof *out, "test"));
    dho_compute_kernels(compute)->store(compute, count, pixels, out);
    dho_free(pixels);
    return out;
}

/* One image gives the same bits in a pass of sixteen and of two, which alone would not be worth
 * Winograd's transforms. */
START_TEST(test_same_algorithm)
{
    enum { SIDE = 16, CHANNELS = 64, MOST = 16, FEW = 2, FLOATS = SIDE * SIDE * CHANNELS };
    dho_graph *graph;
    dho_executor *executor;
    float few[FEW * CHANNELS];
    dho_conv_shape shape = conv_shape((int[]){FEW, SIDE, SIDE, CHANNELS, CHANNELS, 3, 3, 1, 1, 1});
    dho_compute *compute = open_engine(_i);
    if (compute == NULL) skip_test("%s", dho_error_message());
    ck_assert(!dho_winograd_pays(compute, &shape));
    shape.plan_batch = MOST;
    ck_assert(dho_winograd_pays(compute, &shape));
    ck_assert_ok(dho_graph_create(&graph));
    const dho_value image = dho_graph_input(graph, SIDE, SIDE, CHANNELS);
    const dho_value y = dho_graph_average_pool(
        graph,
        dho_graph_conv(
            graph, image,
            &(dho_conv_spec){.name = "conv", .out_channels = CHANNELS, .kernel = 3, .padding = 1}));
    dho_graph_output(graph, y);
    ck_assert_ok(dho_graph_finish(graph));
    float *images = random_images(compute, (size_t)MOST * FLOATS);
    float *parameters = random_slab(dho_graph_parameter_floats(graph), 1);
    const dho_executor_options options = {.compute = compute, .batch = MOST};
    ck_assert_ok(dho_executor_create(&executor, graph, &options));
    ck_assert_ok(dho_executor_prepare(executor, FEW));
    dho_executor_forward(executor, FEW, images, parameters, NULL, NULL);
    memcpy(few, dho_executor_output(executor, y), sizeof few);
    dho_executor_forward(executor, MOST, images, parameters, NULL, NULL);
    ck_assert_mem_eq(dho_executor_output(executor, y), few, sizeof few);
    dho_executor_destroy(&executor);
    dho_graph_destroy(&graph);
    dho_free(images), dho_free(parameters);
    dho_compute_destroy(&compute);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

enum { CLASSES = 4, LARGE = 5, SMALL = 2 };

static const struct student_case {
    const char *model;
    int width, layers, size;
} students[] = {{"resnet18", 16, 0, 64},
                {"resnet50", 8, 0, 64},
                {"mobilenet_v2", 8, 0, 64},
                {"clip_rn50", 8, 0, 64},
                {"clip_vit_b16", 64, 2, 64}};
enum { STUDENTS = sizeof students / sizeof *students };

static void run_pass(dho_executor *executor, const dho_student *student, int batch, bool training,
                     float *const slabs[5])
{
    dho_executor_forward(executor, batch, slabs[0], slabs[1], training ? NULL : slabs[2],
                         training ? slabs[3] : NULL);
    if (!training) return;
    for (int h = 0; h < 2; h++)
        for (int i = 0; i < batch * CLASSES; i++)
            dho_executor_output_gradient(executor, student->heads[h])[i] = (float)(i % 3) - 1;
    dho_executor_backward(executor, slabs[1], slabs[4]);
}

/* The first step and the first smaller pass allocate nothing: what runs is what was planned, biases
 * and added gradients included. */
START_TEST(test_no_allocation)
{
    const struct student_case *c = &students[_i % STUDENTS];
    const dho_recompute recompute = _i / STUDENTS % 2 ? DHO_RECOMPUTE_BLOCK : DHO_RECOMPUTE_NONE;
    dho_student student;
    dho_executor *executor;
    const dho_student_options options = {.model = c->model,
                                         .width = c->width,
                                         .layers = c->layers,
                                         .image_size = c->size,
                                         .classes = CLASSES,
                                         .dual_head = true};
    dho_compute *compute = open_engine(_i / STUDENTS / 2);
    if (compute == NULL) skip_test("%s", dho_error_message());
    ck_assert_ok(dho_student_create(&student, &options));
    const size_t floats = dho_graph_parameter_floats(student.graph);
    const size_t buffers = dho_graph_buffer_floats(student.graph);
    float *const slabs[5] = {random_images(compute, (size_t)(LARGE * c->size * c->size * 3)),
                             random_slab(floats, 1), random_slab(buffers, 2),
                             random_slab(buffers, 3), random_slab(floats, 4)};
    dho_graph_initialise(student.graph, 1, slabs[1], slabs[2]);
    for (int training = 0; training < 2; training++) {
        const dho_executor_options execution = {
            .compute = compute, .batch = LARGE, .training = training == 1, .recompute = recompute};
        ck_assert_ok(dho_executor_create(&executor, student.graph, &execution));
        ck_assert_ok(dho_executor_prepare(executor, SMALL));
        const int64_t calls = dho_alloc_get_stats().calls;
        ck_assert_ok(dho_executor_prepare(executor, SMALL));
        run_pass(executor, &student, LARGE, training == 1, slabs);
        run_pass(executor, &student, SMALL, training == 1, slabs);
        ck_assert_int_eq(dho_alloc_get_stats().calls, calls);
        dho_executor_destroy(&executor);
    }
    for (size_t i = 0; i < 5; i++) dho_free(slabs[i]);
    dho_student_destroy(&student);
    dho_compute_destroy(&compute);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Without memory, a batch stays unprepared, and can be prepared later. */
START_TEST(test_without_memory)
{
    dho_student student;
    dho_executor *executor;
    const dho_student_options options = {.model = "clip_vit_b16",
                                         .width = 64,
                                         .layers = 1,
                                         .image_size = 64,
                                         .classes = CLASSES,
                                         .dual_head = true};
    dho_compute *compute = open_engine(_i);
    if (compute == NULL) skip_test("%s", dho_error_message());
    ck_assert_ok(dho_student_create(&student, &options));
    const dho_executor_options execution = {.compute = compute, .batch = LARGE, .training = true};
    ck_assert_ok(dho_executor_create(&executor, student.graph, &execution));
    int failures = 0;
    for (int64_t n = 1; out_of_memory_at(n, dho_executor_prepare(executor, SMALL)); n++) failures++;
    if (engines[_i].backend == DHO_BACKEND_ONEDNN) ck_assert_int_gt(failures, 0);
    dho_executor_destroy(&executor);
    dho_student_destroy(&student);
    dho_compute_destroy(&compute);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prepare");
    TCase *tests = tcase_create("prepare");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, test_same_algorithm, 0, ENGINES);
    tcase_add_loop_test(tests, test_no_allocation, 0, 2 * STUDENTS * ENGINES);
    tcase_add_loop_test(tests, test_without_memory, 0, ENGINES);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
