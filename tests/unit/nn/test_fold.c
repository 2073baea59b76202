/* Models whose numbers do not change: batch normalisations are folded, the batch passes in parts,
 * and the outputs are those of the plain executor, up to rounding, in passes of any size. */
#include "base/compare.h"
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/student.h"

#include <math.h>
#include <string.h>

static const struct engine {
    dho_backend backend;
    dho_compute_dtype dtype;
    float tolerance;
} engines[] = {{DHO_BACKEND_REF, DHO_DTYPE_FP32, 2e-5f},
               {DHO_BACKEND_BLIS, DHO_DTYPE_FP32, 2e-5f},
               {DHO_BACKEND_ONEDNN, DHO_DTYPE_FP32, 2e-5f},
               {DHO_BACKEND_BLIS, DHO_DTYPE_BF16, 3e-2f},
               {DHO_BACKEND_ONEDNN, DHO_DTYPE_BF16, 3e-2f}};
static const struct small {
    const char *model;
    int width, layers;
} models[] = {{"resnet18", 32, 0}, {"resnet50", 8, 0}, {"mobilenet_v2", 8, 0},
              {"clip_rn50", 8, 0}, {"vit_s16", 64, 1}, {"convnext_tiny", 8, 0}};
enum { ENGINES = sizeof engines / sizeof *engines, MODELS = sizeof models / sizeof *models };
enum { SIDE = 48, BATCH = 11, FEW = 5, CLASSES = 5, FLOATS = SIDE * SIDE * 3 };

typedef struct fixture {
    dho_student student;
    dho_compute *compute;
    float *parameters, *buffers, *images; /* the images in the context's dtype */
} fixture;

/* False: the engine is not built in, or needs another processor (dho_error_message). */
static bool fixture_create(fixture *f, const struct small *m, const struct engine *e)
{
    const dho_student_options options = {.model = m->model,
                                         .width = m->width,
                                         .layers = m->layers,
                                         .image_size = SIDE,
                                         .classes = CLASSES};
    if (dho_compute_create(&f->compute, e->backend, e->dtype, 2) != DHO_OK) return false;
    ck_assert_ok(dho_student_create(&f->student, &options));
    const dho_graph *graph = f->student.graph;
    const size_t floats = dho_graph_buffer_floats(graph);
    float *pixels;
    ck_assert_ok(
        dho_alloc_zero(&f->parameters, dho_graph_parameter_floats(graph), sizeof(float), "test"));
    ck_assert_ok(dho_alloc_zero(&f->buffers, floats + 1, sizeof(float), "test"));
    ck_assert_ok(dho_alloc_zero(&f->images, (size_t)BATCH * FLOATS, sizeof(float), "test"));
    ck_assert_ok(dho_alloc(&pixels, (size_t)BATCH * FLOATS, sizeof(float), "test"));
    dho_graph_initialise(graph, 1, f->parameters, f->buffers);
    for (size_t i = 0; i < floats; i++) f->buffers[i] += 0.1f * ((float)(i % 7) - 3);
    for (int i = 0; i < BATCH * FLOATS; i++) pixels[i] = sinf(0.7f * (float)i);
    dho_compute_kernels(f->compute)->store(f->compute, (size_t)BATCH * FLOATS, pixels, f->images);
    dho_free(pixels);
    return true;
}

static void fixture_free(fixture *f)
{
    dho_compute_destroy(&f->compute);
    dho_student_destroy(&f->student);
    dho_free(f->parameters);
    dho_free(f->buffers);
    dho_free(f->images);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

/* The logits of the first `count` images by passes of `count`. */
static void run(const fixture *f, bool folded, int count, float *out)
{
    dho_executor *executor;
    const dho_executor_options options = {.compute = f->compute,
                                          .batch = BATCH,
                                          .parameters = folded ? f->parameters : NULL,
                                          .buffers = folded ? f->buffers : NULL};
    ck_assert_ok(dho_executor_create(&executor, f->student.graph, &options));
    ck_assert_ok(dho_executor_prepare(executor, count));
    for (int again = 0; again < 2; again++)
        dho_executor_forward(executor, count, f->images, f->parameters, f->buffers, NULL);
    memcpy(out, dho_executor_output(executor, f->student.heads[0]),
           (size_t)count * CLASSES * sizeof *out);
    dho_executor_destroy(&executor);
}

START_TEST(test_same_outputs)
{
    fixture f;
    float plain[BATCH * CLASSES], folded[BATCH * CLASSES], few[FEW * CLASSES];
    float plain_few[FEW * CLASSES];
    double largest = 0;
    const struct engine *e = &engines[_i / MODELS];
    if (!fixture_create(&f, &models[_i % MODELS], e)) skip_test("%s", dho_error_message());
    run(&f, false, BATCH, plain);
    run(&f, true, BATCH, folded);
    run(&f, true, FEW, few);
    for (int i = 0; i < BATCH * CLASSES; i++) largest = dho_larger(largest, fabs((double)plain[i]));
    for (int i = 0; i < BATCH * CLASSES; i++)
        ck_assert_float_eq_tol(plain[i], folded[i], e->tolerance * (float)largest);
    /* oneDNN without AVX-512 sums a product of few rows in another order. */
    run(&f, false, FEW, plain_few);
    if (memcmp(plain_few, plain, sizeof plain_few) == 0) ck_assert_mem_eq(few, folded, sizeof few);
    for (int i = 0; i < FEW * CLASSES; i++)
        ck_assert_float_eq_tol(few[i], folded[i], e->tolerance * (float)largest);
    fixture_free(&f);
}
END_TEST

/* A ReLU of another library might hide it. */
START_TEST(test_not_finite)
{
    fixture f;
    float out[BATCH * CLASSES];
    if (!fixture_create(&f, &models[0], &engines[_i])) skip_test("%s", dho_error_message());
    f.parameters[dho_graph_parameter(f.student.graph, 0)->offset] = NAN;
    run(&f, true, BATCH, out);
    ck_assert(!isfinite(out[0]));
    fixture_free(&f);
}
END_TEST

START_TEST(test_without_memory)
{
    fixture f;
    dho_executor *executor;
    int64_t failures = 0;
    if (!fixture_create(&f, &models[2], &engines[_i])) skip_test("%s", dho_error_message());
    const dho_executor_options options = {
        .compute = f.compute, .batch = BATCH, .parameters = f.parameters, .buffers = f.buffers};
    for (;; failures++) {
        dho_alloc_fail_at(failures + 1);
        const dho_status status = dho_executor_create(&executor, f.student.graph, &options);
        dho_alloc_fail_at(0);
        if (status == DHO_OK) break;
        ck_assert_int_eq(status, DHO_ERR_MEMORY);
    }
    ck_assert_int_gt(failures, 3);
    dho_executor_destroy(&executor);
    fixture_free(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fold");
    TCase *tests = tcase_create("fold");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, test_same_outputs, 0, ENGINES * MODELS);
    tcase_add_loop_test(tests, test_not_finite, 0, ENGINES);
    tcase_add_loop_test(tests, test_without_memory, 0, ENGINES);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
