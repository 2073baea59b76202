/* The first DHO step of a ResNet-18 whose 3x3 convolutions go Winograd's way, against PyTorch
 * (tests/golden/make_student_golden.py --wide, float64): logits, losses and some elements of every
 * gradient. Small in fp32, larger in bf16, where Winograd pays from more tiles on.
 *
 * fp32: 1e-4 of each tensor's largest value, as in test_golden.c. bf16: as close to float64 as
 * PyTorch's autocast is. */
#include "base/compare.h"
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/safetensors.h"
#include "dho/student.h"

#include "compute/fast/winograd.h"
#include "nn/executor_internal.h"
#include "nn/ops/conv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = 5, LABELLED = 3, ROWS = 7, WIDTH = 32, SAMPLES = 1024 };

typedef struct fixture {
    dho_safetensors *golden;
    dho_compute *compute;
    dho_student student;
    dho_executor *executor;
    float *parameters, *gradients, *statistics;
    float *images; /* as the executor reads them */
    float logits[2][ROWS * CLASSES];
    dho_loss_terms terms;
    float teacher[ROWS * CLASSES];
    int64_t seed, labels[LABELLED];
} fixture;

static float *slab(size_t floats)
{
    float *block;
    ck_assert_ok(dho_alloc_zero(&block, floats, sizeof *block, "test"));
    return block;
}

static const dho_tensor_view *tensor_of(const fixture *f, const char *prefix, const char *name)
{
    char whole[160];
    snprintf(whole, sizeof whole, "%s%s", prefix, name);
    const dho_tensor_view *tensor = dho_safetensors_find(f->golden, whole);
    ck_assert_msg(tensor != NULL, "%s is not in the golden file", whole);
    return tensor;
}

/* Number i in [-0.5, 0.5) of a parameter: drawn() in the script. */
static float drawn(const char *name, int64_t seed, size_t i)
{
    uint32_t x = 2166136261u ^ (uint32_t)seed;
    for (; *name != '\0'; name++) x = (x ^ (uint8_t)*name) * 16777619u;
    x += (uint32_t)i;
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return (float)((x ^ (x >> 16)) >> 8) / 16777216.0f - 0.5f;
}

/* draw_parameter() in the script. */
static void draw_slot(const dho_slot *slot, int64_t seed, float *out)
{
    const size_t length = strlen(slot->name);
    const bool is_scale =
        slot->dims == 1 && length >= 6 && strcmp(slot->name + length - 6, "weight") == 0;
    float spread = 1;
    if (slot->dims == 4)
        spread = (float)sqrt(24 / (double)(slot->shape[0] * slot->shape[2] * slot->shape[3]));
    if (slot->dims == 2) spread = (float)(2 / sqrt((double)slot->shape[1]));
    for (size_t i = 0; i < slot->count; i++)
        out[i] = drawn(slot->name, seed, i) * spread + (is_scale ? 1 : 0);
}

/* Convolutions of the graph that this context does by Winograd's way. */
static int count_winograd(const fixture *f)
{
    int count = 0;
    for (int i = 0; i < f->student.graph->count; i++) {
        const dho_node_pass pass = dho_executor_pass(f->executor, i, ROWS);
        if (pass.node->op != &dho_conv_operator) continue;
        const dho_conv_shape shape = dho_conv_shape_of(&pass);
        if (dho_winograd_pays(f->compute, &shape)) count++;
    }
    return count;
}

static void run_step(fixture *f)
{
    const dho_objective objective = {
        .method = DHO_METHOD_DHO, .temperature = 2, .lambda_ce = 1, .lambda_kd = 1};
    int32_t labels[LABELLED];
    const float *heads[2];
    float *dheads[2];
    for (int i = 0; i < LABELLED; i++) labels[i] = (int32_t)f->labels[i];
    dho_executor_forward(f->executor, ROWS, f->images, f->parameters, NULL, f->statistics);
    for (int h = 0; h < 2; h++) {
        heads[h] = dho_executor_output(f->executor, f->student.heads[h]);
        memcpy(f->logits[h], heads[h], sizeof f->logits[h]); /* backward reuses their memory */
        dheads[h] = dho_executor_output_gradient(f->executor, f->student.heads[h]);
    }
    f->terms = dho_objective_evaluate(&objective, ROWS, LABELLED, CLASSES, labels, f->teacher,
                                      heads, dheads);
    dho_executor_backward(f->executor, f->parameters, f->gradients);
}

static void open_fixture(fixture *f, const char *file, int size)
{
    char path[128];
    snprintf(path, sizeof path, "tests/golden/%s.safetensors", file);
    ck_assert_ok(dho_safetensors_open(&f->golden, path));
    const dho_student_options options = {.model = "resnet18",
                                         .width = WIDTH,
                                         .image_size = size,
                                         .classes = CLASSES,
                                         .dual_head = true};
    ck_assert_ok(dho_student_create(&f->student, &options));
    const dho_executor_options execution = {.compute = f->compute, .batch = ROWS, .training = true};
    ck_assert_ok(dho_executor_create(&f->executor, f->student.graph, &execution));
    const dho_graph *graph = f->student.graph;
    f->parameters = slab(dho_graph_parameter_floats(graph));
    f->gradients = slab(dho_graph_parameter_floats(graph));
    f->statistics = slab(dho_graph_buffer_floats(graph));
    const size_t image_floats = (size_t)(ROWS * size * size * 3);
    float *pixels = slab(image_floats);
    f->images = slab(image_floats);
    dho_tensor_to_float(tensor_of(f, "", "images"), pixels);
    dho_compute_kernels(f->compute)->store(f->compute, image_floats, pixels, f->images);
    dho_free(pixels);
    dho_tensor_to_float(tensor_of(f, "", "teacher"), f->teacher);
    ck_assert_ok(dho_tensor_to_int64(tensor_of(f, "", "labels"), f->labels));
    ck_assert_ok(dho_tensor_to_int64(tensor_of(f, "", "seed"), &f->seed));
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        draw_slot(slot, f->seed, f->parameters + slot->offset);
    }
    run_step(f);
}

static void close_fixture(fixture *f)
{
    float *const slabs[] = {f->parameters, f->gradients, f->statistics, f->images};
    for (size_t i = 0; i < sizeof slabs / sizeof *slabs; i++) dho_free(slabs[i]);
    dho_executor_destroy(&f->executor);
    dho_student_destroy(&f->student);
    dho_compute_destroy(&f->compute);
    dho_safetensors_close(&f->golden);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

/* The elements that the file keeps of a gradient, ours and PyTorch's; returns how many. */
static size_t samples_of(const fixture *f, const dho_slot *slot, float *ours, float *expected)
{
    const size_t count = slot->count < SAMPLES ? slot->count : SAMPLES;
    for (size_t i = 0; i < count; i++)
        ours[i] = f->gradients[slot->offset + i * slot->count / count];
    dho_tensor_to_float(tensor_of(f, "gradient.", slot->name), expected);
    return count;
}

/* max |a - b| / max |b| */
static double largest_error(size_t count, const float *a, const float *b)
{
    double error = 0, scale = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(a[i])) return INFINITY;
        error = dho_larger_or_nan(error, fabs((double)a[i] - b[i]));
        scale = dho_larger_or_nan(scale, fabs((double)b[i]));
    }
    return error / scale;
}

static void check_tensor(const fixture *f, const char *name, size_t count, const float *values)
{
    float expected[ROWS * CLASSES];
    dho_tensor_to_float(tensor_of(f, "", name), expected);
    const double error = largest_error(count, values, expected);
    ck_assert_msg(error <= 1e-4, "%s: relative error %g", name, error);
}

START_TEST(test_fp32)
{
    static const dho_backend backends[] = {DHO_BACKEND_REF, DHO_BACKEND_BLIS, DHO_BACKEND_ONEDNN};
    fixture f = {0};
    float ours[SAMPLES], expected[SAMPLES];
    if (dho_compute_create(&f.compute, backends[_i], DHO_DTYPE_FP32, 2) != DHO_OK)
        skip_test("%s", dho_error_message());
    open_fixture(&f, "resnet18_wide", 40);
    if (backends[_i] != DHO_BACKEND_REF)
        ck_assert_int_ge(count_winograd(&f), 4); /* the first stage */
    const float losses[3] = {(float)f.terms.ce, (float)f.terms.kd_labelled,
                             (float)f.terms.kd_unlabelled};
    check_tensor(&f, "logits_ce", ROWS * CLASSES, f.logits[0]);
    check_tensor(&f, "logits_kd", ROWS * CLASSES, f.logits[1]);
    check_tensor(&f, "losses", 3, losses);
    double worst = 0;
    for (size_t i = 0; i < dho_graph_parameter_count(f.student.graph); i++) {
        const dho_slot *slot = dho_graph_parameter(f.student.graph, i);
        const double error = largest_error(samples_of(&f, slot, ours, expected), ours, expected);
        ck_assert_msg(error <= 1e-4, "gradient of %s: relative error %g", slot->name, error);
        worst = dho_larger_or_nan(worst, error);
    }
    printf("%s: relative error of the gradients %.1e\n", dho_compute_kernels(f.compute)->name,
           worst);
    close_fixture(&f);
}
END_TEST

/* |a - b|^2 and |b|^2, added up. */
static void add_distance(size_t count, const float *a, const float *b, double sums[2])
{
    for (size_t i = 0; i < count; i++) {
        sums[0] += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        sums[1] += (double)b[i] * b[i];
    }
}

/* Bounds as in test_golden.c. */
START_TEST(test_bf16)
{
    fixture f = {0};
    float ours[SAMPLES], expected[SAMPLES], theirs[2], their_error;
    double logits[2] = {0}, gradients[2] = {0}, worst = 0;
    if (dho_compute_create(&f.compute, DHO_BACKEND_AUTO, DHO_DTYPE_BF16, 2) != DHO_OK)
        skip_test("%s", dho_error_message());
    open_fixture(&f, "resnet18_wide_bf16", 112);
    ck_assert_int_ge(count_winograd(&f), 4);
    for (int h = 0; h < 2; h++) {
        dho_tensor_to_float(tensor_of(&f, "", h == 0 ? "logits_ce" : "logits_kd"), expected);
        add_distance(ROWS * CLASSES, f.logits[h], expected, logits);
    }
    for (size_t i = 0; i < dho_graph_parameter_count(f.student.graph); i++) {
        const dho_slot *slot = dho_graph_parameter(f.student.graph, i);
        const size_t count = samples_of(&f, slot, ours, expected);
        double sums[2] = {0};
        add_distance(count, ours, expected, sums);
        gradients[0] += sums[0], gradients[1] += sums[1];
        dho_tensor_to_float(tensor_of(&f, "bf16_error.", slot->name), &their_error);
        const double ratio = sqrt(sums[0] / sums[1]) / (double)their_error;
        ck_assert_msg(ratio <= 1.5 * exp(4 / sqrt((double)count)),
                      "gradient of %s: %.2f times the error of PyTorch's bf16, which is %g",
                      slot->name, ratio, (double)their_error);
        worst = dho_larger_or_nan(worst, ratio);
    }
    dho_tensor_to_float(tensor_of(&f, "", "bf16_errors"), theirs);
    const double error[2] = {sqrt(logits[0] / logits[1]), sqrt(gradients[0] / gradients[1])};
    printf("bf16: relative error of the logits %.4f, PyTorch's %.4f; of the gradients %.3f, "
           "PyTorch's %.3f; of one at most %.2f times PyTorch's\n",
           error[0], (double)theirs[0], error[1], (double)theirs[1], worst);
    ck_assert_double_le(error[0], 1.5 * (double)theirs[0]);
    ck_assert_double_le(error[1], 1.5 * (double)theirs[1]);
    close_fixture(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden_wide");
    TCase *tests = tcase_create("golden_wide");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, test_fp32, 0, 3);
    tcase_add_test(tests, test_bf16);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
