/* A checkpoint of the method's public code (tests/golden/make_clip_trajectory_golden.py wrote one
 * as that code does): student.init with init_head gives its logits, from the PyTorch file, from
 * what dho weights convert makes of it, and without DistributedDataParallel's prefix. */
#define _GNU_SOURCE
#include "base/compare.h"
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/compute.h"
#include "dho/file.h"
#include "dho/safetensors.h"
#include "dho/state_dict.h"
#include "dho/student.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CLASSES = 5, ROWS = 10, SIZE = 28, PIXELS = ROWS * SIZE * SIZE * 3 };
static const double tolerance = 1e-5; /* of the largest logit: fp32 against float64 */

static char folder[64];
static dho_student student;
static float *parameters, *images;

static void setup(void)
{
    dho_safetensors *inputs;
    const dho_student_options options = {.model = "clip_vit_l14",
                                         .width = 16,
                                         .layers = 2,
                                         .image_size = SIZE,
                                         .classes = CLASSES,
                                         .dual_head = true};
    snprintf(folder, sizeof folder, "/tmp/dho-test-public-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_ok(dho_student_create(&student, &options));
    ck_assert_ok(dho_alloc_zero(&parameters, dho_graph_parameter_floats(student.graph),
                                sizeof *parameters, "test"));
    ck_assert_ok(dho_alloc(&images, (size_t)2 * PIXELS, sizeof *images, "test"));
    ck_assert_ok(dho_safetensors_open(&inputs, "tests/golden/trajectory_clip_inputs.safetensors"));
    dho_tensor_to_float(dho_safetensors_find(inputs, "images"), images);
    dho_safetensors_close(&inputs);
}

static void teardown(void)
{
    dho_free(parameters);
    dho_free(images);
    dho_student_destroy(&student);
    ck_assert_ok(dho_remove_tree(folder));
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

static void check_head(dho_executor *executor, int head, const char *name)
{
    dho_safetensors *golden;
    float expected[ROWS * CLASSES];
    double error = 0, largest = 0;
    const float *found = dho_executor_output(executor, student.heads[head]);
    ck_assert_ok(dho_safetensors_open(&golden, "tests/golden/public_dho.safetensors"));
    dho_tensor_to_float(dho_safetensors_find(golden, name), expected);
    dho_safetensors_close(&golden);
    for (int i = 0; i < ROWS * CLASSES; i++) {
        error = dho_larger_or_nan(error, fabs((double)found[i] - expected[i]));
        largest = dho_larger_or_nan(largest, fabs((double)expected[i]));
    }
    printf("%s: largest logit %.3g, largest difference %.1e\n", name, largest, error);
    ck_assert_double_le(error, tolerance * largest);
}

static void check_file(const char *path)
{
    dho_weights *weights;
    dho_compute *compute;
    dho_executor *executor;
    dho_init_report report;
    dho_graph_initialise(student.graph, 1, parameters, NULL);
    ck_assert_ok(dho_weights_open(&weights, path, NULL));
    ck_assert_ok(dho_state_dict_init(weights, student.graph, true, parameters, NULL, &report));
    ck_assert_uint_eq(report.taken, dho_graph_parameter_count(student.graph));
    ck_assert_uint_eq(report.passed_over, 0);
    dho_weights_close(&weights);
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, 1));
    const dho_executor_options options = {.compute = compute, .batch = ROWS};
    ck_assert_ok(dho_executor_create(&executor, student.graph, &options));
    dho_executor_forward(executor, ROWS, images, parameters, NULL, NULL);
    check_head(executor, 0, "ce");
    check_head(executor, 1, "kd");
    dho_executor_destroy(&executor);
    dho_compute_destroy(&compute);
}

/* As dho weights convert does, --strip `prefix`. */
static void convert(const char *prefix, char path[128])
{
    dho_weights *weights;
    dho_tensor_view tensors[64];
    ck_assert_ok(dho_weights_open(&weights, "tests/golden/torch/public_dho.pt", NULL));
    ck_assert_str_eq(dho_weights_key(weights), "model_state_dict");
    const size_t count = dho_weights_count(weights);
    ck_assert_uint_le(count, 64);
    for (size_t i = 0; i < count; i++) {
        tensors[i] = *dho_weights_at(weights, i);
        ck_assert(strncmp(tensors[i].name, prefix, strlen(prefix)) == 0);
        tensors[i].name += strlen(prefix);
    }
    snprintf(path, 128, "%s/converted.safetensors", folder);
    ck_assert_ok(dho_safetensors_save(path, tensors, count, NULL, NULL));
    dho_weights_close(&weights);
}

START_TEST(test_public_checkpoint)
{
    static const char *const prefixes[] = {"", "module."};
    char path[128];
    check_file("tests/golden/torch/public_dho.pt");
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        convert(prefixes[i], path);
        check_file(path);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("public checkpoint");
    TCase *tests = tcase_create("public checkpoint");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_public_checkpoint);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
