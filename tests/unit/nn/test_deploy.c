#define _GNU_SOURCE
/* Graphs that are exported: the same numbers as the graphs that are trained, an ONNX form of each
 * operator, and the same numbers again in 8 bits, up to what 8 bits cost. */
#include "check_main.h"
#include "dho/student.h"
#include "nn/graph_onnx.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static const struct small {
    const char *model;
    int width, layers;
} models[] = {{"resnet18", 8, 0},      {"resnet50", 8, 0}, {"mobilenet_v2", 8, 0},
              {"convnext_tiny", 8, 0}, {"vit_s16", 64, 1}, {"clip_rn50", 8, 0},
              {"clip_vit_b16", 64, 1}};
enum { MODELS = sizeof models / sizeof *models, SIDE = 32, BATCH = 3, CLASSES = 5 };

typedef struct fixture {
    dho_student plain, deployed;
    float *parameters, *buffers, *images;
} fixture;

static void fixture_create(fixture *f, const struct small *m)
{
    dho_student_options options = {.model = m->model,
                                   .width = m->width,
                                   .layers = m->layers,
                                   .image_size = SIDE,
                                   .classes = CLASSES,
                                   .dual_head = true};
    ck_assert_ok(dho_student_create(&f->plain, &options));
    options.deploy = true;
    ck_assert_ok(dho_student_create(&f->deployed, &options));
    const dho_graph *graph = f->plain.graph;
    const size_t floats = dho_graph_buffer_floats(graph);
    ck_assert_uint_eq(dho_graph_parameter_floats(f->deployed.graph),
                      dho_graph_parameter_floats(graph));
    ck_assert_ok(
        dho_alloc_zero(&f->parameters, dho_graph_parameter_floats(graph), sizeof(float), "test"));
    ck_assert_ok(dho_alloc_zero(&f->buffers, floats + 1, sizeof(float), "test"));
    ck_assert_ok(dho_alloc(&f->images, (size_t)BATCH * SIDE * SIDE * 3, sizeof(float), "test"));
    dho_graph_initialise(graph, 1, f->parameters, f->buffers);
    for (size_t i = 0; i < floats; i++) f->buffers[i] += 0.1f * ((float)(i % 7) - 3);
    for (int i = 0; i < BATCH * SIDE * SIDE * 3; i++) f->images[i] = sinf(0.7f * (float)i);
}

static void fixture_free(fixture *f)
{
    dho_student_destroy(&f->plain);
    dho_student_destroy(&f->deployed);
    dho_free(f->parameters);
    dho_free(f->buffers);
    dho_free(f->images);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

/* Logits of both heads, [2][BATCH][CLASSES]. */
static void run(const fixture *f, const dho_student *student, const float *parameters,
                dho_value_observer see, void *context, float out[2 * BATCH * CLASSES])
{
    dho_compute *compute;
    dho_executor *executor;
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, 1));
    const dho_executor_options options = {.compute = compute, .batch = BATCH};
    ck_assert_ok(dho_executor_create(&executor, student->graph, &options));
    dho_executor_observe(executor, see, context);
    dho_executor_forward(executor, BATCH, f->images, parameters, f->buffers, NULL);
    for (int h = 0; h < 2; h++)
        memcpy(out + h * BATCH * CLASSES, dho_executor_output(executor, student->heads[h]),
               BATCH * CLASSES * sizeof *out);
    dho_executor_destroy(&executor);
    dho_compute_destroy(&compute);
}

START_TEST(test_same_numbers)
{
    fixture f;
    float plain[2 * BATCH * CLASSES], deployed[2 * BATCH * CLASSES];
    fixture_create(&f, &models[_i]);
    run(&f, &f.plain, f.parameters, NULL, NULL, plain);
    run(&f, &f.deployed, f.parameters, NULL, NULL, deployed);
    for (int i = 0; i < 2 * BATCH * CLASSES; i++)
        ck_assert_float_eq_tol(plain[i], deployed[i], 1e-4f * (1 + fabsf(plain[i])));
    fixture_free(&f);
}
END_TEST

START_TEST(test_has_onnx_form)
{
    fixture f;
    dho_onnx *onnx;
    char path[] = "/tmp/dho-test-XXXXXX";
    const char *names[512] = {0};
    fixture_create(&f, &models[_i]);
    const int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
    ck_assert_int_le(dho_graph_values(f.deployed.graph), 512);
    const dho_onnx_source source = {.graph = f.deployed.graph,
                                    .parameters = f.parameters,
                                    .buffers = f.buffers,
                                    .last = f.deployed.features};
    ck_assert_ok(dho_onnx_create(&onnx));
    ck_assert_ok(dho_graph_to_onnx(&source, onnx, names));
    ck_assert_ptr_nonnull(names[f.deployed.heads[0]]);
    ck_assert_ptr_nonnull(names[f.deployed.heads[1]]);
    ck_assert_ok(dho_onnx_save(onnx, path));
    dho_onnx_destroy(&onnx);
    unlink(path);
    fixture_free(&f);
}
END_TEST

/* A text tower's operators are not for export. */
START_TEST(test_refuses)
{
    dho_graph *graph;
    dho_onnx *onnx;
    const char *names[2];
    ck_assert_ok(dho_graph_create(&graph));
    dho_graph_deploy(graph);
    const dho_value ids = dho_graph_text_input(graph, 4);
    dho_graph_embed_text(graph, ids, "token", "position", 10, 4, 8);
    ck_assert_ok(dho_graph_finish(graph));
    float parameters[256] = {0};
    const dho_onnx_source source = {.graph = graph, .parameters = parameters, .last = 1};
    ck_assert_ok(dho_onnx_create(&onnx));
    ck_assert_fails(dho_graph_to_onnx(&source, onnx, names), DHO_ERR_CONFIG,
                    "text embeddings, has no ONNX form");
    dho_onnx_destroy(&onnx);
    dho_graph_destroy(&graph);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Which values are rounded: none behind the features; each weight that is, has 255 steps at most.
 */
START_TEST(test_rounded_weights)
{
    fixture f;
    dho_int8_value kinds[512];
    float plain[2 * BATCH * CLASSES], rounded[2 * BATCH * CLASSES];
    fixture_create(&f, &models[_i]);
    const dho_student *student = &f.deployed;
    const int values = dho_graph_values(student->graph);
    int count = 0;
    dho_int8_values(student->graph, student->features, kinds);
    for (int x = 0; x < values; x++) count += kinds[x] == DHO_INT8_ROUNDED;
    ck_assert_int_gt(count, 3);
    for (int x = student->features; x < values; x++) ck_assert_int_eq(kinds[x], DHO_INT8_FLOAT);
    run(&f, student, f.parameters, NULL, NULL, plain);
    dho_int8_round_weights(student->graph, student->features, f.parameters);
    run(&f, student, f.parameters, NULL, NULL, rounded);
    double error = 0, size = 0;
    for (int i = 0; i < 2 * BATCH * CLASSES; i++) {
        error += pow((double)(plain[i] - rounded[i]), 2);
        size += pow((double)plain[i], 2);
    }
    ck_assert(error > 0);
    ck_assert(error < 0.01 * size);
    fixture_free(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deploy");
    TCase *tests = tcase_create("deploy");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, test_same_numbers, 0, MODELS);
    tcase_add_loop_test(tests, test_has_onnx_form, 0, MODELS);
    tcase_add_test(tests, test_refuses);
    tcase_add_loop_test(tests, test_rounded_weights, 0, MODELS);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
