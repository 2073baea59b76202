/* What pretrained students are trained with, against PyTorch (float64; make_regime_golden.py):
 * twenty steps of the method through the code that the trainer runs, on every backend. Frozen batch
 * normalisations and backbones, groups of parameters, clipping, label smoothing, drop path.
 *
 * Tolerance 1e-4 of each tensor's largest value. */
#include "dho/microbatch.h"
#include "dho/optim.h"
#include "unit/train/golden_run.h"

#include <string.h>

enum { CLASSES = 5, LABELLED = 4, ROWS = 10, STEPS = 20, TERMS = 3, MOST_SET = 6 };
static const double tolerance = 1e-4;

static const struct regime_student {
    const char *name, *model;
    int width, layers, size;
    double eps; /* of AdamW */
} resnet = {"resnet", "resnet18", 2, 0, 40, 1e-5}, vit = {"vit", "vit_s16", 16, 3, 32, 1e-3},
  convnext = {"convnext", "convnext_tiny", 4, 0, 32, 1e-3};

/* As in the script. */
static const struct regime_case {
    const char *name;
    const struct regime_student *student;
    const char *set[MOST_SET]; /* of the configuration */
    bool weighted;             /* class weights of the cross-entropy */
} cases[] = {
    {"frozen_norm", &resnet, {"student.batch_norm=frozen"}, false},
    {"linear_probe", &resnet, {"student.freeze=backbone"}, false},
    {"frozen_probe", &resnet, {"student.freeze=backbone", "student.batch_norm=frozen"}, false},
    {"groups", &resnet, {"train.weight_decay_on=matrices", "train.layer_decay=0.75"}, false},
    {"clip", &resnet, {"train.clip_grad=1.5"}, false},
    {"smoothing", &resnet, {"distill.label_smoothing=0.3"}, false},
    {"smoothing_weighted", &resnet, {"distill.label_smoothing=0.2"}, true},
    {"all",
     &resnet,
     {"student.batch_norm=frozen", "train.weight_decay_on=matrices", "train.layer_decay=0.8",
      "train.clip_grad=1", "distill.label_smoothing=0.1"},
     false},
    {"vit_drop_path",
     &vit,
     {"student.drop_path=0.4", "train.weight_decay_on=matrices", "train.layer_decay=0.8"},
     false},
    {"convnext_drop_path", &convnext, {"student.drop_path=0.3"}, false},
};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct fixture {
    golden_run run;
    dho_config config;
    dho_parameter_groups groups;
    float *drops;
    int64_t labels[2 * LABELLED];
} fixture;

static void load_config(fixture *f, const struct regime_case *c)
{
    char size[64], model[64], eps[64];
    const char *overrides[MOST_SET + 6];
    size_t count = 0;
    snprintf(size, sizeof size, "data.image_size=%d", c->student->size);
    snprintf(model, sizeof model, "student.model=%s", c->student->model);
    snprintf(eps, sizeof eps, "train.eps=%g", c->student->eps);
    overrides[count++] = size;
    overrides[count++] = model;
    overrides[count++] = eps;
    overrides[count++] = "train.weight_decay=0.05";
    overrides[count++] = "student.init=weights";
    for (int i = 0; i < MOST_SET && c->set[i] != NULL; i++) overrides[count++] = c->set[i];
    ck_assert_ok(dho_config_parse(&f->config, "{}", 2, "test", overrides, count));
}

static void open_golden(dho_safetensors **out, const char *name, const char *behind)
{
    char path[128];
    snprintf(path, sizeof path, "tests/golden/%s%s.safetensors", name, behind);
    ck_assert_ok(dho_safetensors_open(out, path));
}

/* The ResNet's weights and images are test_trajectory.c's, with statistics of its own. */
static void open_inputs(fixture *f, const struct regime_case *c)
{
    dho_safetensors *own, *shared;
    char name[64];
    const dho_graph *graph = f->run.student.graph;
    const bool borrows = c->student == &resnet;
    snprintf(name, sizeof name, "regime_%s", c->student->name);
    open_golden(&own, name, "_inputs");
    open_golden(&shared, borrows ? "trajectory" : name, "_inputs");
    snprintf(name, sizeof name, "regime_%s", c->name);
    open_golden(&f->run.golden, name, "");
    ck_assert_ok(dho_state_dict_load(shared, graph, false, "", f->run.parameters));
    ck_assert_ok(dho_state_dict_load(own, graph, true, "", f->run.buffers));
    read_floats(shared, "images", f->run.images);
    read_floats(shared, "teacher", f->run.teacher);
    ck_assert_ok(dho_tensor_to_int64(dho_safetensors_find(shared, "labels"), f->labels));
    const int drops = dho_graph_drop_count(graph);
    if (drops > 0) {
        f->drops = slab((size_t)(2 * ROWS * drops));
        read_floats(f->run.golden, "drops", f->drops);
    }
    dho_safetensors_close(&own);
    dho_safetensors_close(&shared);
}

static void open_fixture(fixture *f, const struct regime_case *c, dho_backend backend)
{
    *f = (fixture){0};
    load_config(f, c);
    ck_assert_ok(dho_compute_create(&f->run.compute, backend, DHO_DTYPE_FP32, 2));
    const struct regime_student *s = c->student;
    const dho_student_options options = {
        .model = s->model,
        .width = s->width,
        .layers = s->layers,
        .image_size = s->size,
        .classes = CLASSES,
        .dual_head = true,
        .freeze_backbone = f->config.student.freeze == DHO_FREEZE_BACKBONE,
        .freeze_batch_norm = f->config.student.batch_norm == DHO_BATCH_NORM_FROZEN,
        .drop_path = f->config.student.drop_path > 0};
    golden_run_open(&f->run, &options, ROWS);
    ck_assert_ok(dho_executor_prepare(f->run.executor, LABELLED)); /* of two passes */
    ck_assert_ok(dho_executor_prepare(f->run.executor, ROWS - LABELLED));
    ck_assert_ok(dho_parameter_groups_create(&f->groups, &f->config, f->run.student.graph));
    open_inputs(f, c);
}

static void close_fixture(fixture *f)
{
    dho_free(f->drops);
    dho_parameter_groups_free(&f->groups);
    dho_config_free(&f->config);
    golden_run_close(&f->run);
}

static double norm_of(const fixture *f)
{
    double sum = 0;
    for (size_t i = 0; i < f->run.floats; i++)
        sum += (double)f->run.gradients[i] * f->run.gradients[i];
    return sqrt(sum);
}

static dho_loss_terms run(fixture *f, const struct regime_case *c, int passes, int b)
{
    double weights[CLASSES] = {0.5, 1.5, 1, 0.25, 2};
    const dho_class_balance balance = {.weights = c->weighted ? weights : NULL,
                                       .smoothing = f->config.distill.label_smoothing};
    dho_objective objective = dho_objective_create(&f->config);
    int32_t labels[ROWS];
    objective.balance = &balance;
    for (int i = 0; i < ROWS; i++)
        labels[i] = i < LABELLED ? (int32_t)f->labels[b * LABELLED + i] : -1;
    const int drops = dho_graph_drop_count(f->run.student.graph);
    const dho_microbatch microbatch = {.executor = f->run.executor,
                                       .student = &f->run.student,
                                       .parameters = f->run.parameters,
                                       .buffers = f->run.buffers,
                                       .drops = drops > 0 ? f->drops + b * ROWS * drops : NULL,
                                       .passes = passes,
                                       .rows = ROWS,
                                       .labelled = LABELLED,
                                       .images = f->run.images + (size_t)b * f->run.image_floats,
                                       .labels = labels,
                                       .teacher_logits = f->run.teacher + b * ROWS * CLASSES};
    memset(f->run.gradients, 0, f->run.floats * sizeof *f->run.gradients);
    return dho_microbatch_run(&microbatch, &objective, f->run.gradients, f->run.statistics, NULL);
}

static void step(fixture *f, const struct regime_case *c, int s, const float *golden)
{
    const int passes = dho_microbatch_passes(&f->run.student, false, ROWS, LABELLED);
    const dho_loss_terms terms = run(f, c, passes, s % 2);
    const double norm = norm_of(f);
    const float found[TERMS] = {(float)terms.ce, (float)terms.total, (float)norm};
    for (int t = 0; t < TERMS; t++) {
        const double error = relative_error(1, &found[t], &golden[t], 0);
        ck_assert_msg(error <= tolerance, "step %d: relative error of number %d: %g", s, t, error);
    }
    const dho_update update = {.compute = f->run.compute,
                               .config = &f->config,
                               .groups = &f->groups,
                               .step = s + 1,
                               .lr = f->config.train.lr,
                               .gradient_scale =
                                   dho_gradient_scale(1, f->config.train.clip_grad, norm),
                               .gradients = f->run.gradients,
                               .parameters = f->run.parameters,
                               .moment1 = f->run.moment1,
                               .moment2 = f->run.moment2};
    /* In two parts, as two ranks would. */
    const size_t half = f->run.floats / 32 * 16;
    dho_update_range(&update, 0, half, 0);
    dho_update_range(&update, half, f->run.floats, half);
    if (f->config.student.batch_norm == DHO_BATCH_NORM_BATCH)
        dho_microbatch_move_statistics(f->run.buffer_floats, passes, 1, f->run.statistics,
                                       f->run.buffers);
}

static void run_case(const struct regime_case *c, dho_backend backend)
{
    fixture f;
    float golden[STEPS * TERMS];
    open_fixture(&f, c, backend);
    read_floats(f.run.golden, "losses", golden);
    for (int s = 0; s < STEPS; s++) step(&f, c, s, golden + s * TERMS);
    compare_after(&f.run, f.run.golden, c->name, STEPS, f.run.parameters, f.run.buffers);
    close_fixture(&f);
}

START_TEST(test_regime)
{
    const dho_backend backend = backends[_i % BACKENDS];
    skip_without(backend);
    run_case(&cases[_i / BACKENDS], backend);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* A frozen backbone keeps no activations for backward. */
START_TEST(test_frozen_memory)
{
    size_t bytes[2];
    dho_compute *compute;
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_BLIS, DHO_DTYPE_FP32, 1));
    for (int frozen = 0; frozen < 2; frozen++) {
        dho_student student;
        dho_executor *executor;
        const dho_student_options options = {.model = "resnet18",
                                             .width = 8,
                                             .image_size = 64,
                                             .classes = CLASSES,
                                             .dual_head = true,
                                             .freeze_backbone = frozen};
        ck_assert_ok(dho_student_create(&student, &options));
        ck_assert_ok(dho_executor_create(
            &executor, student.graph,
            &(dho_executor_options){.compute = compute, .batch = 8, .training = true}));
        bytes[frozen] = dho_executor_arena_bytes(executor);
        dho_executor_destroy(&executor);
        dho_student_destroy(&student);
    }
    printf("arena: %zu bytes, with a frozen backbone %zu\n", bytes[0], bytes[1]);
    ck_assert_uint_lt(2 * bytes[1], bytes[0]);
    dho_compute_destroy(&compute);
}
END_TEST

/* --- groups of published models, as timm and BEiT make them --- */

static const dho_parameter_group *group_at(const dho_parameter_groups *groups, size_t offset)
{
    for (size_t i = 0; i < groups->count; i++)
        if (groups->items[i].begin <= offset && offset < groups->items[i].end)
            return &groups->items[i];
    ck_abort_msg("no group at %zu", offset);
    return NULL;
}

static size_t check_model(FILE *file, const char *model)
{
    char word[64], name[128], set[96];
    double factor, decay;
    size_t checked = 0;
    dho_config config;
    dho_student student;
    dho_parameter_groups groups;
    snprintf(set, sizeof set, "student.model=%s", model);
    const char *const overrides[] = {set, "train.layer_decay=0.75", "train.weight_decay=0.05",
                                     "train.weight_decay_on=matrices"};
    ck_assert_ok(dho_config_parse(&config, "{}", 2, "test", overrides, 4));
    ck_assert_ok(dho_student_create(
        &student, &(dho_student_options){.model = model, .image_size = 224, .classes = CLASSES}));
    ck_assert_ok(dho_parameter_groups_create(&groups, &config, student.graph));
    rewind(file);
    while (fscanf(file, "%63s %127s %lf %lf", word, name, &factor, &decay) == 4) {
        if (strcmp(word, model) != 0) continue;
        size_t i = 0;
        while (strcmp(dho_graph_parameter(student.graph, i)->name, name) != 0)
            ck_assert_msg(++i < dho_graph_parameter_count(student.graph), "%s: no %s", model, name);
        const dho_parameter_group *group =
            group_at(&groups, dho_graph_parameter(student.graph, i)->offset);
        ck_assert_msg(fabs(group->lr_factor - factor) < 1e-9 * factor, "%s %s: factor %g, not %g",
                      model, name, group->lr_factor, factor);
        ck_assert_msg(group->weight_decay == decay, "%s %s: weight decay %g, not %g", model, name,
                      group->weight_decay, decay);
        checked++;
    }
    ck_assert_uint_eq(checked, dho_graph_parameter_count(student.graph));
    dho_parameter_groups_free(&groups);
    dho_student_destroy(&student);
    dho_config_free(&config);
    return checked;
}

START_TEST(test_published_groups)
{
    static const char *const models[] = {"vit_s16", "resnet18", "convnext_tiny"};
    FILE *file = fopen("tests/golden/regime_groups.txt", "r");
    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        printf("%s: %zu parameters as timm groups them\n", models[i], check_model(file, models[i]));
    fclose(file);
}
END_TEST

/* Everything in one group by default, so that an update is one call of a kernel. */
START_TEST(test_one_group)
{
    dho_config config;
    dho_student student;
    dho_parameter_groups groups;
    ck_assert_ok(dho_config_parse(&config, "{}", 2, "test", NULL, 0));
    ck_assert_ok(dho_student_create(
        &student, &(dho_student_options){
                      .model = "resnet18", .width = 4, .image_size = 32, .classes = CLASSES}));
    ck_assert_ok(dho_parameter_groups_create(&groups, &config, student.graph));
    ck_assert_uint_eq(groups.count, 1);
    ck_assert_uint_eq(groups.items[0].end, dho_graph_parameter_floats(student.graph));
    ck_assert_double_eq(groups.items[0].lr_factor, 1);
    ck_assert(dho_gradient_scale(3, 0, 1e9) == 1.0f / 3);
    ck_assert(dho_gradient_scale(3, 2, 1) == 1.0f / 3);
    ck_assert_double_eq_tol((double)dho_gradient_scale(4, 2, 8), 0.0625, 1e-7);
    dho_parameter_groups_free(&groups);
    dho_student_destroy(&student);
    dho_config_free(&config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("regime");
    for (int i = 0; i < CASES; i++) {
        TCase *tests = tcase_create(cases[i].name); /* CK_RUN_CASE=clip: only that one */
        tcase_set_timeout(tests, 120);
        tcase_add_loop_test(tests, test_regime, i * BACKENDS, (i + 1) * BACKENDS);
        suite_add_tcase(suite, tests);
    }
    TCase *parts = dho_check_case(suite, "parts");
    tcase_add_test(parts, test_frozen_memory);
    tcase_add_test(parts, test_published_groups);
    tcase_add_test(parts, test_one_group);
    return dho_check_run(suite);
}
