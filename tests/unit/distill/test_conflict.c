/* Gradient conflict: its blocks, its numbers, and that the two parts are the parts of the step's
 * gradient. */
#include "base/compare.h"
#include "dho/compute.h"
#include "dho/conflict.h"
#include "dho/microbatch.h"
#include "dho/rng.h"
#include "dho/student.h"
#include "floats.h"

#include <math.h>
#include <string.h>

enum { ROWS = 6, LABELLED = 2, CLASSES = 3, SIZE = 32 };

static void fill(dho_rng *rng, float scale, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) out[i] = scale * (float)dho_rng_normal(rng);
}

START_TEST(test_cosine_and_terms)
{
    const float a[3] = {1, 2, 2}, b[3] = {-2, 1, 0}, c[3] = {2, 4, 4}, zero[3] = {0};
    dho_conflict_terms terms = dho_conflict_of(3, a, b);
    ck_assert(terms.ce == 9 && terms.kd == 5 && terms.dot == 0);
    ck_assert_double_eq(dho_conflict_cosine(&terms), 0);
    terms = dho_conflict_of(3, a, c);
    ck_assert_double_eq_tol(dho_conflict_cosine(&terms), 1, 1e-15);
    terms = dho_conflict_of(3, a, zero);
    ck_assert_double_eq(dho_conflict_cosine(&terms), 0);
}
END_TEST

static void check_names(const char *model, bool dual, const char *const *expected, int count)
{
    dho_student student;
    dho_conflict_blocks blocks;
    const bool transformer = strstr(model, "vit") != NULL;
    const dho_student_options options = {.model = model,
                                         .width = transformer ? 64 : 8,
                                         .layers = transformer ? 2 : 0,
                                         .image_size = SIZE,
                                         .classes = CLASSES,
                                         .dual_head = dual};
    ck_assert_ok(dho_student_create(&student, &options));
    ck_assert_ok(dho_conflict_blocks_create(&blocks, student.graph));
    ck_assert_int_eq(blocks.count, count);
    for (int b = 0; b < count; b++) ck_assert_str_eq(blocks.names[b], expected[b]);
    dho_conflict_blocks_free(&blocks);
    ck_assert_allocations(dho_conflict_blocks_create(&blocks, student.graph));
    dho_conflict_blocks_free(&blocks);
    dho_student_destroy(&student);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

START_TEST(test_blocks)
{
    static const char *const resnet[] = {"conv1",    "bn1",      "layer1.0", "layer1.1",
                                         "layer2.0", "layer2.1", "layer3.0", "layer3.1",
                                         "layer4.0", "layer4.1", "head"};
    check_names("resnet18", true, resnet, 10);
    check_names("resnet18", false, resnet, 11);
    /* The first and the last of a transformer's parameters are not one block. */
    static const char *const vit[] = {"visual.conv1",
                                      "visual.class_embedding",
                                      "visual.positional_embedding",
                                      "visual.ln_pre",
                                      "visual.transformer.resblocks.0",
                                      "visual.transformer.resblocks.1",
                                      "visual.ln_post",
                                      "visual.proj"};
    check_names("clip_vit_b16", true, vit, 8);
}
END_TEST

typedef struct fixture {
    dho_compute *compute;
    dho_student student;
    dho_executor *executor;
    size_t floats, features;
    float *parameters, *buffers, *images, *gradients[3], *feature_gradients[3];
    float teacher[ROWS * CLASSES];
} fixture;

static void open_fixture(fixture *f, bool dual, dho_head_form head_kd)
{
    dho_rng rng;
    const dho_student_options options = {.model = "resnet18",
                                         .width = 4,
                                         .image_size = SIZE,
                                         .classes = CLASSES,
                                         .dual_head = dual,
                                         .head_forms = {DHO_HEAD_LINEAR, head_kd},
                                         .head_scale = 5};
    ck_assert_ok(dho_compute_create(&f->compute, DHO_BACKEND_REF, DHO_DTYPE_FP32, 1));
    ck_assert_ok(dho_student_create(&f->student, &options));
    const dho_executor_options execution = {.compute = f->compute, .batch = ROWS, .training = true};
    ck_assert_ok(dho_executor_create(&f->executor, f->student.graph, &execution));
    ck_assert_ok(dho_executor_prepare(f->executor, LABELLED)); /* separate forward */
    ck_assert_ok(dho_executor_prepare(f->executor, ROWS - LABELLED));
    f->floats = dho_graph_parameter_floats(f->student.graph);
    f->features = (size_t)ROWS * (size_t)f->student.feature_dim;
    f->parameters = slab(f->floats);
    f->buffers = slab(2 * dho_graph_buffer_floats(f->student.graph));
    f->images = slab(ROWS * SIZE * SIZE * 3);
    for (int i = 0; i < 3; i++) {
        f->gradients[i] = slab(f->floats);
        f->feature_gradients[i] = slab(f->features);
    }
    dho_graph_initialise(f->student.graph, 3, f->parameters, f->buffers);
    dho_rng_init(&rng, 5, DHO_RNG_TEST, 0, 0);
    fill(&rng, 1, ROWS * SIZE * SIZE * 3, f->images);
    fill(&rng, 2, ROWS * CLASSES, f->teacher);
}

static void close_fixture(fixture *f)
{
    dho_free(f->parameters);
    dho_free(f->buffers);
    dho_free(f->images);
    for (int i = 0; i < 3; i++) {
        dho_free(f->gradients[i]);
        dho_free(f->feature_gradients[i]);
    }
    dho_executor_destroy(&f->executor);
    dho_student_destroy(&f->student);
    dho_compute_destroy(&f->compute);
}

static void check_sum(size_t count, const float *const parts[3])
{
    double error = 0, scale = 0;
    for (size_t i = 0; i < count; i++) {
        error = dho_larger_or_nan(error,
                                  fabs((double)parts[0][i] - ((double)parts[1][i] + parts[2][i])));
        scale = dho_larger_or_nan(scale, fabs((double)parts[0][i]));
    }
    ck_assert_double_gt(scale, 0);
    ck_assert_double_le(error, 1e-5 * scale);
}

/* Gradients of the whole and of its two parts; capturing features changes no bit. */
START_TEST(test_parts_add_up)
{
    fixture f;
    const bool dual = (_i & 1) != 0, separate = (_i & 2) != 0;
    const int32_t labels[ROWS] = {2, 0, -1, -1, -1, -1};
    open_fixture(&f, dual, dual && separate ? DHO_HEAD_COSINE : DHO_HEAD_LINEAR);
    const dho_objective whole = {.method = dual ? DHO_METHOD_DHO : DHO_METHOD_SINGLE_HEAD,
                                 .temperature = 2,
                                 .lambda_ce = 1,
                                 .lambda_kd = 0.5f};
    const dho_objective parts[3] = {whole, dho_objective_only_ce(&whole),
                                    dho_objective_only_teacher(&whole)};
    const dho_microbatch microbatch = {.executor = f.executor,
                                       .student = &f.student,
                                       .parameters = f.parameters,
                                       .passes = separate ? 2 : 1,
                                       .rows = ROWS,
                                       .labelled = LABELLED,
                                       .images = f.images,
                                       .labels = labels,
                                       .teacher_logits = f.teacher};
    for (int p = 0; p < 3; p++)
        dho_microbatch_run(&microbatch, &parts[p], f.gradients[p], f.buffers,
                           f.feature_gradients[p]);
    check_sum(f.floats, (const float *const *)f.gradients);
    check_sum(f.features, (const float *const *)f.feature_gradients);
    /* Cross-entropy knows nothing of unlabelled rows, unless their batch statistics are shared;
     * at the features it never does. */
    const size_t split = (size_t)LABELLED * (size_t)f.student.feature_dim;
    for (size_t i = split; i < f.features; i++) ck_assert(f.feature_gradients[1][i] == 0);
    float *again = slab(f.floats);
    dho_microbatch_run(&microbatch, &whole, again, f.buffers, NULL);
    ck_assert_mem_eq(again, f.gradients[0], f.floats * sizeof *again);
    dho_free(again);
    close_fixture(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conflict");
    TCase *tests = tcase_create("conflict");
    tcase_add_test(tests, test_cosine_and_terms);
    tcase_add_test(tests, test_blocks);
    tcase_add_loop_test(tests, test_parts_add_up, 0, 4);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
