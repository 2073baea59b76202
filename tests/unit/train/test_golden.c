/* One DHO trajectory of each student against PyTorch (tests/golden/make_student_golden.py,
 * float64): logits, losses, every gradient, ten AdamW steps, on every backend.
 *
 * Tolerance 1e-4 of each tensor's largest value: what the project promises for fp32. A ReLU that
 * float32 and float64 decide differently would exceed it; none does with these inputs. */
#include "dho/distill.h"
#include "unit/train/golden_run.h"

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
enum { CASES = sizeof cases / sizeof *cases };

typedef struct fixture {
    golden_run run;
    int64_t labels[2 * LABELLED];
} fixture;

static void open_fixture(fixture *f, const struct golden_case *c, dho_backend backend,
                         dho_compute_dtype dtype)
{
    char path[512];
    if (c->width > 0)
        snprintf(path, sizeof path, "tests/golden/%s_dho.safetensors", c->model);
    else
        snprintf(path, sizeof path, "%s/%s_full.safetensors", getenv("DHO_GOLDEN_FULL"), c->model);
    ck_assert_ok(dho_safetensors_open(&f->run.golden, path));
    ck_assert_ok(dho_compute_create(&f->run.compute, backend, dtype, 2));
    const dho_student_options options = {.model = c->model,
                                         .width = c->width,
                                         .layers = c->layers,
                                         .image_size = c->size,
                                         .classes = CLASSES,
                                         .dual_head = true};
    golden_run_open(&f->run, &options, ROWS);
    ck_assert_ok(dho_state_dict_load(f->run.golden, f->run.student.graph, false, "initial.",
                                     f->run.parameters));
    golden_run_images(&f->run, 2 * f->run.image_floats);
    read_floats(f->run.golden, "teacher", f->run.teacher);
    ck_assert_ok(dho_tensor_to_int64(tensor_of(f->run.golden, "labels"), f->labels));
}

static void compare_tensor(const fixture *f, const char *name, size_t count, const float *values)
{
    float expected[ROWS * CLASSES];
    read_floats(f->run.golden, name, expected);
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
    memset(f->run.gradients, 0, f->run.floats * sizeof(float));
    const size_t batch_bytes = ROWS * dho_executor_input_bytes(f->run.executor);
    dho_executor_forward(f->run.executor, ROWS,
                         (const char *)f->run.images + (size_t)b * batch_bytes, f->run.parameters,
                         NULL, f->run.statistics);
    for (int h = 0; h < 2; h++) {
        heads[h] = dho_executor_output(f->run.executor, f->run.student.heads[h]);
        dheads[h] = dho_executor_output_gradient(f->run.executor, f->run.student.heads[h]);
    }
    return dho_objective_evaluate(&objective, ROWS, LABELLED, CLASSES, labels,
                                  f->run.teacher + b * ROWS * CLASSES, heads, dheads);
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
    const dho_kernels *kernels = dho_compute_kernels(f.run.compute);
    double gradient_error = 0;
    for (int s = 0; s < STEPS; s++) {
        const float *heads[2];
        const dho_loss_terms terms = step(&f, s % 2, heads);
        totals[s] = (float)terms.total;
        if (s == 0) compare_first(&f, terms, heads);
        dho_executor_backward(f.run.executor, f.run.parameters, f.run.gradients);
        if (s == 0)
            gradient_error = compare_slots(&f.run, f.run.golden, false, "gradient.",
                                           f.run.gradients, largest(f.run.floats, f.run.gradients));
        kernels->adamw(f.run.compute, f.run.floats,
                       &(dho_adamw_step){.step = s + 1,
                                         .lr = c->lr,
                                         .beta1 = 0.9,
                                         .beta2 = 0.999,
                                         .eps = c->eps,
                                         .weight_decay = 0.05,
                                         .gradient_scale = 1},
                       f.run.gradients, f.run.parameters, f.run.moment1, f.run.moment2);
        for (size_t i = 0; i < f.run.buffer_floats; i++)
            f.run.buffers[i] = 0.9f * f.run.buffers[i] + 0.1f * f.run.statistics[i];
    }
    const double weight_error =
        compare_slots(&f.run, f.run.golden, false, "final.", f.run.parameters,
                      largest(f.run.floats, f.run.parameters));
    const double buffer_error = compare_slots(&f.run, f.run.golden, true, "final.", f.run.buffers,
                                              largest(f.run.buffer_floats, f.run.buffers));
    read_floats(f.run.golden, "totals", golden_totals);
    ck_assert_double_le(relative_error(STEPS, totals, golden_totals, 1), tolerance);
    printf(
        "%s, %s: relative errors: gradients %.1e, weights after ten steps %.1e, statistics %.1e\n",
        c->model, kernels->name, gradient_error, weight_error, buffer_error);
    golden_run_close(&f.run);
}

START_TEST(test_trajectory)
{
    const dho_backend backend = backends[_i % BACKENDS];
    skip_without(backend);
    run_case(&cases[_i / BACKENDS], backend);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

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
    const dho_graph *graph = f->run.student.graph;
    double all[2] = {0}, worst = 0;
    ck_assert_ok(dho_state_dict_load(f->run.golden, graph, false, "gradient.", f->run.expected));
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const dho_slot *slot = dho_graph_parameter(graph, i);
        char name[160];
        float theirs;
        double own[2] = {0};
        add_distance(slot->count, f->run.gradients + slot->offset, f->run.expected + slot->offset,
                     own);
        all[0] += own[0], all[1] += own[1];
        snprintf(name, sizeof name, "bf16_error.%s", slot->name);
        read_floats(f->run.golden, name, &theirs);
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
    float theirs[2], expected[ROWS * CLASSES];
    double sums[2] = {0};
    open_fixture(&f, &cases[_i], DHO_BACKEND_AUTO, DHO_DTYPE_BF16);
    const float *heads[2];
    step(&f, 0, heads);
    for (int h = 0; h < 2; h++) {
        read_floats(f.run.golden, h == 0 ? "logits_ce" : "logits_kd", expected);
        add_distance(ROWS * CLASSES, heads[h], expected, sums);
    }
    dho_executor_backward(f.run.executor, f.run.parameters, f.run.gradients);
    read_floats(f.run.golden, "bf16_errors", theirs);
    const double ours = sqrt(sums[0] / sums[1]);
    printf("%s, bf16: relative error of the logits %.3f, PyTorch's %.3f\n", model, ours,
           (double)theirs[0]);
    ck_assert_double_le(ours, 1.5 * (double)theirs[0]);
    check_bf16_gradients(&f, model, (double)theirs[1]);
    golden_run_close(&f.run);
}
END_TEST

/* Published sizes, one step; the files are too large to keep: make_student_golden.py --full. */
static const struct golden_case full[] = {{"clip_vit_b16", 0, 0, 224, 0, 0},
                                          {"clip_rn50", 0, 0, 224, 0, 0}};

START_TEST(test_full)
{
    fixture f;
    const float *heads[2];
    const dho_backend backend = _i % 2 == 0 ? DHO_BACKEND_BLIS : DHO_BACKEND_ONEDNN;
    if (getenv("DHO_GOLDEN_FULL") == NULL)
        skip_test("%s at its published size (set DHO_GOLDEN_FULL)", full[_i / 2].model);
    skip_without(backend);
    open_fixture(&f, &full[_i / 2], backend, DHO_DTYPE_FP32);
    const dho_loss_terms terms = step(&f, 0, heads);
    compare_first(&f, terms, heads);
    dho_executor_backward(f.run.executor, f.run.parameters, f.run.gradients);
    /* With so many ReLUs some are decided otherwise than in float64, by PyTorch's fp32 as by ours.
     */
    const dho_graph *graph = f.run.student.graph;
    float theirs;
    double sums[2] = {0};
    read_floats(f.run.golden, "fp32_error", &theirs);
    ck_assert_ok(dho_state_dict_load(f.run.golden, graph, false, "gradient.", f.run.expected));
    add_distance(dho_graph_parameter_floats(graph), f.run.gradients, f.run.expected, sums);
    const double error = sqrt(sums[0] / sums[1]);
    printf("%s, %s, published size: relative error of the gradients %.1e, PyTorch's fp32 %.1e\n",
           full[_i / 2].model, dho_compute_kernels(f.run.compute)->name, error, (double)theirs);
    ck_assert_double_le(error, fmax(tolerance, 3 * (double)theirs));
    golden_run_close(&f.run);
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
