/* Checkpoints of the method's public code. Of its ViTs (tests/golden/make_clip_trajectory_golden.py
 * wrote one as that code does): student.init with init_head gives the logits, from the PyTorch
 * file, from what dho weights convert makes of it, and without DistributedDataParallel's prefix. Of
 * its few-shot students: the names that its scripts save (tests/golden/make_public_traces.py), and
 * a file as they write it. tests/oracle/weights.sh has whole ones. */
#define _GNU_SOURCE
#include "base/compare.h"
#include "base/json.h"
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/compute.h"
#include "dho/file.h"
#include "dho/safetensors.h"
#include "dho/state_dict.h"
#include "dho/student.h"
#include "weights/tensor_names.h"

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

/* --- few-shot students --- */

/* Removes a name from the list, which must have it. */
static void take_name(json_t *names, const char *own)
{
    dho_tensor_names called;
    char name[256];
    if (strncmp(own, "head_ce", 7) == 0 || strncmp(own, "head_kd", 7) == 0)
        snprintf(name, sizeof name, "%.2s_head%s", own + 5, own + 7);
    else if (strncmp(own, "head", 4) == 0)
        snprintf(name, sizeof name, "%s", own);
    else {
        ck_assert(dho_tensor_names_of(DHO_NAMES_SEQUENTIAL, own, &called));
        snprintf(name, sizeof name, "backbone.%s", called.names[0]);
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        if (strcmp(json_string_value(json_array_get(names, i)), name) != 0) continue;
        json_array_remove(names, i);
        return;
    }
    ck_abort_msg("the script saves no %s (%s)", name, own);
}

/* A student's tensors are those of the script's, and it saves no others. */
static void check_names(const char *model, json_t *names)
{
    dho_student own;
    bool dual = false;
    size_t i;
    json_t *name;
    json_array_foreach(names, i, name) dual |= strstr(json_string_value(name), "kd_head") != NULL;
    const dho_student_options options = {
        .model = model, .width = 8, .image_size = 32, .classes = CLASSES, .dual_head = dual};
    ck_assert_ok(dho_student_create(&own, &options));
    for (i = 0; i < dho_graph_parameter_count(own.graph); i++)
        take_name(names, dho_graph_parameter(own.graph, i)->name);
    for (i = 0; i < dho_graph_buffer_count(own.graph); i++)
        take_name(names, dho_graph_buffer(own.graph, i)->name);
    json_array_foreach(names, i, name)
        ck_assert(strstr(json_string_value(name), ".num_batches_tracked") != NULL);
    dho_student_destroy(&own);
}

START_TEST(test_few_shot_names)
{
    json_t *scripts, *script, *names;
    const char *key, *model;
    int students = 0;
    ck_assert_ok(dho_json_load(&scripts, "tests/golden/public_traces/checkpoints.json", 1 << 20));
    json_object_foreach(scripts, key, script)
    {
        const json_t *first = json_array_get(json_object_get(script, "keys"), 0);
        ck_assert_str_eq(json_string_value(first), "model_state_dict");
        json_object_foreach(json_object_get(script, "models"), model, names)
        {
            check_names(model, names);
            students++;
        }
    }
    ck_assert_int_eq(students, 4);
    json_decref(scripts);
}
END_TEST

/* Its alpha and beta are NumPy's numbers. */
START_TEST(test_few_shot_file)
{
    dho_weights *weights;
    ck_assert_ok(dho_weights_open(&weights, "tests/golden/public_traces/small.pt", NULL));
    ck_assert_str_eq(dho_weights_key(weights), "model_state_dict");
    ck_assert_str_eq(dho_weights_other_keys(weights), "");
    ck_assert_uint_eq(dho_weights_count(weights), 10);
    ck_assert_ptr_nonnull(dho_weights_find(weights, "backbone.1.running_var"));
    ck_assert_ptr_nonnull(dho_weights_find(weights, "kd_head.bias"));
    dho_weights_close(&weights);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("public checkpoint");
    TCase *tests = tcase_create("public checkpoint");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_public_checkpoint);
    tcase_add_test(tests, test_few_shot_names);
    tcase_add_test(tests, test_few_shot_file);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
