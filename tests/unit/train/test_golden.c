/* One DHO trajectory of each student against PyTorch (tests/golden/make_student_golden.py,
 * float64): logits, losses, every gradient, ten AdamW steps, on every backend.
 *
 * Tolerance 1e-4 of each tensor's largest value: what the project promises for fp32. A ReLU that
 * float32 and float64 decide differently would exceed it; none does with these inputs. */
#include "base/compare.h"
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/compute.h"
#include "dho/distill.h"
#include "dho/safetensors.h"
#include "dho/state_dict.h"
#include "dho/student.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = 5, LABELLED = 3, ROWS = 7, STEPS = 10 };
static const double tolerance = 1e-4;

/* As in the script. */
static const struct golden_case {
    const char *model;
    int width, layers, size;
    double lr, eps; /* of AdamW; the script says why */
} cases[] = {{"resnet18", 4, 0, 40, 1e-3, 1e-8},     {"resnet50", 3, 0, 33, 1e-4, 1e-8},
             {"mobilenet_v2", 2, 0, 33, 5e-5, 1e-2}, {"clip_vit_l14", 16, 3, 28, 1e-3, 1e-2},
             {"clip_rn50", 2, 0, 32, 1e-4, 1e-2},    {"vit_s16", 16, 3, 32, 1e-3, 1e-2},
             {"convnext_tiny", 4, 0, 64, 1e-3, 1e-4}};
static const dho_backend backends[] = {DHO_BACKEND_REF, DHO_BACKEND_BLIS, DHO_BACKEND_ONEDNN};
enum {
    CASES = sizeof cases / sizeof *cases,
    BACKENDS = sizeof backends / sizeof *backends,
};

typedef struct fixture {
    dho_safetensors *golden;
    dho_compute *compute;
    dho_student student;
    dho_executor *executor;
    float *parameters, *buffers, *gradients, *statistics, *moment1, *moment2, *expected;
    float *images; /* as the executor reads them */
    float *teacher;
    int64_t labels[2 * LABELLED];
} fixture;

static float *slab(size_t floats)
{
    float *block;
    ck_assert_ok(dho_alloc_zero(&block, floats, sizeof *block, "test"));
    return block;
}

static const dho_tensor_view *tensor_of(const fixture *f, const char *name)
{
    const dho_tensor_view *tensor = dho_safetensors_find(f->golden, name);
    ck_assert_msg(tensor != NULL, "%s is not in the golden file", name);
    return tensor;
}

static void open_fixture(fixture *f, const struct golden_case *c, dho_backend backend,
                         dho_compute_dtype dtype)
{
    char path[512];
    if (c->width > 0)
        snprintf(path, sizeof path, "tests/golden/%s_dho.safetensors", c->model);
    else
        snprintf(path, sizeof path, "%s/%s_full.safetensors", getenv("DHO_GOLDEN_FULL"), c->model);
    ck_assert_ok(dho_safetensors_open(&f->golden, path));
    ck_assert_ok(dho_compute_create(&f->compute, backend, dtype, 2));
    const dho_student_options options = {.model = c->model,
                                         .width = c->width,
                                         .layers = c->layers,
                                         .image_size = c->size,
                                         .classes = CLASSES,
                                         .dual_head = true};
    ck_assert_ok(dho_student_create(&f->student, &options));
    const dho_executor_options execution = {.compute = f->compute, .batch = ROWS, .training = true};
    ck_assert_ok(dho_executor_create(&f->executor, f->student.graph, &execution));
    const size_t floats = dho_graph_parameter_floats(f->student.graph);
    const size_t buffer_floats = dho_graph_buffer_floats(f->student.graph);
    f->parameters = slab(floats);
    f->gradients = slab(floats);
    f->moment1 = slab(floats);
    f->moment2 = slab(floats);
    f->expected = slab(floats + buffer_floats);
    f->buffers = slab(buffer_floats);
    f->statistics = slab(buffer_floats);
    const size_t image_floats = (size_t)(2 * ROWS * c->size * c->size * 3);
    float *pixels = slab(image_floats);
    f->images = slab(image_floats);
    f->teacher = slab(2 * ROWS * CLASSES);
    dho_graph_initialise(f->student.graph, 1, f->parameters, f->buffers);
    ck_assert_ok(
        dho_state_dict_load(f->golden, f->student.graph, false, "initial.", f->parameters));
    dho_tensor_to_float(tensor_of(f, "images"), pixels);
    dho_compute_kernels(f->compute)->store(f->compute, image_floats, pixels, f->images);
    dho_free(pixels);
    dho_tensor_to_float(tensor_of(f, "teacher"), f->teacher);
    ck_assert_ok(dho_tensor_to_int64(tensor_of(f, "labels"), f->labels));
}

static void close_fixture(fixture *f)
{
    float *const slabs[] = {f->parameters, f->buffers,  f->gradients, f->statistics, f->moment1,
                            f->moment2,    f->expected, f->images,    f->teacher};
    for (size_t i = 0; i < sizeof slabs / sizeof *slabs; i++) dho_free(slabs[i]);
    dho_executor_destroy(&f->executor);
    dho_student_destroy(&f->student);
    dho_compute_destroy(&f->compute);
    dho_safetensors_close(&f->golden);
}

static double largest(size_t count, const float *values)
{
    double scale = 0;
    for (size_t i = 0; i < count; i++) scale = dho_larger_or_nan(scale, fabs((double)values[i]));
    return scale;
}

/* max |a - b| / max |b|, or over `scale_of_zero` where b is zero but for float64's rounding. */
static double relative_error(size_t count, const float *a, const float *b, double scale_of_zero)
{
    double error = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(a[i])) return INFINITY;
        error = dho_larger_or_nan(error, fabs((double)a[i] - b[i]));
    }
    const double scale = largest(count, b);
    return error / (scale > 1e-12 ? scale : scale_of_zero);
}

static double compare_slots(fixture *f, bool buffers, const char *prefix, const float *values)
{
    double worst = 0;
    const dho_graph *graph = f->student.graph;
    ck_assert_ok(dho_state_dict_load(f->golden, graph, buffers, prefix, f->expected));
    const size_t count = buffers ? dho_graph_buffer_count(graph) : dho_graph_parameter_count(graph);
    const double scale = largest(
        buffers ? dho_graph_buffer_floats(graph) : dho_graph_parameter_floats(graph), f->expected);
    for (size_t i = 0; i < count; i++) {
        const dho_slot *slot = buffers ? dho_graph_buffer(graph, i) : dho_graph_parameter(graph, i);
        const double error =
            relative_error(slot->count, values + slot->offset, f->expected + slot->offset, scale);
        ck_assert_msg(error <= tolerance, "%s%s: relative error %g", prefix, slot->name, error);
        worst = dho_larger_or_nan(worst, error);
    }
    return worst;
}

static void compare_tensor(const fixture *f, const char *name, size_t count, const float *values)
{
    float expected[ROWS * CLASSES];
    dho_tensor_to_float(tensor_of(f, name), expected);
    const double error = relative_error(count, values, expected, 1);
    ck_assert_msg(error <= tolerance, "%s: relative error %g", name, error);
}

static dho_loss_terms step(fixture *f, int b, const float *heads[2])
{
    const dho_objective objective = {
        .method = DHO_METHOD_DHO, .temperature = 2, .lambda_ce = 1, .lambda_kd = 1};
    int32_t labels[LABELLED];
    float *dheads[2];
    for (int i = 0; i < LABELLED; i++) labels[i] = (int32_t)f->labels[b * LABELLED + i];
    memset(f->gradients, 0, dho_graph_parameter_floats(f->student.graph) * sizeof(float));
    const size_t batch_bytes = ROWS * dho_executor_input_bytes(f->executor);
    dho_executor_forward(f->executor, ROWS, (const char *)f->images + (size_t)b * batch_bytes,
                         f->parameters, NULL, f->statistics);
    for (int h = 0; h < 2; h++) {
        heads[h] = dho_executor_output(f->executor, f->student.heads[h]);
        dheads[h] = dho_executor_output_gradient(f->executor, f->student.heads[h]);
    }
    return dho_objective_evaluate(&objective, ROWS, LABELLED, CLASSES, labels,
                                  f->teacher + b * ROWS * CLASSES, heads, dheads);
}

static void compare_first(fixture *f, dho_loss_terms terms, const float *heads[2])
{
    const float losses[3] = {(float)terms.ce, (float)terms.kd_labelled, (float)terms.kd_unlabelled};
    compare_tensor(f, "logits_ce", ROWS * CLASSES, heads[0]);
    compare_tensor(f, "logits_kd", ROWS * CLASSES, heads[1]);
    compare_tensor(f, "losses", 3, losses);
}

static void run_case(const struct golden_case *c, dho_backend backend)
{
    fixture f;
    float totals[STEPS], golden_totals[STEPS];
    open_fixture(&f, c, backend, DHO_DTYPE_FP32);
    const dho_kernels *kernels = dho_compute_kernels(f.compute);
    double gradient_error = 0;
    for (int s = 0; s < STEPS; s++) {
        const float *heads[2];
        const dho_loss_terms terms = step(&f, s % 2, heads);
        totals[s] = (float)terms.total;
        if (s == 0) compare_first(&f, terms, heads);
        dho_executor_backward(f.executor, f.parameters, f.gradients);
        if (s == 0) gradient_error = compare_slots(&f, false, "gradient.", f.gradients);
        kernels->adamw(f.compute, dho_graph_parameter_floats(f.student.graph),
                       &(dho_adamw_step){.step = s + 1,
                                         .lr = c->lr,
                                         .beta1 = 0.9,
                                         .beta2 = 0.999,
                                         .eps = c->eps,
                                         .weight_decay = 0.05,
                                         .gradient_scale = 1},
                       f.gradients, f.parameters, f.moment1, f.moment2);
        for (size_t i = 0; i < dho_graph_buffer_floats(f.student.graph); i++)
            f.buffers[i] = 0.9f * f.buffers[i] + 0.1f * f.statistics[i];
    }
    const double weight_error = compare_slots(&f, false, "final.", f.parameters);
    const double buffer_error = compare_slots(&f, true, "final.", f.buffers);
    dho_tensor_to_float(tensor_of(&f, "totals"), golden_totals);
    ck_assert_double_le(relative_error(STEPS, totals, golden_totals, 1), tolerance);
    printf(
        "%s, %s: relative errors: gradients %.1e, weights after ten steps %.1e, statistics %.1e\n",
        c->model, kernels->name, gradient_error, weight_error, buffer_error);
    close_fixture(&f);
}

START_TEST(test_trajectory)
{
    const dho_backend backend = backends[_i % BACKENDS];
    dho_compute *compute;
    if (dho_compute_create(&compute, backend, DHO_DTYPE_FP32, 1) != DHO_OK)
        skip_test("%s", dho_error_message());
    dho_compute_destroy(&compute);
    run_case(&cases[_i / BACKENDS], backend);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
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

/* bf16: the first step is as close to float64 as PyTorch's autocast is. Both errors are one draw of
 * many roundings each, so that ours may be half as large again. For single gradients, the norms of
 * n roundings differ by a factor of exp(1 / sqrt(n)) from draw to draw, of which four are allowed.
 */
static double bf16_bound(double theirs, size_t count)
{
    return 1.5 * exp(4 / sqrt((double)count)) * theirs;
}

/* Each gradient, and all of them together. */
static void check_bf16_gradients(const fixture *f, const char *model, double all_theirs)
{
    const dho_graph *graph = f->student.graph;
    double all[2] = {0}, worst = 0;
    ck_assert_ok(dho_state_dict_load(f->golden, graph, false, "gradient.", f->expected));
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        char name[160];
        float theirs;
        double own[2] = {0};
        add_distance(slot->count, f->gradients + slot->offset, f->expected + slot->offset, own);
        all[0] += own[0], all[1] += own[1];
        snprintf(name, sizeof name, "bf16_error.%s", slot->name);
        dho_tensor_to_float(tensor_of(f, name), &theirs);
        if (theirs > 1) continue; /* nothing but rounding in theirs, too */
        const double ours = sqrt(own[0] / own[1]);
        ck_assert_msg(ours <= bf16_bound((double)theirs, slot->count),
                      "%s, bf16, gradient of %s: relative error %g, PyTorch's %g", model,
                      slot->name, ours, (double)theirs);
        if (slot->count >= 256) worst = dho_larger_or_nan(worst, ours / (double)theirs);
    }
    const double ours = sqrt(all[0] / all[1]);
    printf("%s, bf16: relative error of the gradients %.3f, PyTorch's %.3f; of one of 256 elements "
           "or more at most %.2f times PyTorch's\n",
           model, ours, all_theirs, worst);
    ck_assert_double_le(ours, 1.5 * all_theirs);
}

START_TEST(test_bf16)
{
    const char *model = cases[_i].model;
    fixture f;
    dho_compute *compute;
    float theirs[2], expected[ROWS * CLASSES];
    double sums[2] = {0};
    if (dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_BF16, 1) != DHO_OK)
        skip_test("%s", dho_error_message());
    dho_compute_destroy(&compute);
    open_fixture(&f, &cases[_i], DHO_BACKEND_AUTO, DHO_DTYPE_BF16);
    const float *heads[2];
    step(&f, 0, heads);
    for (int h = 0; h < 2; h++) {
        dho_tensor_to_float(tensor_of(&f, h == 0 ? "logits_ce" : "logits_kd"), expected);
        add_distance(ROWS * CLASSES, heads[h], expected, sums);
    }
    dho_executor_backward(f.executor, f.parameters, f.gradients);
    dho_tensor_to_float(tensor_of(&f, "bf16_errors"), theirs);
    const double ours = sqrt(sums[0] / sums[1]);
    printf("%s, bf16: relative error of the logits %.3f, PyTorch's %.3f\n", model, ours,
           (double)theirs[0]);
    ck_assert_double_le(ours, 1.5 * (double)theirs[0]);
    check_bf16_gradients(&f, model, (double)theirs[1]);
    close_fixture(&f);
}
END_TEST

/* Published sizes, one step; the files are too large to keep: make_student_golden.py --full. */
static const struct golden_case full[] = {{"clip_vit_b16", 0, 0, 224, 0, 0},
                                          {"clip_rn50", 0, 0, 224, 0, 0}};

START_TEST(test_full)
{
    fixture f;
    dho_compute *compute;
    const float *heads[2];
    const dho_backend backend = _i % 2 == 0 ? DHO_BACKEND_BLIS : DHO_BACKEND_ONEDNN;
    if (getenv("DHO_GOLDEN_FULL") == NULL)
        skip_test("%s at its published size (set DHO_GOLDEN_FULL)", full[_i / 2].model);
    if (dho_compute_create(&compute, backend, DHO_DTYPE_FP32, 1) != DHO_OK)
        skip_test("%s", dho_error_message());
    dho_compute_destroy(&compute);
    open_fixture(&f, &full[_i / 2], backend, DHO_DTYPE_FP32);
    const dho_loss_terms terms = step(&f, 0, heads);
    compare_first(&f, terms, heads);
    dho_executor_backward(f.executor, f.parameters, f.gradients);
    /* With so many ReLUs some are decided otherwise than in float64, by PyTorch's fp32 as by ours.
     */
    const dho_graph *graph = f.student.graph;
    float theirs;
    double sums[2] = {0};
    dho_tensor_to_float(tensor_of(&f, "fp32_error"), &theirs);
    ck_assert_ok(dho_state_dict_load(f.golden, graph, false, "gradient.", f.expected));
    add_distance(dho_graph_parameter_floats(graph), f.gradients, f.expected, sums);
    const double error = sqrt(sums[0] / sums[1]);
    printf("%s, %s, published size: relative error of the gradients %.1e, PyTorch's fp32 %.1e\n",
           full[_i / 2].model, dho_compute_kernels(f.compute)->name, error, (double)theirs);
    ck_assert_double_le(error, fmax(tolerance, 3 * (double)theirs));
    close_fixture(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden");
    for (int i = 0; i < CASES; i++) {
        TCase *tests = tcase_create(cases[i].model); /* CK_RUN_CASE=resnet50: only that one */
        tcase_set_timeout(tests, 120);
        tcase_add_loop_test(tests, test_trajectory, i * BACKENDS, (i + 1) * BACKENDS);
        tcase_add_loop_test(tests, test_bf16, i, i + 1);
        suite_add_tcase(suite, tests);
    }
    tcase_add_loop_test(dho_check_case(suite, "full"), test_full, 0, 4);
    return dho_check_run(suite);
}
