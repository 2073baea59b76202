/* The first DHO step of a ResNet-18 whose 3x3 convolutions go Winograd's way, against PyTorch
 * (tests/golden/make_student_golden.py --wide, float64): logits, losses and some elements of every
 * gradient. Small in fp32, larger in bf16, where Winograd pays from more tiles on.
 *
 * fp32: 1e-4 of each tensor's largest value, as in test_golden.c. bf16: as close to float64 as
 * PyTorch's autocast is. */
#include "dho/distill.h"
#include "unit/train/golden_run.h"

#include "compute/fast/winograd.h"
#include "nn/executor_internal.h"
#include "nn/ops/conv.h"

#include <string.h>

enum { CLASSES = 5, LABELLED = 3, ROWS = 7, WIDTH = 32, SAMPLES = 1024 };

typedef struct fixture {
    golden_run run;
    float logits[2][ROWS * CLASSES];
    dho_loss_terms terms;
    int64_t seed, labels[LABELLED];
} fixture;

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
    for (int i = 0; i < f->run.student.graph->count; i++) {
        const dho_node_pass pass = dho_executor_pass(f->run.executor, i, ROWS);
        if (pass.node->op != &dho_conv_operator) continue;
        const dho_conv_shape shape = dho_conv_shape_of(&pass);
        if (dho_winograd_pays(f->run.compute, &shape)) count++;
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
    dho_executor_forward(f->run.executor, ROWS, f->run.images, f->run.parameters, NULL,
                         f->run.statistics);
    for (int h = 0; h < 2; h++) {
        heads[h] = dho_executor_output(f->run.executor, f->run.student.heads[h]);
        memcpy(f->logits[h], heads[h], sizeof f->logits[h]); /* backward reuses their memory */
        dheads[h] = dho_executor_output_gradient(f->run.executor, f->run.student.heads[h]);
    }
    f->terms = dho_objective_evaluate(&objective, ROWS, LABELLED, CLASSES, labels, f->run.teacher,
                                      heads, dheads);
    dho_executor_backward(f->run.executor, f->run.parameters, f->run.gradients);
}

static void open_fixture(fixture *f, const char *file, int size)
{
    char path[128];
    snprintf(path, sizeof path, "tests/golden/%s.safetensors", file);
    ck_assert_ok(dho_safetensors_open(&f->run.golden, path));
    const dho_student_options options = {.model = "resnet18",
                                         .width = WIDTH,
                                         .image_size = size,
                                         .classes = CLASSES,
                                         .dual_head = true};
    golden_run_open(&f->run, &options, ROWS);
    const dho_graph *graph = f->run.student.graph;
    golden_run_images(&f->run, f->run.image_floats);
    read_floats(f->run.golden, "teacher", f->run.teacher);
    ck_assert_ok(dho_tensor_to_int64(tensor_of(f->run.golden, "labels"), f->labels));
    ck_assert_ok(dho_tensor_to_int64(tensor_of(f->run.golden, "seed"), &f->seed));
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        draw_slot(slot, f->seed, f->run.parameters + slot->offset);
    }
    run_step(f);
}

static void close_fixture(fixture *f)
{
    golden_run_close(&f->run);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

/* A number of a parameter. */
static void read_of(const fixture *f, const char *prefix, const dho_slot *slot, float *out)
{
    char name[160];
    snprintf(name, sizeof name, "%s%s", prefix, slot->name);
    read_floats(f->run.golden, name, out);
}

/* The elements that the file keeps of a gradient, ours and PyTorch's; returns how many. */
static size_t samples_of(const fixture *f, const dho_slot *slot, float *ours, float *expected)
{
    const size_t count = slot->count < SAMPLES ? slot->count : SAMPLES;
    for (size_t i = 0; i < count; i++)
        ours[i] = f->run.gradients[slot->offset + i * slot->count / count];
    read_of(f, "gradient.", slot, expected);
    return count;
}

static void check_tensor(const fixture *f, const char *name, size_t count, const float *values)
{
    float expected[ROWS * CLASSES];
    read_floats(f->run.golden, name, expected);
    const double error = relative_error(count, values, expected, 0);
    ck_assert_msg(error <= 1e-4, "%s: relative error %g", name, error);
}

START_TEST(test_fp32)
{
    fixture f = {0};
    float ours[SAMPLES], expected[SAMPLES];
    if (dho_compute_create(&f.run.compute, backends[_i], DHO_DTYPE_FP32, 2) != DHO_OK)
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
    for (size_t i = 0; i < dho_graph_parameter_count(f.run.student.graph); i++) {
        const dho_slot *slot = dho_graph_parameter(f.run.student.graph, i);
        const double error =
            relative_error(samples_of(&f, slot, ours, expected), ours, expected, 0);
        ck_assert_msg(error <= 1e-4, "gradient of %s: relative error %g", slot->name, error);
        worst = dho_larger_or_nan(worst, error);
    }
    printf("%s: relative error of the gradients %.1e\n", dho_compute_kernels(f.run.compute)->name,
           worst);
    close_fixture(&f);
}
END_TEST

/* Bounds as in test_golden.c. */
START_TEST(test_bf16)
{
    fixture f = {0};
    float ours[SAMPLES], expected[SAMPLES], theirs[2], their_error;
    double logits[2] = {0}, gradients[2] = {0}, worst = 0;
    ck_assert_ok(dho_compute_create(&f.run.compute, DHO_BACKEND_AUTO, DHO_DTYPE_BF16, 2));
    open_fixture(&f, "resnet18_wide_bf16", 112);
    ck_assert_int_ge(count_winograd(&f), 4);
    for (int h = 0; h < 2; h++) {
        read_floats(f.run.golden, h == 0 ? "logits_ce" : "logits_kd", expected);
        add_distance(ROWS * CLASSES, f.logits[h], expected, logits);
    }
    for (size_t i = 0; i < dho_graph_parameter_count(f.run.student.graph); i++) {
        const dho_slot *slot = dho_graph_parameter(f.run.student.graph, i);
        const size_t count = samples_of(&f, slot, ours, expected);
        double sums[2] = {0};
        add_distance(count, ours, expected, sums);
        gradients[0] += sums[0], gradients[1] += sums[1];
        read_of(&f, "bf16_error.", slot, &their_error);
        const double ratio = sqrt(sums[0] / sums[1]) / (double)their_error;
        ck_assert_msg(ratio <= 1.5 * exp(4 / sqrt((double)count)),
                      "gradient of %s: %.2f times the error of PyTorch's bf16, which is %g",
                      slot->name, ratio, (double)their_error);
        worst = dho_larger_or_nan(worst, ratio);
    }
    read_floats(f.run.golden, "bf16_errors", theirs);
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
