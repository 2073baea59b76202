/* Twenty training steps of the method against PyTorch (float64), through the code that the trainer
 * runs: stacked and separate forward, both weightings of the losses, cosine heads, feature
 * baselines, schedules; every backend. A ResNet (tests/golden/make_trajectory_golden.py), with it
 * the methods that the paper compares with (make_baseline_golden.py), and a tower like CLIP's,
 * whose distillation head is the method's, 100 (W f/|f| + b) with b from 0
 * (make_clip_trajectory_golden.py, which has the formulas only).
 *
 * Tolerance 1e-4 of each tensor's largest value, on every parameter. The average of the weights
 * over the steps of "semi" is compared, too (make_ema_golden.py). */
#include "dho/microbatch.h"
#include "dho/optim.h"
#include "train/chunk_sum.h"
#include "train/ema.h"
#include "train/pcgrad.h"
#include "unit/train/golden_run.h"

#include <string.h>

enum { CLASSES = 5, LABELLED = 4, ROWS = 10, STEPS = 20, EMBEDDING = 6, WARMUP = 4, TERMS = 6 };
static const double tolerance = 1e-4, lr = 1e-3, weight_decay = 0.05;

/* As in the two scripts. */
static const struct trajectory_student {
    const char *inputs, *model;
    int width, layers, size;
    float head_scale;
    double eps; /* of AdamW; the scripts say why */
} resnet = {"trajectory_inputs", "resnet18", 2, 0, 40, 20, 1e-5},
  clip = {"trajectory_clip_inputs", "clip_vit_l14", 16, 2, 28, 100, 1e-3};

#define CASE(of, what, by, form, over, ce, kd, ...)                                         \
    {                                                                                       \
        .name = of, .student = what, .method = DHO_METHOD_##by, .head_kd = DHO_HEAD_##form, \
        .schedule = DHO_SCHEDULE_##over, .lambda_ce = ce, .lambda_kd = kd, __VA_ARGS__      \
    }
static const struct trajectory_case {
    const char *name;
    const struct trajectory_student *student;
    dho_method method;
    dho_head_form head_kd;
    bool separate;
    float lambda_ce, lambda_kd, lambda_feature;
    dho_feature_loss feature_loss;
    dho_schedule_kind schedule;
    dho_divergence divergence;
    dho_gradient_rule gradients;
    double ce_from, kd_until; /* 0 of kd_until: 1 */
    int hidden[2];            /* channels of the heads' hidden layers */
} cases[] = {
    CASE("semi", &resnet, DHO, COSINE, WARMUP_TIMES_COSINE, 1, 1, .separate = false),
    CASE("shots", &resnet, DHO, LINEAR, COSINE, 0.5f, 0.5f, .separate = false),
    CASE("semi_separate", &resnet, DHO, COSINE, WARMUP_TIMES_COSINE, 1, 1, .separate = true),
    CASE("fine_grained", &resnet, DHO, LINEAR, LINEAR, 0.5f, 0.5f, .separate = true),
    CASE("single_head", &resnet, SINGLE_HEAD, LINEAR, CONSTANT, 0.5f, 0.5f, .separate = true),
    CASE("feature", &resnet, FEATURE, LINEAR, COSINE, 1, 0, .lambda_feature = 2,
         .feature_loss = DHO_FEATURE_COSINE),
    CASE("clip_semi", &clip, DHO, COSINE, WARMUP_TIMES_COSINE, 1, 1, .separate = false),
    CASE("clip_shots", &clip, DHO, COSINE, COSINE, 0.5f, 0.5f, .separate = false),
    CASE("logit_feature", &resnet, LOGIT_FEATURE, LINEAR, COSINE, 1, 0.5f, .separate = true,
         .lambda_feature = 2),
    CASE("dkd", &resnet, SINGLE_HEAD, LINEAR, COSINE, 1, 0.5f, .separate = true,
         .divergence = DHO_DIVERGENCE_DKD),
    CASE("dkd_dho", &resnet, DHO, LINEAR, COSINE, 0.5f, 0.5f, .divergence = DHO_DIVERGENCE_DKD),
    CASE("wkd", &resnet, SINGLE_HEAD, LINEAR, COSINE, 1, 0.5f, .divergence = DHO_DIVERGENCE_WKD),
    CASE("wkd_dho", &resnet, DHO, LINEAR, COSINE, 0.5f, 0.5f, .divergence = DHO_DIVERGENCE_WKD),
    CASE("sskd", &resnet, SSKD, LINEAR, LINEAR, 1, 0.5f, .separate = true),
    CASE("dhkd", &resnet, DHKD, LINEAR, COSINE, 1, 0.5f, .separate = false),
    CASE("pcgrad", &resnet, SINGLE_HEAD, LINEAR, COSINE, 1, 0.75f, .separate = true,
         .gradients = DHO_GRADIENTS_PCGRAD),
    CASE("staged", &resnet, DHO, LINEAR, COSINE, 1, 1, .ce_from = 0.25, .kd_until = 0.75),
    CASE("hidden_kd", &resnet, DHO, LINEAR, COSINE, 0.5f, 0.5f, .hidden = {0, 7}),
    CASE("hidden_both", &resnet, DHO, LINEAR, COSINE, 1, 0.5f, .separate = true, .hidden = {6, 9}),
};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct fixture {
    golden_run run;
    dho_safetensors *inputs;
    float embeddings[2 * ROWS * EMBEDDING];
    int64_t labels[2 * LABELLED];
    dho_transport transport;
    double *scratch;
    float *ce_gradients; /* of pcgrad */
    double *chunks;
} fixture;

static const dho_slot *slot_of(const dho_graph *graph, const char *name)
{
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++)
        if (strcmp(dho_graph_parameter(graph, i)->name, name) == 0)
            return dho_graph_parameter(graph, i);
    ck_abort_msg("no parameter %s", name);
    return NULL;
}

static dho_student_options options_of(const struct trajectory_case *c)
{
    return (dho_student_options){.model = c->student->model,
                                 .width = c->student->width,
                                 .layers = c->student->layers,
                                 .image_size = c->student->size,
                                 .classes = CLASSES,
                                 .dual_head = dho_method_is_dual(c->method),
                                 .head_forms = {DHO_HEAD_LINEAR, c->head_kd},
                                 .head_scale = c->student->head_scale,
                                 .head_hidden = {c->hidden[0], c->hidden[1]},
                                 .projection = dho_method_uses_features(c->method) ? EMBEDDING : 0};
}

/* The inputs are of heads without hidden layers: what a head with one has starts from the script's
 * formula, all else as in the inputs. */
static void start_hidden(fixture *f, const struct trajectory_case *c)
{
    dho_student plain;
    dho_student_options options = options_of(c);
    options.head_hidden[0] = options.head_hidden[1] = 0;
    ck_assert_ok(dho_student_create(&plain, &options));
    float *values = slab(dho_graph_parameter_floats(plain.graph));
    ck_assert_ok(dho_state_dict_load(f->inputs, plain.graph, false, "", values));
    for (size_t i = 0; i < dho_graph_parameter_count(f->run.student.graph); i++) {
        const dho_slot *slot = dho_graph_parameter(f->run.student.graph, i);
        float *out = f->run.parameters + slot->offset;
        const bool ce = strncmp(slot->name, "head_ce.", 8) == 0,
                   kd = strncmp(slot->name, "head_kd.", 8) == 0;
        if ((ce && c->hidden[0] > 0) || (kd && c->hidden[1] > 0)) {
            if (strncmp(slot->name + 8, "norm.", 5) == 0) continue; /* 1 and 0 */
            for (size_t k = 0; k < slot->count; k++)
                out[k] = (float)((double)((k * 7919 + strlen(slot->name)) % 1013) / 1013 - 0.5);
            continue;
        }
        memcpy(out, values + slot_of(plain.graph, slot->name)->offset, slot->count * sizeof *out);
    }
    dho_free(values);
    dho_student_destroy(&plain);
}

static void open_inputs(fixture *f, const struct trajectory_case *c)
{
    char path[128];
    snprintf(path, sizeof path, "tests/golden/%s.safetensors", c->student->inputs);
    ck_assert_ok(dho_safetensors_open(&f->inputs, path));
    snprintf(path, sizeof path, "tests/golden/trajectory_%s.safetensors", c->name);
    ck_assert_ok(dho_safetensors_open(&f->run.golden, path));
    const dho_graph *graph = f->run.student.graph;
    if (c->hidden[0] + c->hidden[1] > 0)
        start_hidden(f, c);
    else
        ck_assert_ok(dho_state_dict_load(f->inputs, graph, false, "", f->run.parameters));
    if (c->head_kd == DHO_HEAD_COSINE) { /* as the method starts it */
        const dho_slot *bias = slot_of(graph, "head_kd.bias");
        memset(f->run.parameters + bias->offset, 0, bias->count * sizeof(float));
    }
    read_floats(f->inputs, "images", f->run.images);
    read_floats(f->inputs, "teacher", f->run.teacher);
    if (dho_method_uses_features(c->method) || c->divergence == DHO_DIVERGENCE_WKD)
        read_floats(f->inputs, "embedding", f->embeddings);
    ck_assert_ok(dho_tensor_to_int64(dho_safetensors_find(f->inputs, "labels"), f->labels));
}

static void open_fixture(fixture *f, const struct trajectory_case *c, dho_backend backend)
{
    ck_assert_ok(dho_compute_create(&f->run.compute, backend, DHO_DTYPE_FP32, 2));
    const dho_student_options options = options_of(c);
    golden_run_open(&f->run, &options, ROWS);
    ck_assert_ok(dho_executor_prepare(f->run.executor, LABELLED)); /* separate forward */
    ck_assert_ok(dho_executor_prepare(f->run.executor, ROWS - LABELLED));
    open_inputs(f, c);
    f->ce_gradients = slab(f->run.floats);
    ck_assert_ok(dho_alloc(&f->chunks, dho_chunk_count(f->run.floats), sizeof *f->chunks, "test"));
    dho_config config = {0};
    config.distill.wkd_sharpen = 1;
    config.distill.wkd_entropy = 0.05;
    config.distill.wkd_iterations = 10;
    ck_assert_ok(dho_transport_create(&f->transport, &config, CLASSES, EMBEDDING, f->embeddings));
    ck_assert_ok(
        dho_alloc(&f->scratch, dho_transport_scratch(&f->transport), sizeof *f->scratch, "test"));
}

static void close_fixture(fixture *f)
{
    dho_free(f->ce_gradients);
    dho_free(f->chunks);
    dho_free(f->scratch);
    dho_transport_free(&f->transport);
    dho_safetensors_close(&f->inputs);
    golden_run_close(&f->run);
}

/* As the trainer's step has them (train/step.c). */
static dho_loss_terms run_losses(fixture *f, const dho_microbatch *microbatch,
                                 const dho_objective *objective, dho_gradient_rule gradients)
{
    memset(f->run.gradients, 0, f->run.floats * sizeof *f->run.gradients);
    if (gradients == DHO_GRADIENTS_SUM)
        return dho_microbatch_run(microbatch, objective, f->run.gradients, f->run.statistics, NULL);
    const dho_objective ce = dho_objective_only_ce(objective);
    const dho_objective teacher = dho_objective_only_teacher(objective);
    memset(f->ce_gradients, 0, f->run.floats * sizeof *f->ce_gradients);
    const dho_loss_terms rest =
        dho_microbatch_run(microbatch, &teacher, f->run.gradients, f->run.statistics, NULL);
    dho_loss_terms terms =
        dho_microbatch_run(microbatch, &ce, f->ce_gradients, f->run.statistics, NULL);
    terms.total += rest.total;
    dho_pcgrad_join(2, f->run.floats, f->ce_gradients, f->run.gradients, f->chunks);
    return terms;
}

static dho_loss_terms step(fixture *f, const struct trajectory_case *c, int s)
{
    const int b = s % 2;
    const int passes = dho_microbatch_passes(&f->run.student, c->separate, ROWS, LABELLED);
    const dho_schedule schedule = {
        .kind = c->schedule, .total_steps = STEPS, .warmup_steps = WARMUP, .warmup_start = 0.01};
    const dho_objective whole = {.method = c->method,
                                 .temperature = 2,
                                 .lambda_ce = c->lambda_ce,
                                 .lambda_kd = c->lambda_kd,
                                 .lambda_feature = c->lambda_feature,
                                 .feature_loss = c->feature_loss,
                                 .divergence = c->divergence,
                                 .dkd_alpha = 1,
                                 .dkd_beta = 2,
                                 .wkd_weight = 30,
                                 .transport = &f->transport,
                                 .scratch = f->scratch,
                                 .ce_from = c->ce_from,
                                 .kd_until = c->kd_until > 0 ? c->kd_until : 1};
    const dho_objective objective = dho_objective_at(&whole, s, STEPS);
    int32_t labels[ROWS];
    for (int i = 0; i < ROWS; i++)
        labels[i] = i < LABELLED ? (int32_t)f->labels[b * LABELLED + i] : -1;
    const dho_microbatch microbatch = {.executor = f->run.executor,
                                       .student = &f->run.student,
                                       .parameters = f->run.parameters,
                                       .passes = passes,
                                       .rows = ROWS,
                                       .labelled = LABELLED,
                                       .images = f->run.images + (size_t)b * f->run.image_floats,
                                       .labels = labels,
                                       .teacher_logits = f->run.teacher + b * ROWS * CLASSES,
                                       .embeddings = f->embeddings + b * ROWS * EMBEDDING};
    const dho_loss_terms terms = run_losses(f, &microbatch, &objective, c->gradients);
    dho_compute_kernels(f->run.compute)
        ->adamw(f->run.compute, f->run.floats,
                &(dho_adamw_step){.step = s + 1,
                                  .lr = lr * dho_schedule_factor(&schedule, s),
                                  .beta1 = 0.9,
                                  .beta2 = 0.999,
                                  .eps = c->student->eps,
                                  .weight_decay = weight_decay,
                                  .gradient_scale = 1},
                f->run.gradients, f->run.parameters, f->run.moment1, f->run.moment2);
    dho_microbatch_move_statistics(f->run.buffer_floats, passes, 1, f->run.statistics,
                                   f->run.buffers);
    return terms;
}

/* The bias of a cosine head has moved from 0: outside the factor it would move at most as far, and
 * count a hundredth of it. `expected` holds the golden parameters. */
static void check_bias(const fixture *f, const char *name)
{
    const dho_slot *bias = slot_of(f->run.student.graph, "head_kd.bias");
    const float *found = f->run.parameters + bias->offset,
                *expected = f->run.expected + bias->offset;
    double moved = 0;
    for (size_t i = 0; i < bias->count; i++)
        moved = dho_larger_or_nan(moved, fabs((double)found[i]));
    printf("%s, %s: head_kd.bias up to %.1e, relative error %.1e\n", name,
           dho_compute_kernels(f->run.compute)->name, moved,
           relative_error(bias->count, found, expected, 0));
    ck_assert_double_gt(moved, 1e-3);
}

static void run_case(const struct trajectory_case *c, dho_backend backend)
{
    fixture f;
    float golden[STEPS * TERMS];
    open_fixture(&f, c, backend);
    read_floats(f.run.golden, "losses", golden);
    for (int s = 0; s < STEPS; s++) {
        const dho_loss_terms terms = step(&f, c, s);
        const bool kl = c->method != DHO_METHOD_FEATURE; /* the script computes it all the same */
        const float *g = golden + s * TERMS;
        const float expected[TERMS] = {g[0], kl ? g[1] : 0, kl ? g[2] : 0, g[3], g[4], g[5]};
        const float found[TERMS] = {(float)terms.ce,
                                    (float)terms.kd_labelled,
                                    (float)terms.kd_unlabelled,
                                    (float)terms.feature_labelled,
                                    (float)terms.feature_unlabelled,
                                    (float)terms.total};
        const double error = relative_error(TERMS, found, expected, 0);
        ck_assert_msg(error <= tolerance, "step %d: relative error of the losses %g", s, error);
    }
    compare_after(&f.run, f.run.golden, c->name, STEPS, f.run.parameters, f.run.buffers);
    if (c->head_kd == DHO_HEAD_COSINE) check_bias(&f, c->name);
    close_fixture(&f);
}

/* The decay is the script's. */
START_TEST(test_average)
{
    const double decay = 0.9;
    fixture f;
    dho_safetensors *golden;
    skip_without(backends[_i]);
    open_fixture(&f, &cases[0], backends[_i]);
    float *parameters = slab(f.run.floats), *buffers = slab(f.run.buffer_floats);
    memcpy(parameters, f.run.parameters, f.run.floats * sizeof *parameters);
    memcpy(buffers, f.run.buffers, f.run.buffer_floats * sizeof *buffers);
    for (int s = 0; s < STEPS; s++) {
        step(&f, &cases[0], s);
        dho_ema_update(f.run.floats, decay, f.run.parameters, parameters, 1 + s % 3);
        dho_ema_update(f.run.buffer_floats, decay, f.run.buffers, buffers, 1 + s % 3);
    }
    ck_assert_ok(dho_safetensors_open(&golden, "tests/golden/trajectory_ema.safetensors"));
    compare_after(&f.run, golden, "average", STEPS, parameters, buffers);
    dho_safetensors_close(&golden);
    dho_free(parameters);
    dho_free(buffers);
    close_fixture(&f);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_trajectory)
{
    const dho_backend backend = backends[_i % BACKENDS];
    skip_without(backend);
    run_case(&cases[_i / BACKENDS], backend);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trajectory");
    for (int i = 0; i < CASES; i++) {
        TCase *tests = tcase_create(cases[i].name); /* CK_RUN_CASE=semi: only that one */
        tcase_set_timeout(tests, 120);
        tcase_add_loop_test(tests, test_trajectory, i * BACKENDS, (i + 1) * BACKENDS);
        suite_add_tcase(suite, tests);
    }
    TCase *average = tcase_create("average");
    tcase_set_timeout(average, 120);
    tcase_add_loop_test(average, test_average, 0, BACKENDS);
    suite_add_tcase(suite, average);
    return dho_check_run(suite);
}
