/* compat: reference beside the training scripts of the method's public code: the learning rate of
 * each step, AdamW's weights, PCGrad's joint gradient and the choice of alpha and beta are those of
 * the traces. */
#include "dho/distill.h"
#include "dho/evaluate.h"
#include "dho/optim.h"
#include "dho/student.h"
#include "train/chunk_sum.h"
#include "train/pcgrad.h"
#include "train/run_length.h"
#include "unit/train/public_trace.h"

enum { WEIGHTS = 16 };

/* The learning rate of each step, and AdamW's weights after all of them. */
START_TEST(test_course)
{
    float weights[WEIGHTS], gradients[WEIGHTS], moments[2][WEIGHTS] = {{0}};
    dho_student student;
    dho_parameter_groups groups;
    dho_compute *compute;
    open_trace(_i);
    const dho_student_options options = {
        .model = "resnet18", .width = 8, .image_size = 32, .classes = CLASSES};
    ck_assert_ok(dho_student_create(&student, &options));
    ck_assert_ok(dho_parameter_groups_create(&groups, &config, student.graph));
    ck_assert_int_eq(groups.count, 1); /* biases and normalisation shrink, too */
    dho_student_destroy(&student);
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, 1));
    const int64_t steps = dho_run_length_of(&config, labelled, unlabelled).total_steps;
    const dho_schedule schedule = dho_schedule_create(&config, steps);
    ck_assert_ok(dho_schedule_check(&schedule));
    ck_assert_int_eq(steps, (int64_t)json_array_size(at(trace, "lr")));
    for (uint32_t i = 0; i < WEIGHTS; i++) weights[i] = value(0, 0, i, OF_WEIGHT);
    for (int64_t t = 0; t < steps; t++) {
        const double lr = config.train.lr * dho_schedule_factor(&schedule, t);
        assert_near(lr, item(at(trace, "lr"), (size_t)t), 1e-10, 1e-12 * config.train.lr);
        for (uint32_t i = 0; i < WEIGHTS; i++) gradients[i] = value((uint32_t)t, 0, i, OF_GRADIENT);
        const dho_update update = {.compute = compute,
                                   .config = &config,
                                   .groups = &groups,
                                   .step = t + 1,
                                   .lr = lr,
                                   .gradient_scale = 1,
                                   .gradients = gradients,
                                   .parameters = weights,
                                   .moment1 = moments[0],
                                   .moment2 = moments[1]};
        dho_update_range(&update, 0, WEIGHTS, 0);
    }
    for (size_t i = 0; i < WEIGHTS; i++)
        assert_near(weights[i], item(at(trace, "weights"), i), 1e-6, 0);
    dho_parameter_groups_free(&groups);
    dho_compute_destroy(&compute);
    close_trace();
}
END_TEST

/* dho adds the two gradients as the paper has it; the published class takes their mean, which AdamW
 * does not notice. */
START_TEST(test_joined_gradients)
{
    float a[WEIGHTS], b[WEIGHTS];
    double chunks[1];
    open_trace(3);
    ck_assert_uint_le(dho_chunk_count(WEIGHTS), 1);
    for (uint32_t i = 0; i < WEIGHTS; i++) {
        a[i] = value(1, 0, i, OF_GRADIENT);
        b[i] = value(2, 0, i, OF_GRADIENT) - a[i];
    }
    dho_pcgrad_join(1, WEIGHTS, a, b, chunks);
    for (size_t i = 0; i < WEIGHTS; i++)
        assert_near(b[i], 2 * item(at(trace, "joined"), i), 1e-6, 1e-6);
    close_trace();
}
END_TEST

/* --- alpha and beta --- */

static void fill_outputs(dho_head_outputs *out)
{
    const int heads = dho_method_combines(config.method) ? 2 : 1;
    const size_t images = (size_t)number(at(trace, "choice"), "images");
    *out = (dho_head_outputs){.count = (int64_t)images, .classes = CLASSES};
    ck_assert_ok(dho_alloc(&out->labels, images, sizeof *out->labels, "labels"));
    for (int h = 0; h < heads; h++)
        ck_assert_ok(dho_alloc(&out->logits[h], images * CLASSES, sizeof(float), "logits"));
    for (uint32_t i = 0; i < images; i++) {
        out->labels[i] = label_of(0, i);
        for (uint32_t c = 0; c < CLASSES; c++) {
            const bool right = (int32_t)c == out->labels[i];
            out->logits[0][i * CLASSES + c] = value(0, i, c, OF_CE) + (right ? 2 : 0);
            if (heads == 2)
                out->logits[1][i * CLASSES + c] = value(0, i, c, OF_KD) + (right ? 1 : 0);
        }
    }
}

/* Hits of each alpha and beta of the script's grid, or of its fixed ones; the pair it chooses. */
START_TEST(test_choice)
{
    dho_head_outputs outputs;
    dho_accuracy *grid;
    open_trace(_i);
    const json_t *choice = at(trace, "choice"), *best = at(choice, "best");
    const bool searches = json_array_size(at(choice, "alphas")) > 1;
    const bool combines = dho_method_combines(config.method);
    const double one = 1, *alphas = &one, *betas = &one;
    const size_t alpha_count = json_array_size(at(choice, "alphas")),
                 beta_count = json_array_size(at(choice, "betas"));
    if (combines) {
        alphas = searches ? config.eval.alphas : &config.eval.alpha;
        betas = searches ? config.eval.betas : &config.eval.beta;
    }
    if (searches) {
        ck_assert_uint_eq(config.eval.alpha_count, alpha_count);
        ck_assert_uint_eq(config.eval.beta_count, beta_count);
    }
    fill_outputs(&outputs);
    ck_assert_ok(dho_alloc(&grid, alpha_count * beta_count, sizeof *grid, "grid"));
    ck_assert_ok(dho_outputs_sweep(&outputs, alphas, alpha_count, betas, beta_count, 1, grid));
    for (size_t b = 0; b < beta_count; b++) {
        assert_near(betas[b], item(at(choice, "betas"), b), 0, 1e-12);
        for (size_t a = 0; a < alpha_count; a++) {
            assert_near(alphas[a], item(at(choice, "alphas"), a), 0, 1e-12);
            ck_assert_int_eq(grid[a * beta_count + b].top1,
                             (int64_t)item(json_array_get(at(choice, "hits"), b), a));
        }
    }
    ck_assert_int_eq(config.eval.ties, DHO_TIES_FIRST);
    const size_t chosen =
        dho_sweep_best(grid, alphas, alpha_count, betas, beta_count, config.eval.ties);
    assert_near(alphas[chosen / beta_count], number(best, "alpha"), 0, 1e-12);
    assert_near(betas[chosen % beta_count], number(best, "beta"), 0, 1e-12);
    dho_head_outputs_free(&outputs);
    dho_free(grid);
    close_trace();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("public course");
    TCase *tests = tcase_create("public course");
    tcase_add_loop_test(tests, test_course, 0, SCRIPTS);
    tcase_add_test(tests, test_joined_gradients);
    tcase_add_loop_test(tests, test_choice, 0, SCRIPTS);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
