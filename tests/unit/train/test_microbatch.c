/* One pass or two: who runs twice, and that it changes only the memory where nothing couples the
 * rows. */
#include "base/compare.h"
#include "dho/alloc.h"
#include "dho/microbatch.h"
#include "dho/rng.h"
#include "floats.h"

#include <math.h>
#include <string.h>

enum { ROWS = 7, LABELLED = 3, CLASSES = 5, SIZE = 32, EMBEDDING = 6 };

static dho_student open_student_of(const char *model, int size, dho_method method)
{
    dho_student student;
    const bool small = strncmp(model, "clip_vit", 8) == 0;
    const dho_student_options options = {.model = model,
                                         .width = small ? 64 : 8,
                                         .layers = small ? 3 : 0,
                                         .image_size = size,
                                         .classes = CLASSES,
                                         .dual_head = dho_method_is_dual(method),
                                         .head_scale = 5,
                                         .projection =
                                             dho_method_uses_features(method) ? EMBEDDING : 0};
    ck_assert_ok(dho_student_create(&student, &options));
    return student;
}

static dho_student open_student(const char *model, dho_method method)
{
    return open_student_of(model, SIZE, method);
}

START_TEST(test_passes)
{
    static const struct {
        const char *model;
        int stacked, separate;
    } cases[] = {
        {"resnet18", 1, 2}, {"mobilenet_v2", 1, 2}, {"clip_rn50", 1, 2}, {"clip_vit_b16", 2, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dho_student student = open_student(cases[i].model, DHO_METHOD_DHO);
        ck_assert_int_eq(dho_microbatch_passes(&student, false, 8, 4), cases[i].stacked);
        ck_assert_int_eq(dho_microbatch_passes(&student, true, 8, 4), cases[i].separate);
        ck_assert_int_eq(dho_microbatch_passes(&student, true, 8, 8), 1);
        ck_assert_int_eq(dho_microbatch_passes(&student, true, 8, 0), 1);
        dho_student_destroy(&student);
    }
    ck_assert_int_eq(dho_microbatch_largest_pass(1, 8, 3), 8);
    ck_assert_int_eq(dho_microbatch_largest_pass(2, 8, 3), 5);
    ck_assert_int_eq(dho_microbatch_largest_pass(2, 8, 6), 6);
}
END_TEST

/* The first layer that PyTorch refuses in training mode ("Expected more than 1 value per channel
 * when training") with one image: torchvision's resnet18, resnet50 and mobilenet_v2; of open_clip's
 * RN50 it is layer4.0.bn3, which here comes behind the shortcut's. */
START_TEST(test_one_value_per_channel)
{
    static const struct {
        const char *model;
        int size;
        const char *layer; /* NULL: each has more than one value */
    } cases[] = {{"resnet18", 32, "layer4.0.bn1: Expected more than 1 value per channel"},
                 {"resnet50", 32, "layer4.0.bn2: Expected more than 1 value per channel"},
                 {"mobilenet_v2", 32, "features.14.conv.1.1: Expected more than 1 value"},
                 {"clip_rn50", 32, "layer4.0.downsample.1: Expected more than 1 value"},
                 {"clip_vit_b16", 32, NULL},
                 {"resnet18", 33, NULL},
                 {"resnet18", 64, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dho_compute *compute;
        dho_executor *executor;
        dho_student student = open_student_of(cases[i].model, cases[i].size, DHO_METHOD_DHO);
        dho_executor_options options = {.batch = 1};
        ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_BLIS, DHO_DTYPE_FP32, 1));
        options.compute = compute;
        ck_assert_ok(dho_executor_create(&executor, student.graph, &options)); /* no training */
        dho_executor_destroy(&executor);
        options.training = true;
        ck_assert_ok(dho_microbatch_check(&student, 1, 2, 1));
        ck_assert_ok(dho_microbatch_check(&student, 2, 4, 2));
        if (cases[i].layer == NULL) {
            ck_assert_ok(dho_microbatch_check(&student, 1, 1, 1));
            ck_assert_ok(dho_microbatch_check(&student, 2, 2, 1));
        } else {
            ck_assert_fails(dho_microbatch_check(&student, 1, 1, 1), DHO_ERR_CONFIG,
                            cases[i].layer);
            ck_assert_fails(dho_microbatch_check(&student, 2, 4, 1), DHO_ERR_CONFIG,
                            "the labelled images' forward");
            ck_assert_fails(dho_microbatch_check(&student, 2, 4, 3), DHO_ERR_CONFIG,
                            "the unlabelled images' forward");
            ck_assert_fails(dho_executor_create(&executor, student.graph, &options), DHO_ERR_CONFIG,
                            cases[i].layer);
            options.batch = 2;
            ck_assert_ok(dho_executor_create(&executor, student.graph, &options));
            ck_assert_fails(dho_executor_prepare(executor, 1), DHO_ERR_CONFIG, cases[i].layer);
            dho_executor_destroy(&executor);
        }
        dho_compute_destroy(&compute);
        dho_student_destroy(&student);
    }
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

typedef struct inputs {
    float *parameters, *images, *teacher, *embeddings;
    int32_t labels[ROWS];
} inputs;

typedef struct result {
    dho_loss_terms terms;
    float *gradients, *features;
    size_t arena_bytes;
} result;

static result run(dho_compute *compute, const dho_student *student, dho_method method,
                  const inputs *in, int passes)
{
    result out;
    dho_executor *executor;
    const dho_executor_options execution = {.compute = compute,
                                            .batch =
                                                dho_microbatch_largest_pass(passes, ROWS, LABELLED),
                                            .training = true};
    ck_assert_ok(dho_executor_create(&executor, student->graph, &execution));
    if (passes == 2) ck_assert_ok(dho_executor_prepare(executor, ROWS - execution.batch));
    const dho_objective objective = {.method = method,
                                     .temperature = 2,
                                     .lambda_ce = 1,
                                     .lambda_kd = 0.5f,
                                     .lambda_feature = 0.5f};
    const dho_microbatch microbatch = {.executor = executor,
                                       .student = student,
                                       .parameters = in->parameters,
                                       .passes = passes,
                                       .rows = ROWS,
                                       .labelled = LABELLED,
                                       .images = in->images,
                                       .labels = in->labels,
                                       .teacher_logits = in->teacher,
                                       .embeddings = in->embeddings};
    out.gradients = slab(dho_graph_parameter_floats(student->graph));
    out.features = slab((size_t)ROWS * (size_t)student->feature_dim);
    out.terms = dho_microbatch_run(&microbatch, &objective, out.gradients, NULL, out.features);
    out.arena_bytes = dho_executor_arena_bytes(executor);
    dho_executor_destroy(&executor);
    return out;
}

static void check_equal(size_t count, const float *a, const float *b, double tolerance)
{
    double error = 0, scale = 0;
    for (size_t i = 0; i < count; i++) {
        error = dho_larger_or_nan(error, fabs((double)a[i] - (double)b[i]));
        scale = dho_larger_or_nan(scale, fabs((double)b[i]));
    }
    ck_assert_double_gt(scale, 0);
    ck_assert_double_le(error, tolerance * scale);
}

/* A transformer's losses and gradients do not care; fp32 by rounding, bf16 by its own. */
START_TEST(test_two_passes_are_one)
{
    static const dho_method methods[] = {DHO_METHOD_DHO, DHO_METHOD_SINGLE_HEAD,
                                         DHO_METHOD_LOGIT_FEATURE};
    const dho_method method = methods[_i / 2];
    const dho_compute_dtype dtype = _i % 2 == 0 ? DHO_DTYPE_FP32 : DHO_DTYPE_BF16;
    const double tolerance = dtype == DHO_DTYPE_FP32 ? 1e-5 : 1e-2;
    const size_t pixels = ROWS * SIZE * SIZE * 3;
    dho_compute *compute;
    if (dho_compute_create(&compute, DHO_BACKEND_AUTO, dtype, 2) != DHO_OK)
        skip_test("%s", dho_error_message());
    dho_student student = open_student("clip_vit_b16", method);
    inputs in = {.parameters = slab(dho_graph_parameter_floats(student.graph)),
                 .images = slab(pixels),
                 .teacher = random_slab(ROWS * CLASSES, 1),
                 .embeddings = random_slab(ROWS * EMBEDDING, 2),
                 .labels = {2, 0, 4, -1, -1, -1, -1}};
    float *floats = random_slab(pixels, 3);
    dho_compute_kernels(compute)->store(compute, pixels, floats, in.images);
    dho_graph_initialise(student.graph, 3, in.parameters, NULL);
    result one = run(compute, &student, method, &in, 1),
           two = run(compute, &student, method, &in, 2);
    const float terms[2][5] = {
        {(float)one.terms.ce, (float)one.terms.kd_labelled, (float)one.terms.kd_unlabelled,
         (float)one.terms.feature_unlabelled, (float)one.terms.total},
        {(float)two.terms.ce, (float)two.terms.kd_labelled, (float)two.terms.kd_unlabelled,
         (float)two.terms.feature_unlabelled, (float)two.terms.total}};
    check_equal(5, terms[1], terms[0], tolerance);
    check_equal(dho_graph_parameter_floats(student.graph), two.gradients, one.gradients, tolerance);
    check_equal((size_t)ROWS * (size_t)student.feature_dim, two.features, one.features, tolerance);
    ck_assert_double_le((double)two.arena_bytes, 0.65 * (double)one.arena_bytes); /* 4 rows of 7 */
    float *const slabs[] = {in.parameters, in.images,    in.teacher,    in.embeddings, floats,
                            one.gradients, one.features, two.gradients, two.features};
    for (size_t i = 0; i < sizeof slabs / sizeof *slabs; i++) dho_free(slabs[i]);
    dho_student_destroy(&student);
    dho_compute_destroy(&compute);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("microbatch");
    TCase *tests = tcase_create("microbatch");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_passes);
    tcase_add_test(tests, test_one_value_per_channel);
    tcase_add_loop_test(tests, test_two_passes_are_one, 0, 6);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
